/** MQTT.js against a broker, in applications of their own. */
import assert from 'node:assert/strict'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { pathToFileURL } from 'node:url'
import { type AppOptions, runApp } from '../helpers/child.js'
import { createCollector, type ReceivedSpan } from '../helpers/collector.js'
import { root } from '../helpers/root.js'
import { mqtt, uniqueName } from '../helpers/services.js'
import { assertTree, oneTrace } from '../helpers/spans.js'

interface Run extends AppOptions {
  /** 5 is the newest major of the library; 4 the oldest that is supported. */
  version?: '5' | '4'
  /** How many spans to expect. */
  spans: number
}

const oldest = createRequire(join(root, 'test/versions/mqtt-4/package.json'))

/** What every application here starts with. Each has a topic of its own. */
function prelude(type: AppOptions['type'], version: '5' | '4'): string {
  const file = version === '5' ? 'mqtt' : oldest.resolve('mqtt')
  const imports =
    type === 'esm'
      ? `import mqtt from '${version === '5' ? file : pathToFileURL(file).href}'
         import { context, trace } from '@opentelemetry/api'
         import { suppressTracing } from '@opentelemetry/core'`
      : `const mqtt = require('${file}')
         const { context, trace } = require('@opentelemetry/api')
         const { suppressTracing } = require('@opentelemetry/core')`
  return `${imports}
    const url = process.env.MQTT_URL
    const topic = process.env.TOPIC
    const connect = options => mqtt.connect(url, { protocolVersion: 5, ...options })
    const inSpan = (name, fn) => trace.getTracer('app').startActiveSpan(name, async span => {
      try { return await fn(span) } finally { span.end(); await sleep(2) }
    })
    const activeTrace = () => trace.getActiveSpan()?.spanContext().traceId
    const activeSpan = () => trace.getActiveSpan()?.spanContext().spanId
    const untraced = fn => context.with(suppressTracing(context.active()), fn)
    const sleep = ms => new Promise(resolve => setTimeout(resolve, ms))
    const once = (emitter, event) => new Promise(resolve => emitter.once(event, (...args) => resolve(args)))
    const subscribed = (client, ...args) =>
      new Promise((resolve, reject) => client.subscribe(...args, error => (error ? reject(error) : resolve())))
    const published = (client, ...args) =>
      new Promise((resolve, reject) => client.publish(...args, error => (error ? reject(error) : resolve())))
    const ended = client => new Promise(resolve => client.end(resolve))
    const say = value => console.log(JSON.stringify(value))
    const main = fn => fn().catch(error => { console.error(error); process.exitCode = 1 })
  `
}

/** Runs the code as an application that connects to the test's broker. Returns what it said, line by line, and its spans. */
async function run(code: string, { version = '5', spans: count, env, ...options }: Run) {
  const collector = await createCollector()
  const topic = uniqueName('mqtt')
  const ended = await runApp({
    code: prelude(options.type, version) + code,
    collector,
    env: { MQTT_URL: mqtt(), TOPIC: topic, ...env },
    ...options,
  })
  assert.equal(ended.stderr, '')
  assert.equal(ended.code, 0)
  const spans = await collector.waitFor(count)
  await collector.close()
  assert.equal(spans.length, count, spans.map(span => `${span.kind} ${span.name}`).join(', '))
  const lines = ended.stdout.split('\n').filter(line => line !== '')
  return { spans, topic, said: lines.map(line => JSON.parse(line)) }
}

const one = (spans: ReceivedSpan[], name: string): ReceivedSpan => {
  const found = spans.filter(span => span.name === name)
  assert.equal(found.length, 1, `${found.length} spans are named ${name}: ${spans.map(span => span.name)}`)
  return found[0] as ReceivedSpan
}

const linksOf = ({ links }: ReceivedSpan) => links.map(({ traceId, spanId }) => [traceId, spanId])

const EVERY_WAY = (['cjs', 'esm'] as const).flatMap(type => (['5', '4'] as const).map(version => ({ type, version })))

