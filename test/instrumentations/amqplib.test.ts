/** amqplib against a RabbitMQ, in applications of their own. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { runApp } from '../helpers/child.js'
import type { ReceivedSpan } from '../helpers/collector.js'
import { rabbitmq, uniqueName } from '../helpers/services.js'
import { assertTree, oneTrace } from '../helpers/spans.js'
import { applications, one, prelude } from './amqplib/app.js'

const { run } = applications(rabbitmq())

const BOTH_WAYS = ['cjs', 'esm'] as const
const EVERY_WAY = BOTH_WAYS.flatMap(type => (['2', '0.10'] as const).map(version => ({ type, version })))

for (const way of EVERY_WAY) {
  describe(`amqplib ${way.version} in ${way.type}`, () => {
    test('promises: publish and consume are one trace', async () => {
      const { spans, queue, said } = await run(
        `main(async () => {
          const connection = await connect(url)
          const channel = await connection.createChannel()
          await channel.assertQueue(queue, { exclusive: true })
          const { promise, resolve } = deferred()
          await channel.consume(queue, async message => {
            say(message.content.toString())
            say(message.properties.headers.own)
            say(message.properties.headers.traceparent.slice(3, 35) === activeTrace())
            await inSpan('work', () => sleep(5))
            channel.ack(message)
            resolve()
          })
          await inSpan('request', async () => {
            say(channel.publish('', queue, body, { headers: { own: 1 }, messageId: 'm1', correlationId: 'c1' }))
          })
          await promise
          await connection.close()
        })`,
        { ...way, spans: 4 },
      )
      assert.deepEqual(said, [true, 'body', 1, true])
      oneTrace(spans)
      const { hostname, port } = new URL(rabbitmq())
      const attributes = {
        'messaging.system': 'rabbitmq',
        'messaging.destination.name': queue,
        'messaging.rabbitmq.destination.routing_key': queue,
        'messaging.message.id': 'm1',
        'messaging.message.conversation_id': 'c1',
        'server.address': hostname,
        'server.port': Number(port),
        'network.peer.address': /^(127\.0\.0\.1|::1)$/,
        'network.peer.port': Number(port),
      }
      assertTree(spans, [
        {
          name: 'request',
          kind: 'internal',
          children: [
            {
              name: `publish ${queue}`,
              kind: 'producer',
              attributes: {
                ...attributes,
                'messaging.operation.name': 'publish',
                'messaging.operation.type': 'send',
                'messaging.rabbitmq.message.delivery_tag': undefined,
              },
              children: [
                {
                  name: `process ${queue}`,
                  kind: 'consumer',
                  attributes: {
                    ...attributes,
                    'messaging.operation.name': 'process',
                    'messaging.operation.type': 'process',
                    'messaging.rabbitmq.message.delivery_tag': 1,
                  },
                  children: [{ name: 'work', kind: 'internal' }],
                },
              ],
            },
          ],
        },
      ])
    })

    test('callbacks run where the method was called, whoever opened the connection', async () => {
      const { spans, queue, said } = await run(
        `const key = Symbol('mine')
        context.with(context.active().setValue(key, true), () => callbackApi.connect(url, (error, connection) => {
          say([error, context.active().getValue(key)])
          inSpan('request', async span => {
            const mine = () => activeSpan() === span.spanContext().spanId
            const { promise, resolve } = deferred()
            const channel = connection.createConfirmChannel((error, same) => {
              say([same === channel, mine()])
              channel.assertQueue(queue, { exclusive: true }, (error, ok) => {
                say([ok.queue === queue, mine()])
                say(channel.sendToQueue(queue, body, {}, error => {
                  say([error, mine()])
                  say(channel.get(queue, {}, (error, message) => {
                    say([error, message.content.toString(), mine()])
                    channel.get(queue, { noAck: true }, (error, message) => {
                      say([error, message, mine()])
                      channel.consume(queue, message => {
                        say(['consumed', mine(), message.properties.headers.traceparent.slice(36, 52) !== activeSpan()])
                        say(channel.ack(message) === channel)
                        resolve()
                      }, {}, (error, ok) => {
                        say([typeof ok.consumerTag, mine()])
                        channel.sendToQueue(queue, body)
                      })
                    })
                    say(channel.ack(message) === channel)
                  }) === channel)
                }))
              })
            })
            await promise
            await new Promise(resolve => channel.close(() => { say(['closed', mine()]); resolve() }))
            await new Promise(resolve => connection.close(error => { say([error, mine()]); resolve() }))
          })
        }))`,
        { ...way, spans: 5 },
      )
      assert.deepEqual(said, [
        [null, true],
        [true, true],
        [true, true],
        true,
        [null, true],
        true,
        [null, 'body', true],
        true,
        [null, false, true],
        ['string', true],
        ['consumed', false, true],
        true,
        ['closed', true],
        [null, true],
      ])
      oneTrace(spans)
      assertTree(spans, [
        {
          name: 'request',
          kind: 'internal',
          children: [
            { name: `publish ${queue}`, kind: 'producer' },
            { name: `receive ${queue}`, kind: 'client' },
            {
              name: `publish ${queue}`,
              kind: 'producer',
              children: [{ name: `process ${queue}`, kind: 'consumer' }],
            },
          ],
        },
      ])
    })

    test('a confirm channel: a message that the broker refuses, and one that has no exchange', async () => {
      const { spans, queue, said } = await run(
        `main(async () => {
          const connection = await connect(url)
          const channel = await connection.createConfirmChannel()
          const { promise, resolve } = deferred()
          channel.on('error', error => say(error.code)).on('close', resolve)
          await channel.assertQueue(queue, { exclusive: true, maxLength: 1, arguments: { 'x-overflow': 'reject-publish' } })
          await inSpan('accepted', async () => {
            say(channel.sendToQueue(queue, body))
            await channel.waitForConfirms()
          })
          await inSpan('refused', async span => {
            await new Promise(resolve => channel.sendToQueue(queue, body, {}, error => {
              say([error.message, activeSpan() === span.spanContext().spanId])
              resolve()
            }))
          })
          await inSpan('refused too', async () => {
            channel.sendToQueue(queue, body)
            await channel.waitForConfirms().catch(error => say(error.message))
          })
          await inSpan('lost', async () => {
            channel.publish('no-such-exchange', 'key', body, {}, error => say(error.message))
            await promise
          })
          await connection.close()
        })`,
        { ...way, spans: 8 },
      )
      assert.deepEqual(said, [true, ['message nacked', true], 'message nacked', 404, 'channel closed'])
      const publish = (destination: string, error?: string) => ({
        name: `publish ${destination}`,
        kind: 'producer' as const,
        status: error === undefined ? ('unset' as const) : ('error' as const),
        attributes: { 'error.type': error },
      })
      assertTree(spans, [
        { name: 'accepted', kind: 'internal', children: [publish(queue)] },
        { name: 'refused', kind: 'internal', children: [publish(queue, 'nack')] },
        { name: 'refused too', kind: 'internal', children: [publish(queue, 'nack')] },
        { name: 'lost', kind: 'internal', children: [publish('no-such-exchange:key', 'channel_closed')] },
      ])
    })

    test('a channel cannot be told from one without us', async () => {
      const code = `main(async () => {
        const look = channel => {
          say(Object.keys(channel))
          say(channel.eventNames().map(name => [String(name), channel.listenerCount(name)]))
          for (let proto = channel; proto !== Object.prototype; proto = Object.getPrototypeOf(proto)) {
            const methods = Object.getOwnPropertyNames(proto).filter(name => name !== 'emit')
            say(methods.map(name => Object.getOwnPropertyDescriptor(proto, name)).map(({ value, enumerable, writable, configurable }) => [
              typeof value, value?.name, value?.length, enumerable, writable, configurable,
            ]))
            say([proto.emit.name, proto.emit.length])
          }
        }
        const connection = await connect(url)
        const channel = await connection.createConfirmChannel()
        await channel.assertQueue(queue, { exclusive: true })
        const options = { headers: { a: 1 } }
        channel.sendToQueue(queue, body, options)
        channel.sendToQueue(queue, body, undefined, () => {})
        say(channel.unconfirmed.map(slot => typeof slot))
        say(await channel.waitForConfirms())
        say(options)
        const { promise, resolve } = deferred()
        let count = 0
        const consumer = function (message) { channel.ack(message); if (++count === 2) resolve(); return 'ignored' }
        const { consumerTag } = await channel.consume(queue, consumer)
        say(channel.consumers.get(consumerTag) === consumer)
        await promise
        look(channel)
        say(await channel.cancel(consumerTag) === undefined)
        say(await channel.get(queue))
        await channel.close()
        look(channel)
        for (const fail of [
          () => channel.publish('', queue, body),
          () => channel.ack({ fields: { deliveryTag: 1 } }),
          () => channel.publish('', queue),
          () => channel.publish('', queue, body, { expiration: null }),
          () => channel.nack(),
        ]) {
          try { fail() } catch (error) { say([error.name, error.message, error.constructor.name]) }
        }
        const other = await connection.createChannel()
        for (const fail of [
          () => other.publish('', queue, 'text'),
          () => other.publish('', queue, () => {}),
          () => other.publish('', queue, body, { messageId: 5 }),
          () => other.publish('', queue, body, { headers: 'text' }),
          () => other.publish(undefined, queue, body),
          () => other.publish(Symbol('s'), queue, body),
          () => other.consume(queue, undefined, { consumerTag: 7 }),
          () => other.ack({ fields: { deliveryTag: 'one' } }),
          () => other.ack(null, true),
          () => other.emit('ack'),
          () => other.emit('nack', null),
        ]) {
          try { say(await fail()) } catch (error) { say([error.name, error.message, error.constructor.name]) }
        }
      }).finally(() => process.exit())`
      const env = { AMQP_URL: rabbitmq(), QUEUE: uniqueName('amqplib') }
      const text = prelude(way.type, way.version) + code
      const [bare, traced] = [
        await runApp({ code: text, type: way.type, env, preload: 'none' }),
        await runApp({ code: text, type: way.type, env: { ...env, OTEL_TRACES_EXPORTER: 'none' } }),
      ]
      assert.equal(traced.stdout, bare.stdout)
      assert.equal(traced.stderr, bare.stderr)
      assert.ok(bare.stdout.split('\n').length > 30)
    })
  })
}

const ERROR = 'error' as const

test('a publish that throws is a span with the error, and the application gets that error', async () => {
  const { spans, queue, said } = await run(
    `main(async () => {
      const connection = await connect(url)
      const channel = await connection.createChannel()
      try { channel.sendToQueue(queue, 'text') } catch (error) { say(error.message) }
      await apart()
      const closing = channel.close()
      try { channel.sendToQueue(queue, body) } catch (error) { say(error.message) }
      await closing
      await apart()
      try { channel.sendToQueue(queue, body) } catch (error) { say(error.message) }
      await connection.close()
    })`,
    { spans: 3 },
  )
  assert.deepEqual(said, ['content is not a buffer', 'Channel closing', 'Channel closed'])
  const failed = (type: string) => ({
    name: `publish ${queue}`,
    kind: 'producer' as const,
    status: ERROR,
    attributes: { 'error.type': type },
  })
  assertTree(spans, [failed('TypeError'), failed('IllegalOperationError'), failed('IllegalOperationError')])
  assert.deepEqual(
    spans.map(span => span.statusMessage),
    said,
  )
})

test('a message is processed until its consumer is done: by promise, by acknowledgement, by closing', async () => {
  const { spans, queue, said } = await run(
    `process.on('unhandledRejection', error => say(['unhandled', error.message]))
    main(async () => {
      const connection = await connect(url)
      const channel = await connection.createChannel()
      await channel.assertQueue(queue, { exclusive: true })
      let done
      const later = fn => { setTimeout(() => { fn(); done() }, 20) }
      const now = fn => { fn(); setTimeout(done) }
      const handlers = {
        'returns after its acknowledgement': message => now(() => channel.ack(message)),
        'acknowledged later': message => later(() => channel.ack(message)),
        'by number': ({ fields: { deliveryTag } }) => later(() => channel.ack({ fields: { deliveryTag } })),
        'refused': message => now(() => channel.nack(message, false, false)),
        'refused later': message => later(() => channel.reject(message, false)),
        'promised': async message => { channel.ack(message); await sleep(20); done() },
        'promised and refused': async message => { await sleep(20); channel.nack(message, false, false); done() },
        'rejected': async message => { channel.ack(message); done(); throw new Error('no luck') },
        'several': () => now(() => {}),
        'several more': message => later(() => channel.ack(message, true)),
        'all': () => now(() => {}),
        'all of them': () => later(() => channel.ackAll()),
        'none': () => now(() => {}),
        'none of them': () => later(() => channel.nackAll(false)),
        'left open': () => later(() => {}),
      }
      await channel.consume(queue, message => handlers[message.properties.type](message))
      for (const type in handlers) {
        await inSpan(type, () => new Promise(resolve => {
          done = resolve
          channel.sendToQueue(queue, body, { type })
        }))
      }
      await channel.close()
      await connection.close()
    })`,
    { spans: 45 },
  )
  assert.deepEqual(said, [['unhandled', 'no luck']])
  const processed = new Map<string, ReceivedSpan>()
  const consumers = spans.filter(({ kind }) => kind === 'consumer').sort((a, b) => Number(a.start - b.start))
  for (const span of consumers) {
    const origin = spans.find(({ traceId, kind }) => kind === 'internal' && traceId === span.traceId)
    assert.equal(span.name, `process ${queue}`)
    processed.set(origin?.name ?? '', span)
  }
  const LATER_NS = 15_000_000n
  assert.deepEqual(
    [...processed].map(([type, span]) => [type, span.end - span.start > LATER_NS, span.attributes['error.type']]),
    [
      ['returns after its acknowledgement', false, undefined],
      ['acknowledged later', true, undefined],
      ['by number', true, undefined],
      ['refused', false, 'nack'],
      ['refused later', true, 'reject'],
      ['promised', true, undefined],
      ['promised and refused', true, 'nack'],
      ['rejected', false, 'Error'],
      ['several', true, undefined],
      ['several more', true, undefined],
      ['all', true, undefined],
      ['all of them', true, undefined],
      ['none', true, 'nack'],
      ['none of them', true, 'nack'],
      ['left open', true, 'channel_closed'],
    ],
  )
  for (const span of processed.values()) {
    assert.equal(span.status === 'error', span.attributes['error.type'] !== undefined)
  }
})

test('without acknowledgements a message is processed until its consumer returns, or its promise settles', async () => {
  const { spans } = await run(
    `main(async () => {
      const connection = await connect(url)
      const channel = await connection.createChannel()
      await channel.assertQueue(queue, { exclusive: true })
      const { promise, resolve } = deferred()
      const { consumerTag } = await channel.consume(queue, () => { setTimeout(resolve, 20) }, { noAck: true })
      channel.sendToQueue(queue, body)
      await promise
      await channel.cancel(consumerTag)
      const second = deferred()
      await channel.consume(queue, async () => { await sleep(20); second.resolve() }, { noAck: true })
      channel.sendToQueue(queue, body)
      await second.promise
      await connection.close()
    })`,
    { spans: 4 },
  )
  const consumers = spans.filter(({ kind }) => kind === 'consumer').sort((a, b) => Number(a.start - b.start))
  const durations = consumers.map(({ start, end }) => end - start > 15_000_000n)
  assert.deepEqual(durations, [false, true])
})

test('an error that a consumer throws is recorded, and closes the connection as it does without us', async () => {
  const { spans, queue, said } = await run(
    `main(async () => {
      const connection = await connect(url)
      const { promise, resolve } = deferred()
      connection.on('error', error => say(error.message)).on('close', resolve)
      const channel = await connection.createChannel()
      channel.on('error', error => say(error.message)).on('close', resolve)
      await channel.assertQueue(queue, { exclusive: true })
      await channel.consume(queue, () => { throw new RangeError('out of it') })
      channel.sendToQueue(queue, body)
      await promise
      process.exit()
    })`,
    { spans: 2 },
  )
  assert.deepEqual(said, ['out of it'])
  const processed = one(spans, `process ${queue}`)
  assert.equal(processed.attributes['error.type'], 'RangeError')
  assert.equal(processed.events[0]?.attributes['exception.message'], 'out of it')
})

test('get makes a span in a trace only, and for a message only, to which it is linked', async () => {
  const { spans, queue, said } = await run(
    `main(async () => {
      const connection = await connect(url)
      const channel = await connection.createChannel()
      channel.on('error', () => {})
      await channel.assertQueue(queue, { exclusive: true })
      say(await channel.get(queue))
      channel.sendToQueue(queue, body, { messageId: 'm1' })
      channel.sendToQueue(queue, body, { messageId: 'm2' })
      await sleep(20)
      say((await channel.get(queue, { noAck: true })).properties.messageId)
      await inSpan('poll', async () => {
        say((await channel.get(queue, { noAck: true })).properties.messageId)
        say(await channel.get(queue))
        await channel.get('no-such-queue').catch(() => {})
      })
      await connection.close()
    })`,
    { spans: 5 },
  )
  assert.deepEqual(said, [false, 'm1', 'm2', false])
  const received = one(spans, `receive ${queue}`)
  const sent = spans.find(span => span.kind === 'producer' && span.attributes['messaging.message.id'] === 'm2')
  assert.deepEqual(
    received.links.map(({ traceId, spanId }) => [traceId, spanId]),
    [[sent?.traceId, sent?.spanId]],
  )
  assert.notEqual(received.traceId, sent?.traceId)
  assert.equal(received.parentSpanId, one(spans, 'poll').spanId)
  assert.equal(received.kind, 'client')
  assert.equal(received.attributes['messaging.operation.type'], 'receive')
  assert.equal(received.attributes['messaging.message.id'], 'm2')
  assert.equal(received.attributes['messaging.rabbitmq.message.delivery_tag'], 2)
  assert.equal(one(spans, 'receive no-such-queue').status, 'error')
})

test('headers go into a copy, and a traceparent of another trace is left alone', async () => {
  const foreign = '00-11111111111111111111111111111111-2222222222222222-01'
  const { spans, said } = await run(
    `main(async () => {
      const connection = await connect(url)
      const channel = await connection.createChannel()
      await channel.assertQueue(queue, { exclusive: true })
      const headers = Object.assign(Object.create({ inherited: 1 }), { own: 2 })
      await inSpan('request', async span => {
        const { traceId } = span.spanContext()
        for (const options of [
          undefined,
          null,
          Object.freeze({ headers: Object.freeze({ own: 2 }) }),
          { headers: Object.assign(Object.create(null), { own: 2 }) },
          Object.create({ headers, CC: 'elsewhere' }),
          { headers: Object.freeze({ traceparent: '${foreign}', tracestate: 'a=1' }) },
          { headers: Object.freeze({ traceparent: '00-' + traceId + '-2222222222222222-01' }) },
        ]) {
          channel.sendToQueue(queue, body, options)
          await sleep(5)
          const message = await untraced(() => channel.get(queue, { noAck: true }))
          const { traceparent, ...others } = message.properties.headers
          say([traceparent === '${foreign}' ? 'foreign' : traceparent.slice(3, 35) === traceId, traceparent.slice(36, 52), others])
        }
      })
      say([Object.keys(headers), Object.keys(Object.getPrototypeOf(headers))])
      await connection.close()
    })`,
    { spans: 8 },
  )
  const sent = spans.filter(({ kind }) => kind === 'producer').map(({ spanId }) => spanId)
  assert.deepEqual(said, [
    [true, sent[0], {}],
    [true, sent[1], {}],
    [true, sent[2], { own: 2 }],
    [true, sent[3], { own: 2 }],
    [true, sent[4], { own: 2, inherited: 1, CC: ['elsewhere'] }],
    ['foreign', '2222222222222222', { tracestate: 'a=1' }],
    [true, sent[6], {}],
    [['own'], ['inherited']],
  ])
})

test('what a connection delivers is not of the request that opened it: no message, no cancelling, no closing', async () => {
  const { spans, queue, said } = await run(
    `main(async () => {
      let connection
      await inSpan('request', async () => {
        connection = await connect(url)
        const channel = await connection.createChannel()
        say(activeTrace() !== undefined)
        channel.on('close', () => say(['closed', activeTrace()]))
        await channel.assertQueue(queue, { exclusive: true })
        const { promise, resolve } = deferred()
        await channel.consume(queue, message => {
          if (message === null) { say(['cancelled', activeTrace()]); resolve(); return }
          say(message.properties.headers)
          channel.ack(message)
          channel.deleteQueue(queue)
        })
        untraced(() => channel.sendToQueue(queue, body))
        await promise
      })
      await connection.close()
    })`,
    { spans: 2, type: 'esm' },
  )
  assert.deepEqual(said, [true, {}, ['cancelled', null], ['closed', null]])
  const processed = one(spans, `process ${queue}`)
  assert.equal(processed.parentSpanId, undefined)
  assert.notEqual(processed.traceId, one(spans, 'request').traceId)
})

test('destinations: exchange, routing key and queue, without the names that the broker makes up', async () => {
  const { spans, queue } = await run(
    `main(async () => {
      const connection = await connect(url)
      const channel = await connection.createChannel()
      const exchange = queue + '-exchange'
      await channel.assertExchange(exchange, 'direct', { autoDelete: true })
      await channel.assertQueue(queue, { exclusive: true })
      await channel.bindQueue(queue, exchange, 'key')
      const server = message => {
        channel.sendToQueue(message.properties.replyTo, body, { correlationId: message.properties.correlationId })
      }
      await channel.consume(queue, server, { noAck: true })
      for (const replies of [(await channel.assertQueue('', { exclusive: true })).queue, 'amq.rabbitmq.reply-to']) {
        const { promise, resolve } = deferred()
        await channel.consume(replies, message => resolve(message), { noAck: true })
        await inSpan('rpc', async () => {
          channel.publish(exchange, 'key', body, { replyTo: replies, correlationId: 'c1' })
          await promise
        })
      }
      channel.publish('amq.fanout', '', body)
      await apart()
      channel.publish('', '', body)
      await connection.close()
    })`,
    { spans: 12 },
  )
  const exchange = `${queue}-exchange`
  const anonymous = (name: RegExp) => ({
    'messaging.destination.name': name,
    'messaging.destination.anonymous': true,
    'messaging.message.conversation_id': 'c1',
  })
  const call = (reply: RegExp, answer: RegExp) => ({
    name: 'rpc',
    kind: 'internal' as const,
    children: [
      {
        name: `publish ${exchange}:key`,
        kind: 'producer' as const,
        attributes: { 'messaging.rabbitmq.destination.routing_key': 'key' },
        children: [
          {
            name: `process ${exchange}:key:${queue}`,
            kind: 'consumer' as const,
            attributes: { 'messaging.destination.name': `${exchange}:key:${queue}` },
            children: [
              {
                name: 'publish',
                kind: 'producer' as const,
                attributes: anonymous(reply),
                children: [{ name: 'process', kind: 'consumer' as const, attributes: anonymous(answer) }],
              },
            ],
          },
        ],
      },
    ],
  })
  assertTree(spans, [
    call(/^amq\.gen-/, /^amq\.gen-[^:]+$/),
    call(/^amq\.rabbitmq\.reply-to\./, /^amq\.rabbitmq\.reply-to\..+:amq\.rabbitmq\.reply-to$/),
    { name: 'publish amq.fanout', kind: 'producer' },
    { name: 'publish amq.default', kind: 'producer' },
  ])
})

test('fifty at once on one confirm channel: each message stays in its own trace', async () => {
  const { spans, queue, said } = await run(
    `main(async () => {
      const connection = await connect(url)
      const channel = await connection.createConfirmChannel()
      await channel.assertQueue(queue, { exclusive: true })
      const { promise, resolve } = deferred()
      let left = 50
      await channel.consume(queue, async message => {
        await sleep(Math.random() * 20)
        await inSpan('work ' + message.content, () => sleep(1))
        channel.ack(message)
        if (--left === 0) resolve()
      })
      await Promise.all(Array.from({ length: 50 }, (_, i) => inSpan('request ' + i, async () => {
        await sleep(Math.random() * 20)
        const { promise, resolve } = deferred()
        channel.sendToQueue(queue, Buffer.from(String(i)), {}, i % 2 ? resolve : undefined)
        if (i % 2) await promise
      })))
      await channel.waitForConfirms()
      await promise
      await connection.close()
      say(left)
    })`,
    { spans: 200 },
  )
  assert.deepEqual(said, [0])
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
              name: `publish ${queue}`,
              kind: 'producer',
              children: [
                { name: `process ${queue}`, kind: 'consumer', children: [{ name: `work ${i}`, kind: 'internal' }] },
              ],
            },
          ],
        },
      ],
    )
  }
})

test('a trace that is not sampled is carried on, and each confirmation finds its own span', async () => {
  const remote = { traceId: '1'.repeat(32), spanId: '2'.repeat(16), isRemote: true }
  const { spans, said } = await run(
    `main(async () => {
      const connection = await connect(url)
      const channel = await connection.createConfirmChannel()
      await channel.assertQueue(queue, { exclusive: true, maxLength: 2, arguments: { 'x-overflow': 'reject-publish' } })
      const send = () => channel.sendToQueue(queue, body, {}, error => say(error?.message ?? 'confirmed'))
      const sendIn = traceFlags => context.with(
        trace.setSpanContext(context.active(), { ...${JSON.stringify(remote)}, traceFlags }),
        send,
      )
      sendIn(0)
      try { untraced(() => channel.sendToQueue(queue, 'never sent')) } catch {}
      sendIn(1)
      untraced(send)
      await channel.waitForConfirms().catch(() => {})
      const { properties } = await channel.get(queue, { noAck: true })
      say(properties.headers.traceparent)
      await connection.close()
    })`,
    { spans: 1 },
  )
  assert.deepEqual(said.slice(0, 3).sort(), ['confirmed', 'confirmed', 'message nacked'])
  assert.equal(said[3], `00-${remote.traceId}-${remote.spanId}-00`)
  assert.deepEqual([spans[0]?.traceId, spans[0]?.status], [remote.traceId, 'unset'])
})

test('messages that are never acknowledged are not kept, and their spans are bounded in number', async () => {
  const { spans, said } = await run(
    `main(async () => {
      const connection = await connect(url)
      const sample = async (count, consumer) => {
        const channel = await connection.createChannel()
        const { queue } = await channel.assertQueue('', { exclusive: true })
        const { promise, resolve } = deferred()
        let one
        let left = count
        await channel.consume(queue, message => {
          if (--left === count >> 1) one = new WeakRef(message)
          if (left === 0) resolve()
          return consumer()
        })
        untraced(() => { for (let i = 0; i < count; i++) channel.sendToQueue(queue, body) })
        await promise
        return one
      }
      const samples = [
        await sample(20, async () => {}),
        await sample(20, () => new Promise(() => {})),
        await sample(10_010, () => {}),
      ]
      await sleep(10)
      gc()
      say(samples.map(one => one.deref() === undefined))
      await sleep(200)
      process.kill(process.pid, 'SIGKILL')
    })`,
    { spans: 30, flags: ['--expose-gc'], kills: true },
  )
  assert.deepEqual(said, [[true, true, true]])
  assert.equal(spans.length, 30)
})
