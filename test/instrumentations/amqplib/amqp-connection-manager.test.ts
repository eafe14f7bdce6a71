/** amqp-connection-manager against a RabbitMQ behind a proxy that can be cut: its own buffer, and what comes after it. */
import assert from 'node:assert/strict'
import * as nodeModule from 'node:module'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { root } from '../../helpers/root.js'
import { rabbitmq } from '../../helpers/services.js'
import { assertTree, type ExpectedSpan, oneTrace } from '../../helpers/spans.js'
import { applications, one } from './app.js'

const { run: runAny } = applications(rabbitmq())

const newest = createRequire(join(root, 'test/versions/amqp-connection-manager-5/package.json')).resolve(
  'amqp-connection-manager',
)
// Files for ES modules are met from Node 22.15 on.
const SEES_MODULES = 'registerHooks' in nodeModule
const WAYS = [
  { type: 'cjs', version: 4, library: 'amqp-connection-manager' },
  { type: 'cjs', version: 5, library: newest },
  // The file that CommonJS has; ES modules that import the package by its name get another.
  { type: 'esm', version: 5, library: newest },
  ...(SEES_MODULES
    ? ([
        { type: 'esm', version: 4, library: 'amqp-connection-manager' },
        { type: 'esm', version: "5's own file", library: newest.replace('cjs', 'esm') },
      ] as const)
    : []),
] as const

/** As `run`, with a proxy before the broker. Queues outlive connections, so they are deleted at the end. */
const run = (library: string, body: string, options: Parameters<typeof runAny>[1]) =>
  runAny(
    `const manage = managing.connect ?? managing.default.connect
    const createProxy = async () => {
      const { hostname, port } = new URL(url)
      const sockets = new Set()
      const server = net.createServer(client => {
        const broker = net.createConnection({ host: hostname, port: Number(port) })
        for (const [from, to] of [[client, broker], [broker, client]]) {
          sockets.add(from)
          from.on('error', () => {}).on('close', () => { sockets.delete(from); to.destroy() }).pipe(to)
        }
      })
      const listen = port => new Promise(resolve => server.listen(port, '127.0.0.1', resolve))
      await listen(0)
      const own = server.address().port
      return {
        url: url.replace(/@.*/, '@127.0.0.1:' + own),
        /** Refuses connections, too, until it is opened. */
        cut() { server.close(); for (const socket of sockets) socket.destroy() },
        open: () => listen(own),
        close() { server.close(); for (const socket of sockets) socket.destroy() },
      }
    }
    const until = async condition => { while (!condition()) await sleep(5) }
    const fast = { heartbeatIntervalInSeconds: 5, reconnectTimeInSeconds: 0.05 }
    main(async () => {
      const proxy = await createProxy()
      const manager = manage([proxy.url], fast)
      const declare = channel => channel.assertQueue(queue, { durable: false, expires: 60000 })
      const finish = async () => {
        await manager.close()
        proxy.close()
        const connection = await connect(url)
        await (await connection.createChannel()).deleteQueue(queue)
        await connection.close()
      }
      ${body}
      await finish()
    })`,
    { ...options, imports: { managing: library, net: 'node:net' } },
  )

const publish = (queue: string, children: ExpectedSpan[] = []): ExpectedSpan => ({
  name: `publish ${queue}`,
  kind: 'producer',
  children,
})

