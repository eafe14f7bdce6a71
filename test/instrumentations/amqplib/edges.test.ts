/** What amqplib does at its edges: dead letters, redelivery, connections that break, headers of others. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { rabbitmq } from '../../helpers/services.js'
import { assertTree, oneTrace } from '../../helpers/spans.js'
import { applications, one } from './app.js'

const { run: runAny } = applications(rabbitmq())

/** As `run`, with a channel and a queue. */
const run = (body: string, options: Parameters<typeof runAny>[1]) =>
  runAny(
    `main(async () => {
      const connection = await connect(url)
      const channel = await connection.createChannel()
      const dead = queue + '-dead'
      ${body}
      await connection.close()
    })`,
    options,
  )

/** Two queues: what is rejected in the first one is a dead letter in the second. */
const WITH_DEAD_LETTERS = `
  await channel.assertQueue(dead, { exclusive: true })
  await channel.assertQueue(queue, { exclusive: true, deadLetterExchange: '', deadLetterRoutingKey: dead })
  const { promise, resolve } = deferred()
  const consumer = await channel.consume(queue, message => { channel.reject(message, false) })
  const handle = message => {
    channel.ack(message)
    say([message.properties.headers['x-death'].length, message.fields.redelivered])
    resolve()
  }`

for (const version of ['2', '0.10'] as const) {
  describe(`amqplib ${version}`, { concurrency: 2 }, () => {
    test('a dead letter is handled in the trace of its sender', async () => {
      const { spans, queue, said } = await run(
        `${WITH_DEAD_LETTERS}
        await channel.consume(dead, handle)
        await inSpan('request', async () => { channel.sendToQueue(queue, body) })
        await promise
        await sleep(10)`,
        { version, spans: 4 },
      )
      assert.deepEqual(said, [[1, false]])
      assertTree(spans, [
        {
          name: 'request',
          kind: 'internal',
          children: [
            {
              name: `publish ${queue}`,
              kind: 'producer',
              children: [
                { name: `process ${queue}`, kind: 'consumer', status: 'error', attributes: { 'error.type': 'reject' } },
                {
                  name: `process ${queue}-dead`,
                  kind: 'consumer',
                  attributes: { 'messaging.destination.name': `${queue}-dead` },
                },
              ],
            },
          ],
        },
      ])
    })

    test('a dead letter that is handled late begins a trace of its own, linked to its sender', async () => {
      const { spans, queue } = await run(
        `${WITH_DEAD_LETTERS}
        await inSpan('request', async () => { channel.sendToQueue(queue, body) })
        // RabbitMQ notes the time in seconds.
        await sleep(1500)
        await channel.consume(dead, handle)
        await promise
        await sleep(10)`,
        { version, spans: 4, env: { TRACE_ASYNC_MAX_AGE_MS: '400' } },
      )
      const [sent, handled] = [one(spans, `publish ${queue}`), one(spans, `process ${queue}-dead`)]
      assert.equal(handled.parentSpanId, undefined)
      assert.deepEqual(
        handled.links.map(({ traceId, spanId }) => [traceId, spanId]),
        [[sent.traceId, sent.spanId]],
      )
      // Its first consumer was in time.
      assert.equal(one(spans, `process ${queue}`).parentSpanId, sent.spanId)
    })

    test('a message that goes round by dead letters leaves the trace once it is old, however often it comes', async () => {
      const { spans, queue, said } = await run(
        `await channel.assertQueue(queue, { exclusive: true, deadLetterExchange: '', deadLetterRoutingKey: dead })
        await channel.assertQueue(dead, { exclusive: true, messageTtl: 700, deadLetterExchange: '', deadLetterRoutingKey: queue })
        const { promise, resolve } = deferred()
        let count = 0
        await channel.consume(queue, message => {
          say(message.properties.headers['x-death']?.length ?? 0)
          if (++count < 4) return channel.reject(message, false)
          channel.ack(message)
          resolve()
        })
        await inSpan('request', async () => { channel.sendToQueue(queue, body) })
        await promise
        await sleep(10)`,
        { version, spans: 6, env: { TRACE_ASYNC_MAX_AGE_MS: '2000' } },
      )
      assert.deepEqual(said, [0, 2, 2, 2])
      const sent = one(spans, `publish ${queue}`)
      const processed = spans
        .filter(({ name }) => name === `process ${queue}`)
        .sort((a, b) => Number(a.start - b.start))
      assert.equal(processed[0]?.parentSpanId, sent.spanId)
      assert.equal(processed[3]?.parentSpanId, undefined)
      assert.equal(processed[3]?.links[0]?.spanId, sent.spanId)
    })

    test('a message that is put back and comes again has a span for each time', async () => {
      const { spans, queue, said } = await run(
        `await channel.assertQueue(queue, { exclusive: true })
        const { promise, resolve } = deferred()
        const again = [
          message => channel.nack(message, false, true),
          message => channel.nack(message),
          message => channel.reject(message, true),
          message => channel.nackAll(true),
          message => { channel.ack(message); resolve() },
        ]
        await channel.consume(queue, message => {
          say(message.fields.redelivered)
          again.shift()(message)
        })
        await inSpan('request', async () => { channel.sendToQueue(queue, body) })
        await promise
        await sleep(10)`,
        { version, spans: 7 },
      )
      assert.deepEqual(said, [false, true, true, true, true])
      oneTrace(spans)
      const processed = spans.filter(({ name }) => name === `process ${queue}`)
      assert.deepEqual(
        processed.sort((a, b) => Number(a.start - b.start)).map(({ attributes }) => attributes['error.type']),
        ['nack', 'nack', 'reject', 'nack', undefined],
      )
      for (const { parentSpanId } of processed) assert.equal(parentSpanId, one(spans, `publish ${queue}`).spanId)
    })

    test('a connection that breaks ends what is open on it: messages that are processed, and those not confirmed', async () => {
      const { spans, queue, said } = await runAny(
        `main(async () => {
          const connection = await connect(url)
          connection.on('error', error => say(error instanceof Error))
          const channel = await connection.createConfirmChannel()
          await channel.assertQueue(queue, { exclusive: true })
          const { promise, resolve } = deferred()
          await channel.consume(queue, resolve)
          channel.sendToQueue(queue, body)
          await promise
          await channel.waitForConfirms()
          const closed = new Promise(resolve => connection.on('close', resolve))
          channel.sendToQueue(queue, body, { messageId: 'late' }, error => say(error.message))
          const internal = connection.connection
          internal.stream.destroy(new Error('broken'))
          await closed
          try { channel.ack(await promise) } catch (error) { say(error.name) }
          // Nothing of it is left to keep: what has ended goes out meanwhile, on a busy machine, too.
          await sleep(3000)
          process.kill(process.pid, 'SIGKILL')
        })`,
        { version, spans: 3, kills: true },
      )
      assert.deepEqual(said, [true, 'channel closed', 'IllegalOperationError'])
      assert.equal(one(spans, `process ${queue}`).attributes['error.type'], 'channel_closed')
      const late = spans.find(span => span.attributes['messaging.message.id'] === 'late')
      assert.equal(late?.attributes['error.type'], 'channel_closed')
    })
  })
}

