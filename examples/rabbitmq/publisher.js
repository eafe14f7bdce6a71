/** Publishes three greetings and ends. */
const { trace } = require('@opentelemetry/api')
const amqplib = require('amqplib')

const { RABBITMQ_URL = 'amqp://localhost' } = process.env
const QUEUE = 'greetings'

async function main() {
  const connection = await amqplib.connect(RABBITMQ_URL)
  const channel = await connection.createConfirmChannel()
  await channel.assertQueue(QUEUE)
  // A script has no request that its messages belong to: a span made by hand holds them together in one trace.
  await trace.getTracer('example-rabbitmq').startActiveSpan('greet everybody', async span => {
    for (const name of ['Ada', 'Grace', 'Mary']) channel.sendToQueue(QUEUE, Buffer.from(`Hello, ${name}!`))
    await channel.waitForConfirms()
    span.end()
  })
  await connection.close()
}

main()
