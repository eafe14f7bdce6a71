// What an application does with amqplib, whichever version.
const { join } = require('node:path')

const body = Buffer.from('body')
// Not the confirmations and deliveries: the broker sends them in no order.
const CHANNEL = ['error', 'close', 'return', 'cancel']

/** A connection through a proxy that observes what RabbitMQ is sent. */
async function connected(t, library, connect) {
  const { decode, constants } = require(join(library, 'lib', 'defs'))
  const proxy = await t.proxy('RabbitMQ', t.service('rabbitmq'), bytes => framesOf(bytes, decode, constants))
  return { connection: await connect(proxy.url), proxy }
}

/** Frames by what is in them: with the trace, headers are longer. */
function framesOf(bytes, decode, { FRAME_METHOD, FRAME_HEADER }) {
  const frames = []
  // The protocol's name and version come first.
  for (let at = 8; at < bytes.length; ) {
    const [type, channel, size] = [bytes.readUInt8(at), bytes.readUInt16BE(at + 1), bytes.readUInt32BE(at + 3)]
    const payload = bytes.subarray(at + 7, at + 7 + size)
    at += size + 8
    if (type === FRAME_METHOD) {
      const id = payload.readUInt32BE(0)
      frames.push({ channel, id, fields: decode(id, payload.subarray(4)) })
    } else if (type === FRAME_HEADER) {
      const id = payload.readUInt16BE(0)
      frames.push({ channel, id, length: payload.readUInt32BE(8), fields: decode(id, payload.subarray(12)) })
    } else frames.push({ channel, type, payload: payload.toString('latin1') })
  }
  // What the client tells of itself, and when it beats, is none of our business.
  return frames.filter(({ channel }) => channel !== 0)
}

const seen = message =>
  message && {
    content: String(message.content),
    fields: { ...message.fields, consumerTag: undefined },
    properties: { ...message.properties, headers: { ...message.properties.headers } },
    inherits: Object.getPrototypeOf(message.properties.headers ?? {}) === Object.prototype,
  }

const called = (t, label, call) =>
  new Promise(resolve => {
    const result = call(t.heard(label, resolve))
    t.observe(`${label} returns`, result?.constructor?.name ?? result)
  })

