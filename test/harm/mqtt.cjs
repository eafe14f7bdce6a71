// What an application does with MQTT.js, whichever version.
const seen = ({ cmd, topic, payload, qos, retain, dup, properties }) => ({
  cmd,
  topic: String(topic),
  payload: String(payload),
  qos,
  retain,
  dup,
  user: Object.fromEntries(Object.entries(properties?.userProperties ?? {}).filter(([key]) => key !== 'traceparent')),
})

const called = (t, label, call) =>
  new Promise(resolve =>
    t.observe(
      `${label} returns`,
      call((...args) =>
        resolve(
          t.observe(
            `${label} calls back`,
            args.map(arg => arg && (arg.cmd ?? arg)),
          ),
        ),
      ),
    ),
  )

const scenes = (library, version) => ({
  async [`messages of protocol ${version}`](t) {
    const { connect } = await t.load(library)
    const client = t.name(
      connect(t.service('mqtt'), { protocolVersion: version, clientId: t.unique('client') }),
      'client',
    )
    t.hear('client', client, ['reconnect', 'offline', 'disconnect', 'end', 'close'])
    // The broker may reset the connection that has ended.
    client.on('error', () => {})
    await t.once(client, 'connect')
    t.observe('client has', Reflect.ownKeys(client).map(String))
    const topic = t.unique('harm')
    await called(t, 'subscribe', heard =>
      client.subscribe(topic, { qos: 1 }, (error, granted) => heard(error, JSON.stringify(granted))),
    )
    const messages = []
    client.on('message', function (name, payload, packet) {
      messages.push(String(payload))
      t.observe('message', this === client, name, payload, seen(packet))
    })
    const arrived = count => t.until(() => messages.length === count)
    t.observe('publish returns', client.publish(topic, 'plain'))
    await arrived(1)
    const options = Object.freeze({
      qos: 1,
      properties: Object.freeze({ userProperties: Object.freeze({ own: 'x' }) }),
    })
    await called(t, 'publish', heard => client.publish(topic, 'with options', options, error => heard(error)))
    await arrived(2)
    await called(t, 'publish of bytes', heard =>
      client.publish(topic, Buffer.from('bytes'), { qos: 2 }, error => heard(error)),
    )
    await arrived(3)
    const open = { qos: 1, properties: { userProperties: { own: 'y' } } }
    await called(t, 'publish', heard => client.publish(topic, 'with open options', open, error => heard(error)))
    await arrived(4)
    t.observe('given', options, open)
    if (client.publishAsync) {
      await t.outcome('publishAsync', async () => (await client.publishAsync(topic, 'async', { qos: 1 }))?.cmd)
      await arrived(5)
    }
    for (const bad of [
      () => client.publish(),
      () => client.publish('#', 'x'),
      () => client.publish(topic, 'x', 'text'),
      () => client.subscribe(),
      () => client.publish(topic, 'x', null),
    ]) {
      await t.outcome('bad arguments', () => bad() === client)
    }
    t.listeners('client', client)
    await called(t, 'unsubscribe', heard => client.unsubscribe(topic, error => heard(error)))
    await called(t, 'end', heard => client.end(heard))
    await called(t, 'publish afterwards', heard => client.publish(topic, 'late', error => heard(error)))
  },
})

const crashes = library => ({
  async 'a listener throws'(t) {
    const { connect } = await t.load(library)
    const client = connect(t.service('mqtt'))
    const topic = t.unique('harm')
    await t.once(client, 'connect')
    client.on('message', (_topic, payload) => {
      t.observe('message', payload)
      throw new Error('of the application')
    })
    client.subscribe(topic, () => client.publish(topic, 'x'))
    await new Promise(resolve => setTimeout(resolve, 5_000))
  },
})

module.exports = { scenes: library => ({ ...scenes(library, 4), ...scenes(library, 5) }), crashes }