for (const way of EVERY_WAY) {
  describe(`mqtt ${way.version} in ${way.type}`, () => {
    test('publish and message are one trace, in every quality of service, before the connection is ready too', async () => {
      const { spans, topic, said } = await run(
        `main(async () => {
          const client = connect({ clientId: topic + '-client' })
          let left = 4
          await new Promise(resolve => {
            client.on('message', async (name, payload, packet) => {
              say([name === topic, String(payload), packet.qos, packet.properties.userProperties.own])
              const { traceparent } = packet.properties.userProperties
              say([traceparent.slice(3, 35) === activeTrace(), traceparent.slice(36, 52) !== activeSpan()])
              await inSpan('work', () => sleep(1))
              if (--left === 0) resolve()
            })
            main(async () => {
              await subscribed(client, topic, { qos: 2 })
              for (const qos of [0, 1, 2]) {
                await inSpan('request ' + qos, span => new Promise(resolve => {
                  const options = { qos, properties: { userProperties: { own: 'mine' } } }
                  say(client === client.publish(topic, 'body ' + qos, options, (error, packet) => {
                    say([error ?? null, activeSpan() === span.spanContext().spanId])
                    resolve()
                  }))
                }))
                await sleep(20)
              }
              const late = connect()
              say(late.connected)
              await inSpan('request early', () => published(late, topic, 'early', { properties: { userProperties: { own: 'mine' } } }))
              await sleep(50)
              await ended(late)
            })
          })
          await ended(client)
        })`,
        { ...way, spans: 16 },
      )
      assert.equal(said.filter(line => JSON.stringify(line) === '[true,true]').length, 4)
      assert.equal(said.filter(line => JSON.stringify(line) === '[null,true]').length, 3)
      assert.equal(said.filter(line => line === true).length, 3)
      for (const [qos, text] of [
        [0, 'body 0'],
        [1, 'body 1'],
        [2, 'body 2'],
        [0, 'early'],
      ]) {
        assert.ok(said.some(line => JSON.stringify(line) === JSON.stringify([true, text, qos, 'mine'])))
      }
      const { hostname, port } = new URL(mqtt())
      const attributes = {
        'messaging.system': 'mqtt',
        'messaging.destination.name': topic,
        'messaging.destination.template': undefined,
        'messaging.consumer.group.name': undefined,
        'server.address': hostname,
        'server.port': Number(port),
      }
      const connected = {
        'network.peer.address': /^(127\.0\.0\.1|::1)$/,
        'network.peer.port': Number(port),
        'messaging.client.id': `${topic}-client`,
      }
      for (const name of ['request 0', 'request 1', 'request 2', 'request early']) {
        const { traceId } = one(spans, name)
        const trace = spans.filter(span => span.traceId === traceId)
        oneTrace(trace)
        assertTree(trace, [
          {
            name,
            kind: 'internal',
            children: [
              {
                name: `publish ${topic}`,
                kind: 'producer',
                attributes: {
                  ...attributes,
                  ...(name === 'request early' ? {} : connected),
                  'messaging.operation.name': 'publish',
                  'messaging.operation.type': 'send',
                },
                children: [
                  {
                    name: `process ${topic}`,
                    kind: 'consumer',
                    attributes: {
                      ...attributes,
                      ...connected,
                      'messaging.operation.name': 'process',
                      'messaging.operation.type': 'process',
                    },
                    children: [{ name: 'work', kind: 'internal' }],
                  },
                ],
              },
            ],
          },
        ])
      }
    })

    test('a client cannot be told from one without us', async () => {
      const code = `
        const look = client => {
          say(Object.keys(client).filter(key => key !== 'disconnected'))
          say(client.eventNames().map(name => [String(name), client.listenerCount(name)]))
          const proto = Object.getPrototypeOf(client)
          for (const name of Object.getOwnPropertyNames(proto).filter(name => name !== 'emit')) {
            const { value, enumerable, writable, configurable } = Object.getOwnPropertyDescriptor(proto, name)
            say([name, typeof value, value?.name, value?.length, enumerable, writable, configurable])
          }
          say([client.emit.name, client.emit.length])
        }
        main(async () => {
        const client = connect({ clientId: topic + process.pid })
        say((await once(client, 'connect')).length)
        look(client)
        await subscribed(client, { [topic]: { qos: 1 } })
        await subscribed(client, [topic + '/a', topic + '/b'])
        const options = { qos: 1, properties: { userProperties: { a: ['1', '2'] }, contentType: 'x' } }
        client.once('message', (name, payload, packet) => {
          const { traceparent, ...userProperties } = packet.properties.userProperties
          say([String(payload), packet.qos, packet.retain, { ...packet.properties, userProperties }])
        })
        const got = once(client, 'message')
        const acked = new Promise(resolve => {
          say(client.publish(topic, Buffer.from('body'), options, (...args) => resolve(args.length)) === client)
        })
        await got
        say(await acked)
        say(options)
        for (const args of [
          ['x'],
          ['x', undefined],
          ['x', null],
          ['x', null, undefined],
          ['x', Object.freeze({ qos: 0, properties: Object.freeze({}) })],
          ['x', Object.assign(Object.create(null), { qos: 0 })],
          ['x', 5],
        ]) {
          const got = once(client, 'message')
          say(client.publish(topic, ...args) === client)
          say(String((await got)[1]))
        }
        say(await new Promise(resolve => client.unsubscribe(topic, (...args) => resolve(args.length))))
        await ended(client)
        look(client)
        for (const publish of [
          other => other.publish(topic),
          other => other.publish(undefined, 'x'),
          other => other.publish(null, 'x', { qos: 1 }),
          other => other.publish(topic, 5),
          other => other.publish(topic, 'x', { qos: 7 }),
          other => other.publish(topic, 'x', { properties: { topicAlias: 99 } }, error => say(String(error))),
          other => other.publish(topic, 'x', { properties: { userProperties: 'text' } }),
          other => other.publish(topic, 'x', { properties: 'text' }),
          other => other.emit('message'),
          other => other.emit('message', 5, null, null),
          other => other.emit('packetsend', {}),
        ]) {
          const other = connect({ reconnectPeriod: 0 })
          other.on('error', error => say(error.message))
          await once(other, 'connect')
          try { const result = publish(other); say(result === other || result) } catch (error) { say([error.name, error.message]) }
          other.end(true)
        }
        client.publish(topic, 'late', error => say(error.message))
        client.once('error', error => say(error.message))
        client.publish(topic, 'late')
        }).finally(() => setTimeout(() => process.exit(), 100))`
      const env = { MQTT_URL: mqtt(), TOPIC: uniqueName('mqtt') }
      const text = prelude(way.type, way.version) + code
      const [bare, traced] = [
        await runApp({ code: text, type: way.type, env, preload: 'none' }),
        await runApp({ code: text, type: way.type, env: { ...env, OTEL_TRACES_EXPORTER: 'none' } }),
      ]
      assert.equal(traced.stdout, bare.stdout)
      assert.equal(traced.stderr, bare.stderr)
      assert.ok(bare.stdout.split('\n').length > 60, bare.stdout + bare.stderr)
    })

    test('MQTT 3.1.1 has no place for a trace: spans without propagation', async () => {
      const { spans, topic, said } = await run(
        `main(async () => {
          const client = connect({ protocolVersion: 4 })
          await subscribed(client, topic)
          const got = once(client, 'message')
          await inSpan('request', () => published(client, topic, 'body', { properties: { userProperties: { a: 'b' } } }))
          const [, , packet] = await got
          say(packet.properties ?? null)
          await ended(client)
        })`,
        { ...way, spans: 3 },
      )
      assert.deepEqual(said, [null])
      const [request, sent, processed] = ['request', `publish ${topic}`, `process ${topic}`].map(name =>
        one(spans, name),
      )
      assert.equal(sent?.parentSpanId, request?.spanId)
      assert.equal(processed?.parentSpanId, undefined)
      assert.notEqual(processed?.traceId, request?.traceId)
      assert.deepEqual(processed?.links, [])
    })
  })
}

