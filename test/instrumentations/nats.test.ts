/** NATS by both generations of its library, against a server with JetStream, in applications of their own. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { type AppOptions, runApp } from '../helpers/child.js'
import { createCollector, type ReceivedSpan } from '../helpers/collector.js'
import { nats, uniqueName } from '../helpers/services.js'
import { assertTree, type ExpectedSpan, oneTrace } from '../helpers/spans.js'

interface Run extends AppOptions {
  /** 3 are the packages of @nats-io; 2 is the package nats. */
  version?: '3' | '2'
  /** How many spans to expect. */
  spans: number
}

/** What every application here starts with. Each has subjects and a stream of its own. */
function prelude(type: AppOptions['type'], version: '3' | '2'): string {
  const core = version === '3' ? '@nats-io/transport-node' : 'nats'
  const names = 'connect, headers, createInbox, nanos'
  const importing = (what: string, from: string) =>
    type === 'esm' ? `import { ${what} } from '${from}'` : `const { ${what} } = require('${from}')`
  return `
    ${importing(names, core)}
    ${importing('context, trace', '@opentelemetry/api')}
    ${importing('suppressTracing', '@opentelemetry/core')}
    ${version === '3' ? importing('jetstream, jetstreamManager', '@nats-io/jetstream') : ''}
    const servers = process.env.NATS_URL
    const subject = process.env.SUBJECT
    const stream = subject.replaceAll('.', '_')
    const streams = nc => ${version === '3' ? 'jetstream(nc)' : 'nc.jetstream()'}
    const manager = nc => ${version === '3' ? 'jetstreamManager(nc)' : 'nc.jetstreamManager()'}
    const text = message => new TextDecoder().decode(message.data)
    const body = text => new TextEncoder().encode(text)
    const inSpan = (name, fn) => trace.getTracer('app').startActiveSpan(name, async span => {
      try { return await fn(span) } finally { span.end(); await sleep(2) }
    })
    const activeTrace = () => trace.getActiveSpan()?.spanContext().traceId
    const activeSpan = () => trace.getActiveSpan()?.spanContext().spanId
    const untraced = fn => context.with(suppressTracing(context.active()), fn)
    const sleep = ms => new Promise(resolve => setTimeout(resolve, ms))
    const deferred = () => { let resolve; const promise = new Promise(r => { resolve = r }); return { promise, resolve } }
    const say = value => console.log(JSON.stringify(value))
    const main = fn => fn().catch(error => { console.error(error); process.exitCode = 1 })
    /** A stream of the subjects, and a consumer of it, which go when the application does. */
    async function withStream(nc, fn, config = {}) {
      const jsm = await manager(nc)
      await jsm.streams.add({ name: stream, subjects: [subject + '.>'], storage: 'memory' })
      await jsm.consumers.add(stream, { durable_name: 'worker', ack_policy: 'explicit', ack_wait: nanos(5000), ...config })
      try { return await fn(streams(nc), jsm) } finally { await jsm.streams.delete(stream) }
    }
  `
}

/** Runs the code as an application that connects to the test's server. Returns what it said, line by line, and its spans. */
async function run(code: string, { version = '3', spans: count, env, ...options }: Run) {
  const collector = await createCollector()
  const subject = uniqueName('nats')
  const ended = await runApp({
    code: prelude(options.type, version) + code,
    collector,
    env: { NATS_URL: nats(), SUBJECT: subject, ...env },
    ...options,
  })
  assert.equal(ended.stderr, '')
  assert.equal(ended.code, 0)
  const spans = await collector.waitFor(count)
  await collector.close()
  assert.equal(spans.length, count, spans.map(span => `${span.kind} ${span.name}`).join(', '))
  // What is coloured nats 2.16 and older say themselves.
  const lines = ended.stdout.split('\n').filter(line => line !== '' && !line.startsWith('\x1b'))
  return { spans, subject, said: lines.map(line => JSON.parse(line)) }
}

const one = (spans: ReceivedSpan[], name: string): ReceivedSpan => {
  const found = spans.filter(span => span.name === name)
  assert.equal(found.length, 1, `${found.length} spans are named ${name}: ${spans.map(span => span.name)}`)
  return found[0] as ReceivedSpan
}

/** Each trace that begins with a span of that name, in the order of their beginnings, is this. */
function assertTraces(spans: ReceivedSpan[], expected: ExpectedSpan[]): void {
  for (const tree of expected) {
    const { traceId } = one(spans, tree.name)
    const trace = spans.filter(span => span.traceId === traceId)
    oneTrace(trace)
    assertTree(trace, [tree])
  }
}

const linksOf = ({ links }: ReceivedSpan) => links.map(({ traceId, spanId }) => [traceId, spanId])

const VERSIONS = ['3', '2'] as const
const EVERY_WAY = (['cjs', 'esm'] as const).flatMap(type => VERSIONS.map(version => ({ type, version })))

