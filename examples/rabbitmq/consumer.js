/** Prints the greetings that arrive, until it is told to stop. */
const amqplib = require('amqplib')

const { RABBITMQ_URL = 'amqp://localhost' } = process.env
const QUEUE = 'greetings'

async function main() {
  const connection = await amqplib.connect(RABBITMQ_URL)
  const channel = await connection.createChannel()
  await channel.assertQueue(QUEUE)
  await channel.consume(QUEUE, message => {
    console.log(message.content.toString())
    channel.ack(message)
  })
  process.once('SIGTERM', () => connection.close())
}

main()