test('headers of other tracers, and those that are no text, are neither an error nor a trace', async () => {
  const { spans, queue, said } = await run(
    `await channel.assertQueue(queue, { exclusive: true })
    const id = '1'.repeat(32)
    const all = [
      { 'x-datadog-trace-id': '123', 'x-datadog-parent-id': '456', 'x-datadog-sampling-priority': '1' },
      { b3: id + '-2222222222222222-1' },
      { 'X-B3-TraceId': id, 'X-B3-SpanId': '2222222222222222', 'X-B3-Sampled': '1' },
      { 'uber-trace-id': id + ':2222222222222222:0:1', 'sentry-trace': id + '-2222222222222222-1', newrelic: 'e30=' },
      { 'X-Amzn-Trace-Id': 'Root=1-67891233-abcdef012345678912345678' },
      { traceparent: 'none' },
      { traceparent: '00-' + '0'.repeat(32) + '-2222222222222222-01' },
      { traceparent: Buffer.from([0, 1, 2, 255]) },
      { traceparent: 5, tracestate: true, baggage: [1, 'two'] },
      { traceparent: null },
      { traceparent: { deep: { deeper: [1, 2, { '!': 'int64', value: 3 }] } } },
      { binary: Buffer.from([255, 254]), list: ['a', 1], when: { '!': 'timestamp', value: 1 }, decimal: { '!': 'decimal', value: { digits: 1, places: 2 } } },
      { 'x-death': 'long ago' },
      { 'x-death': [null, 5, { time: 'now' }, { time: { value: 'now' } }] },
    ]
    const { promise, resolve } = deferred()
    let left = all.length
    await channel.consume(queue, message => {
      const { headers } = message.properties
      say(Object.keys(headers).sort())
      channel.ack(message)
      if (--left === 0) resolve()
    })
    for (const headers of all) await untraced(() => channel.sendToQueue(queue, body, { headers }))
    await promise
    await sleep(10)`,
    { spans: 14 },
  )
  assert.deepEqual(said.slice(5, 11), [
    ['traceparent'],
    ['traceparent'],
    ['traceparent'],
    ['baggage', 'traceparent', 'tracestate'],
    ['traceparent'],
    ['traceparent'],
  ])
  for (const { name, status, parentSpanId, links } of spans) {
    assert.deepEqual([name, status, parentSpanId, links.length], [`process ${queue}`, 'unset', undefined, 0])
  }
})