test('several listeners of a message are one span, and what nobody listens to is none', async () => {
  const { spans, said } = await run(
    `main(async () => {
      const client = connect()
      await subscribed(client, topic)
      await inSpan('unheard', () => published(client, topic, 'body', { qos: 1 }))
      await sleep(50)
      const ids = new Set()
      client.once('message', () => ids.add(activeSpan()))
      client.prependListener('message', () => ids.add(activeSpan()))
      const got = new Promise(resolve => client.on('message', () => { ids.add(activeSpan()); resolve() }))
      await inSpan('heard', () => published(client, topic, 'body', { qos: 1 }))
      await got
      say([ids.size, ids.has(undefined)])
      await ended(client)
    })`,
    { spans: 5 },
  )
  assert.deepEqual(said, [[1, false]])
  const processed = spans.find(({ kind }) => kind === 'consumer')
  assert.equal(processed?.traceId, one(spans, 'heard').traceId)
})

test('an error that a listener throws is recorded, and is as uncaught as it is without us', async () => {
  const { spans, topic, said } = await run(
    `process.on('uncaughtException', error => { say(error.message); process.exit() })
    main(async () => {
      const client = connect()
      await subscribed(client, topic)
      client.on('message', () => { throw new RangeError('out of it') })
      client.publish(topic, 'body')
    })`,
    { spans: 2 },
  )
  assert.deepEqual(said, ['out of it'])
  const processed = one(spans, `process ${topic}`)
  assert.equal(processed.attributes['error.type'], 'RangeError')
  assert.equal(processed.events[0]?.attributes['exception.message'], 'out of it')
})

