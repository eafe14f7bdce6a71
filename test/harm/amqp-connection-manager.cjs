// What an application does with amqp-connection-manager, whichever version.
const body = Buffer.from('body')
const OPTIONS = { heartbeatIntervalInSeconds: 5, reconnectTimeInSeconds: 0.05 }

async function managed(t, name) {
  const { connect } = await t.load(name)
  const proxy = await t.proxy('RabbitMQ', t.service('rabbitmq'), () => [])
  const manager = t.name(connect([proxy.url], OPTIONS), 'manager')
  const queue = t.unique('harm')
  const setup = channel => channel.assertQueue(queue, { durable: false, expires: 60_000 })
  const end = async () => {
    await t.outcome('close', () => manager.close())
    await proxy.close()
  }
  return { connect, proxy, manager, queue, setup, end }
}

const seen = ({ content, properties }) => [String(content), { ...properties.headers }]

const scenes = name => ({
  async 'messages before there is a connection, and after'(t) {
    const { manager, queue, setup, end } = await managed(t, name)
    const channel = t.name(manager.createChannel({ name: 'own', json: true, setup }), 'channel')
    t.observe('manager has', Reflect.ownKeys(manager).map(String))
    t.observe('channel has', Reflect.ownKeys(channel).map(String))
    const options = Object.freeze({ headers: Object.freeze({ own: 1 }), messageId: 'm' })
    const early = [
      t.outcome('publish', () => channel.publish('', queue, { a: 1 }, options)),
      t.outcome('sendToQueue', () => channel.sendToQueue(queue, { a: 2 })),
    ]
    t.observe('queue length', channel.queueLength())
    await Promise.all(early)
    t.observe('given', options)
    const messages = []
    const { consumerTag } = await channel.consume(
      queue,
      function (message) {
        t.observe('consumer', this?.constructor?.name, arguments.length, seen(message))
        messages.push(message)
        channel.ack(message)
      },
      { consumerTag: 'own', prefetch: 5 },
    )
    t.observe('tag', consumerTag)
    await new Promise(resolve => {
      t.observe('publish returns', channel.publish('', queue, { a: 3 }, {}, t.heard('publish', resolve)))
    })
    await t.until(() => messages.length === 3)
    t.listeners('channel', channel)
    t.listeners('manager', manager)
    await channel.cancel('own')
    await t.outcome('deleteQueue', () => channel.deleteQueue(queue))
    await t.outcome('close of the channel', () => channel.close())
    await end()
  },

  async 'a connection that breaks'(t) {
    const { proxy, manager, queue, setup, end } = await managed(t, name)
    const channel = manager.createChannel({ setup })
    await channel.waitForConnect()
    const got = []
    await channel.consume(queue, message => {
      got.push(String(message.content))
      channel.ack(message)
    })
    await t.outcome('publish', () => channel.sendToQueue(queue, 'before'))
    await t.until(() => got.length === 1)
    // Once this is answered, the acknowledgement has arrived.
    await channel.checkQueue(queue)
    const lost = t.once(manager, 'disconnect')
    const pending = t.outcome('unconfirmed', () => channel.publish('', `${queue}-none`, body))
    proxy.cut()
    await lost
    await pending
    await t.outcome('publish', () => channel.sendToQueue(queue, 'after'))
    await t.until(() => got.includes('after'))
    t.observe('got', got)
    await channel.cancelAll()
    await channel.deleteQueue(queue)
    await end()
  },

  async 'what fails'(t) {
    const { connect, manager, queue, setup, end } = await managed(t, name)
    const channel = manager.createChannel({ setup, publishTimeout: 5_000 })
    await channel.waitForConnect()
    await t.outcome('no content', () => channel.publish('', queue))
    await t.outcome('headers of text', () => channel.publish('', queue, body, { headers: 'text', timeout: 50 }))
    await t.outcome('options of null', () => channel.publish('', queue, body, null))
    await t.outcome('no URL', () => typeof connect())
    await channel.deleteQueue(queue)
    await t.outcome('close of the channel', () => channel.close())
    await t.outcome('ack afterwards', () => channel.ack({ fields: { deliveryTag: 1 } }))
    await end()
  },
})

module.exports = { scenes }
