/** kafkajs against a mocked Kafka cluster, in applications of their own. */
import assert from 'node:assert/strict'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { pathToFileURL } from 'node:url'
import { type AppOptions, runApp } from '../helpers/child.js'
import { createCollector, type ReceivedSpan } from '../helpers/collector.js'
import { root } from '../helpers/root.js'
import { kafka, uniqueName } from '../helpers/services.js'
import { assertTree, type ExpectedSpan, oneTrace } from '../helpers/spans.js'

type Version = '2' | '1'

interface Run extends AppOptions {
  version: Version
  /** How many spans to expect; by default any number. */
  spans?: number
}

const oldest = createRequire(join(root, 'test/versions/kafkajs-1/package.json')).resolve('kafkajs')

/** What every application here starts with. A topic has four partitions, from 0 on. */
function prelude(type: AppOptions['type'], version: Version): string {
  const library = version === '2' ? 'kafkajs' : oldest
  const imports =
    type === 'esm'
      ? `import kafkajs from '${version === '2' ? library : pathToFileURL(library).href}'
         import { context, trace } from '@opentelemetry/api'
         import { suppressTracing } from '@opentelemetry/core'
         import assert from 'node:assert/strict'
         import { createRequire } from 'node:module'
         const require = createRequire('${pathToFileURL(root).href}/')`
      : `const kafkajs = require('${library}')
         const { context, trace } = require('@opentelemetry/api')
         const { suppressTracing } = require('@opentelemetry/core')
         const assert = require('node:assert/strict')`
  return `${imports}
    const { Kafka, logLevel } = kafkajs
    const settings = { brokers: process.env.BROKERS.split(','), logLevel: logLevel.NOTHING, clientId: 'test' }
    const kafka = new Kafka(settings)
    const topic = process.env.TOPIC
    let groups = 0
    const producer = kafka.producer()
    const send = (messages, more) => producer.send({ topic, messages, ...more })
    // A group of its own each time: the mock would wait for the last one's members.
    const consume = async (makeConfig, topics = [topic], options = {}) => {
      const consumer = kafka.consumer({ groupId: topic + '-group' + ++groups, maxWaitTimeInMs: 100, ...options })
      await consumer.connect()
      for (const each of topics) await consumer.subscribe({ topic: each, fromBeginning: true })
      const { promise, resolve } = deferred()
      await consumer.run(makeConfig(resolve))
      await promise
      await consumer.disconnect()
    }
    const inSpan = (name, fn) => trace.getTracer('app').startActiveSpan(name, async span => {
      try { return await fn(span) } finally { span.end(); await sleep(2) }
    })
    const activeName = () => trace.getActiveSpan()?.name
    const activeTrace = () => trace.getActiveSpan()?.spanContext().traceId
    const untraced = fn => context.with(suppressTracing(context.active()), fn)
    const sleep = ms => new Promise(resolve => setTimeout(resolve, ms))
    const deferred = () => { let resolve; const promise = new Promise(r => { resolve = r }); return { promise, resolve } }
    const failing = fn => fn().then(() => 'no error', error => [error.name, error.message])
    const say = value => console.log(JSON.stringify(value ?? null))
    const main = fn => fn().catch(error => { console.error(error); process.exit(1) })
    const code = async () => {`
}

/** Runs `code`, inside an async function, as an application with a topic of its own. Returns what it said, and its spans. */
async function run(code: string, { version, spans: count, env, ...options }: Run) {
  const collector = await createCollector()
  const topic = uniqueName('topic')
  const ended = await runApp({
    code: `${prelude(options.type, version)}
      await producer.connect()
      ${code}
      await producer.disconnect()
    }
    main(code)`,
    collector,
    env: { BROKERS: kafka(), TOPIC: topic, KAFKAJS_NO_PARTITIONER_WARNING: '1', TRACE_KAFKAJS_KEYS: 'true', ...env },
    // Node 24 tells that kafkajs 2 sets timers into the past.
    flags: ['--disable-warning=TimeoutNegativeWarning'],
    timeoutMs: 40_000,
    ...options,
  })
  assert.equal(ended.stderr, '')
  assert.equal(ended.signal ?? ended.code, 0)
  const spans = await collector.waitFor(count ?? 0)
  await collector.close()
  assert.equal(spans.length, count ?? spans.length, spans.map(span => `${span.kind} ${span.name}`).join(', '))
  const lines = ended.stdout.split('\n').filter(line => line !== '')
  return { spans, topic, said: lines.map(line => JSON.parse(line)) }
}

