// What an application does with sqs-consumer, whichever version.
const sdk = require('@aws-sdk/client-sqs')

const messageOf = ({ Body, Attributes, MessageAttributes, ...others }) => [
  Body,
  Object.keys(others).sort(),
  MessageAttributes,
]

/** A consumer of a queue of its own. */
async function start(t, name, options) {
  const { Consumer } = await t.load(name)
  const config = {
    endpoint: t.service('sqs'),
    region: 'eu-west-1',
    credentials: { accessKeyId: 'key', secretAccessKey: 'secret' },
    maxAttempts: 1,
  }
  t.alias(new URL(config.endpoint).port, 'emulator')
  const sqs = new sdk.SQSClient(config)
  const { QueueUrl } = await sqs.send(new sdk.CreateQueueCommand({ QueueName: t.unique('harm') }))
  const send = MessageBody => sqs.send(new sdk.SendMessageCommand({ QueueUrl, MessageBody }))
  const common = { queueUrl: QueueUrl, sqs, waitTimeSeconds: 0, pollingWaitTimeMs: 5, batchSize: 10 }
  const consumer = t.name(Consumer.create({ ...common, ...options }), 'consumer')
  const end = async () => {
    const stopped = new Promise(resolve => consumer.on('stopped', resolve))
    consumer.stop()
    await stopped
    await sqs.send(new sdk.DeleteQueueCommand({ QueueUrl }))
    sqs.destroy()
  }
  return { Consumer, consumer, send, end }
}

const scenes = name => ({
  async 'a handler of one message'(t) {
    const handled = []
    const { consumer, send, end } = await start(t, name, {
      async handleMessage(message) {
        t.observe('handler', this, arguments.length, messageOf(message))
        handled.push(message)
      },
    })
    t.observe('consumer has', Reflect.ownKeys(consumer).map(String))
    consumer.on('message_received', message => t.observe('received', messageOf(message)))
    consumer.on('message_processed', message => t.observe('processed', message === handled[0]))
    const done = new Promise(resolve => consumer.on('response_processed', resolve))
    await send('1')
    t.observe('start returns', consumer.start())
    await done
    await t.once(consumer, 'empty')
    t.listeners('consumer', consumer)
    await end()
  },

  async 'a handler of many messages'(t) {
    const { consumer, send, end } = await start(t, name, {
      async handleMessageBatch(messages) {
        t.observe('handler', this, Array.isArray(messages), messages.length, messages.map(messageOf))
        const bodies = []
        for (const { Body } of messages) bodies.push(Body)
        messages.forEach(({ Body }) => {
          bodies.push(Body)
        })
        await Promise.all(messages.map(async ({ Body }) => bodies.push(Body)))
        t.observe('bodies', bodies)
        return messages.slice(0, 1)
      },
      shouldDeleteMessages: true,
    })
    consumer.on('message_received', message => t.observe('received', message.Body))
    consumer.on('message_processed', message => t.observe('processed', message.Body))
    const done = new Promise(resolve => consumer.on('response_processed', resolve))
    for (const body of ['1', '2', '3']) await send(body)
    consumer.start()
    await done
    await end()
  },

  async 'handlers that fail'(t) {
    for (const [label, event, options] of [
      [
        'rejects',
        'processing_error',
        {
          handleMessage: async () => {
            throw new RangeError('of the handler')
          },
        },
      ],
      [
        'throws',
        'processing_error',
        {
          handleMessage: () => {
            throw new RangeError('of the handler')
          },
        },
      ],
      // The library tells of what is no error as it is.
      ['rejects with text', 'processing_error', { handleMessage: () => Promise.reject('text') }],
      [
        'is late',
        'timeout_error',
        { handleMessageTimeout: 5, handleMessage: () => new Promise(resolve => setTimeout(resolve, 50)) },
      ],
      ['rejects for all', 'error', { handleMessageBatch: () => Promise.reject(new TypeError('of the batch')) }],
    ]) {
      const { consumer, send, end } = await start(t, name, { terminateVisibilityTimeout: false, ...options })
      consumer.on('error', () => {})
      const failed = t.once(consumer, event)
      await send('1')
      consumer.start()
      const [error, message] = await failed
      t.observe(
        label,
        error?.name ?? error,
        error?.message,
        error?.cause?.message,
        Reflect.ownKeys(Object(error)).sort(),
        [message].flat().length,
      )
      await end()
    }
  },

  async 'options that are wrong'(t) {
    const { Consumer, consumer, end } = await start(t, name, { handleMessage: async () => {} })
    consumer.start()
    await t.once(consumer, 'empty')
    await t.outcome('none', () => Consumer.create({}))
    await t.outcome('batch size', () =>
      Consumer.create({ queueUrl: 'x', handleMessage: async () => {}, batchSize: 11 }),
    )
    await end()
  },
})

module.exports = { scenes }