test('a message that comes by a wildcard is named by it, and one of a shared subscription tells its group', async () => {
  const { spans, topic } = await run(
    `main(async () => {
      const client = connect()
      client.on('message', () => {})
      const filters = ['/+/one', '/two/#', '/exact', '/exact/+', '/gone/+']
      for (const filter of filters) await subscribed(client, topic + filter)
      await subscribed(client, '$share/group/' + topic + '/shared/+')
      await new Promise(resolve => client.unsubscribe(topic + '/gone/+', resolve))
      await subscribed(client, topic + '/+/plain')
      for (const name of ['/a/one', '/two', '/two/b/c', '/exact', '/exact/d', '/shared/e', '/gone/plain']) {
        await inSpan(name, () => published(client, topic + name, 'body', { qos: 1 }))
      }
      await sleep(50)
      await ended(client)
    })`,
    { spans: 21 },
  )
  const group = 'messaging.consumer.group.name'
  const template = 'messaging.destination.template'
  for (const [name, filter, ofGroup] of [
    ['/a/one', '/+/one'],
    ['/two', '/two/#'],
    ['/two/b/c', '/two/#'],
    ['/exact', '/exact'],
    ['/exact/d', '/exact/+'],
    ['/shared/e', '/shared/+', 'group'],
    ['/gone/plain', '/+/plain'],
  ] as const) {
    const { traceId } = one(spans, name)
    const [processed] = spans.filter(span => span.kind === 'consumer' && span.traceId === traceId)
    assert.equal(processed?.name, `process ${topic}${filter}`)
    assert.equal(processed?.attributes['messaging.destination.name'], `${topic}${name}`)
    assert.equal(processed?.attributes[template], filter === name ? undefined : `${topic}${filter}`)
    assert.equal(processed?.attributes[group], ofGroup)
  }
})

test('a wildcard at the start of a filter stands for no topic of the broker', async () => {
  const { spans, topic } = await run(
    `main(async () => {
      const client = connect()
      await subscribed(client, ['+/+/' + topic, '$own/+/' + topic])
      const got = once(client, 'message')
      await published(client, '$own/a/' + topic, 'body', { qos: 1 })
      await got
      await ended(client)
    })`,
    { spans: 2 },
  )
  one(spans, `process $own/+/${topic}`)
})