const request = (name: string, ...children: ExpectedSpan[]): ExpectedSpan => ({ name, kind: 'internal', children })
const publish = (subject: string, ...children: ExpectedSpan[]): ExpectedSpan => ({
  name: `publish ${subject}`,
  kind: 'producer',
  children,
})
const processed = (subject: string, ...children: ExpectedSpan[]): ExpectedSpan => ({
  name: `process ${subject}`,
  kind: 'consumer',
  children,
})
const WORK: ExpectedSpan = { name: 'work', kind: 'internal' }

for (const way of EVERY_WAY) {
  describe(`nats ${way.version} in ${way.type}`, () => {
    test('publish, and subscriptions by callback and by iterator, are one trace each', async () => {
      const { spans, subject, said } = await run(
        `main(async () => {
          const nc = await connect({ servers })
          const first = deferred()
          const work = async (how, message) => {
            say([how, text(message), message.headers.get('own'), message.headers.get('traceparent').slice(3, 35) === activeTrace()])
            await sleep(2)
            await inSpan('work', () => sleep(2))
            say([how, message.headers.get('traceparent').slice(3, 35) === activeTrace()])
          }
          nc.subscribe(subject + '.callback', {
            queue: 'group',
            callback: async (error, message) => { await work('callback', message); first.resolve() },
          })
          const loop = nc.subscribe(subject + '.*.loop')
          const done = (async () => {
            let count = 0
            for await (const message of loop) {
              await work('loop', message)
              if (++count === 2) break
            }
            say(['after', activeTrace() ?? null])
          })()
          say(['beside', activeTrace() ?? null])
          const own = headers()
          own.set('own', 'mine')
          await inSpan('to callback', async () => say(nc.publish(subject + '.callback', body('1'), { headers: own }) ?? null))
          await first.promise
          await inSpan('to loop', async () => nc.publish(subject + '.a.loop', body('2'), { headers: own }))
          const third = { subject: subject + '.b.loop', data: body('3'), headers: own }
          // Older ones have no such method.
          await inSpan('to loop again', async () => {
            if (nc.publishMessage) nc.publishMessage(third)
            else nc.publish(third.subject, third.data, third)
          })
          await done
          say([...own.keys()])
          await nc.drain()
        })`,
        { ...way, spans: 12 },
      )
      assert.deepEqual(said, [
        ['beside', null],
        null,
        ['callback', '1', 'mine', true],
        ['callback', true],
        ['loop', '2', 'mine', true],
        ['loop', true],
        ['loop', '3', 'mine', true],
        ['loop', true],
        ['after', null],
        ['own'],
      ])
      const { hostname, port } = new URL(nats())
      const attributes = {
        'messaging.system': 'nats',
        'server.address': hostname,
        'server.port': Number(port),
        'messaging.destination.temporary': undefined,
      }
      const tree = (name: string, to: string, by: string, group?: string) =>
        request(name, {
          ...publish(to, {
            ...processed(by, WORK),
            attributes: {
              ...attributes,
              'messaging.operation.name': 'process',
              'messaging.operation.type': 'process',
              'messaging.destination.name': to,
              'messaging.destination.template': by === to ? undefined : by,
              'messaging.consumer.group.name': group,
            },
          }),
          attributes: {
            ...attributes,
            'messaging.operation.name': 'publish',
            'messaging.operation.type': 'send',
            'messaging.destination.name': to,
          },
        })
      assertTraces(spans, [
        tree('to callback', `${subject}.callback`, `${subject}.callback`, 'group'),
        tree('to loop', `${subject}.a.loop`, `${subject}.*.loop`),
        tree('to loop again', `${subject}.b.loop`, `${subject}.*.loop`),
      ])
    })

    test('a request is one span with its reply, whatever it replies by; the responder is a child', async () => {
      const { spans, subject, said } = await run(
        `main(async () => {
          const nc = await connect({ servers })
          nc.subscribe(subject, { callback: (error, message) => message.respond(body('re ' + text(message))) })
          const loop = nc.subscribe(subject + '.loop')
          const done = (async () => {
            for await (const message of loop) {
              await inSpan('work', () => sleep(2))
              const own = headers()
              own.set('own', 'mine')
              say(message.respond(body('loop'), { headers: own }))
              say(message.reply !== '')
            }
          })()
          const told = reply => [text(reply), reply.headers.get('own'), reply.headers.get('traceparent').slice(3, 35) === activeTrace()]
          await inSpan('mux', async span => {
            say(told(await nc.request(subject, body('1'), { timeout: 5000 })))
            say(activeSpan() === span.spanContext().spanId)
          })
          await inSpan('no mux', async () => say(told(await nc.request(subject, body('2'), { timeout: 5000, noMux: true }))))
          const there = { timeout: 5000, noMux: true, reply: subject + '.reply' }
          await inSpan('own reply', async () => say(told(await nc.request(subject, body('2'), there))))
          await inSpan('loop', async () => say(told(await nc.request(subject + '.loop', '', { timeout: 5000 }))))
          await inSpan('many', async () => {
            const replies = await nc.requestMany(subject, body('3'), { strategy: 'count', maxMessages: 1, maxWait: 5000 })
            for await (const reply of replies) { say(told(reply)); break }
          })
          await inSpan('nobody', () => nc.request(subject + '.nobody', '').catch(error => say(error.name)))
          await nc.drain()
          await done
        })`,
        { ...way, spans: 23 },
      )
      assert.deepEqual(said, [
        ['re 1', '', true],
        true,
        ['re 2', '', true],
        ['re 2', '', true],
        true,
        true,
        ['loop', 'mine', true],
        ['re 3', '', true],
        way.version === '3' ? 'RequestError' : 'NatsError',
      ])
      const respond: ExpectedSpan = {
        name: 'respond',
        kind: 'producer',
        attributes: { 'messaging.destination.name': /^_INBOX\./, 'messaging.destination.temporary': true },
      }
      const asked = (to: string, ...children: ExpectedSpan[]): ExpectedSpan => ({
        name: `request ${to}`,
        kind: 'producer',
        attributes: { 'messaging.operation.name': 'request', 'messaging.operation.type': 'send' },
        children,
      })
      assertTraces(spans, [
        request('mux', asked(subject, processed(subject, respond))),
        request('no mux', asked(subject, processed(subject, respond))),
        request(
          'own reply',
          asked(subject, processed(subject, { name: `respond ${subject}.reply`, kind: 'producer' })),
        ),
        request('loop', asked(`${subject}.loop`, processed(`${subject}.loop`, WORK, respond))),
        request('many', asked(subject, processed(subject, respond))),
        request('nobody', { ...asked(`${subject}.nobody`), status: 'error' }),
      ])
    })

    test('JetStream: published and acknowledged, consumed by callback, by loop, by fetch and by next', async () => {
      const { spans, subject, said } = await run(
        `main(async () => {
          const nc = await connect({ servers })
          await withStream(nc, async js => {
            const send = name => inSpan(name, async () => {
              const own = headers()
              own.set('own', 'mine')
              const ack = await js.publish(subject + '.a', body(name), { msgID: 'id ' + name, headers: own })
              await received?.promise
              say([ack.seq, ack.duplicate])
            })
            let received = deferred()
            const consumer = await js.consumers.get(stream, 'worker')
            const work = async message => {
              say([text(message), message.redelivered, activeTrace() === message.headers.get('traceparent').slice(3, 35)])
              await inSpan('work', () => sleep(2))
              message.ack()
            }
            const byCallback = await consumer.consume({ callback: async message => { await work(message); received.resolve() } })
            await send('callback')
            received = undefined
            await byCallback.close()
            await send('loop')
            for await (const message of await consumer.consume()) { await work(message); break }
            await send('fetch')
            for await (const message of await consumer.fetch({ max_messages: 1, expires: 5000 })) await work(message)
            await send('next')
            const message = await consumer.next({ expires: 5000 })
            say([text(message), activeTrace() ?? null])
            await inSpan('ack', async () => say(await message.ackAck()))
            await send('next inside')
            await inSpan('poll', async () => {
              const message = await consumer.next({ expires: 5000 })
              say([text(message), await message.ackAck(), await message.ackAck()])
              say(await consumer.next({ expires: 1000 }))
            })
          }, { filter_subject: subject + '.*' })
          await nc.close()
        })`,
        { ...way, spans: 21 },
      )
      assert.deepEqual(said, [
        ['callback', false, true],
        [1, false],
        [2, false],
        ['loop', false, true],
        [3, false],
        ['fetch', false, true],
        [4, false],
        ['next', null],
        true,
        [5, false],
        ['next inside', true, false],
        null,
      ])
      const attributes = (name: string) => ({
        'messaging.destination.name': `${subject}.a`,
        'messaging.destination.template': `${subject}.*`,
        'messaging.message.id': `id ${name}`,
        'messaging.consumer.group.name': 'worker',
        'server.port': Number(new URL(nats()).port),
      })
      const consumed = (name: string) =>
        request(name, publish(`${subject}.a`, { ...processed(`${subject}.*`, WORK), attributes: attributes(name) }))
      const settled: ExpectedSpan = {
        name: `ack ${subject}.a`,
        kind: 'client',
        attributes: { 'messaging.operation.name': 'ack', 'messaging.operation.type': 'settle' },
      }
      assertTraces(spans, [
        consumed('callback'),
        consumed('loop'),
        consumed('fetch'),
        request('next', publish(`${subject}.a`)),
        request('ack', settled),
        request('next inside', publish(`${subject}.a`)),
        request(
          'poll',
          {
            name: `receive ${subject}.*`,
            kind: 'client',
            attributes: {
              ...attributes('next inside'),
              'messaging.operation.name': 'receive',
              'messaging.operation.type': 'receive',
            },
          },
          settled,
        ),
      ])
      const sent = spans.find(span => span.parentSpanId === one(spans, 'next inside').spanId) as ReceivedSpan
      assert.deepEqual(linksOf(one(spans, `receive ${subject}.*`)), [[sent.traceId, sent.spanId]])
    })

    test('each delivery is a span of its own; a refusal and an error are its failure', async () => {
      const { spans, subject, said } = await run(
        `main(async () => {
          const nc = await connect({ servers })
          await withStream(nc, async js => {
            const consumer = await js.consumers.get(stream, 'worker')
            await inSpan('request', () => js.publish(subject + '.a', ''))
            const messages = await consumer.consume()
            for await (const message of messages) {
              // The other name is that of nats 2 before 2.29.
              const { redeliveryCount, deliveryCount = redeliveryCount } = message.info
              say([deliveryCount, message.redelivered])
              if (deliveryCount === 1) { message.nak(); message.term() }
              else if (deliveryCount === 2) { await sleep(2); message.nak(10) }
              else { message.term(); break }
            }
            await inSpan('thrown', () => js.publish(subject + '.a', ''))
            const failing = await consumer.consume({ callback: () => { throw new RangeError('out of it') } })
            say(String(await failing.closed()))
          })
          await nc.close()
        })`,
        { ...way, spans: 8 },
      )
      assert.deepEqual(said.slice(0, 3), [
        [1, false],
        [2, true],
        [3, true],
      ])
      // Of nats 2 only the newest tell why they were closed.
      if (way.version === '3') assert.equal(said[3], 'RangeError: out of it')
      const failed = (type: string): ExpectedSpan => ({
        ...processed(`${subject}.a`),
        status: 'error',
        attributes: { 'error.type': type, 'messaging.destination.template': undefined },
      })
      assertTraces(spans, [
        request('request', publish(`${subject}.a`, failed('nak'), failed('nak'), failed('term'))),
        request('thrown', publish(`${subject}.a`, failed('RangeError'))),
      ])
    })

    test('a connection cannot be told from one without us', async () => {
      const code = `main(async () => {
        const look = object => {
          for (let proto = object; proto !== null && proto !== Object.prototype; proto = Object.getPrototypeOf(proto)) {
            for (const name of Object.getOwnPropertyNames(proto)) {
              const { value, enumerable, writable, configurable } = Object.getOwnPropertyDescriptor(proto, name)
              if (typeof value === 'function') say([name, value.name, value.length, enumerable, writable, configurable])
              else say([name, typeof value])
            }
          }
        }
        const nc = await connect({ servers })
        look(nc)
        say([nc.constructor.connect.name, nc.constructor.connect.length])
        const function2 = function (error, message) { say([arguments.length, text(message), this === sub]); return 'ignored' }
        const options = { callback: function2, max: 3 }
        const sub = nc.subscribe(subject, options)
        look(sub)
        say([options.callback === function2, Object.keys(options)])
        const data = { headers: headers() }
        data.headers.append('a', '1')
        data.headers.append('a', '2')
        say(nc.publish(subject, body('x'), data) ?? null)
        nc.publish(subject, 'y')
        nc.publish(subject)
        await nc.flush()
        await sleep(20)
        say([sub.isClosed(), sub.getReceived(), sub.getProcessed(), Object.keys(data).length >= 1, data.headers.values('a')])
        const loop = nc.subscribe(subject)
        const iterator = loop[Symbol.asyncIterator]()
        say([iterator[Symbol.asyncIterator]() === iterator, Object.prototype.toString.call(iterator), loop.getProcessed()])
        nc.publish(subject, body('z'))
        const pending = iterator.next()
        say([pending instanceof Promise, iterator.next.length])
        const { done, value } = await pending
        look(value)
        say([done, text(value), loop.getProcessed(), loop.getPending()])
        say(await iterator.return('back'))
        say(await iterator.next())
        say([loop.isClosed(), nc.isClosed()])
        for (const fail of [
          () => nc.publish(''),
          () => nc.publish(undefined),
          () => nc.publish(subject, 5),
          () => nc.publish(subject, 'x', null),
          () => nc.publish(subject, 'x', 5),
          () => nc.publish(subject, 'x', { headers: 'text' }),
          () => nc.publish(subject, body('x'.repeat(2 ** 20))),
          () => nc.publish(subject, body('x'.repeat(2 ** 20 + 1))),
          () => nc.subscribe(''),
          () => nc.subscribe(subject, null),
          () => nc.subscribe(subject, { callback: 'text' }).unsubscribe(),
          () => nc.request(''),
          () => nc.request(subject, 'x', { timeout: -1 }),
          () => nc.request(subject, 'x', { reply: 'there' }),
          () => nc.request(subject, 5),
          () => nc.requestMany(subject, 'x', { maxWait: -1 }),
          () => nc.request(subject + '.nobody', 'x'),
        ]) {
          try { say(await fail() ?? null) } catch (error) { say([error.name, error.message, error.code]) }
        }
        await withStream(nc, async (js, jsm) => {
          look(js)
          say(await js.publish(subject + '.a', body('x'), { msgID: '1' }))
          const consumer = await js.consumers.get(stream, 'worker')
          look(consumer)
          const message = await consumer.next()
          look(message)
          say([message.seq, message.subject, message.didAck])
          message.ack()
          message.nak()
          say(message.didAck)
          for (const fail of [
            () => js.publish(subject + '.a', 'x', { expect: { lastSequence: 7 } }),
            () => js.publish(subject, 'x'),
            () => js.publish('', 'x'),
            () => message.ackAck(),
          ]) {
            try { say(await fail()) } catch (error) { say([error.name, error.message]) }
          }
          const consumed = await consumer.consume({ callback: () => {} })
          look(consumed)
          say(await consumed.close() ?? null)
        })
        await nc.close()
        for (const fail of [() => nc.publish(subject), () => nc.request(subject), () => nc.subscribe(subject)]) {
          try { say(await fail()) } catch (error) { say([error.name, error.message]) }
        }
      })`
      const env = { NATS_URL: nats(), SUBJECT: uniqueName('nats') }
      const text = prelude(way.type, way.version) + code
      const [bare, traced] = [
        await runApp({ code: text, type: way.type, env, preload: 'none' }),
        await runApp({ code: text, type: way.type, env: { ...env, OTEL_TRACES_EXPORTER: 'none' } }),
      ]
      assert.equal(traced.stdout, bare.stdout)
      assert.equal(traced.stderr, bare.stderr)
      assert.equal(bare.stderr, '')
      assert.ok(bare.stdout.split('\n').length > 200, bare.stdout)
    })
  })
}

