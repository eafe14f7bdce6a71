/** @aws-sdk/client-sqs against an SQS emulator, in applications of their own. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { ReceivedSpan } from '../helpers/collector.js'
import { sqs } from '../helpers/services.js'
import { assertTree, oneTrace } from '../helpers/spans.js'
import { accepted, applications, createRecorder, idOf, one } from './aws-sdk/app.js'

const { run } = applications(sqs())

for (const type of ['cjs', 'esm'] as const) {
  describe(`@aws-sdk/client-sqs in ${type}`, () => {
    test('a message that is sent, processed in a loop and deleted is one trace', async () => {
      const { spans, queue, QueueUrl, said } = await run(
        `await inSpan('request', async () => {
          const { MessageId } = await send('hello')
          say(MessageId)
          say(activeName())
        })
        const before = activeTrace()
        for (const message of await receive()) {
          await sleep(5)
          await inSpan('work', () => sleep(1))
          await client.send(new sdk.DeleteMessageCommand({ QueueUrl, ReceiptHandle: message.ReceiptHandle }))
          say(message.Body)
        }
        assert.equal(before, undefined)
        say(activeTrace())`,
        { type, spans: 5 },
      )
      const [messageId, ...rest] = said
      assert.deepEqual(rest, ['request', 'hello', null])
      oneTrace(spans)
      const common = {
        'messaging.system': 'aws_sqs',
        'messaging.destination.name': queue,
        'aws.sqs.queue.url': QueueUrl,
        'cloud.region': 'eu-west-1',
        // The client was given an endpoint.
        'server.address': undefined,
        'server.port': undefined,
      }
      const operation = (name: string, kind = name) => ({
        ...common,
        'messaging.operation.name': name,
        'messaging.operation.type': kind,
      })
      assertTree(spans, [
        {
          name: 'request',
          kind: 'internal',
          children: [
            {
              name: `send ${queue}`,
              kind: 'producer',
              attributes: {
                ...operation('send'),
                'messaging.message.id': messageId,
                'messaging.batch.message_count': undefined,
                'aws.request_id': /./,
              },
              children: [
                {
                  name: `process ${queue}`,
                  kind: 'consumer',
                  attributes: { ...operation('process'), 'messaging.message.id': messageId },
                  children: [
                    { name: 'work', kind: 'internal' },
                    { name: `delete ${queue}`, kind: 'client', attributes: operation('delete', 'settle') },
                  ],
                },
              ],
            },
          ],
        },
      ])
      const [process, work] = [one(spans, `process ${queue}`), one(spans, 'work')]
      assert.ok(process.end > work.end, 'the message was processed after its loop had gone on')
      assert.equal(process.scope.name, '@org/trace/aws-sdk-client-sqs')
    })

    test('each message of a batch has a context of its own, and the batch is linked to all', async () => {
      const { spans, queue, said } = await run(
        `const Entries = ['a', 'b', 'c'].map(Id => ({ Id, MessageBody: 'body ' + Id }))
        Entries[1].MessageAttributes = { own: { DataType: 'String', StringValue: 'kept' } }
        const command = new SendMessageBatchCommand({ QueueUrl, Entries })
        const copy = structuredClone(command.input)
        const { Successful } = await inSpan('request', () => client.send(command))
        assert.deepEqual(command.input, copy)
        say(Successful.map(({ Id }) => Id))
        const messages = await receive({ MessageAttributeNames: ['own'] })
        say(messages.map(({ MessageAttributes }) => MessageAttributes))
        for (const message of messages) assert.ok(message.Body)`,
        { type, spans: 8 },
      )
      assert.deepEqual(said, [
        ['a', 'b', 'c'],
        [null, { own: { DataType: 'String', StringValue: 'kept' } }, null],
      ])
      oneTrace(spans)
      const process = { name: `process ${queue}`, kind: 'consumer' as const }
      const create = {
        name: `create ${queue}`,
        kind: 'producer' as const,
        attributes: { 'messaging.operation.type': 'create', 'messaging.message.id': /./ },
        children: [process],
      }
      assertTree(spans, [
        {
          name: 'request',
          kind: 'internal',
          children: [
            create,
            create,
            create,
            {
              name: `send ${queue}`,
              kind: 'client',
              attributes: { 'messaging.batch.message_count': 3, 'messaging.operation.type': 'send' },
            },
          ],
        },
      ])
      const created = spans.filter(span => span.name === create.name)
      assert.deepEqual(one(spans, `send ${queue}`).links.map(idOf).sort(), created.map(idOf).sort())
      const sent = new Map(created.map(span => [span.spanId, span.attributes['messaging.message.id']]))
      for (const span of spans.filter(({ name }) => name === process.name)) {
        assert.equal(span.attributes['messaging.message.id'], sent.get(span.parentSpanId ?? ''))
      }
    })

    test('a batch that fails in part: the batch and the messages that failed', async () => {
      const { spans, queue, said } = await run(
        `const Entries = [{ Id: 'good', MessageBody: 'good' }, { Id: 'bad', MessageBody: 'not \\u0001 allowed' }]
        const { Failed, Successful } = await inSpan('request', () => client.send(new SendMessageBatchCommand({ QueueUrl, Entries })))
        say([Successful.length, Failed.length])`,
        { type, spans: 4 },
      )
      assert.deepEqual(said, [[1, 1]])
      const status = (name: string) =>
        spans.filter(span => span.name === name).map(span => `${span.status} ${span.attributes['error.type']}`)
      assert.deepEqual(status(`create ${queue}`).sort(), ['error InvalidMessageContents', 'unset undefined'])
      assert.deepEqual(status(`send ${queue}`), ['error InvalidMessageContents'])
    })

    test('what is received inside a trace is told there, with links; what the application asked for is all it gets', async () => {
      const { spans, queue, said } = await run(
        `await inSpan('first', () => send('1'))
        await inSpan('second', () => send('2', { MessageAttributes: { own: { DataType: 'Number', StringValue: '7' } } }))
        const command = new ReceiveMessageCommand({ QueueUrl, MaxNumberOfMessages: 10, MessageAttributeNames: ['own'] })
        const copy = structuredClone(command.input)
        await inSpan('poll', async () => {
          const { Messages } = await client.send(command)
          say(Messages.map(m => [m.Body, Object.keys(m).includes('MessageAttributes'), 'MD5OfMessageAttributes' in m]))
          say(Messages[1].MessageAttributes)
          say((await client.send(new ReceiveMessageCommand({ QueueUrl }))).Messages)
        })
        assert.deepEqual(command.input, copy)`,
        { type, spans: 6 },
      )
      assert.deepEqual(said, [
        [
          ['1', false, false],
          ['2', true, true],
        ],
        { own: { DataType: 'Number', StringValue: '7' } },
        null,
      ])
      const receive = one(spans, `receive ${queue}`)
      assert.equal(receive.kind, 'client')
      assert.equal(receive.parentSpanId, one(spans, 'poll').spanId)
      assert.equal(receive.attributes['messaging.batch.message_count'], 2)
      assert.deepEqual(receive.links.map(idOf), spans.filter(({ name }) => name === `send ${queue}`).map(idOf))
    })

    test('the array of messages is an array like any other', async () => {
      const { said } = await run(
        `for (const body of ['1', '2', '3']) await send(body)
        const Messages = await receive()
        const loose = (a, b) => isDeepStrictEqual({ ...a }, { ...b }) && a.length === b.length
        const plain = Array.from({ length: Messages.length }, (_, i) => Messages[i])
        say(Array.isArray(Messages) && Messages instanceof Array && Messages.constructor === Array)
        assert.ok(loose(Messages, plain))
        assert.equal(JSON.stringify(Messages), JSON.stringify(plain))
        assert.deepStrictEqual(structuredClone(Messages), plain)
        assert.deepEqual(Reflect.ownKeys(Messages), Reflect.ownKeys(plain))
        assert.deepEqual(Object.keys(Messages), ['0', '1', '2'])
        for (const key of ['map', 'forEach', 'values', 'entries', Symbol.iterator]) {
          assert.deepEqual([Messages[key].name, Messages[key].length], [plain[key].name, plain[key].length])
          assert.throws(() => Messages.map(), { name: 'TypeError', message: 'undefined is not a function' })
        }
        say(String(Messages[Symbol.iterator]()))
        say(Object.getPrototypeOf(Messages.map(m => m)) === Array.prototype)
        assert.deepStrictEqual([...Messages], plain)
        assert.ok([...Messages].every((message, i) => message === plain[i]))
        assert.deepStrictEqual([...Messages.entries()], [...plain.entries()])
        const self = {}
        Messages.forEach(function (message, i, array) { assert.ok(this === self && plain[i] === message && array === Messages) }, self)
        say(Messages.filter(m => m.Body !== '2').length)`,
        { type, spans: 6 },
      )
      assert.deepEqual(said, [true, '[object Array Iterator]', true, 2])
    })

    test('every step through the messages is in its own span, once', async () => {
      const { spans, queue, said } = await run(
        `const ways = {
          async map(messages, step) { await Promise.all(messages.map(step)) },
          async forEach(messages, step) { const all = []; messages.forEach(m => { all.push(step(m)); return all.at(-1) }); await Promise.all(all) },
          async 'for of'(messages, step) { for (const m of messages) await step(m) },
          async 'for await'(messages, step) { for await (const m of messages) await step(m) },
          async entries(messages, step) { for (const [, m] of messages.entries()) await step(m) },
          async 'no await'(messages, step) { const all = []; for (const m of messages) all.push(step(m)); await Promise.all(all) },
        }
        for (const [way, walk] of Object.entries(ways)) {
          const sent = new Map()
          for (const body of ['1', '2', '3']) await inSpan(way, async () => { await send(body); sent.set(body, activeTrace()) })
          const Messages = await receive()
          assert.deepEqual(Messages.map(m => m.Body), ['1', '2', '3'])
          const step = async m => {
            const here = activeTrace()
            await sleep(3)
            await inSpan('work', () => sleep(3))
            assert.equal(activeTrace(), here)
            return here === sent.get(m.Body)
          }
          const right = []
          await walk(Messages, async m => right.push(await step(m)))
          assert.equal(activeTrace(), undefined)
          say([way, right.length, right.every(Boolean)])
          for (const m of Messages) assert.equal(activeTrace(), undefined)
          Messages.forEach(() => assert.equal(activeTrace(), undefined))
        }`,
        { type, spans: 6 * 3 * 4 },
      )
      assert.deepEqual(
        said,
        ['map', 'forEach', 'for of', 'for await', 'entries', 'no await'].map(way => [way, 3, true]),
      )
      const processed = new Map(
        spans.filter(({ name }) => name === `process ${queue}`).map(span => [span.spanId, span]),
      )
      assert.equal(processed.size, 18)
      for (const work of spans.filter(({ name }) => name === 'work')) {
        assert.equal(processed.get(work.parentSpanId ?? '')?.traceId, work.traceId)
      }
    })

    test('a loop that is left early, and a step that fails', async () => {
      const { spans, queue, said } = await run(
        `for (const body of ['1', '2', '3', '4', '5']) await send(body)
        const Messages = await receive()
        for (const m of Messages) break
        say(activeTrace())
        const thrown = new TypeError('in the loop')
        await assert.rejects(async () => { for (const m of Messages) { if (m.Body === '2') throw thrown } }, error => error === thrown)
        say(activeTrace())
        const failed = new RangeError('in the step')
        const results = await Promise.allSettled(Messages.map(async m => { if (m.Body === '3') throw failed; return m.Body }))
        say(results.map(({ status, value, reason }) => reason === failed ? 'the same error' : value ?? status))
        say(activeTrace())`,
        { type, spans: 10 },
      )
      assert.deepEqual(said, [null, null, ['1', '2', 'the same error', '4', '5'], null])
      const processed = spans.filter(({ name }) => name === `process ${queue}`)
      assert.deepEqual(
        processed.map(({ status, attributes }) => [status, attributes['error.type']]).sort(),
        [...Array(4).fill(['unset', undefined]), ['error', 'RangeError']].sort(),
      )
    })

    test('callbacks, the aggregated client and subclasses of commands', async () => {
      const { spans, queue, said } = await run(
        `const called = (client, ...args) => new Promise(resolve => {
          const result = client.send(...args, function (error, output) { resolve([result === undefined, error, output?.MessageId !== undefined, activeName(), arguments.length]) })
        })
        class Mine extends SendMessageCommand { #own = 1; get own() { return this.#own } }
        const command = () => new SendMessageCommand({ QueueUrl, MessageBody: 'x' })
        await inSpan('request', async () => {
          say(await called(client, command()))
          say(await called(client, command(), {}))
          const all = new SQS(settings)
          say(typeof (await all.sendMessage({ QueueUrl, MessageBody: 'x' })).MessageId)
          say(await new Promise(resolve => all.sendMessage({ QueueUrl, MessageBody: 'x' }, (error, output) => resolve([error, typeof output.MessageId, activeName()]))))
          say(typeof (await client.send(new Mine({ QueueUrl, MessageBody: 'x' }))).MessageId)
        })
        await new Promise(resolve => client.send(new ReceiveMessageCommand({ QueueUrl, MaxNumberOfMessages: 10 }), (error, { Messages }) => {
          say(activeName())
          for (const m of Messages) say(activeName() !== undefined && m.MessageAttributes === undefined)
          resolve()
        }))`,
        { type, spans: 11 },
      )
      assert.deepEqual(said, [
        [true, null, true, 'request', 2],
        [true, null, true, 'request', 2],
        'string',
        [null, 'string', 'request'],
        'string',
        null,
        ...Array(5).fill(true),
      ])
      oneTrace(spans)
      assert.equal(spans.filter(({ name, kind }) => name === `send ${queue}` && kind === 'producer').length, 5)
    })

    test('failing calls: the queue is unknown, the service is away, the call is wrong', async () => {
      const { spans, said } = await run(
        `const failing = async (client, more) => {
          const command = new SendMessageCommand({ QueueUrl: QueueUrl + '-none', MessageBody: 'x', ...more })
          const error = await client.send(command).catch(error => error)
          say([error.name, error.constructor.name, error instanceof Error])
        }
        await failing(client)
        await failing(new SQSClient({ ...settings, endpoint: 'http://127.0.0.1:1', maxAttempts: 1 }))
        await new Promise(resolve => client.send(new SendMessageCommand({ QueueUrl: QueueUrl + '-none', MessageBody: 'x' }), error => {
          say(error.name)
          resolve()
        }))
        await assert.rejects(client.send(new ReceiveMessageCommand({ QueueUrl: QueueUrl + '-none' })), { name: 'QueueDoesNotExist' })
        await inSpan('poll', () => assert.rejects(client.send(new ReceiveMessageCommand({ QueueUrl: QueueUrl + '-none' })), { name: 'QueueDoesNotExist' }))
        for (const wrong of [undefined, null, 1, {}]) assert.throws(() => client.send(wrong), { name: 'TypeError' })
        say(await client.send(new SendMessageCommand()).then(() => 'sent', error => error.name !== 'TypeError'))`,
        { type, spans: 6 },
      )
      assert.deepEqual(said, [
        ['QueueDoesNotExist', 'QueueDoesNotExist', true],
        ['Error', 'Error', true],
        'QueueDoesNotExist',
        true,
      ])
      const failed = spans.filter(({ name }) => name !== 'poll')
      assert.deepEqual(
        failed
          .map(({ name, status, attributes }) => [name.split(' ')[0], status, attributes['error.type']])
          .slice(0, 4),
        [
          ['send', 'error', 'QueueDoesNotExist'],
          ['send', 'error', 'ECONNREFUSED'],
          ['send', 'error', 'QueueDoesNotExist'],
          ['receive', 'error', 'QueueDoesNotExist'],
        ],
      )
      assert.equal(failed[0]?.events[0]?.name, 'exception')
    })

    test('50 messages at once: each has its own trace from the sender to the end of its processing', async () => {
      const { spans, queue, said } = await run(
        `const sent = new Map()
        await Promise.all(Array.from({ length: 50 }, (_, i) => inSpan('request ' + i, async () => {
          sent.set(String(i), activeTrace())
          await sleep(Math.random() * 10)
          await send(String(i))
          assert.equal(activeTrace(), sent.get(String(i)))
        })))
        let right = 0
        const batches = await Promise.all(Array.from({ length: 8 }, () => receive()))
        await Promise.all(batches.map(async messages => {
          for (const m of messages) {
            await inSpan('work ' + m.Body, async () => {
              await sleep(Math.random() * 10)
              await client.send(new sdk.DeleteMessageCommand({ QueueUrl, ReceiptHandle: m.ReceiptHandle }))
              if (activeTrace() === sent.get(m.Body)) right++
            })
          }
        }))
        say(right)`,
        { type, spans: 250 },
      )
      assert.deepEqual(said, [50])
      for (let i = 0; i < 50; i++) {
        const { traceId } = one(spans, `request ${i}`)
        const inTrace = spans.filter(span => span.traceId === traceId)
        oneTrace(inTrace)
        assert.deepEqual(
          inTrace.map(({ name }) => name.replace(queue, 'QUEUE')).sort(),
          ['delete QUEUE', 'process QUEUE', `request ${i}`, 'send QUEUE', `work ${i}`].sort(),
        )
      }
    })

    test("the SDK's own requests make no spans, carry no headers, and are one call however often they are tried", async () => {
      const service = await createRecorder((request, count) =>
        count === 1 ? { status: 500, body: { __type: 'InternalError' } } : accepted(request),
      )
      const { spans } = await run(`await inSpan('request', () => send('x'))`, {
        type,
        spans: 2,
        endpoint: service.url,
      })
      service.close()
      assert.equal(service.requests.length, 2)
      for (const { headers } of service.requests) {
        assert.equal(headers.traceparent, undefined)
        assert.equal(headers.baggage, undefined)
      }
      const send = spans.find(({ kind }) => kind === 'producer') as ReceivedSpan
      assert.equal(send.attributes['aws.request_id'], 'request-1')
      assert.equal(
        service.requests[1]?.input.MessageAttributes.traceparent.StringValue.slice(3, 52),
        `${send.traceId}-${send.spanId}`,
      )
    })

    test('what is not sampled says so to the other side, and hides no less', async () => {
      const service = await createRecorder(accepted)
      await run(
        `await inSpan('request', () => send('x')); await send('y'); await client.send(new sdk.ListQueuesCommand({}))`,
        {
          type,
          spans: 0,
          endpoint: service.url,
          env: { OTEL_TRACES_SAMPLER: 'always_off' },
        },
      )
      service.close()
      assert.equal(service.requests.length, 3)
      for (const { headers, target, input } of service.requests) {
        assert.equal(headers.traceparent, undefined)
        if (target === 'SendMessage') assert.match(input.MessageAttributes.traceparent.StringValue, /^00-.*-0[02]$/)
      }
    })

    test('a message gets as many headers as there is room for, and none that the application has set itself', async () => {
      const service = await createRecorder(request =>
        request.target === 'SendMessage' ? accepted(request) : { body: { Successful: [], Failed: [] } },
      )
      const { said } = await run(
        `const text = StringValue => ({ DataType: 'String', StringValue })
        const own = count => Object.fromEntries(Array.from({ length: count }, (_, i) => ['own' + i, text('x')]))
        const frozen = Object.freeze({ QueueUrl, MessageBody: '3', MessageAttributes: Object.freeze(own(2)) })
        const { propagation, context } = ${type === 'esm' ? "await import('@opentelemetry/api')" : "require('@opentelemetry/api')"}
        const baggage = propagation.createBaggage({ tenant: { value: 'a' } })
        await context.with(propagation.setBaggage(context.active(), baggage), () => inSpan('request', async () => {
          const here = activeTrace()
          await send('0', { MessageAttributes: own(9) })
          await send('1', { MessageAttributes: own(10) })
          await send('2', { MessageAttributes: { traceparent: text('00-' + 'a'.repeat(32) + '-' + 'b'.repeat(16) + '-01') } })
          await client.send(Object.freeze(new SendMessageCommand(frozen)))
          await send('4', { MessageAttributes: { traceparent: text('00-' + here + '-' + 'b'.repeat(16) + '-01'), baggage: text('old=1') } })
          await send('5', { MessageAttributes: { baggage: text('two suitcases') } })
          await send('6'.repeat(1048576))
          say(here)
          const command = new SendMessageCommand({ QueueUrl, MessageBody: '7' })
          const seen = []
          command.middlewareStack.add(next => args => { seen.push(args.input.MessageBody); return next(args) }, { step: 'initialize', name: 'mine' })
          await client.send(command)
          await client.send(command)
          say(seen)
          const Entries = [{ Id: 'a', MessageBody: 'a', MessageAttributes: own(10) }, { Id: 'b', MessageBody: 'b' }]
          await client.send(new SendMessageBatchCommand({ QueueUrl, Entries }))
          const big = ['c', 'd'].map(Id => ({ Id, MessageBody: Id.repeat(524288) }))
          await client.send(new SendMessageBatchCommand({ QueueUrl, Entries: big }))
        }))`,
        { type, spans: 16, endpoint: service.url },
      )
      service.close()
      const [here, seen] = said
      assert.deepEqual(seen, ['7', '7'])
      const attributes = service.requests.map(({ input }) => input.MessageAttributes)
      const names = attributes.map(of => Object.keys(of ?? {}).filter(name => !name.startsWith('own')))
      assert.deepEqual(names.slice(0, 9), [
        ['traceparent'],
        [],
        ['traceparent'],
        ['traceparent', 'baggage'],
        ['traceparent', 'baggage'],
        ['baggage', 'traceparent'],
        [],
        ['traceparent', 'baggage'],
        ['traceparent', 'baggage'],
      ])
      assert.equal(Object.keys(attributes[1]).length, 10)
      assert.match(attributes[2].traceparent.StringValue, /^00-a{32}-b{16}-01$/)
      assert.deepEqual(Object.keys(attributes[3]).length, 4)
      assert.equal(attributes[4].traceparent.StringValue.slice(3, 35), here)
      assert.notEqual(attributes[4].traceparent.StringValue.slice(36, 52), 'b'.repeat(16))
      assert.equal(attributes[4].baggage.StringValue, 'tenant=a')
      assert.equal(attributes[5].baggage.StringValue, 'two suitcases')
      assert.notEqual(attributes[7].traceparent.StringValue, attributes[8].traceparent.StringValue)
      const [[full, plain], big] = service.requests.slice(9).map(({ input }) => input.Entries)
      assert.equal(Object.keys(full.MessageAttributes).length, 10)
      assert.deepEqual(Object.keys(plain.MessageAttributes), ['traceparent', 'baggage'])
      for (const entry of big) assert.equal(entry.MessageAttributes, undefined)
    })

    test('names are asked for only where they are not asked for already', async () => {
      const service = await createRecorder(() => ({ body: {} }))
      await run(
        `for (const MessageAttributeNames of [undefined, [], ['own'], ['All'], ['.*'], ['trace*', 'trace.*'], ['baggage']]) await receive({ MessageAttributeNames })`,
        { type, spans: 0, endpoint: service.url },
      )
      service.close()
      const all = ['traceparent', 'tracestate', 'baggage']
      assert.deepEqual(
        service.requests.map(({ input }) => input.MessageAttributeNames),
        [
          all,
          all,
          ['own', ...all],
          ['All'],
          ['.*'],
          ['trace*', 'trace.*', 'baggage'],
          ['baggage', 'traceparent', 'tracestate'],
        ],
      )
    })

    test('settling and administering', async () => {
      const { spans, queue } = await run(
        `await send('x')
        const [{ ReceiptHandle }] = await receive()
        const handle = { Id: 'a', ReceiptHandle }
        await client.send(new sdk.ChangeMessageVisibilityCommand({ QueueUrl, ReceiptHandle, VisibilityTimeout: 10 }))
        await inSpan('request', async () => {
          await client.send(new sdk.ChangeMessageVisibilityCommand({ QueueUrl, ReceiptHandle, VisibilityTimeout: 10 }))
          await client.send(new sdk.ChangeMessageVisibilityBatchCommand({ QueueUrl, Entries: [{ ...handle, VisibilityTimeout: 10 }] }))
          await client.send(new sdk.DeleteMessageBatchCommand({ QueueUrl, Entries: [handle] }))
          await client.send(new sdk.GetQueueAttributesCommand({ QueueUrl, AttributeNames: ['All'] }))
        })`,
        { type, spans: 7 },
      )
      assertTree(
        spans.filter(({ name }) => !/^(send|process)/.test(name)),
        [
          {
            name: 'request',
            kind: 'internal',
            children: [
              {
                name: `change_visibility ${queue}`,
                kind: 'client',
                attributes: { 'messaging.operation.type': 'settle', 'messaging.batch.message_count': undefined },
              },
              {
                name: `change_visibility ${queue}`,
                kind: 'client',
                attributes: { 'messaging.batch.message_count': 1 },
              },
              { name: `delete ${queue}`, kind: 'client', attributes: { 'messaging.batch.message_count': 1 } },
              {
                name: 'SQS/GetQueueAttributes',
                kind: 'client',
                attributes: { 'rpc.system.name': 'aws-api', 'rpc.method': 'SQS/GetQueueAttributes' },
              },
            ],
          },
        ],
      )
    })
  })
}

test('a message of an untraced sender starts a trace of its own', async () => {
  const { spans, queue } = await run(
    `await inSpan('outside', async () => {
      const { SQS_URL } = process.env
      const body = JSON.stringify({ QueueUrl, MessageBody: 'x' })
      const headers = { 'content-type': 'application/x-amz-json-1.0', 'x-amz-target': 'AmazonSQS.SendMessage', authorization: 'AWS4-HMAC-SHA256 Credential=test/20260101/eu-west-1/sqs/aws4_request, SignedHeaders=host, Signature=0' }
      await fetch(SQS_URL, { method: 'POST', headers, body })
      for (const message of await receive()) await inSpan('work', () => sleep(1))
    })`,
    { spans: 5 },
  )
  const process = one(spans, `process ${queue}`)
  assert.equal(process.parentSpanId, undefined)
  assert.equal(one(spans, 'work').parentSpanId, process.spanId)
  assert.deepEqual(one(spans, `receive ${queue}`).links, [])
})

test('reading messages makes no other array slower to spread', async () => {
  const { said } = await run(
    `const five = [1, 2, 3, 4, 5]
    const took = () => {
      let best = Infinity
      for (let round = 0; round < 20; round++) {
        const start = process.hrtime.bigint()
        for (let i = 0; i < 100000; i++) if ([...five].length !== 5) throw new Error()
        best = Math.min(best, Number(process.hrtime.bigint() - start))
      }
      return best
    }
    took()
    const before = took()
    await send('x')
    for (const message of await receive()) say(message.Body)
    say(took() < before * 4)`,
    { spans: 2 },
  )
  assert.deepEqual(said, ['x', true])
})