for (const { type, version, library } of WAYS) {
  describe(`amqp-connection-manager ${version} in ${type}`, { concurrency: 2 }, () => {
    test('what is published before there is a connection is of the trace that it was published in', async () => {
      const { spans, queue, said } = await run(
        library,
        `proxy.cut()
        const options = Object.freeze({ headers: Object.freeze({ own: 1 }) })
        const channel = manager.createChannel({ setup: declare })
        const promises = []
        for (const i of [1, 2, 3]) await inSpan('request ' + i, async () => {
          const sent = i === 2 ? channel.publish('', queue, body, options) : channel.sendToQueue(queue, body, options)
          promises.push(sent.then(result => say([i, result, trace.getActiveSpan()?.name])))
        })
        say(channel.queueLength())
        const consumed = []
        await channel.consume(queue, message => {
          consumed.push(message.properties.headers.own)
          channel.ack(message)
        })
        await proxy.open()
        await Promise.all(promises)
        await until(() => consumed.length === 3)
        say(consumed)`,
        { type, spans: 9 },
      )
      assert.deepEqual(said, [3, [1, true, 'request 1'], [2, true, 'request 2'], [3, true, 'request 3'], [1, 1, 1]])
      assertTree(
        spans,
        [1, 2, 3].map(i => ({
          name: `request ${i}`,
          kind: 'internal',
          children: [publish(queue, [{ name: `process ${queue}`, kind: 'consumer' }])],
        })),
      )
    })

    test('after a reconnect messages come and go as before, and nothing is of the request that connected', async () => {
      const { spans, queue, said } = await run(
        library,
        `let channel
        const consumed = []
        let setups = 0
        await inSpan('first', async () => {
          channel = manager.createChannel({ setup: channel => { setups++; return declare(channel) } })
          await channel.waitForConnect()
          await channel.consume(queue, async message => {
            await inSpan('work ' + message.content, () => sleep(1))
            channel.ack(message)
            consumed.push(String(message.content))
          })
          await channel.sendToQueue(queue, Buffer.from('a'))
        })
        await until(() => consumed.length === 1)
        // Once this is answered, the acknowledgement has arrived.
        await channel.checkQueue(queue)
        const lost = new Promise(resolve => manager.once('disconnect', resolve))
        proxy.cut()
        await lost
        let sent
        await inSpan('second', async () => { sent = channel.publish('', queue, Buffer.from('b')) })
        await sleep(20)
        await proxy.open()
        await sent
        await until(() => consumed.length === 2)
        await inSpan('third', () => channel.sendToQueue(queue, Buffer.from('c')))
        await until(() => consumed.length === 3)
        say([setups, consumed])`,
        { type, spans: 12 },
      )
      assert.deepEqual(said, [[2, ['a', 'b', 'c']]])
      const request = (name: string, work: string): ExpectedSpan => ({
        name,
        kind: 'internal',
        children: [
          publish(queue, [
            { name: `process ${queue}`, kind: 'consumer', children: [{ name: `work ${work}`, kind: 'internal' }] },
          ]),
        ],
      })
      assertTree(spans, [request('first', 'a'), request('second', 'b'), request('third', 'c')])
    })

    test('a message that the broker refuses, one without confirmation, and one that is never sent', async () => {
      const { spans, queue, said } = await run(
        library,
        `const full = channel => channel.assertQueue(queue, { durable: false, expires: 60000, maxLength: 1, arguments: { 'x-overflow': 'reject-publish' } })
        const channel = manager.createChannel({ json: true, setup: full })
        await inSpan('accepted', () => channel.sendToQueue(queue, { own: 1 }))
        await inSpan('refused', async () => {
          await channel.sendToQueue(queue, { own: 2 }).catch(error => say(error.message))
          await new Promise(resolve => channel.publish('', queue, { own: 3 }, {}, (error, result) => {
            say([error.message, result, trace.getActiveSpan()?.name])
            resolve()
          }))
        })
        const plain = manager.createChannel({ confirm: false })
        await plain.waitForConnect()
        await inSpan('plain', async () => say(await plain.sendToQueue(queue, body)))
        const lost = new Promise(resolve => manager.once('disconnect', resolve))
        proxy.cut()
        await lost
        await inSpan('timed out', () => channel.sendToQueue(queue, {}, { timeout: 5 }).catch(error => say(error.message)))
        let pending
        await inSpan('closed', async () => { pending = channel.sendToQueue(queue, {}).catch(error => say(error.message)) })
        await channel.close()
        await pending
        await proxy.open()`,
        { type, spans: 9 },
      )
      assert.deepEqual(said, ['message nacked', ['message nacked', null, 'refused'], true, 'timeout', 'Channel closed'])
      const refused = { ...publish(queue), status: 'error' as const, attributes: { 'error.type': 'nack' } }
      assertTree(spans, [
        { name: 'accepted', kind: 'internal', children: [publish(queue)] },
        { name: 'refused', kind: 'internal', children: [refused, refused] },
        { name: 'plain', kind: 'internal', children: [publish(queue)] },
        { name: 'timed out', kind: 'internal' },
        { name: 'closed', kind: 'internal' },
      ])
    })

    test('what was sent and not confirmed fails with the connection, and tells the caller in its own context', async () => {
      const { spans, queue, said } = await run(
        library,
        `const channel = manager.createChannel({ setup: declare })
        await channel.waitForConnect()
        let sent
        await inSpan('request', async () => {
          sent = channel.sendToQueue(queue, body).catch(error => say([error.message, trace.getActiveSpan()?.name]))
          proxy.cut()
        })
        await sent
        await proxy.open()`,
        { type, spans: 2 },
      )
      assert.deepEqual(said, [['channel closed', 'request']])
      oneTrace(spans)
      assertTree(spans, [
        {
          name: 'request',
          kind: 'internal',
          children: [{ ...publish(queue), status: 'error', attributes: { 'error.type': 'channel_closed' } }],
        },
      ])
    })
  })
}

test('in an ES module, what is published while there is a connection is one trace with what handles it', async () => {
  const { spans, queue } = await run(
    'amqp-connection-manager',
    `const channel = manager.createChannel({ setup: declare })
    await channel.waitForConnect()
    const { promise, resolve } = deferred()
    await channel.consume(queue, message => { channel.ack(message); resolve() })
    await inSpan('request', () => channel.sendToQueue(queue, body))
    await promise
    await sleep(10)`,
    { type: 'esm', spans: 3 },
  )
  oneTrace(spans)
  assert.equal(one(spans, `publish ${queue}`).parentSpanId, one(spans, 'request').spanId)
})