const scenes = (name, library) => ({
  async 'the promise API'(t) {
    const { connect } = await t.load(name)
    const { connection, proxy } = await connected(t, library, connect)
    t.hear('connection', connection, ['error', 'close', 'blocked', 'unblocked'])
    t.observe('connection has', Reflect.ownKeys(connection).map(String))
    const queue = t.unique('harm')
    const channel = t.name(await connection.createConfirmChannel(), 'channel')
    t.hear('channel', channel, CHANNEL)
    t.observe('channel has', Reflect.ownKeys(channel).map(String))
    await t.outcome('assertQueue', () => channel.assertQueue(queue, { exclusive: true }))
    await t.outcome('prefetch', () => channel.prefetch(5))
    const options = Object.freeze({
      headers: Object.freeze({ own: 1 }),
      messageId: 'm',
      expiration: '60000',
      CC: 'other',
    })
    t.observe('publish returns', channel.publish('', queue, body, options))
    t.observe('sendToQueue returns', channel.sendToQueue(queue, body, undefined, t.heard('confirm')))
    await t.outcome('waitForConfirms', () => channel.waitForConfirms())
    t.observe('unconfirmed', channel.unconfirmed)
    const open = { headers: { own: 2 } }
    channel.publish('', 'nowhere', body, open)
    await t.outcome('waitForConfirms', () => channel.waitForConfirms())
    t.observe('given', options, open)
    const first = await t.outcome('get', () => channel.get(queue))
    t.observe('message', seen(first), Reflect.ownKeys(first))
    t.observe('nack returns', channel.nack(first, false, true))
    const messages = []
    let enough
    const consumed = new Promise(resolve => (enough = resolve))
    const { consumerTag } = await channel.consume(
      queue,
      function (message) {
        t.observe('consumer', this?.constructor?.name, seen(message))
        messages.push(message)
        if (messages.length === 2) enough()
        return 'ignored'
      },
      { consumerTag: 'own' },
    )
    t.observe('tag', consumerTag)
    await consumed
    t.observe('ack returns', channel.ack(messages[0]), channel.reject(messages[1], false))
    await t.outcome('cancel', () => channel.cancel(consumerTag))
    await t.outcome('get of nothing', () => channel.get(queue))
    channel.publish('', 'no-such-queue', body, { mandatory: true })
    await t.once(channel, 'return')
    await t.outcome('waitForConfirms', () => channel.waitForConfirms())
    for (const bad of [
      () => channel.publish('', queue),
      () => channel.publish('', queue, 'text'),
      () => channel.publish('', queue, body, { headers: 'text' }),
      () => channel.publish('', queue, body, { messageId: 5 }),
      () => channel.publish(undefined, queue, body),
      () => channel.ack(),
      () => channel.get(5),
    ]) {
      await t.outcome('bad arguments', bad)
    }
    t.listeners('channel', channel)
    t.listeners('connection', connection)
    await t.outcome('close', () => channel.close())
    await t.outcome('close twice', () => channel.close())
    await t.outcome('publish afterwards', () => channel.publish('', queue, body))
    await t.outcome('close of the connection', () => connection.close())
    await t.outcome('close twice', () => connection.close())
    await proxy.close()
  },

  async 'the callback API'(t) {
    const { connect } = await t.load(name === 'amqplib' ? 'amqplib/callback_api' : join(library, 'callback_api.js'))
    const open = url =>
      new Promise((resolve, reject) => {
        t.observe(
          'connect returns',
          connect(url, (error, connection) => (error ? reject(error) : resolve(connection))),
        )
      })
    const { connection, proxy } = await connected(t, library, open)
    t.hear('connection', connection, ['error', 'close'])
    const queue = t.unique('harm')
    let channel
    await called(
      t,
      'createConfirmChannel',
      heard => (channel = t.name(connection.createConfirmChannel(heard), 'channel')),
    )
    t.hear('channel', channel, CHANNEL)
    await called(t, 'assertQueue', heard => channel.assertQueue(queue, { exclusive: true }, heard))
    await called(t, 'sendToQueue', heard => channel.sendToQueue(queue, body, {}, heard))
    await called(t, 'get', heard =>
      channel.get(queue, { noAck: true }, (error, message) => heard(error, seen(message))),
    )
    await called(t, 'get of nothing', heard => channel.get(queue, {}, heard))
    let arrived
    const consumed = new Promise(resolve => (arrived = resolve))
    await called(t, 'consume', heard =>
      channel.consume(queue, message => arrived(message), { consumerTag: 'own' }, heard),
    )
    channel.publish('', queue, body, { headers: { own: 'x' } })
    const message = await consumed
    t.observe('message', seen(message))
    t.observe('ack returns', channel.ack(message))
    await called(t, 'waitForConfirms', heard => channel.waitForConfirms(heard))
    await called(t, 'cancel', heard => channel.cancel('own', heard))
    await called(t, 'checkQueue', heard => channel.checkQueue(queue, heard))
    for (const bad of [
      () => channel.get(queue),
      () => channel.consume(queue, 5),
      () => channel.publish('', queue, 5),
    ]) {
      await t.outcome('bad arguments', () => typeof bad())
    }
    await called(t, 'close', heard => channel.close(heard))
    await called(t, 'close of the connection', heard => connection.close(heard))
    await proxy.close()
  },

  async 'channels and connections that break'(t) {
    const { connect } = await t.load(name)
    const { connection, proxy } = await connected(t, library, connect)
    t.hear('connection', connection, ['error', 'close'])
    const channel = t.hear('channel', await connection.createConfirmChannel(), CHANNEL)
    channel.publish('no-such-exchange', '', body, {}, t.heard('confirm'))
    await new Promise(resolve => channel.on('close', resolve))
    await t.outcome('publish afterwards', () => channel.publish('', 'queue', body))
    await t.outcome('checkQueue', async () =>
      (await connection.createChannel()).on('error', () => {}).checkQueue('no-such-queue'),
    )
    const queue = t.unique('harm')
    const other = t.hear('other', await connection.createConfirmChannel(), CHANNEL)
    await other.assertQueue(queue, { exclusive: true })
    await other.consume(queue, message => t.observe('consumer', seen(message)))
    const cancelled = new Promise(resolve => other.on('cancel', resolve))
    await other.deleteQueue(queue)
    await cancelled
    other.publish('', 'nowhere', body, {}, t.heard('confirm'))
    proxy.cut()
    await new Promise(resolve => connection.on('close', resolve))
    await t.outcome('publish afterwards', () => other.publish('', 'queue', body))
    await t.outcome('refused', () => connect('amqp://127.0.0.1:1'))
    await t.outcome('no URL', () => connect('http://127.0.0.1'))
    await t.outcome('bad password', () => connect(t.service('rabbitmq').replace('guest:guest', 'guest:wrong')))
    await proxy.close()
  },
})

const crashes = name => ({
  async 'a consumer throws'(t) {
    const { connect } = await t.load(name)
    const connection = await connect(t.service('rabbitmq'))
    const channel = await connection.createChannel()
    const { queue } = await channel.assertQueue(t.unique('harm'), { exclusive: true })
    await channel.consume(queue, message => {
      t.observe('message', seen({ ...message, fields: {} }))
      throw new Error('of the application')
    })
    channel.sendToQueue(queue, body)
    await new Promise(resolve => setTimeout(resolve, 5_000))
  },

  async 'nobody hears that a channel breaks'(t) {
    const { connect } = await t.load(name)
    const connection = await connect(t.service('rabbitmq'))
    const channel = await connection.createChannel()
    t.observe('publish returns', channel.publish('no-such-exchange', '', body))
    await new Promise(resolve => setTimeout(resolve, 5_000))
  },
})

module.exports = { scenes, crashes }
