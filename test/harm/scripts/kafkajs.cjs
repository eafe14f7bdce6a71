// KafkaJS.
const text = headers =>
  Object.fromEntries(
    Object.entries(headers ?? {})
      .filter(([key]) => key !== 'traceparent')
      .map(([key, value]) => [key, String(value)]),
  )

async function start(t) {
  const { Kafka, logLevel, CompressionTypes } = await t.load('kafkajs')
  const kafka = new Kafka({
    brokers: process.env.TEST_KAFKA_BROKERS.split(','),
    clientId: 'harm',
    logLevel: logLevel.NOTHING,
  })
  const topic = t.unique('harm')
  return { kafka, topic, CompressionTypes }
}

const look = (t, label, made) =>
  t.observe(
    label,
    Object.keys(made).map(
      key => `${key} ${typeof made[key] === 'function' ? `${made[key].name}/${made[key].length}` : typeof made[key]}`,
    ),
  )

module.exports = {
  services: ['kafka'],
  libraries: ['kafkajs'],
  scenes: {
    async 'messages sent and consumed'(t) {
      const { kafka, topic, CompressionTypes } = await start(t)
      look(t, 'kafka', kafka)
      const producer = kafka.producer()
      look(t, 'producer', producer)
      await t.outcome('connect', () => producer.connect())
      const messages = Object.freeze([
        Object.freeze({ value: 'one', partition: 0, headers: Object.freeze({ own: '1' }) }),
        Object.freeze({ key: 'k', value: Buffer.from('two'), partition: 0 }),
        Object.freeze({ value: null, partition: 0 }),
      ])
      const record = Object.freeze({ topic, messages, acks: -1, compression: CompressionTypes.GZIP })
      const promise = producer.send(record)
      t.observe('send returns', promise.constructor === Promise)
      t.observe(
        'sent',
        (await promise).map(({ topicName, partition, errorCode }) => [topicName, partition, errorCode]),
      )
      const open = [{ value: 'batch', partition: 0, headers: { own: '1' } }]
      const batch = await producer.sendBatch({
        topicMessages: [{ topic, messages: open }],
      })
      t.observe(
        'sent',
        batch.map(({ topicName, errorCode }) => [topicName, errorCode]),
      )
      t.observe('given', record, messages, open)
      const consumer = kafka.consumer({ groupId: `${topic}-group`, maxWaitTimeInMs: 100 })
      look(t, 'consumer', consumer)
      await consumer.connect()
      await consumer.subscribe({ topic, fromBeginning: true })
      let count = 0
      let done
      const consumed = new Promise(resolve => (done = resolve))
      const config = Object.freeze({
        async eachMessage(payload) {
          const { message, partition, heartbeat, pause } = payload
          t.observe('message', this === config, Object.keys(payload), partition, heartbeat.length, pause.length)
          t.observe('message', Object.keys(message), message.key, message.value, text(message.headers))
          if (++count === 4) done()
        },
      })
      t.observe('run returns', await consumer.run(config))
      await consumed
      await t.outcome('disconnect', () => consumer.disconnect())
      await t.outcome('disconnect', () => producer.disconnect())
    },

    async 'batches consumed'(t) {
      const { kafka, topic } = await start(t)
      const producer = kafka.producer()
      await producer.connect()
      await producer.send({
        topic,
        messages: ['a', 'b', 'c'].map(value => ({ value, partition: 0, headers: { own: value } })),
      })
      const consumer = kafka.consumer({ groupId: `${topic}-group`, maxWaitTimeInMs: 100 })
      await consumer.connect()
      await consumer.subscribe({ topic, fromBeginning: true })
      await new Promise(resolve =>
        consumer.run({
          eachBatchAutoResolve: false,
          async eachBatch(payload) {
            const { batch, resolveOffset, heartbeat, isRunning } = payload
            t.observe(
              'batch',
              Object.keys(payload),
              batch.constructor.name,
              Object.keys(batch),
              isRunning(),
              batch.messages.constructor === Array,
            )
            for (const message of batch.messages) {
              t.observe('message', String(message.value), text(message.headers))
              resolveOffset(message.offset)
              await heartbeat()
            }
            for (let i = 0; i < batch.messages.length; i++) t.observe('again', String(batch.messages[i].value))
            resolve()
          },
        }),
      )
      await consumer.disconnect()
      await producer.disconnect()
    },

    async 'what fails'(t) {
      const { kafka, topic } = await start(t)
      const producer = kafka.producer({ retry: { retries: 0 } })
      await t.outcome('send before connect', () => producer.send({ topic, messages: [{ value: 'x' }] }))
      await producer.connect()
      for (const bad of [
        undefined,
        {},
        { topic },
        { topic, messages: 'text' },
        { topic, messages: [] },
        { topic, messages: [undefined] },
        { topic, messages: [{}] },
        { topic, messages: [{ value: 'x', headers: 'text' }] },
        { messages: [{ value: 'x' }] },
      ]) {
        await t.outcome('bad arguments', async () => (await producer.send(bad)).length)
      }
      for (const bad of [undefined, {}, { topicMessages: [] }, { topicMessages: 'text' }, { topicMessages: [{}] }]) {
        await t.outcome('bad batch', async () => (await producer.sendBatch(bad)).length)
      }
      await producer.send({ topic, messages: [{ value: 'x', partition: 0 }] })
      const consumer = kafka.consumer({
        groupId: `${topic}-group`,
        maxWaitTimeInMs: 100,
        retry: { retries: 0, restartOnFailure: async () => false },
      })
      await consumer.connect()
      await consumer.subscribe({ topic, fromBeginning: true })
      // As what, depends on when the mock lets the connection go.
      const crashed = new Promise(resolve =>
        consumer.on('consumer.crash', ({ type }) => resolve(t.observe('crash', type))),
      )
      await consumer.run({
        eachMessage: async () => {
          throw new TypeError('of the application')
        },
      })
      await crashed
      await t.outcome('run without a function', () => consumer.run())
      await consumer.disconnect()
      await producer.disconnect()
    },
  },
}
