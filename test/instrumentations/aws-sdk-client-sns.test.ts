/** @aws-sdk/client-sns against an SNS emulator, and on to queues of SQS, in applications of their own. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import { describe, test } from 'node:test'
import { sqs } from '../helpers/services.js'
import { assertTree, oneTrace } from '../helpers/spans.js'
import { applications, idOf, one } from './aws-sdk/app.js'

const { run: runAny } = applications(sqs())

/** As `run`, with a client of SNS, a topic of the queue's name, and the queue subscribed to it. */
const run: typeof runAny = (body, options) =>
  runAny(
    `const { SNS, SNSClient, PublishCommand, PublishBatchCommand } = sns
    const topics = new SNSClient(settings)
    const { suppressTracing } = core
    const quiet = fn => api.context.with(suppressTracing(api.context.active()), fn)
    const name = QueueUrl.split('/').at(-1)
    const TopicArn = 'arn:aws:sns:eu-west-1:000000000000:' + name
    const publish = (Message, more) => topics.send(new PublishCommand({ TopicArn, Message, ...more }))
    const subscribe = RawMessageDelivery => quiet(async () => {
      const Attributes = name.endsWith('.fifo') ? { FifoTopic: 'true' } : {}
      assert.equal((await topics.send(new sns.CreateTopicCommand({ Name: name, Attributes }))).TopicArn, TopicArn)
      const Endpoint = 'arn:aws:sqs:eu-west-1:000000000000:' + name
      await topics.send(new sns.SubscribeCommand({ TopicArn, Protocol: 'sqs', Endpoint, Attributes: { RawMessageDelivery: String(RawMessageDelivery) } }))
    })
    const string = StringValue => ({ DataType: 'String', StringValue })
    ${body}`,
    {
      ...options,
      imports: {
        sns: '@aws-sdk/client-sns',
        core: '@opentelemetry/core',
        api: '@opentelemetry/api',
        ...options.imports,
      },
    },
  )

/** A service that shows what reaches it, form by form, and accepts or refuses it. */
async function createTopics(error?: string) {
  const requests: { form: URLSearchParams; headers: NodeJS.Dict<string | string[]> }[] = []
  const server = createServer(async (req, res) => {
    const form = new URLSearchParams(await text(req))
    requests.push({ form, headers: req.headers })
    const action = form.get('Action')
    const result = action === 'Publish' ? '<MessageId>id-1</MessageId>' : ''
    res.writeHead(error === undefined ? 200 : 400, { 'content-type': 'text/xml' })
    res.end(
      error === undefined
        ? `<${action}Response xmlns="http://sns.amazonaws.com/doc/2010-03-31/"><${action}Result>${result}</${action}Result><ResponseMetadata><RequestId>request-1</RequestId></ResponseMetadata></${action}Response>`
        : `<ErrorResponse xmlns="http://sns.amazonaws.com/doc/2010-03-31/"><Error><Type>Sender</Type><Code>InvalidParameter</Code><Message>${error}</Message></Error><RequestId>request-2</RequestId></ErrorResponse>`,
    )
  })
  server.listen(0, '127.0.0.1').unref()
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  return { url: `http://127.0.0.1:${port}`, requests, close: () => server.close() }
}

/** The attributes of a message, as they are in the form. */
const attributesIn = (form: URLSearchParams, prefix = ''): Record<string, string | null> =>
  Object.fromEntries(
    [...form]
      .filter(([key]) => key.startsWith(`${prefix}MessageAttributes.entry.`) && key.endsWith('.Name'))
      .map(([key, name]) => [name, form.get(key.replace(/Name$/, 'Value.StringValue'))]),
  )