for (const version of VERSIONS) {
  describe(`nats ${version}`, () => {
    test('push and ordered consumers, by callback and by loop', async () => {
      const consumers = {
        '3': `
          await jsm.consumers.add(stream, { durable_name: 'pushed', deliver_subject: createInbox(), ack_policy: 'explicit' })
          const pushed = await js.consumers.getPushConsumer(stream, 'pushed')
          await handled(await pushed.consume())
          await jsm.consumers.add(stream, { durable_name: 'called', deliver_subject: subject + '-deliver', ack_policy: 'explicit', idle_heartbeat: nanos(100) })
          const called = await js.consumers.getPushConsumer(stream, 'called')
          await calledBack(callback => called.consume({ callback }))
          const ordered = await js.consumers.get(stream)
          await handled(await ordered.consume())
          const orderedToo = await js.consumers.get(stream)
          await calledBack(callback => orderedToo.consume({ callback }))
          const orderedPush = await js.consumers.getPushConsumer(stream)
          await handled(await orderedPush.consume())
          const fetched = await js.consumers.get(stream)
          await handled(await fetched.fetch({ max_messages: 2, expires: 2000 }))`,
        '2': `
          const opts = more => ({ config: { ack_policy: 'explicit', deliver_subject: createInbox(), ...more.config }, ...more, mack: true })
          await handled(await js.subscribe(subject + '.>', opts({ config: { durable_name: 'pushed', ack_policy: 'explicit', deliver_subject: createInbox() } })))
          await calledBack(callback => js.subscribe(subject + '.>', opts({
            config: { durable_name: 'called', ack_policy: 'explicit', deliver_subject: subject + '-deliver', idle_heartbeat: nanos(100) },
            callbackFn: (error, message) => callback(message),
          })))
          const ordered = await js.consumers.get(stream)
          await handled(await ordered.consume())
          const orderedToo = await js.consumers.get(stream)
          await calledBack(callback => orderedToo.consume({ callback }))
          await handled(await js.subscribe(subject + '.>', { ordered: true, config: { ack_policy: 'none' } }))
          const fetched = await js.consumers.get(stream)
          await handled(await fetched.fetch({ max_messages: 2, expires: 2000 }))`,
      }
      const { spans, subject, said } = await run(
        `main(async () => {
          const nc = await connect({ servers })
          await withStream(nc, async (js, jsm) => {
            const inside = message => activeTrace() === message.headers.get('traceparent').slice(3, 35)
            const handled = async messages => {
              const seen = []
              for await (const message of messages) {
                await sleep(2)
                seen.push([text(message), inside(message)])
                if (seen.length === 2) break
              }
              say(seen)
            }
            const calledBack = async consume => {
              const { promise, resolve } = deferred()
              const seen = []
              const consumed = await consume(message => {
                seen.push([text(message), inside(message)])
                if (seen.length === 2) resolve()
              })
              await promise
              // Heartbeats come.
              await sleep(250)
              await (consumed.close === undefined ? consumed.unsubscribe() : consumed.close())
              say(seen)
            }
            await inSpan('request', async () => {
              await js.publish(subject + '.a', body('1'))
              await js.publish(subject + '.b', body('2'))
            })
            ${consumers[version]}
          })
          await nc.close()
        })`,
        { version, spans: 15 },
      )
      const both = [
        ['1', true],
        ['2', true],
      ]
      assert.deepEqual(said, [both, both, both, both, both, both])
      const [first, second] = spans
        .filter(({ kind }) => kind === 'producer')
        .sort((a, b) => Number(a.start - b.start)) as [ReceivedSpan, ReceivedSpan]
      for (const [sent, name] of [
        [first, `process ${subject}.a`],
        [second, `process ${subject}.b`],
      ] as const) {
        const children = spans.filter(({ parentSpanId }) => parentSpanId === sent.spanId)
        assert.deepEqual(
          children.map(span => [span.kind, span.status]),
          Array(6).fill(['consumer', 'unset']),
        )
        // Those of some consumers are named by a filter that the library sets.
        assert.ok(children.filter(span => span.name === name).length >= 3)
        assert.ok(children.every(span => [name, `process ${subject}.>`, 'process >'].includes(span.name)))
      }
    })

    test('headers go into a copy, and a traceparent of another trace is left alone', async () => {
      const foreign = '00-11111111111111111111111111111111-2222222222222222-01'
      const { spans, said } = await run(
        `main(async () => {
          const nc = await connect({ servers })
          const loop = nc.subscribe(subject)
          const received = untraced(() => loop[Symbol.asyncIterator]())
          const given = entries => {
            const own = headers()
            for (const [key, value] of entries) own.append(key, value)
            return own
          }
          await inSpan('request', async span => {
            const { traceId } = span.spanContext()
            for (const options of [
              undefined,
              {},
              { headers: undefined },
              { headers: null },
              Object.freeze({ headers: Object.freeze(given([['a', '1'], ['a', '2']])), reply: 'there' }),
              { headers: given([['traceparent', '${foreign}'], ['tracestate', 'a=1']]) },
              { headers: given([['Traceparent', '${foreign}']]) },
              { headers: given([['Traceparent', '00-' + traceId + '-2222222222222222-01']]) },
            ]) {
              const before = JSON.stringify(options?.headers?.toRecord())
              if (Object.isFrozen(options ?? {})) nc.publish(subject, 'x', { ...options })
              else nc.publish(subject, 'x', options)
              const { headers: sent, reply } = await untraced(async () => (await received.next()).value)
              const record = sent.toRecord()
              const [traceparent] = record.traceparent ?? []
              const ours = traceparent?.slice(3, 35) === traceId
              delete record.traceparent
              say([ours ? traceparent.slice(36, 52) : traceparent ?? null, record, reply, JSON.stringify(options?.headers?.toRecord()) === before])
            }
          })
          await nc.close()
        })`,
        { version, spans: 9 },
      )
      const sent = spans
        .filter(({ kind }) => kind === 'producer')
        .sort((a, b) => Number(a.start - b.start))
        .map(({ spanId }) => spanId)
      assert.deepEqual(said, [
        [sent[0], {}, '', true],
        [sent[1], {}, '', true],
        [sent[2], {}, '', true],
        [sent[3], {}, '', true],
        [sent[4], { a: ['1', '2'] }, 'there', true],
        [foreign, { tracestate: ['a=1'] }, '', true],
        [null, { Traceparent: [foreign] }, '', true],
        [sent[7], {}, '', true],
      ])
    })

    test('headers that are garbage are no trace, and no error of ours', async () => {
      const { spans, subject, said } = await run(
        `const { connect: dial } = require('node:net')
        main(async () => {
          const nc = await connect({ servers })
          const { promise, resolve } = deferred()
          let count = 0
          nc.subscribe(subject, { callback: (error, message) => {
            try { message.headers } catch (error) { say(error.constructor.name) }
            if (++count === 15) resolve()
          } })
          await nc.flush()
          const { hostname, port } = new URL(servers)
          const raw = dial(Number(port), hostname)
          raw.write('CONNECT {"verbose":false,"headers":true}\\r\\n')
          for (let i = 0; i < 15; i++) {
            const block = Buffer.from('NATS/1.0\\r\\n' + ['not a header', ': empty', 'sp ace: 1\\r\\ntraceparent: x', 'traceparent: \\xff\\xfe\\r\\ntraceparent: y', 'a:'][i % 5] + '\\r\\n\\r\\n', 'latin1')
            raw.write('HPUB ' + subject + ' ' + block.length + ' ' + (block.length + 1) + '\\r\\n')
            raw.write(Buffer.concat([block, Buffer.from('x\\r\\n')]))
          }
          await promise
          raw.destroy()
          await nc.close()
        })`,
        { version, spans: 15 },
      )
      assert.ok(said.length >= 3)
      for (const span of spans) {
        assert.equal(span.name, `process ${subject}`)
        assert.equal(span.parentSpanId, undefined)
        assert.equal(span.status, 'unset')
      }
    })

    test('a message that has waited for long is linked, as the policy says', async () => {
      const { spans, subject } = await run(
        `main(async () => {
          const nc = await connect({ servers })
          await withStream(nc, async js => {
            await inSpan('request', () => js.publish(subject + '.a', ''))
            await sleep(50)
            const consumer = await js.consumers.get(stream, 'worker')
            for await (const message of await consumer.consume()) { message.ack(); break }
          })
          const { promise, resolve } = deferred()
          nc.subscribe(subject, { callback: resolve })
          const scheduled = headers()
          scheduled.set('Nats-Scheduler', 'schedule')
          await inSpan('schedule', () => nc.publish(subject, '', { headers: scheduled }))
          await promise
          await nc.close()
        })`,
        { version, spans: 6, env: { TRACE_ASYNC_MAX_AGE_MS: '20' } },
      )
      for (const [name, to] of [
        ['request', `${subject}.a`],
        ['schedule', subject],
      ] as const) {
        const handled = one(spans, `process ${to}`)
        const sent = one(spans, `publish ${to}`)
        assert.equal(sent.parentSpanId, one(spans, name).spanId)
        assert.equal(handled.parentSpanId, undefined)
        assert.deepEqual(linksOf(handled), [[sent.traceId, sent.spanId]])
      }
    })

    test('drained or closed while a handler runs, and left in the middle: no span stays open', async () => {
      const { spans, subject, said } = await run(
        `main(async () => {
          for (const end of ['drain', 'close']) {
            const nc = await connect({ servers })
            const name = subject + '.' + end
            const { promise, resolve } = deferred()
            const loop = nc.subscribe(name)
            const done = (async () => {
              for await (const message of loop) {
                resolve()
                await nc.closed()
                await inSpan('work', () => {})
                say([end, nc.isClosed(), activeTrace() === message.headers.get('traceparent').slice(3, 35)])
              }
            })()
            nc.subscribe(name + '.callback', { callback: async () => { await sleep(50); say(end) } })
            nc.subscribe(name + '.never', { callback: () => new Promise(() => {}) })
            nc.publish(name + '.never')
            nc.publish(name + '.callback')
            nc.publish(name)
            await promise
            await nc[end]()
            await done
          }
          const nc = await connect({ servers })
          const iterator = nc.subscribe(subject + '.>')[Symbol.asyncIterator]()
          nc.publish(subject + '.once')
          await (async () => { const { value } = await iterator.next(); say(value.subject === subject + '.once') })()
          const failing = nc.subscribe(subject + '.failing')
          nc.publish(subject + '.failing')
          try { for await (const _ of failing) throw new Error('of the loop') } catch (error) { say(error.message) }
          say(activeSpan() ?? null)
          await nc.close()
        })`,
        { version, spans: 18 },
      )
      assert.deepEqual(
        said.map(line => JSON.stringify(line)).sort(),
        ['"close"', '"drain"', '"of the loop"', '["close",true,true]', '["drain",true,true]', 'null', 'true'].sort(),
      )
      for (const name of [
        '.drain',
        '.drain.callback',
        '.drain.never',
        '.close',
        '.close.callback',
        '.close.never',
        '.>',
        '.failing',
      ]) {
        assert.equal(one(spans, `process ${subject}${name}`).status, 'unset')
      }
    })

    test('what the library says to the server is no span: its API, heartbeats, buckets', async () => {
      const buckets = `
        const kv = await js.views.kv(stream + '_kv')
        await kv.put('key', body('value'))
        say(new TextDecoder().decode((await kv.get('key')).value))
        const watched = await kv.watch()
        for await (const entry of watched) { say(entry.key); break }
        await kv.destroy()
        const objects = await js.views.os(stream + '_os')
        await objects.putBlob({ name: 'object' }, body('blob'))
        say(new TextDecoder().decode(await objects.getBlob('object')))
        await objects.destroy()`
      const { said } = await run(
        `main(async () => {
          const nc = await connect({ servers, pingInterval: 50, maxPingOut: 100 })
          await inSpan('request', () => withStream(nc, async (js, jsm) => {
            const consumer = await js.consumers.get(stream, 'worker')
            const messages = await consumer.consume({ callback: () => {} })
            for await (const { name } of await jsm.streams.list()) if (name === undefined) break
            await jsm.streams.info(stream)
            await nc.rtt()
            say(await consumer.next({ expires: 1000 }))
            await messages.close()
            ${version === '2' ? buckets : ''}
          }))
          await nc.drain()
        })`,
        { version, spans: 1 },
      )
      assert.deepEqual(said, version === '2' ? [null, 'value', 'key', 'blob'] : [null])
    })
  })
}