test("a message's own trace header stays, as text or as bytes or whatever else, and so do all its other headers", async () => {
  const foreign = `00-${'1'.repeat(32)}-${'2'.repeat(16)}-01`
  const { said } = await run(
    `await channel.assertQueue(queue, { exclusive: true })
    await inSpan('request', async () => {
      for (const headers of [
        { traceparent: '${foreign}' },
        { traceparent: Buffer.from('${foreign}') },
        { traceparent: 5 },
        { traceparent: null },
        { 'x-datadog-trace-id': '123', bytes: Buffer.from([255]) },
      ]) {
        const given = structuredClone(headers)
        channel.sendToQueue(queue, body, { headers })
        say(Object.keys(headers).length === Object.keys(given).length)
        await sleep(5)
        const message = await untraced(() => channel.get(queue, { noAck: true }))
        const { traceparent, bytes, ...others } = message.properties.headers
        say([typeof traceparent === 'string' && traceparent.length === 55 ? 'text' : String(traceparent), bytes?.[0], others])
      }
    })`,
    { spans: 6 },
  )
  assert.deepEqual(
    said.filter(line => line !== true),
    [
      ['text', null, {}],
      [foreign, null, {}],
      ['5', null, {}],
      ['null', null, {}],
      ['text', 255, { 'x-datadog-trace-id': '123' }],
    ],
  )
})

test('a publish that returns false, as the buffer is full, has not failed', async () => {
  const { spans, queue, said } = await run(
    `await channel.assertQueue(queue, { exclusive: true })
    const big = Buffer.alloc(100_000)
    let returned = true
    let count = 0
    while (returned) {
      count++
      const publish = () => channel.sendToQueue(queue, big, { messageId: String(count) })
      returned = untraced(publish)
    }
    const more = inSpan('request', async () => { say(channel.sendToQueue(queue, big, { messageId: 'full' })) })
    await new Promise(resolve => channel.once('drain', resolve))
    await more
    say(channel.sendToQueue(queue, body, { messageId: 'drained' }))`,
    { spans: 3 },
  )
  assert.deepEqual(said, [false, true])
  assert.deepEqual(
    spans
      .filter(({ name }) => name === `publish ${queue}`)
      .map(({ status, attributes }) => [status, attributes['error.type']]),
    [
      ['unset', undefined],
      ['unset', undefined],
    ],
  )
})

test('channel.recover, and a consumer that is cancelled with messages in hand', async () => {
  const { spans, queue, said } = await run(
    `await channel.assertQueue(queue, { exclusive: true })
    const { promise, resolve } = deferred()
    const messages = []
    const { consumerTag } = await channel.consume(queue, message => {
      messages.push(message)
      say(message.fields.redelivered)
      if (messages.length === 2) resolve()
    })
    await inSpan('request', async () => { channel.sendToQueue(queue, body) })
    await sleep(20)
    await channel.recover()
    await promise
    await channel.cancel(consumerTag)
    channel.ack(messages[1])
    await sleep(10)
    await channel.close()`,
    { spans: 4 },
  )
  assert.deepEqual(said, [false, true])
  const processed = spans.filter(({ name }) => name === `process ${queue}`).sort((a, b) => Number(a.start - b.start))
  assert.deepEqual(
    processed.map(({ attributes }) => attributes['error.type']),
    ['channel_closed', undefined],
  )
})

test('a consumer whose promise never settles ends with its channel, or with the connection that breaks', async () => {
  const { spans, queue } = await run(
    `for (const [how, noAck, acks] of [['open', false, false], ['acknowledged', false, true], ['no acknowledgements', true, false]]) {
      for (const end of ['closes', 'breaks']) {
        const other = await connect(url)
        other.on('error', () => {})
        const channel = await other.createChannel()
        channel.on('error', () => {})
        await channel.assertQueue(queue + how + end, { exclusive: true })
        const { promise, resolve } = deferred()
        await channel.consume(queue + how + end, message => {
          if (acks) channel.ack(message)
          resolve()
          return new Promise(() => {})
        }, { noAck })
        channel.sendToQueue(queue + how + end, body)
        await promise
        await sleep(5)
        if (end === 'closes') await channel.close()
        else other.connection.stream.destroy(new Error('broken'))
        await sleep(20)
        if (end === 'closes') await other.close()
      }
    }`,
    { spans: 12 },
  )
  const processed = spans.filter(({ kind }) => kind === 'consumer').sort((a, b) => Number(a.start - b.start))
  assert.deepEqual(
    processed.map(({ name, attributes }) => [name.replace(`process ${queue}`, ''), attributes['error.type']]),
    [
      ['opencloses', 'channel_closed'],
      ['openbreaks', 'channel_closed'],
      ['acknowledgedcloses', undefined],
      ['acknowledgedbreaks', undefined],
      ['no acknowledgementscloses', undefined],
      ['no acknowledgementsbreaks', undefined],
    ],
  )
})