for (const type of ['cjs', 'esm'] as const) {
  describe(`@aws-sdk/client-sns in ${type}`, { concurrency: 3 }, () => {
    for (const raw of [true, false]) {
      test(`what is published is one trace until it is processed from a queue, ${raw ? 'raw' : 'in an envelope'}`, async () => {
        const { spans, queue, said } = await run(
          `await subscribe(${raw})
          await inSpan('request', async () => {
            const { MessageId } = await publish('hello', { MessageAttributes: { own: string('kept') } })
            say(MessageId)
            say(activeName())
          })
          for (const message of await receive({ MessageAttributeNames: ['own'] })) {
            await inSpan('work', () => sleep(1))
            say(${raw} ? message.Body : JSON.parse(message.Body).Message)
            say(${raw} ? message.MessageAttributes : JSON.parse(message.Body).MessageAttributes.own)
          }`,
          { type, spans: 4 },
        )
        const [messageId, ...rest] = said
        assert.deepEqual(rest, [
          'request',
          'hello',
          raw ? { own: { DataType: 'String', StringValue: 'kept' } } : { Type: 'String', Value: 'kept' },
        ])
        oneTrace(spans)
        assertTree(spans, [
          {
            name: 'request',
            kind: 'internal',
            children: [
              {
                name: `publish ${queue}`,
                kind: 'producer',
                attributes: {
                  'messaging.system': 'aws.sns',
                  'messaging.operation.name': 'publish',
                  'messaging.operation.type': 'send',
                  'messaging.destination.name': queue,
                  'messaging.message.id': messageId,
                  'messaging.batch.message_count': undefined,
                  'aws.sns.topic.arn': `arn:aws:sns:eu-west-1:000000000000:${queue}`,
                  'aws.request_id': /./,
                  'cloud.region': 'eu-west-1',
                },
                children: [
                  { name: `process ${queue}`, kind: 'consumer', children: [{ name: 'work', kind: 'internal' }] },
                ],
              },
            ],
          },
        ])
        assert.equal(one(spans, `publish ${queue}`).scope.name, '@org/trace/aws-sdk-client-sns')
      })
    }

    test('each message of a batch has a context of its own, and the batch is linked to all', async () => {
      const { spans, queue } = await run(
        `await subscribe(false)
        const Entries = Object.freeze(['a', 'b', 'c'].map(Id => Object.freeze({ Id, Message: 'body ' + Id })))
        const command = new PublishBatchCommand(Object.freeze({ TopicArn, PublishBatchRequestEntries: Entries }))
        const { Successful } = await inSpan('request', () => topics.send(command))
        assert.equal(Successful.length, 3)
        assert.deepEqual(command.input.PublishBatchRequestEntries, Entries)
        for (const message of await receive()) assert.ok(message.Body)`,
        { type, spans: 8 },
      )
      const create = {
        name: `create ${queue}`,
        kind: 'producer' as const,
        attributes: { 'messaging.operation.type': 'create', 'messaging.message.id': /./ },
        children: [{ name: `process ${queue}`, kind: 'consumer' as const }],
      }
      const batch = {
        name: `publish ${queue}`,
        kind: 'client' as const,
        attributes: { 'messaging.batch.message_count': 3, 'messaging.operation.type': 'send' },
      }
      assertTree(spans, [{ name: 'request', kind: 'internal', children: [create, create, create, batch] }])
      const created = spans.filter(span => span.name === create.name)
      assert.deepEqual(one(spans, batch.name).links.map(idOf).sort(), created.map(idOf).sort())
    })

    test('a batch that fails in part, a topic that is missing, and callbacks', async () => {
      const { spans, queue, said } = await run(
        `await subscribe(true)
        await inSpan('request', async () => {
          const PublishBatchRequestEntries = [{ Id: 'good', Message: 'x' }, { Id: 'bad', Message: 'x'.repeat(262145) }]
          const { Successful, Failed } = await topics.send(new PublishBatchCommand({ TopicArn, PublishBatchRequestEntries }))
          say([Successful.length, Failed.length])
          const error = await publish('x', { TopicArn: TopicArn + '-none' }).catch(error => error)
          say([error.constructor.name, error instanceof sns.NotFoundException])
          say(await new Promise(resolve => {
            new SNS(settings).publish({ TopicArn, Message: 'x' }, (error, output) => resolve([error, typeof output.MessageId, activeName()]))
          }))
          for (const wrong of [undefined, null, 1, {}]) assert.throws(() => topics.send(wrong), { name: 'TypeError' })
        })`,
        { type, spans: 6 },
      )
      assert.deepEqual(said, [
        [1, 1],
        ['NotFoundException', true],
        [null, 'string', 'request'],
      ])
      const status = spans.map(
        span => `${span.name.replace(queue, 'T')} ${span.status} ${span.attributes['error.type']}`,
      )
      assert.deepEqual(status.sort(), [
        'create T error InvalidParameter',
        'create T unset undefined',
        'publish T error InvalidParameter',
        'publish T unset undefined',
        'publish T-none error NotFoundException',
        'request unset undefined',
      ])
    })

    test('a number is told to nobody: no attribute, no name, no error, and its message carries no trace', async () => {
      const number = '+4915112345678'
      const service = await createTopics(`Invalid parameter: PhoneNumber Reason: ${number} is not valid to publish to`)
      const { spans, said } = await run(
        `await inSpan('request', async () => {
          const call = { PhoneNumber: '${number}', Message: 'x', MessageAttributes: { 'AWS.SNS.SMS.SenderID': string('me') } }
          say((await topics.send(new PublishCommand(call)).catch(error => error)).message)
          say((await topics.send(new sns.OptInPhoneNumberCommand({ phoneNumber: '${number}' })).catch(error => error)).message)
        })`,
        { type, spans: 3, endpoint: service.url },
      )
      service.close()
      for (const message of said) assert.match(message, /4915112345678/)
      const [sent] = service.requests
      assert.deepEqual(attributesIn(sent?.form as URLSearchParams), { 'AWS.SNS.SMS.SenderID': 'me' })
      assert.deepEqual(spans.map(({ name }) => name).sort(), ['SNS/OptInPhoneNumber', 'publish', 'request'])
      const told = JSON.stringify(spans, (_key, value) => (typeof value === 'bigint' ? String(value) : value))
      assert.doesNotMatch(told, /4915112345678/)
      assert.match(told, /PhoneNumber Reason: \? is not valid/)
      assert.equal(one(spans, 'publish').attributes['error.type'], 'InvalidParameterException')
    })

    test('devices: the application is the destination, and no trace goes there', async () => {
      const service = await createTopics()
      const { spans } = await run(
        `const TargetArn = 'arn:aws:sns:eu-west-1:000000000000:endpoint/GCM/shop/0b1c2d3e'
        await topics.send(new PublishCommand({ TargetArn, Message: 'x' }))
        await topics.send(new PublishCommand({ TargetArn: TopicArn, Message: 'x' }))`,
        { type, spans: 2, endpoint: service.url },
      )
      service.close()
      assert.deepEqual(
        service.requests.map(({ form }) => Object.keys(attributesIn(form))),
        [[], ['traceparent']],
      )
      const device = one(spans, 'publish shop')
      assert.equal(device.attributes['aws.sns.topic.arn'], undefined)
      assert.equal(device.attributes['messaging.destination.name'], 'shop')
    })

    test('headers: as many as there is room for, none that the application has set, nothing of its own changed', async () => {
      const service = await createTopics()
      const { said } = await run(
        `const own = count => Object.fromEntries(Array.from({ length: count }, (_, i) => ['own' + i, string('x')]))
        const frozen = Object.freeze({ TopicArn, Message: '3', MessageAttributes: Object.freeze({ a: Object.freeze(string('b')) }) })
        await inSpan('request', async () => {
          await publish('0', { MessageAttributes: own(9) })
          await publish('1', { MessageAttributes: own(10) })
          await publish('2', { MessageAttributes: { traceparent: string('00-' + 'a'.repeat(32) + '-' + 'b'.repeat(16) + '-01') } })
          await topics.send(Object.freeze(new PublishCommand(frozen)))
          await publish('4', { MessageAttributes: { traceparent: { DataType: 'Binary', BinaryValue: Buffer.from('mine') } } })
          await publish('5'.repeat(262144))
          await publish('6'.repeat(200000), { MessageAttributes: { own: string('x'.repeat(60000)) } })
          await publish('7', null)
          const PublishBatchRequestEntries = [{ Id: 'a', Message: 'a', MessageAttributes: own(10) }, { Id: 'b', Message: 'b' }]
          await topics.send(new PublishBatchCommand({ TopicArn, PublishBatchRequestEntries }))
          say(activeTrace())
        })
        assert.deepEqual(frozen, { TopicArn, Message: '3', MessageAttributes: { a: string('b') } })`,
        { type, spans: 12, endpoint: service.url },
      )
      service.close()
      const forms = service.requests.map(({ form }) => form)
      const added = forms
        .slice(0, 8)
        .map(form => Object.keys(attributesIn(form)).filter(name => !name.startsWith('own')))
      assert.deepEqual(added, [
        ['traceparent'],
        [],
        ['traceparent'],
        ['a', 'traceparent'],
        ['traceparent'],
        [],
        [],
        ['traceparent'],
      ])
      assert.equal(attributesIn(forms[3] as URLSearchParams).traceparent?.slice(3, 35), said[0])
      assert.equal(attributesIn(forms[2] as URLSearchParams).traceparent?.slice(3, 35), 'a'.repeat(32))
      assert.equal(attributesIn(forms[4] as URLSearchParams).traceparent, null)
      const entry = (at: number) =>
        attributesIn(forms[8] as URLSearchParams, `PublishBatchRequestEntries.member.${at}.`)
      assert.equal(Object.keys(entry(1)).length, 10)
      assert.deepEqual(Object.keys(entry(2)), ['traceparent'])
      for (const { headers } of service.requests) assert.equal(headers.traceparent, undefined)
    })

    test('what is not sampled says so to the other side', async () => {
      const service = await createTopics()
      await run(
        `await publish('x')
        await topics.send(new PublishBatchCommand({ TopicArn, PublishBatchRequestEntries: [{ Id: 'a', Message: 'a' }] }))`,
        { type, spans: 0, endpoint: service.url, env: { OTEL_TRACES_SAMPLER: 'always_off' } },
      )
      service.close()
      const [one, batch] = service.requests.map(({ form }) => form)
      for (const attributes of [
        attributesIn(one as URLSearchParams),
        attributesIn(batch as URLSearchParams, 'PublishBatchRequestEntries.member.1.'),
      ]) {
        assert.match(String(attributes.traceparent), /^00-.*-0[02]$/)
      }
    })
  })
}

