/** Publishes messages to RabbitMQ and consumes them, in one process. */
const amqp = require('amqplib')
const { ready } = require('./control.cjs')

const IN_FLIGHT = 100

async function main() {
  const connection = await amqp.connect(process.env.BENCH_RABBITMQ_URL)
  const channel = await connection.createChannel()
  await channel.prefetch(IN_FLIGHT)
  const { queue } = await channel.assertQueue('', { exclusive: true })
  let consumed = 0
  let onConsumed = () => {}
  await channel.consume(queue, message => {
    channel.ack(message)
    consumed++
    onConsumed()
  })

  const body = Buffer.from(JSON.stringify({ order: 4711, items: ['bread', 'butter'] }))
  ready({}, messages => {
    const last = consumed + messages
    let published = consumed
    const publish = () => {
      while (published < last && published - consumed < IN_FLIGHT) {
        published++
        channel.sendToQueue(queue, body, { contentType: 'application/json' })
      }
    }
    return new Promise(resolve => {
      onConsumed = () => (consumed === last ? resolve() : publish())
      publish()
    })
  })
}

main()