test('a message that the broker takes only without headers is sent without', async () => {
  const { spans, said } = await run(
    `main(async () => {
      const client = connect()
      await subscribed(client, topic)
      client.connackPacket.properties = { maximumPacketSize: 10_000 }
      for (const size of [100, 2000]) {
        const got = once(client, 'message')
        await published(client, topic, Buffer.alloc(size))
        say((await got)[2].properties?.userProperties !== undefined)
      }
      await ended(client)
    })`,
    { spans: 4 },
  )
  assert.deepEqual(said, [true, false])
  assert.equal(new Set(spans.map(({ traceId }) => traceId)).size, 3)
})

test('a retained message begins a trace of its own, linked to who sent it; a live one is a child', async () => {
  const { spans, topic } = await run(
    `main(async () => {
      const client = connect()
      await inSpan('request', () => published(client, topic, 'kept', { qos: 1, retain: true }))
      for (const _ of [1, 2]) {
        const got = once(client, 'message')
        await subscribed(client, topic)
        await got
        await new Promise(resolve => client.unsubscribe(topic, resolve))
      }
      await published(client, topic, '', { qos: 1, retain: true })
      await ended(client)
    })`,
    { spans: 5 },
  )
  const sent = spans.find(span => span.parentSpanId === one(spans, 'request').spanId) as ReceivedSpan
  const processed = spans.filter(span => span.name === `process ${topic}`)
  assert.equal(processed.length, 2)
  for (const span of processed) {
    assert.equal(span.parentSpanId, undefined)
    assert.notEqual(span.traceId, sent.traceId)
    assert.deepEqual(linksOf(span), [[sent.traceId, sent.spanId]])
  }
  assert.notEqual(processed[0]?.traceId, processed[1]?.traceId)
})

test('user properties go into a copy, and a traceparent of another trace is left alone', async () => {
  const foreign = '00-11111111111111111111111111111111-2222222222222222-01'
  const { spans, said } = await run(
    `main(async () => {
      const [client, other] = [connect(), connect()]
      await subscribed(other, topic)
      await inSpan('request', async span => {
        const { traceId } = span.spanContext()
        const forwarded = '00-' + traceId + '-2222222222222222-01'
        for (const options of [
          undefined,
          null,
          {},
          { properties: undefined },
          Object.freeze({ properties: Object.freeze({ userProperties: Object.freeze({ a: ['1', '2'], b: '3' }) }) }),
          { properties: { userProperties: Object.assign(Object.create(null), { b: '3' }) } },
          { properties: { userProperties: Object.freeze({ traceparent: '${foreign}', tracestate: 'a=1' }) } },
          { properties: { userProperties: { traceparent: ['${foreign}', '${foreign}'] } } },
          { properties: { userProperties: { traceparent: forwarded } } },
        ]) {
          const before = JSON.stringify(options)
          const got = untraced(() => once(other, 'message'))
          client.publish(topic, 'body', options)
          const [, , { properties }] = await got
          const { traceparent, ...others } = properties.userProperties
          const ours = typeof traceparent === 'string' && traceparent.slice(3, 35) === traceId
          say([ours ? traceparent.slice(36, 52) : traceparent, others, JSON.stringify(options) === before])
        }
      })
      await ended(client)
      await ended(other)
    })`,
    { spans: 19 },
  )
  const sent = spans
    .filter(({ kind }) => kind === 'producer')
    .sort((a, b) => Number(a.start - b.start))
    .map(({ spanId }) => spanId)
  assert.deepEqual(said, [
    [sent[0], {}, true],
    [sent[1], {}, true],
    [sent[2], {}, true],
    [sent[3], {}, true],
    [sent[4], { a: ['1', '2'], b: '3' }, true],
    [sent[5], { b: '3' }, true],
    [foreign, { tracestate: 'a=1' }, true],
    [[foreign, foreign], {}, true],
    [sent[8], {}, true],
  ])
})