test('bodies that look like an envelope, and are none, are what they are', async () => {
  const parent = `00-${'a'.repeat(32)}-${'b'.repeat(16)}-01`
  const { spans, queue, said } = await run(
    `const attributes = { traceparent: { Type: 'String', Value: '${parent}' } }
    const bodies = [
      '{"Type":"Notification","traceparent"',
      JSON.stringify({ Type: 'Notification', Message: JSON.stringify({ MessageAttributes: attributes }) }),
      JSON.stringify({ Type: 'Notification', MessageAttributes: null, traceparent: 1 }),
      JSON.stringify({ Type: 'Notification', MessageAttributes: { traceparent: 5, tracestate: { Value: {} } } }),
      JSON.stringify({ MessageAttributes: attributes }),
      JSON.stringify({ Type: 'Notification', MessageAttributes: attributes }),
    ]
    await quiet(async () => { for (const body of bodies) await send(body) })
    for (const message of await receive()) say(message.Body === bodies[said++])
    say(said)`.replace('const attributes', 'let said = 0\nconst attributes'),
    { spans: 6 },
  )
  assert.deepEqual(said, [true, true, true, true, true, true, 6])
  const processed = spans.filter(({ name }) => name === `process ${queue}`)
  assert.deepEqual(
    processed.map(span => span.parentSpanId),
    [undefined, undefined, undefined, undefined, undefined, 'b'.repeat(16)],
  )
})

test('a FIFO topic, by way of a FIFO queue', async () => {
  const { spans } = await run(
    `await subscribe(true)
    await inSpan('request', () => publish('x', { MessageGroupId: 'g', MessageDeduplicationId: 'd' }))
    for (const message of await receive()) say(message.Body)`,
    { spans: 3, fifo: true },
  )
  oneTrace(spans)
})

test('fifty at once: each message stays in its own trace', async () => {
  const { spans, queue, said } = await run(
    `await subscribe(false)
    const sent = new Map()
    await Promise.all(Array.from({ length: 50 }, (_, i) => inSpan('request ' + i, async () => {
      sent.set(String(i), activeTrace())
      await sleep(Math.random() * 10)
      await publish(String(i))
    })))
    let right = 0
    const batches = await Promise.all(Array.from({ length: 8 }, () => receive()))
    for (const m of batches.flat()) if (activeTrace() !== undefined) throw new Error('not of the array that was received')
    for (const messages of batches) for (const m of messages) if (activeTrace() === sent.get(JSON.parse(m.Body).Message)) right++
    say(right)`,
    { spans: 150 },
  )
  assert.deepEqual(said, [50])
  assert.equal(spans.filter(({ name }) => name === `process ${queue}`).length, 50)
})