test('what a connection delivers is not of the request that opened it', async () => {
  const { spans, subject, said } = await run(
    `main(async () => {
      let nc
      const { promise, resolve } = deferred()
      await inSpan('request', async () => {
        nc = await connect({ servers })
        say(activeTrace() !== undefined)
        const inbox = createInbox()
        nc.subscribe(inbox, { callback: () => say(['inbox', activeTrace() ?? null]) })
        nc.subscribe(subject, { callback: (error, message) => { say(message.headers ?? null); resolve() } })
        untraced(() => { nc.publish(inbox); nc.publish(subject) })
        await promise
      })
      await nc.drain()
    })`,
    { spans: 2 },
  )
  assert.deepEqual(said, [true, ['inbox', null], null])
  const handled = one(spans, `process ${subject}`)
  assert.equal(handled.parentSpanId, undefined)
  assert.notEqual(handled.traceId, one(spans, 'request').traceId)
})

test('a message that has no room for headers is sent without', async () => {
  const { spans, said } = await run(
    `main(async () => {
      const nc = await connect({ servers })
      const { promise, resolve } = deferred()
      nc.subscribe(subject, { callback: (error, message) => { say([message.data.length, message.headers ?? null]); resolve() } })
      nc.publish(subject, 'x'.repeat(nc.info.max_payload))
      await promise
      await nc.close()
    })`,
    { spans: 2 },
  )
  assert.deepEqual(said, [[1_048_576, null]])
  assert.equal(new Set(spans.map(({ traceId }) => traceId)).size, 2)
})