test('user properties that are garbage are no trace, and no error of ours', async () => {
  const { spans, topic } = await run(
    `main(async () => {
      const client = connect()
      await subscribed(client, topic)
      let left = 4
      const done = new Promise(resolve => client.on('message', () => { if (--left === 0) resolve() }))
      for (const userProperties of [
        { traceparent: 'garbage' },
        { traceparent: ['a', 'b'], tracestate: '=,=' },
        { traceparent: 'äöü', baggage: '%%%' },
        { __proto__: null, constructor: 'x', hasOwnProperty: 'y' },
      ]) {
        untraced(() => client.publish(topic, 'body', { properties: { userProperties } }))
      }
      await done
      await ended(client)
    })`,
    { spans: 4 },
  )
  for (const span of spans) {
    assert.equal(span.name, `process ${topic}`)
    assert.equal(span.parentSpanId, undefined)
    assert.equal(span.status, 'unset')
  }
})

test('a topic alias is told by its topic, and one that stands for none by the broker', async () => {
  const { spans, topic, said } = await run(
    `main(async () => {
      const client = connect()
      await once(client, 'connect')
      await subscribed(client, topic, { qos: 2 })
      for (const [name, qos] of [[topic, 0], ['', 1], ['', 2]]) {
        const got = once(client, 'message')
        client.publish(name, 'body', { qos, properties: { topicAlias: 1 } })
        say((await got)[0] === topic)
      }
      client.on('error', () => {})
      client.publish('', 'body', { properties: { topicAlias: 2 } })
      await new Promise(resolve => client.end(true, resolve))
    })`,
    { spans: 7 },
  )
  assert.deepEqual(said, [true, true, true])
  assert.equal(spans.filter(({ name }) => name === `publish ${topic}`).length, 3)
  assert.equal(spans.filter(({ name }) => name === `process ${topic}`).length, 3)
  assert.equal(one(spans, `publish ${new URL(mqtt()).host}`).attributes['messaging.destination.name'], undefined)
})

test('what is never delivered ends with its client, and what is refused at once with the error', async () => {
  const { spans, topic, said } = await run(
    `main(async () => {
      const client = mqtt.connect('mqtt://127.0.0.1:1', { reconnectPeriod: 0 })
      client.on('error', () => {})
      await once(client, 'close')
      client.publish(topic, 'queued', error => say(['never', String(error)]))
      client.publish(topic, 'stored', { qos: 1 }, error => say(['stored', String(error)]))
      client.publish(topic, 'nobody waits')
      await new Promise(resolve => client.end(true, resolve))
      await sleep(5)
      const other = connect()
      await once(other, 'connect')
      const closing = ended(other)
      other.publish(topic, 'late', error => say(error.message))
      await closing
    })`,
    { spans: 4 },
  )
  assert.equal(said.at(-1), 'client disconnecting')
  const ordered = [...spans].sort((a, b) => Number(a.start - b.start))
  assert.deepEqual(
    ordered.map(({ name, status }) => [name, status]),
    [
      [`publish ${topic}`, 'error'],
      [`publish ${topic}`, 'error'],
      [`publish ${topic}`, 'unset'],
      [`publish ${topic}`, 'error'],
    ],
  )
  assert.equal(ordered[0]?.attributes['error.type'], 'client_ended')
  assert.equal(ordered[3]?.attributes['error.type'], 'Error')
  assert.equal(ordered[3]?.statusMessage, 'client disconnecting')
})