const named = (spans: readonly ReceivedSpan[], name: string): ReceivedSpan[] => spans.filter(span => span.name === name)

const one = (spans: readonly ReceivedSpan[], name: string): ReceivedSpan => {
  const found = named(spans, name)
  assert.equal(found.length, 1, `${found.length} spans are named ${name}: ${spans.map(span => span.name).join(', ')}`)
  return found[0] as ReceivedSpan
}

const idOf = ({ traceId, spanId }: { traceId: string; spanId: string }): string => `${traceId}-${spanId}`

const VERSIONS = ['2', '1'] as const
const EVERY_WAY = VERSIONS.flatMap(version => (['cjs', 'esm'] as const).map(type => ({ version, type })))
// A group takes three seconds to form, in which nothing happens.
const TOGETHER = { concurrency: 4 }

describe('kafkajs', TOGETHER, () => {
  for (const way of EVERY_WAY) {
    const library = `${way.version}, ${way.type}`
    // The older major knows no header of several values.
    const list = way.version === '2' ? "['a', Buffer.from('b')]" : "'a'"

    test(`${library}: a message that is sent and processed is one trace, whoever started the consumer`, async () => {
      const { spans, topic, said } = await run(
        `await inSpan('request', async () => {
          const message = { key: 'k1', value: 'body', partition: 2, headers: { own: 'mine', list: ${list} } }
          const [{ topicName, partition, baseOffset }] = await send([message])
          say([topicName === topic, partition, baseOffset, activeName()])
        })
        await inSpan('start', () => consume(done => ({
          eachMessage: async ({ topic, partition, message, heartbeat }) => {
            say([partition, message.offset, String(message.key), String(message.value)])
            say([String(message.headers.own), [message.headers.list].flat().map(String)])
            say([Buffer.isBuffer(message.headers.traceparent), String(message.headers.traceparent).slice(3, 35) === activeTrace()])
            await inSpan('work', () => sleep(5))
            await heartbeat()
            done()
          },
        })))`,
        { ...way, spans: 5 },
      )
      assert.deepEqual(said, [
        [true, 2, '0', 'request'],
        [2, '0', 'k1', 'body'],
        ['mine', way.version === '2' ? ['a', 'b'] : ['a']],
        [true, true],
      ])
      const attributes = {
        'messaging.system': 'kafka',
        'messaging.destination.name': topic,
        'messaging.destination.partition.id': '2',
        'messaging.kafka.offset': 0,
        'messaging.kafka.message.key': 'k1',
        'messaging.kafka.message.tombstone': undefined,
        'messaging.batch.message_count': undefined,
      }
      const ofOperation = (name: string, group?: string) => ({
        ...attributes,
        'messaging.operation.name': name,
        'messaging.operation.type': name,
        'messaging.consumer.group.name': group,
      })
      const ofRequest = spans.filter(span => span.name !== 'start')
      oneTrace(ofRequest)
      assertTree(ofRequest, [
        {
          name: 'request',
          kind: 'internal',
          children: [
            {
              name: `send ${topic}`,
              kind: 'producer',
              attributes: ofOperation('send'),
              children: [
                {
                  name: `process ${topic}`,
                  kind: 'consumer',
                  attributes: ofOperation('process', `${topic}-group1`),
                  children: [{ name: 'work', kind: 'internal' }],
                },
              ],
            },
          ],
        },
      ])
      const [process, work] = [one(spans, `process ${topic}`), one(spans, 'work')]
      assert.ok(process.end > work.end, 'the message was processed after its span had ended')
      assert.deepEqual(process.links, [])
      assert.equal(process.scope.name, '@org/trace/kafkajs')
    })

    test(`${library}: a batch: one span with a link to each sender, and one for each message that the handler walks through`, async () => {
      const { spans, topic, said } = await run(
        `await inSpan('request', async () => {
          const messages = ['a', 'b', 'c'].map((value, i) => ({ value, partition: 1, key: i === 1 ? Buffer.from([255]) : null }))
          const [{ partition, baseOffset }] = await send(messages)
          say([partition, baseOffset])
        })
        await consume(done => ({
          eachBatchAutoResolve: false,
          eachBatch: async ({ batch, resolveOffset, heartbeat, isRunning, isStale, uncommittedOffsets }) => {
            say([batch.partition, batch.messages.length, batch.firstOffset(), batch.lastOffset(), isRunning(), isStale()])
            const outside = activeTrace()
            await inSpan('prepare', () => sleep(1))
            for (const message of batch.messages) {
              await inSpan('work ' + message.value, () => sleep(2))
              say([String(message.value), activeTrace() !== outside])
              resolveOffset(message.offset)
              await heartbeat()
            }
            say(activeTrace() === outside)
            batch.messages.length = 0
            done()
          },
        }))`,
        { ...way, spans: 10 },
      )
      assert.deepEqual(said, [[1, '0'], [1, 3, '0', '2', true, false], ['a', true], ['b', true], ['c', true], true])
      const process = (value: string, offset: number): ExpectedSpan => ({
        name: `process ${topic}`,
        kind: 'consumer',
        attributes: {
          'messaging.operation.type': 'process',
          'messaging.destination.partition.id': '1',
          'messaging.kafka.offset': offset,
          'messaging.kafka.message.key': undefined,
          'messaging.consumer.group.name': `${topic}-group1`,
          'messaging.batch.message_count': undefined,
        },
        children: [{ name: `work ${value}`, kind: 'internal' }],
      })
      assertTree(spans, [
        {
          name: 'request',
          kind: 'internal',
          children: [
            {
              name: `send ${topic}`,
              kind: 'producer',
              attributes: {
                'messaging.batch.message_count': 3,
                'messaging.destination.partition.id': '1',
                'messaging.kafka.offset': undefined,
                'messaging.kafka.message.key': undefined,
              },
              children: [process('a', 0), process('b', 1), process('c', 2)],
            },
          ],
        },
        {
          name: `process ${topic}`,
          kind: 'consumer',
          attributes: {
            'messaging.operation.name': 'process',
            'messaging.batch.message_count': 3,
            'messaging.destination.partition.id': '1',
            'messaging.consumer.group.name': `${topic}-group1`,
            'messaging.kafka.offset': undefined,
          },
          children: [{ name: 'prepare', kind: 'internal' }],
        },
      ])
      const batch = named(spans, `process ${topic}`).find(
        span => span.attributes['messaging.batch.message_count'] === 3,
      )
      assert.deepEqual(batch?.links.map(idOf), [idOf(one(spans, `send ${topic}`))])
    })
  }

  for (const version of VERSIONS) {
    test(`${version}: sendBatch: several topics, one topic twice, no message at all`, async () => {
      const { spans, topic, said } = await run(
        `const other = topic + '-other'
        const topicMessages = [
          { topic, messages: [{ value: '1', partition: 0 }, { value: '2', partition: 1 }] },
          { topic: other, messages: [{ value: '3', partition: 0 }] },
        ]
        const copy = structuredClone(topicMessages)
        say((await inSpan('several', () => producer.sendBatch({ topicMessages, acks: 1 }))).length)
        assert.deepEqual(topicMessages, copy)
        const twice = ['4', '5'].map(value => ({ topic, messages: [{ value, partition: 2 }] }))
        say((await inSpan('twice', () => producer.sendBatch({ topicMessages: twice }))).length)
        say(await inSpan('none', () => producer.sendBatch({ topicMessages: [] })))
        say(await inSpan('unheard', () => send([{ value: '6', partition: 3, key: Buffer.from('ключ') }], { acks: 0 })))
        const seen = []
        await consume(done => ({ eachMessage: async ({ message }) => {
          if (seen.push(String(message.value)) === 6) done()
        } }), [topic, other])
        say(seen.sort())`,
        { version, spans: 14 },
      )
      assert.deepEqual(said, [3, 1, [], [], ['1', '2', '3', '4', '5', '6']])
      const process = { name: `process ${topic}`, kind: 'consumer' as const }
      const sent = (
        name: string,
        count: number | undefined,
        partition: string | undefined,
        children: ExpectedSpan[],
      ) => ({
        name,
        kind: 'producer' as const,
        attributes: {
          'messaging.batch.message_count': count,
          'messaging.destination.name': name === 'send' ? undefined : topic,
          'messaging.destination.partition.id': partition,
        },
        children,
      })
      const within = (name: string, child: ExpectedSpan) => ({ name, kind: 'internal' as const, children: [child] })
      const [several, ...others] = ['several', 'twice', 'none', 'unheard'].map(name => {
        const { traceId } = one(spans, name)
        return spans.filter(span => span.traceId === traceId)
      })
      assert.equal('messaging.destination.partition.id' in one(several ?? [], 'send').attributes, false)
      assert.deepEqual(
        several?.map(span => [span.kind, span.name, span.attributes['messaging.batch.message_count']]).sort(),
        [
          ['consumer', `process ${topic}`, undefined],
          ['consumer', `process ${topic}`, undefined],
          ['consumer', `process ${topic}-other`, undefined],
          ['internal', 'several', undefined],
          ['producer', 'send', 3],
        ],
      )
      assertTree(others.flat(), [
        within('twice', sent(`send ${topic}`, 2, '2', [process, process])),
        within('none', sent('send', 0, undefined, [])),
        within('unheard', sent(`send ${topic}`, undefined, undefined, [process])),
      ])
      assert.deepEqual(
        spans
          .filter(span => 'messaging.kafka.message.key' in span.attributes)
          .map(span => span.attributes['messaging.kafka.message.key']),
        ['ключ', 'ключ'],
      )
    })

    test(`${version}: messages of transactions, sent before and after the end of one`, async () => {
      const { spans, topic, said } = await run(
        // The mock has no controller, which is where the library begins to look.
        `const Cluster = require(require.resolve('${version === '2' ? 'kafkajs' : oldest}').replace(/index.js$/, 'src/cluster'))
        Cluster.prototype.findControllerBroker = function () { return this.findBroker({ nodeId: '1' }) }
        const transactional = kafka.producer({ transactionalId: topic, idempotent: true, maxInFlightRequests: 1 })
        await transactional.connect()
        const transaction = await transactional.transaction()
        say(Object.keys(transaction))
        say(await failing(() => transactional.transaction()))
        await inSpan('request', async () => {
          await transaction.send({ topic, messages: [{ value: '1', partition: 0 }] })
          await transaction.sendBatch({ topicMessages: [{ topic, messages: [{ value: '2', partition: 1 }] }] })
          await transaction.commit()
        })
        await inSpan('late', async () => say(await failing(() => transaction.send({ topic, messages: [{ value: '3' }] }))))
        await transactional.disconnect()
        say(await failing(() => producer.transaction()))`,
        { version, spans: 5 },
      )
      const [, secondError, late, noTransaction] = said
      assert.deepEqual(said[0], ['sendBatch', 'send', 'abort', 'commit', 'sendOffsets', 'isActive'])
      for (const [name] of [secondError, late, noTransaction]) assert.equal(name, 'KafkaJSNonRetriableError')
      assert.match(secondError[1], /already an ongoing transaction/)
      assert.match(late[1], /once ended/)
      const send = { name: `send ${topic}`, kind: 'producer' as const }
      assertTree(spans, [
        { name: 'request', kind: 'internal', children: [send, send] },
        {
          name: 'late',
          kind: 'internal',
          children: [{ ...send, status: 'error', attributes: { 'error.type': 'KafkaJSNonRetriableError' } }],
        },
      ])
    })

    test(`${version}: each attempt at a message is a span, and the one that throws has the error`, async () => {
      const { spans, topic, said } = await run(
        `class NotNow extends Error {}
        await inSpan('request', () => send([{ value: 'x', partition: 0 }, { value: null, key: 'k', partition: 0 }]))
        let attempts = 0
        await consume(done => ({ eachMessage: async ({ message }) => {
          if (attempts++ === 0) throw new NotNow('not now')
          if (message.value === null) done()
        // The library gives up at once, and starts again.
        } }), [topic], { retry: { retries: 0, initialRetryTime: 100 }, sessionTimeout: 6000, heartbeatInterval: 1000 })
        say(attempts)
        attempts = 0
        await send([{ value: 'y', partition: 1 }])
        await consume(done => ({ eachBatch: async ({ batch }) => {
          if (batch.partition !== 1) return
          if (attempts++ === 0) for (const message of batch.messages) throw new NotNow('not yet')
          done()
        } }))
        say(attempts)`,
        // A batch of the first partition as well, once.
        { version, spans: 2 + 3 + 1 + 3 + 1 },
      )
      assert.deepEqual(said, [3, 2])
      const process = (offset: number, status: 'error' | 'unset', attributes?: object): ExpectedSpan => ({
        name: `process ${topic}`,
        kind: 'consumer',
        status,
        attributes: { 'messaging.kafka.offset': offset, ...attributes },
      })
      const { traceId } = one(spans, 'request')
      assertTree(
        spans.filter(span => span.traceId === traceId),
        [
          {
            name: 'request',
            kind: 'internal',
            children: [
              {
                name: `send ${topic}`,
                kind: 'producer',
                children: [
                  process(0, 'error', { 'error.type': 'NotNow' }),
                  process(0, 'unset', { 'error.type': undefined }),
                  process(1, 'unset', {
                    'messaging.kafka.message.tombstone': true,
                    'messaging.kafka.message.key': 'k',
                  }),
                ],
              },
            ],
          },
        ],
      )
      const batches = spans.filter(
        span => 'messaging.batch.message_count' in span.attributes && span.kind === 'consumer',
      )
      assert.deepEqual(
        batches.map(span => `${span.attributes['messaging.destination.partition.id']} ${span.status}`).sort(),
        ['0 unset', '1 error', '1 unset'],
      )
      const failed = batches.find(span => span.status === 'error')
      assert.deepEqual(
        failed?.events.map(event => event.attributes['exception.message']),
        ['not yet'],
      )
    })

    test(`${version}: partitions consumed at once, and a consumer that is run again: each message in its own trace, once`, async () => {
      const { spans, topic, said } = await run(
        `const total = 40
        for (let i = 0; i < total; i++) await inSpan('request ' + i, () => send([{ value: String(i), partition: i % 4 }]))
        let seen = 0, running = 0, most = 0, finish
        const eachMessage = async ({ message }) => {
          most = Math.max(most, ++running)
          const before = activeTrace()
          await sleep(10)
          await inSpan('work ' + message.value, () => sleep(1))
          assert.equal(activeTrace(), before)
          running--
          if (++seen % total === 0) finish()
        }
        const config = Object.freeze({ partitionsConsumedConcurrently: 4, eachMessage })
        for (const _ of ['first', 'again']) await consume(done => { finish = done; return config })
        say([seen, most > 1, config.eachMessage === eachMessage])`,
        { version, spans: 40 * (2 + 2 * 2) },
      )
      assert.deepEqual(said, [[80, true, true]])
      for (let i = 0; i < 40; i++) {
        const { traceId } = one(spans, `request ${i}`)
        const process: ExpectedSpan = {
          name: `process ${topic}`,
          kind: 'consumer',
          children: [{ name: `work ${i}`, kind: 'internal' }],
        }
        const send: ExpectedSpan = { name: `send ${topic}`, kind: 'producer', children: [process, process] }
        assertTree(
          spans.filter(span => span.traceId === traceId),
          [{ name: `request ${i}`, kind: 'internal', children: [send] }],
        )
      }
    })

    test(`${version}: headers: what the application set or forwards, garbage, and a sender that is known to be old`, async () => {
      const foreign = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01'
      const { spans, topic, said } = await run(
        `const foreign = '${foreign}'
        const text = headers => Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, String(value)]))
        await inSpan('request', async () => {
          await send([{ value: 'own', partition: 0, headers: { traceparent: Buffer.from(foreign), tracestate: 'a=1' } }])
          await send([{ value: 'forwarded', partition: 0, headers: { traceparent: Buffer.from('00-' + activeTrace() + '-b7ad6b7169203331-01') } }])
          await send([{ value: 'old', partition: 0, timestamp: String(Date.now() - 7_200_000) }])
        })
        await untraced(async () => {
          const garbage = [Buffer.from([0, 255, 1]), 'no trace', ${version === '2' ? "['a', 'b']" : "'-'"}, Buffer.alloc(0)]
          for (const traceparent of garbage) await send([{ value: 'garbage', partition: 0, headers: { traceparent } }])
          await send([{ value: 'none', partition: 0 }])
        })
        await consume(done => ({ eachMessage: async ({ message }) => {
          const value = String(message.value)
          trace.getActiveSpan().setAttribute('app.value', value)
          if (value === 'own') say(text(message.headers))
          if (value === 'forwarded') say(text(message.headers).traceparent.slice(36, 52) !== 'b7ad6b7169203331')
          if (value === 'none') { say(Object.keys(message.headers)); done() }
        } }))`,
        { version, spans: 12 },
      )
      assert.deepEqual(said, [{ traceparent: foreign, tracestate: 'a=1' }, true, []])
      const process = (value: string) => spans.filter(span => span.attributes['app.value'] === value)
      const [, second, third] = named(spans, `send ${topic}`).sort((a, b) => Number(a.start - b.start))
      assert.deepEqual([process('own')[0]?.traceId, process('own')[0]?.parentSpanId], foreign.split('-').slice(1, 3))
      assert.equal(process('forwarded')[0]?.parentSpanId, second?.spanId)
      const [old] = process('old')
      assert.equal(old?.parentSpanId, undefined)
      assert.deepEqual(old?.links.map(idOf), [idOf(third as ReceivedSpan)])
      assert.equal(process('garbage').length, 4)
      for (const span of [...process('garbage'), ...process('none')]) assert.equal(span.parentSpanId, undefined)
    })

    test(`${version}: a trace that is not sampled is carried on, and a consumer is not silenced by who starts it`, async () => {
      const { spans, topic, said } = await run(
        `await inSpan('request', () => send([{ value: '1', partition: 0 }]))
        await untraced(() => consume(done => ({ eachMessage: async ({ message }) => {
          say([String(message.headers.traceparent).slice(-2), activeTrace() === String(message.headers.traceparent).slice(3, 35)])
          done()
        } })))
        await producer.send({ topic, messages: [{ value: '2', partition: 1, headers: { traceparent: '${'00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01'}' } }] })
        await untraced(() => consume(done => ({ eachBatch: async ({ batch }) => {
          if (batch.partition === 1) for (const message of batch.messages) { say(activeTrace()); done() }
        } })))`,
        { version, spans: 1, env: { OTEL_TRACES_SAMPLER: 'parentbased_always_off' } },
      )
      assert.deepEqual(said, [['02', true], '0af7651916cd43dd8448eb211c80319c'])
      assertTree(spans, [{ name: `process ${topic}`, kind: 'consumer' }])
    })

    test(`${version}: keys are not recorded where they are switched off, and failures of the broker are told`, async () => {
      const { spans, topic, said } = await run(
        `const net = require('node:net')
        let code = 0, port
        const sockets = []
        const socketFactory = at => {
          const socket = net.connect({ host: at.host, port: port ?? at.port }, at.onConnect)
          sockets.push(socket)
          // In an answer to produce: the topic, how many partitions, the partition, the error's code.
          return socket.on('data', bytes => { if (code > 0) bytes.writeInt16BE(code, bytes.indexOf(topic) + topic.length + 8) })
        }
        const failing = new Kafka({ ...settings, socketFactory, retry: { retries: 1, initialRetryTime: 50 } }).producer()
        const fails = name => inSpan(name, () => failing.send({ topic, messages: [{ value: 'x', key: 'secret' }] }).then(say, error => say([error.name, error.message])))
        await fails('not connected')
        await failing.connect()
        await failing.send({ topic, messages: [{ value: 'v', key: 'secret' }] })
        code = 29
        await fails('refused')
        code = 0
        port = 1
        for (const socket of sockets) { socket.destroy(); socket.emit('end') }
        await fails('gone')
        await consume(done => ({ eachMessage: done }))`,
        { version, spans: 8, env: { TRACE_KAFKAJS_KEYS: '' } },
      )
      assert.deepEqual(said, [
        ['KafkaJSError', 'The producer is disconnected'],
        ['KafkaJSProtocolError', 'Not authorized to access topics: [Topic authorization failed]'],
        ['KafkaJSNonRetriableError', 'Connection error: connect ECONNREFUSED 127.0.0.1:1'],
      ])
      const failures = spans.filter(span => span.status === 'error').sort((a, b) => Number(a.start - b.start))
      assert.deepEqual(
        failures.map(span => [span.name, span.kind, span.attributes['error.type']]),
        ['KafkaJSError', 'TOPIC_AUTHORIZATION_FAILED', 'KafkaJSNonRetriableError'].map(type => [
          `send ${topic}`,
          'producer',
          type,
        ]),
      )
      for (const span of spans) assert.equal('messaging.kafka.message.key' in span.attributes, false)
    })

    test(`${version}: a handler that never settles is over when its consumer has stopped for a session, or has crashed`, async () => {
      const { spans, topic, said } = await run(
        `const never = new Promise(() => {})
        const hanging = async (config, end) => {
          const options = { sessionTimeout: 5000, heartbeatInterval: 500, maxWaitTimeInMs: 100, retry: { retries: 0 } }
          const consumer = kafka.consumer({ groupId: topic + '-group' + ++groups, ...options })
          await consumer.connect()
          await consumer.subscribe({ topic, fromBeginning: true })
          const { promise, resolve } = deferred()
          await consumer.run(config(resolve))
          await promise
          await end(consumer)
        }
        const stops = async consumer => say(await Promise.race([consumer.disconnect(), sleep(6000).then(() => 'waits')]) ?? 'done')
        await send([{ value: 'hangs', partition: 0 }, { value: 'fails', partition: 1 }])
        const hangs = message => String(message.value) === 'hangs'
        const waits = [
          done => ({ eachMessage: async ({ message }) => { if (hangs(message)) { done(); await never } } }),
          done => ({ eachBatch: async ({ batch }) => {
            for (const message of batch.messages) if (hangs(message)) { done(); await never }
          } }),
          done => ({ eachMessage: async ({ message }) => { if (hangs(message)) { done(); await sleep(300) } } }),
        ]
        // kafkajs 2 waits for the others before it crashes.
        const crashes = done => ({ partitionsConsumedConcurrently: 2, eachMessage: async ({ message }) => {
          if (hangs(message)) { await never }
          await sleep(500)
          done()
          throw new TypeError('no')
        } })
        await Promise.all([...waits.map(config => hanging(config, stops)), hanging(crashes, ${version === '2' ? 'stops' : '() => sleep(500)'})])
        say('end')
        process.exit(0)`,
        { version },
      )
      assert.deepEqual(said, ['done', ...Array(version === '2' ? 3 : 2).fill('waits'), 'end'])
      const handled = named(spans, `process ${topic}`).sort((a, b) => Number(a.start - b.start))
      const failed = handled.filter(span => span.status === 'error').map(span => span.attributes['error.type'])
      assert.deepEqual(failed.sort(), ['TypeError', ...Array(4).fill('consumer_stopped')])
    })

    test(`${version}: the application gets what it would get without us`, async () => {
      const code = `
        class Order {
          own = 1
          constructor(value) { this.value = value }
          tenant() { return 3 }
        }
        class Computed {
          #value = 'never sent'
          get value() { return this.#value }
          tenant() { return this.#value.length - 9 }
        }
        const picky = kafka.producer({ createPartitioner: () => ({ message }) => message.tenant?.() ?? message.own ?? 0 })
        await picky.connect()
        const methods = object => Object.entries(Object.getOwnPropertyDescriptors(object)).map(([name, { value, ...rest }]) =>
          [name, typeof value, value?.name, value?.length, rest])
        say(methods(picky))
        say(methods(Object.getPrototypeOf(kafka)))
        for (let i = 0; i < 12; i++) await failing(() => picky.send({ topic, messages: [null] }))
        const sent = async record => {
          const copy = structuredClone(record)
          const result = await failing(() => picky.send(record).then(([{ partition, errorCode }]) => { throw { name: partition, message: errorCode } }))
          assert.deepEqual(structuredClone(record), copy)
          say(result)
        }
        const bare = Object.assign(Object.create(null), { value: 'bare', own: 2, headers: Object.freeze(Object.assign(Object.create(null), { a: '1' })) })
        const frozen = Object.freeze({ topic, acks: -1, messages: Object.freeze([Object.freeze({ value: 'frozen', headers: Object.freeze({ b: ${version === '2' ? "['1', '2']" : "'1'"} }) })]) })
        await sent(frozen)
        await sent({ topic, messages: [bare] })
        await sent({ topic, messages: [new Order('order')] })
        await sent({ topic, messages: [new Computed()] })
        for (const record of [
          { topic, messages: [{ value: 'x', headers: null }] },
          { topic, messages: [{ value: 'x', headers: { a: null } }] },
          { topic, messages: [{ value: 'x', headers: { a: undefined } }] },
          { topic, messages: [{ key: 'no value' }, { value: 'x' }] },
          { topic, messages: [{ value: 7 }] },
          { topic, messages: [null] },
          { topic, messages: [] },
          { topic, messages: 'text' },
          { topic },
          { topic: '', messages: [{ value: 'x' }] },
          { messages: [{ value: 'x' }] },
          null,
          undefined,
        ]) {
          say(await failing(() => picky.send(record)))
          say(await failing(() => picky.sendBatch(record)))
          say(await failing(() => picky.sendBatch({ topicMessages: [record] })))
        }
        await consume(done => {
          let count = 0
          return { eachBatch: async function ({ batch, ...rest }) {
            const { messages } = batch
            const plain = Array.from({ length: messages.length }, (_, i) => messages[i])
            assert.ok(Array.isArray(messages) && messages.constructor === Array)
            assert.deepEqual(Reflect.ownKeys(messages), Reflect.ownKeys(plain))
            assert.deepEqual([...messages], plain)
            assert.equal(JSON.stringify(messages), JSON.stringify(plain))
            say([Object.keys(batch), Object.keys(rest), this?.constructor.name])
                        for (const message of messages) { say([batch.partition, String(message.value), Object.keys(message.headers).filter(name => name !== 'traceparent')]); count++ }
            if (count >= 4) done()
          } }
        })
        await consume(done => {
          let count = 0
          return { eachMessage: function (payload) {
            say([Object.keys(payload), Object.keys(payload.message), this?.constructor.name, arguments.length])
            if (++count === 4) done()
          } }
        })
        await picky.disconnect()`
      const [traced, plain] = await Promise.all([
        run(code, { version }),
        run(code, { version, spans: 0, preload: 'none' }),
      ])
      const sorted = (said: unknown[], topic: string) =>
        said.map(line => JSON.stringify(line).replaceAll(topic, 'T')).sort()
      assert.ok(plain.said.length > 40)
      // Whoever sends what a class computes sends nothing, and no trace either.
      const children = named(traced.spans, `process ${traced.topic}`).filter(span => span.parentSpanId !== undefined)
      assert.equal(children.length, 2 * 3)
      assert.deepEqual(sorted(traced.said, traced.topic), sorted(plain.said, plain.topic))
    })
  }
})
