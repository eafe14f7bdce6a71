// Amazon SQS by the AWS SDK.
const body = { MessageBody: 'body' }
const REQUEST_IDS = /"?(requestId|cfId|extendedRequestId)"?: ("[^"]*"|undefined)/g

/** A client of the emulator, and a queue on it. */
async function start(t) {
  const sdk = await t.load('@aws-sdk/client-sqs')
  const config = {
    endpoint: t.service('sqs'),
    region: 'eu-west-1',
    credentials: { accessKeyId: 'key', secretAccessKey: 'secret' },
    maxAttempts: 1,
  }
  t.alias(new URL(config.endpoint).port, 'emulator')
  const client = new sdk.SQSClient(config)
  const { QueueUrl } = await client.send(new sdk.CreateQueueCommand({ QueueName: t.unique('harm') }))
  return { sdk, config, client, QueueUrl }
}

/** What there is to see of an answer, without what the emulator makes up. */
const seen = answer =>
  answer === undefined
    ? undefined
    : JSON.parse(
        JSON.stringify(answer, (key, value) =>
          /^(MessageId|ReceiptHandle|requestId|SentTimestamp|ApproximateFirstReceiveTimestamp|QueueUrl)$/.test(key)
            ? typeof value
            : value,
        ),
      )

/** The names of a message's attributes: whoever asks for all gets the trace, too. */
const attributesOf = ({ MessageAttributes = {}, MD5OfMessageAttributes, ...message }) =>
  [
    ...Object.keys(message),
    ...Object.keys(MessageAttributes)
      .filter(name => name !== 'traceparent')
      .sort(),
  ].join(' ')

/** An input's properties: middleware is given a copy with the headers of the message. */
const withoutHeaders = input => Object.keys(input).filter(key => key !== 'MessageAttributes')

const called = (label, t, call) =>
  new Promise(resolve =>
    t.observe(
      `${label} returns`,
      call((error, answer) => resolve(t.observe(label, error, seen(answer)))),
    ),
  )