test('an error that a callback throws or rejects with is recorded', async () => {
  const { spans, subject, said } = await run(
    `process.on('unhandledRejection', error => say(['unhandled', error.message]))
    main(async () => {
      const nc = await connect({ servers })
      const { promise, resolve } = deferred()
      nc.subscribe(subject, { callback: async () => { resolve(); await sleep(2); throw new RangeError('out of it') } })
      nc.publish(subject)
      await promise
      await sleep(20)
      const timed = deferred()
      nc.subscribe(subject + '.never', { timeout: 5, callback: error => { say(error.name); timed.resolve() } })
      await timed.promise
      await nc.close()
    })`,
    { spans: 2 },
  )
  assert.deepEqual(said, [['unhandled', 'out of it'], 'TimeoutError'])
  const handled = one(spans, `process ${subject}`)
  assert.equal(handled.attributes['error.type'], 'RangeError')
  assert.equal(handled.events[0]?.attributes['exception.message'], 'out of it')
})

test('a service of nats 2 answers in the trace of the request, and its own endpoints are no spans', async () => {
  const { spans, subject, said } = await run(
    `main(async () => {
      const nc = await connect({ servers })
      const service = await nc.services.add({ name: 'adder', version: '1.0.0' })
      service.addEndpoint('add', { subject, handler: (error, message) => { message.respond('sum') } })
      await inSpan('request', async () => say((await nc.request(subject, '')).string()))
      const found = []
      for await (const { name } of await nc.services.client().ping('adder')) found.push(name)
      say(found.length > 0)
      await service.stop()
      await nc.close()
    })`,
    { spans: 4, version: '2' },
  )
  assert.deepEqual(said, ['sum', true])
  assertTree(spans, [
    request('request', {
      name: `request ${subject}`,
      kind: 'producer',
      children: [processed(subject, { name: 'respond', kind: 'producer' })],
    }),
  ])
})

