// NATS, by both generations of its library.
const PACKAGES = ['nats', '@nats-io/transport-node']

const text = message => message && Buffer.from(message.data).toString()
/** Ours taken away: with us each message has headers. */
const headersOf = message => {
  const names = [...(message.headers?.keys() ?? [])].filter(name => name !== 'traceparent')
  return names.map(name => [name, message.headers.values(name)])
}

const scenes = library => ({
  async [`messages and requests by ${library}`](t) {
    const { connect, headers, createInbox } = await t.load(library)
    const nc = await connect({ servers: t.service('nats') })
    t.observe('connection has', Object.keys(nc), nc.constructor.name)
    const subject = t.unique('harm')
    const messages = []
    const subscription = nc.subscribe(subject, { max: 3 })
    t.observe('subscription has', Object.keys(subscription), subscription.getSubject(), subscription.getProcessed())
    const consumed = (async () => {
      for await (const message of subscription) {
        messages.push(message)
        t.observe(
          'message',
          message.constructor.name,
          Object.keys(message),
          message.subject,
          text(message),
          headersOf(message),
        )
        if (message.reply) t.observe('respond returns', message.respond('answer'))
      }
    })()
    const own = headers()
    own.append('own', '1')
    own.append('own', '2')
    t.observe('publish returns', nc.publish(subject, 'plain'), nc.publish(subject, 'with headers', { headers: own }))
    const answer = await t.outcome('request', async () =>
      text(await nc.request(subject, 'question', { timeout: 5000, headers: own })),
    )
    t.observe('answer', answer, [...own.keys()], own.values('own'))
    await consumed
    t.observe('count', messages.length, subscription.isClosed())
    let called
    const calledBack = new Promise(resolve => (called = resolve))
    const other = nc.subscribe(`${subject}.other`, { callback: t.heard('callback', () => called()) })
    nc.publish(`${subject}.other`)
    await calledBack
    other.unsubscribe()
    await t.outcome('request that nobody answers', () => nc.request(`${subject}.none`))
    await t.outcome('request that times out', async () => {
      nc.subscribe(`${subject}.slow`)
      return nc.request(`${subject}.slow`, '', { timeout: 20 })
    })
    for (const bad of [
      () => nc.publish(),
      () => nc.publish(5),
      () => nc.publish(subject, 'x', { headers: 'text' }),
      () => nc.request(),
      () => nc.subscribe(),
      () => nc.publish('with space'),
    ]) {
      await t.outcome('bad arguments', async () => typeof (await bad()))
    }
    t.observe('inbox', createInbox().startsWith('_INBOX.'))
    await t.outcome('flush', () => nc.flush())
    await t.outcome('drain', () => nc.drain())
    await t.outcome('publish afterwards', () => nc.publish(subject))
    await t.outcome('request afterwards', () => nc.request(subject))
  },

  async [`JetStream by ${library}`](t) {
    const { connect } = await t.load(library)
    const own = library === 'nats' ? undefined : await t.load('@nats-io/jetstream')
    const nc = await connect({ servers: t.service('nats') })
    const manager = own === undefined ? await nc.jetstreamManager() : await own.jetstreamManager(nc)
    const js = own === undefined ? nc.jetstream() : own.jetstream(nc)
    const stream = t.unique('harm')
    await manager.streams.add({ name: stream, subjects: [`${stream}.>`], storage: 'memory' })
    await manager.consumers.add(stream, { durable_name: 'worker', ack_policy: 'explicit' })
    for (const n of [1, 2, 3]) t.observe('publish', await js.publish(`${stream}.a`, String(n)))
    const consumer = await js.consumers.get(stream, 'worker')
    t.observe('consumer has', Object.keys(consumer))
    const next = await consumer.next({ expires: 1000 })
    t.observe('next', next.constructor.name, Object.keys(next), text(next), next.seq, next.redelivered, headersOf(next))
    t.observe('ack returns', next.ack())
    const messages = await consumer.consume({ max_messages: 2 })
    t.observe('messages have', Object.keys(messages), messages.constructor.name)
    for await (const message of messages) {
      t.observe('message', text(message), message.seq)
      t.observe('ackAck', await message.ackAck())
      if (message.seq === 3) break
    }
    await t.outcome('nothing', () => consumer.next({ expires: 1000 }))
    await t.outcome('publish to no stream', () => js.publish('no.such.stream', 'x', { timeout: 100 }))
    await manager.streams.delete(stream)
    await nc.close()
  },
})

module.exports = {
  services: ['nats'],
  libraries: [...PACKAGES, '@nats-io/jetstream'],
  scenes: Object.assign({}, ...PACKAGES.map(scenes)),
}