module.exports = {
  services: ['sqs'],
  libraries: ['@aws-sdk/client-sqs'],
  scenes: {
    async 'messages one by one'(t) {
      const { sdk, client, QueueUrl } = await start(t)
      t.observe('client has', Reflect.ownKeys(client).map(String), client.send.name, client.send.length)
      const own = { Own: { DataType: 'String', StringValue: 'x' } }
      const inputs = [
        { QueueUrl, ...body },
        Object.freeze({ QueueUrl, ...body, MessageAttributes: Object.freeze({ ...own }) }),
        {
          QueueUrl,
          ...body,
          MessageAttributes: Object.fromEntries(Array.from({ length: 10 }, (_, i) => [`a${i}`, own.Own])),
        },
      ]
      for (const input of inputs) {
        const command = new sdk.SendMessageCommand(input)
        const promise = client.send(command)
        t.observe('send returns', promise.constructor === Promise, Reflect.ownKeys(promise))
        const { MD5OfMessageBody, MD5OfMessageAttributes, ...answer } = await promise
        t.observe('sent', MD5OfMessageBody, Object.keys(answer), answer.$metadata.httpStatusCode)
        t.observe(
          'given',
          command.input === input,
          Object.keys(command),
          input.MessageAttributes && Object.keys(input.MessageAttributes),
        )
      }
      // Without any names the emulator sends all attributes, where SQS sends none.
      for (const names of [['None'], ['Own'], ['a.*'], ['All'], ['.*']]) {
        const input = Object.freeze({
          QueueUrl,
          MaxNumberOfMessages: 10,
          MessageAttributeNames: Object.freeze(names),
          VisibilityTimeout: 0,
        })
        const command = new sdk.ReceiveMessageCommand(input)
        const { Messages } = await client.send(command)
        t.observe('received', names, Messages.map(attributesOf).sort(), command.input === input)
      }
      const { Messages } = await client.send(
        new sdk.ReceiveMessageCommand({ QueueUrl, MaxNumberOfMessages: 10, AttributeNames: ['All'] }),
      )
      t.observe('list', Messages.constructor === Array, Reflect.ownKeys(Messages).map(String), Messages.length)
      for (const message of Messages) t.observe('message', message.constructor === Object, message.Body)
      for (const { ReceiptHandle } of Messages) {
        await client.send(new sdk.ChangeMessageVisibilityCommand({ QueueUrl, ReceiptHandle, VisibilityTimeout: 10 }))
        t.observe('deleted', seen(await client.send(new sdk.DeleteMessageCommand({ QueueUrl, ReceiptHandle }))))
      }
      const empty = await client.send(new sdk.ReceiveMessageCommand({ QueueUrl }))
      t.observe('empty', seen(empty), 'Messages' in empty)
      await t.outcome('delete queue', async () => seen(await client.send(new sdk.DeleteQueueCommand({ QueueUrl }))))
      client.destroy()
    },

    async 'batches, callbacks and the client of everything'(t) {
      const { sdk, config, client, QueueUrl } = await start(t)
      const all = new sdk.SQS(config)
      const Entries = Object.freeze(['a', 'b'].map(Id => Object.freeze({ Id, ...body })))
      const batch = await all.sendMessageBatch({ QueueUrl, Entries })
      t.observe(
        'batch',
        batch.Successful.map(({ Id, MD5OfMessageBody }) => [Id, MD5OfMessageBody]),
        batch.Failed,
        Entries,
      )
      await called('send with a callback', t, heard =>
        client.send(new sdk.GetQueueAttributesCommand({ QueueUrl, AttributeNames: ['DelaySeconds'] }), heard),
      )
      await called('send with options and a callback', t, heard =>
        client.send(new sdk.ReceiveMessageCommand({ QueueUrl: 'http://127.0.0.1:1/none' }), {}, heard),
      )
      await called('method with a callback', t, heard =>
        all.getQueueAttributes({ QueueUrl, AttributeNames: ['DelaySeconds'] }, heard),
      )
      const { Messages } = await all.receiveMessage({ QueueUrl, MaxNumberOfMessages: 10 })
      for (const message of Messages ?? [])
        await Promise.resolve().then(() => t.observe('message', message.Body, Object.keys(message).sort()))
      t.observe(
        'deleted',
        seen(
          await all.deleteMessageBatch({
            QueueUrl,
            Entries: (Messages ?? []).map(({ ReceiptHandle }, i) => ({ Id: String(i), ReceiptHandle })),
          }),
        ),
      )
      await t.outcome('delete queue', async () => seen(await all.deleteQueue({ QueueUrl })))
      all.destroy()
      client.destroy()
    },

    async 'what fails'(t) {
      const { sdk, config, client, QueueUrl } = await start(t)
      const failing = async (label, call) => {
        try {
          t.observe(label, seen(await call()))
        } catch (error) {
          t.observe(
            label,
            error.constructor.name,
            error.name,
            error.message.replace(REQUEST_IDS, ''),
            Object.keys(error).sort(),
            error.$fault,
            error.$metadata?.httpStatusCode,
          )
        }
      }
      const missing = `${QueueUrl}-missing`
      await failing('missing queue', () => client.send(new sdk.SendMessageCommand({ QueueUrl: missing, ...body })))
      await failing('receive from a missing queue', () =>
        client.send(new sdk.ReceiveMessageCommand({ QueueUrl: missing })),
      )
      await failing('batch to a missing queue', () =>
        client.send(new sdk.SendMessageBatchCommand({ QueueUrl: missing, Entries: [{ Id: 'a', ...body }] })),
      )
      await failing('no body', () => client.send(new sdk.SendMessageCommand({ QueueUrl })))
      await failing('no input', () => client.send(new sdk.SendMessageCommand()))
      await failing('no entries', () => client.send(new sdk.SendMessageBatchCommand({ QueueUrl, Entries: [] })))
      await failing('entries of text', () =>
        client.send(new sdk.SendMessageBatchCommand({ QueueUrl, Entries: 'text' })),
      )
      await failing('names of text', () =>
        client.send(new sdk.ReceiveMessageCommand({ QueueUrl, MessageAttributeNames: 'All' })),
      )
      await failing('attributes of text', () =>
        client.send(new sdk.SendMessageCommand({ QueueUrl, ...body, MessageAttributes: 'text' })),
      )
      await failing('no command', () => client.send())
      await failing('null', () => client.send(null))
      await failing('object', () => client.send({ input: {} }))
      await failing('aborted', () =>
        client.send(new sdk.ReceiveMessageCommand({ QueueUrl }), { abortSignal: AbortSignal.abort() }),
      )
      const unreachable = new sdk.SQSClient({ ...config, endpoint: 'http://127.0.0.1:1' })
      await failing('unreachable', () =>
        unreachable.send(new sdk.SendMessageCommand({ QueueUrl: 'http://127.0.0.1:1/1/q', ...body })),
      )
      await failing('delete queue', () => client.send(new sdk.DeleteQueueCommand({ QueueUrl })))
      unreachable.destroy()
      client.destroy()
    },

    async 'middleware and commands of the application'(t) {
      const { sdk, client, QueueUrl } = await start(t)
      class Own extends sdk.SendMessageCommand {
        own() {
          return 'own'
        }
      }
      const command = new Own({ QueueUrl, ...body })
      command.middlewareStack.add(
        (next, context) => args => {
          t.observe('middleware', withoutHeaders(args.input), context.commandName, context.clientName)
          return next(args)
        },
        { step: 'initialize', name: 'own' },
      )
      client.middlewareStack.add(
        next => args => {
          const { method, path, headers, body: sent } = args.request
          t.observe('request', method, path, Object.keys(headers), withoutHeaders(JSON.parse(sent)))
          return next(args)
        },
        { step: 'finalizeRequest', name: 'last', priority: 'low' },
      )
      const answer = await client.send(command)
      t.observe('answer', answer.MD5OfMessageBody, command.own(), command instanceof Own, Object.keys(command))
      t.observe('again', (await client.send(command)).MD5OfMessageBody)
      t.observe('stack', client.middlewareStack.identify(), command.middlewareStack.identify())
      await client.send(new sdk.DeleteQueueCommand({ QueueUrl }))
      client.destroy()
    },
  },
  crashes: {
    async 'nobody waits for a message that cannot be sent'(t) {
      const { sdk, client, QueueUrl } = await start(t)
      t.observe('send returns', client.send(new sdk.SendMessageCommand({ QueueUrl: `${QueueUrl}-missing`, ...body })))
      await new Promise(resolve => setTimeout(resolve, 5_000))
    },
  },
}