test('what a client tells is not of the request that connected it; a will is sent as it was given', async () => {
  const { spans, topic, said } = await run(
    `main(async () => {
      const watcher = connect()
      await subscribed(watcher, topic)
      let client
      let closed
      await inSpan('request', async () => {
        const will = Object.freeze({
          topic, payload: 'gone', qos: 1, retain: false, properties: Object.freeze({ userProperties: Object.freeze({ a: 'b' }) }),
        })
        client = connect({ will, reconnectPeriod: 0 })
        client.on('connect', () => say(['connected', activeTrace() ?? null]))
        client.on('close', () => { closed = activeTrace() ?? null })
        await once(client, 'connect')
        say(activeTrace() !== undefined)
      })
      const got = once(watcher, 'message')
      client.stream.destroy()
      const [, payload, packet] = await got
      say([String(payload), packet.properties.userProperties])
      await ended(client)
      say(['closed', closed])
      await ended(watcher)
    })`,
    { spans: 2 },
  )
  assert.deepEqual(said, [['connected', null], true, ['gone', { a: 'b' }], ['closed', null]])
  const processed = one(spans, `process ${topic}`)
  assert.equal(processed.parentSpanId, undefined)
  assert.notEqual(processed.traceId, one(spans, 'request').traceId)
})

test('callbacks run where the method was called, traced or not', async () => {
  const { said } = await run(
    `main(async () => {
      const key = Symbol('mine')
      const mine = () => context.active().getValue(key) === true
      const there = fn => context.with(context.active().setValue(key, true), fn)
      const heard = what => resolve => () => { say([what, mine()]); resolve() }
      const client = connect()
      await new Promise(resolve => there(() => client.subscribe(topic, { qos: 1 }, heard('subscribe')(resolve))))
      await new Promise(resolve => there(() => client.publish(topic, 'x', { qos: 1 }, heard('publish')(resolve))))
      await new Promise(resolve => there(() => untraced(() => client.publish(topic, 'x', heard('untraced')(resolve)))))
      await new Promise(resolve => there(() => client.unsubscribe(topic, heard('unsubscribe')(resolve))))
      await new Promise(resolve => there(() => client.end(heard('end')(resolve))))
    })`,
    { spans: 1 },
  )
  assert.deepEqual(
    said,
    ['subscribe', 'publish', 'untraced', 'unsubscribe', 'end'].map(what => [what, true]),
  )
})

test('a trace that is not sampled is carried on', async () => {
  const remote = { traceId: '1'.repeat(32), spanId: '2'.repeat(16), isRemote: true, traceFlags: 0 }
  const { said } = await run(
    `main(async () => {
      const client = connect()
      await subscribed(client, topic)
      const got = new Promise(resolve => client.once('message', (name, payload, packet) =>
        resolve([packet.properties.userProperties.traceparent, activeTrace()])))
      context.with(trace.setSpanContext(context.active(), ${JSON.stringify(remote)}), () => client.publish(topic, 'body'))
      say(await got)
      await ended(client)
      await inSpan('at all', () => {})
    })`,
    { spans: 1 },
  )
  assert.deepEqual(said, [[`00-${remote.traceId}-${remote.spanId}-00`, remote.traceId]])
})

test('fifty at once on one client: each message stays in its own trace', async () => {
  const { spans, topic } = await run(
    `main(async () => {
      const client = connect()
      await subscribed(client, topic, { qos: 2 })
      let left = 50
      const done = new Promise(resolve => client.on('message', async (name, payload) => {
        await sleep(Math.random() * 20)
        await inSpan('work ' + payload, () => sleep(1))
        if (--left === 0) resolve()
      }))
      await Promise.all(Array.from({ length: 50 }, (_, i) => inSpan('request ' + i, async () => {
        await sleep(Math.random() * 20)
        await published(client, topic, String(i), { qos: i % 3 })
      })))
      await done
      await ended(client)
    })`,
    { spans: 200 },
  )
  for (let i = 0; i < 50; i++) {
    const { traceId } = one(spans, `request ${i}`)
    assertTree(
      spans.filter(span => span.traceId === traceId),
      [
        {
          name: `request ${i}`,
          kind: 'internal',
          children: [
            {
              name: `publish ${topic}`,
              kind: 'producer',
              children: [
                { name: `process ${topic}`, kind: 'consumer', children: [{ name: `work ${i}`, kind: 'internal' }] },
              ],
            },
          ],
        },
      ],
    )
  }
})