test('a trace that is not sampled is carried on', async () => {
  const remote = { traceId: '1'.repeat(32), spanId: '2'.repeat(16), isRemote: true, traceFlags: 0 }
  const { said } = await run(
    `main(async () => {
      const nc = await connect({ servers })
      const carried = message => [message.headers.get('traceparent'), activeTrace()]
      nc.subscribe(subject, { callback: (error, message) => { say(carried(message)); message.respond('') } })
      const loop = nc.subscribe(subject)
      const done = (async () => { for await (const message of loop) { await sleep(1); say(carried(message)); break } })()
      const unsampled = trace.setSpanContext(context.active(), ${JSON.stringify(remote)})
      const reply = await context.with(unsampled, () => nc.request(subject, ''))
      say([reply.headers.get('traceparent')])
      await done
      await nc.close()
      await inSpan('at all', () => {})
    })`,
    { spans: 1 },
  )
  const traceparent = `00-${remote.traceId}-${remote.spanId}-00`
  assert.deepEqual(said.map(line => JSON.stringify(line)).sort(), [
    JSON.stringify([traceparent, remote.traceId]),
    JSON.stringify([traceparent, remote.traceId]),
    JSON.stringify([traceparent]),
  ])
})

for (const version of VERSIONS) {
  test(`nats ${version}: fifty at once, to loops, callbacks and a stream: each message stays in its own trace`, async () => {
    const { spans, subject } = await run(
      `main(async () => {
        const nc = await connect({ servers })
        await withStream(nc, async js => {
          let left = 150
          const { promise, resolve } = deferred()
          const work = async message => {
            await sleep(Math.random() * 4)
            await inSpan('work ' + text(message), () => sleep(1))
            if (--left === 0) resolve()
          }
          const loop = nc.subscribe('loop.' + subject)
          const loops = [
            (async () => { for await (const message of loop) await work(message) })(),
            (async () => {
              const consumer = await js.consumers.get(stream, 'worker')
              for await (const message of await consumer.consume()) { await work(message); message.ack(); if (left === 0) break }
            })(),
          ]
          nc.subscribe('callback.' + subject, { callback: (error, message) => work(message) })
          await Promise.all(Array.from({ length: 50 }, (_, i) => inSpan('request ' + i, async () => {
            await sleep(Math.random() * 20)
            nc.publish('loop.' + subject, 'a' + i)
            nc.publish('callback.' + subject, 'b' + i)
            await js.publish(subject + '.x', 'c' + i)
          })))
          await promise
        })
        await nc.drain()
      })`,
      { version, spans: 500 },
    )
    for (let i = 0; i < 50; i++) {
      const { traceId } = one(spans, `request ${i}`)
      const trace = spans.filter(span => span.traceId === traceId)
      assert.equal(trace.length, 10)
      for (const [to, name] of [
        [`loop.${subject}`, `work a${i}`],
        [`callback.${subject}`, `work b${i}`],
        [`${subject}.x`, `work c${i}`],
      ] as const) {
        const handled = one(trace, `process ${to}`)
        assert.equal(handled.parentSpanId, one(trace, `publish ${to}`).spanId)
        assert.equal(one(trace, name).parentSpanId, handled.spanId)
      }
    }
  })
}
