// Amazon SNS by the AWS SDK, with a queue that is subscribed.
const { SQSClient, CreateQueueCommand, DeleteQueueCommand, ReceiveMessageCommand } = require('@aws-sdk/client-sqs')

const ACCOUNT = 'eu-west-1:000000000000'
const REQUEST_IDS = /"?(requestId|cfId|extendedRequestId)"?: ("[^"]*"|undefined)/g

/** A client of the emulator, a topic on it, and a queue that its messages come to. */
async function start(t, raw) {
  const sdk = await t.load('@aws-sdk/client-sns')
  const config = {
    endpoint: t.service('sqs'),
    region: 'eu-west-1',
    credentials: { accessKeyId: 'key', secretAccessKey: 'secret' },
    maxAttempts: 1,
  }
  t.alias(new URL(config.endpoint).port, 'emulator')
  const client = new sdk.SNSClient(config)
  const queues = new SQSClient(config)
  const name = t.unique('harm')
  const { TopicArn } = await client.send(new sdk.CreateTopicCommand({ Name: name }))
  const { QueueUrl } = await queues.send(new CreateQueueCommand({ QueueName: name }))
  const Attributes = { RawMessageDelivery: String(raw) }
  const Endpoint = `arn:aws:sqs:${ACCOUNT}:${name}`
  await client.send(new sdk.SubscribeCommand({ TopicArn, Protocol: 'sqs', Endpoint, Attributes }))
  const receive = async names => {
    const command = new ReceiveMessageCommand({ QueueUrl, MaxNumberOfMessages: 10, MessageAttributeNames: names })
    return (await queues.send(command)).Messages ?? []
  }
  const end = async () => {
    await queues.send(new DeleteQueueCommand({ QueueUrl }))
    queues.destroy()
    client.destroy()
  }
  return { sdk, config, client, TopicArn, receive, end }
}

/** What there is to see of an answer, without what the emulator makes up. */
const seen = answer =>
  answer === undefined
    ? undefined
    : JSON.parse(JSON.stringify(answer, (key, value) => (/^(MessageId|requestId)$/.test(key) ? typeof value : value)))

const failing = async (t, label, call) => {
  try {
    t.observe(label, seen(await call()))
  } catch (error) {
    const { name, message, $fault, $metadata } = error
    t.observe(label, error.constructor.name, name, message.replace(REQUEST_IDS, ''), $fault, $metadata?.httpStatusCode)
  }
}

const own = { DataType: 'String', StringValue: 'x' }

module.exports = {
  services: ['sqs'],
  libraries: ['@aws-sdk/client-sns'],
  scenes: {
    async 'messages to a topic, raw to its queue'(t) {
      const { sdk, client, TopicArn, receive, end } = await start(t, true)
      t.observe('client has', Reflect.ownKeys(client).map(String), client.send.name, client.send.length)
      const inputs = [
        { TopicArn, Message: '1' },
        Object.freeze({ TopicArn, Message: '2', MessageAttributes: Object.freeze({ own }) }),
        {
          TopicArn,
          Message: '3',
          MessageAttributes: Object.fromEntries(Array.from({ length: 10 }, (_, i) => [`a${i}`, own])),
        },
      ]
      for (const input of inputs) {
        const command = new sdk.PublishCommand(input)
        const promise = client.send(command)
        t.observe('send returns', promise.constructor === Promise, Reflect.ownKeys(promise))
        t.observe('sent', seen(await promise))
        t.observe('given', command.input === input, Object.keys(command), input)
      }
      for (const { Body, MessageAttributes } of await receive(['own', 'a.*'])) {
        t.observe('message', Body, MessageAttributes && Object.keys(MessageAttributes).sort())
      }
      await end()
    },

    async 'batches and callbacks, in an envelope to the queue'(t) {
      const { sdk, config, client, TopicArn, receive, end } = await start(t, false)
      const all = new sdk.SNS(config)
      const PublishBatchRequestEntries = Object.freeze(['a', 'b'].map(Id => Object.freeze({ Id, Message: Id })))
      t.observe(
        'batch',
        seen(await all.publishBatch({ TopicArn, PublishBatchRequestEntries })),
        PublishBatchRequestEntries,
      )
      for (const call of [
        heard => client.send(new sdk.PublishCommand({ TopicArn, Message: 'c' }), heard),
        heard => client.send(new sdk.PublishCommand({ TopicArn: `${TopicArn}-missing`, Message: 'c' }), {}, heard),
      ]) {
        await new Promise(resolve => {
          const result = call((error, answer) => resolve(t.observe('calls back', error?.name, seen(answer))))
          t.observe('returns', result)
        })
      }
      for (const { Body, MessageAttributes } of await receive()) {
        t.observe('message', JSON.parse(Body).Message, MessageAttributes)
      }
      all.destroy()
      await end()
    },

    async 'what fails'(t) {
      const { sdk, config, client, TopicArn, end } = await start(t, true)
      const missing = `${TopicArn}-missing`
      const publish = (input, to = client) => to.send(new sdk.PublishCommand(input))
      const batch = input => client.send(new sdk.PublishBatchCommand(input))
      await failing(t, 'missing topic', () => publish({ TopicArn: missing, Message: 'x' }))
      await failing(t, 'batch to a missing topic', () =>
        batch({ TopicArn: missing, PublishBatchRequestEntries: [{ Id: 'a', Message: 'x' }] }),
      )
      await failing(t, 'phone', () => publish({ PhoneNumber: '+49151123456', Message: 'x' }))
      await failing(t, 'no message', () => publish({ TopicArn }))
      await failing(t, 'no input', () => publish())
      await failing(t, 'no entries', () => batch({ TopicArn, PublishBatchRequestEntries: [] }))
      await failing(t, 'entries of text', () => batch({ TopicArn, PublishBatchRequestEntries: 'text' }))
      await failing(t, 'an entry of null', () => batch({ TopicArn, PublishBatchRequestEntries: [null] }))
      await failing(t, 'attributes of text', () => publish({ TopicArn, Message: 'x', MessageAttributes: 'text' }))
      await failing(t, 'attributes of null', () =>
        publish({ TopicArn, Message: 'x', MessageAttributes: { own: null } }),
      )
      await failing(t, 'a number for a topic', () => publish({ TopicArn: 5, Message: 'x' }))
      await failing(t, 'no command', () => client.send())
      await failing(t, 'object', () => client.send({ input: {} }))
      const unreachable = new sdk.SNSClient({ ...config, endpoint: 'http://127.0.0.1:1' })
      await failing(t, 'unreachable', () => publish({ TopicArn, Message: 'x' }, unreachable))
      unreachable.destroy()
      await end()
    },
  },
  crashes: {
    async 'nobody waits for a message that cannot be published'(t) {
      const { sdk, client, TopicArn } = await start(t, true)
      const command = new sdk.PublishCommand({ TopicArn: `${TopicArn}-missing`, Message: 'x' })
      t.observe('send returns', client.send(command))
      await new Promise(resolve => setTimeout(resolve, 5_000))
    },
  },
}
