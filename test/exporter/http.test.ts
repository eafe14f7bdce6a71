/** The OTLP/HTTP transport and its retries, against a collector that answers in every way. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { createServer as createHttpServer } from 'node:http'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { createHttpSend } from '../../src/exporter/http.js'
import { retrying } from '../../src/exporter/retry.js'
import type { Listener, TransportOptions } from '../../src/exporter/send.js'
import { runApp } from '../helpers/child.js'
import { createCollector } from '../helpers/collector.js'
import { requestOf } from '../helpers/ended-span.js'
import { rpcStatus } from '../helpers/grpc.js'
import { root } from '../helpers/root.js'

// Neither our sockets nor the collector's keep a process alive.
const alive = setInterval(() => {}, 1000)
after(() => clearInterval(alive))

const body = (): Uint8Array => requestOf(1)

const sendTo = (url: string, more: Partial<TransportOptions> = {}, heard: Partial<Listener> = {}) =>
  createHttpSend(
    { protocol: 'http/protobuf', endpoint: `${url}/v1/traces`, headers: {}, compression: 'none', ...more },
    { onRefused() {}, onPartial() {}, ...heard },
  )

test('a batch arrives, with our headers, on one connection', async () => {
  const collector = await createCollector()
  const send = sendTo(collector.url, { headers: { authorization: 'Bearer t' } })
  let written = 0
  assert.equal(await send(body(), () => written++), 'sent')
  assert.equal(await send(body()), 'sent')
  const [first] = collector.requests
  assert.equal(first?.path, '/v1/traces')
  assert.equal(first?.headers['content-type'], 'application/x-protobuf')
  assert.equal(first?.headers.authorization, 'Bearer t')
  assert.match(first?.headers['user-agent'] ?? '', /^org-trace\/\d/)
  assert.equal(first?.headers.traceparent, undefined)
  assert.equal(collector.spans().length, 2)
  assert.equal(collector.connections(), 1)
  assert.equal(written, 1)
  await collector.close()
})

test('a batch may be compressed', async () => {
  const collector = await createCollector()
  const send = sendTo(collector.url, { compression: 'gzip' })
  assert.equal(await send(body()), 'sent')
  assert.equal(collector.requests[0]?.headers['content-encoding'], 'gzip')
  assert.equal(collector.spans().length, 1)
  await collector.close()
})

for (const status of [301, 400, 401, 404, 500, 501]) {
  test(`${status} refuses the batch for good, and says why`, async () => {
    const collector = await createCollector({ respond: { status } })
    const reasons: string[] = []
    const send = sendTo(collector.url, {}, { onRefused: reason => reasons.push(reason) })
    assert.equal(await send(body()), 'refused')
    assert.deepEqual(reasons, [`HTTP ${status}`])
    await collector.close()
  })
}

for (const status of [429, 502, 503, 504]) {
  test(`${status} asks to send the batch again`, async () => {
    const collector = await createCollector({ respond: { status } })
    const send = sendTo(collector.url)
    assert.deepEqual(await send(body()), { retryAfterMs: undefined, reason: `HTTP ${status}` })
    await collector.close()
  })
}

test('Retry-After is read as seconds and as a date', async () => {
  const collector = await createCollector({ respond: { status: 503, headers: { 'retry-after': '3' } } })
  const send = sendTo(collector.url)
  assert.deepEqual(await send(body()), { retryAfterMs: 3000, reason: 'HTTP 503' })
  collector.respond = { status: 503, headers: { 'retry-after': new Date(Date.now() + 20_000).toUTCString() } }
  const result = (await send(body())) as { retryAfterMs: number }
  assert.ok(result.retryAfterMs > 15_000 && result.retryAfterMs <= 20_000, String(result.retryAfterMs))
  collector.respond = { status: 503, headers: { 'retry-after': 'soon' } }
  assert.deepEqual(await send(body()), { retryAfterMs: undefined, reason: 'HTTP 503' })
  await collector.close()
})

test('a collector that cannot be reached, resets or hangs is one to try again', async () => {
  const closed = createServer().listen(0, '127.0.0.1')
  await new Promise(resolve => closed.once('listening', resolve))
  const { port } = closed.address() as { port: number }
  await new Promise(resolve => closed.close(resolve))
  const refused = await sendTo(`http://127.0.0.1:${port}`)(body())
  assert.deepEqual(refused, { retryAfterMs: undefined, reason: 'ECONNREFUSED' })

  const collector = await createCollector({ respond: { reset: true } })
  const sender = sendTo(collector.url)
  const send = (bytes: Uint8Array) => sender(bytes, undefined, 200)
  assert.deepEqual(await send(body()), { retryAfterMs: undefined, reason: 'ECONNRESET' })
  collector.respond = { hang: true }
  assert.deepEqual(await send(body()), { retryAfterMs: undefined, reason: 'no answer in 200 ms' })
  collector.respond = { garbage: true }
  assert.match(((await send(body())) as { reason: string }).reason, /^the answer is no HTTP\/1\.1: expected OTLP\/HTTP/)
  await collector.close()
})

test('what was acknowledged is sent, however the rest of the answer goes', async () => {
  const collector = await createCollector()
  const send = sendTo(collector.url)
  for (const how of [
    { tear: true },
    { endless: true },
    { body: 'no protobuf' },
    { headers: { 'content-type': 'application/json' }, body: '[' },
  ]) {
    collector.respond = how
    assert.equal(await send(body()), 'sent', JSON.stringify(how))
  }
  assert.equal(collector.requests.length, 4)
  await collector.close()
})

test('an answer of a kind that is no collector refuses the batch', async () => {
  const heard: string[][] = []
  const html = { headers: { 'content-type': 'text/html; charset=utf-8' }, body: '<h1>Welcome' }
  const collector = await createCollector({ respond: html })
  const send = sendTo(collector.url, {}, { onRefused: (...words) => heard.push(words) })
  assert.equal(await send(body()), 'refused')
  collector.respond = { ...html, status: 404 }
  assert.equal(await send(body()), 'refused')
  assert.deepEqual(heard, [
    ['a web page with HTTP 200', 'expected the address of an OTLP collector'],
    ['HTTP 404', ''],
  ])
  await collector.close()
})

test('why a batch is refused comes in words, of either encoding, without what a terminal would act upon', async () => {
  const words: string[] = []
  const collector = await createCollector({ respond: { status: 400, body: rpcStatus('bad \x1b[31mspan\n') } })
  const send = sendTo(collector.url, {}, { onRefused: (_, message) => words.push(message) })
  await send(body())
  collector.respond = { status: 400, headers: { 'content-type': 'application/json' }, body: '{"message":"bad JSON"}' }
  await send(body())
  assert.deepEqual(words, ['bad [31mspan', 'bad JSON'])
  await collector.close()
})

test('partial success tells how many spans were not taken, and why', async () => {
  const told: unknown[][] = []
  const collector = await createCollector({ respond: { partial: { rejected: 300, message: 'too old' } } })
  for (const protocol of ['http/protobuf', 'http/json'] as const) {
    const send = sendTo(collector.url, { protocol }, { onPartial: (...words) => told.push(words.slice(0, 2)) })
    assert.equal(await send(body()), 'sent')
  }
  collector.respond = { partial: { rejected: 0, message: 'a warning' } }
  await sendTo(collector.url, {}, { onPartial: (...words) => told.push(words.slice(0, 2)) })(body())
  assert.deepEqual(told, [
    [300, 'too old'],
    [300, 'too old'],
    [0, 'a warning'],
  ])
  await collector.close()
})

test('a request beyond 20 MiB is not sent, and one that the collector calls too large is told apart', async () => {
  const collector = await createCollector({ respond: { status: 413 } })
  const send = sendTo(collector.url)
  assert.equal(await send(Buffer.alloc(20 * 1024 * 1024 + 1)), 'too large')
  assert.equal(collector.requests.length, 0)
  assert.equal(await send(body()), 'too large')
  await collector.close()
})

test('an answer that comes before all of the request was sent counts', async () => {
  // As servers do that look at the length of the body only.
  const server = createHttpServer((req, res) => {
    res.writeHead(413, { connection: 'close' }).end()
    req.socket.setTimeout(500, () => req.socket.destroy())
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as { port: number }
  assert.equal(await sendTo(`http://127.0.0.1:${port}`)(Buffer.alloc(15 * 1024 * 1024)), 'too large')
  server.close()
})

test('a connection that the collector closed while it was idle costs no batch', async () => {
  const collector = await createCollector()
  const send = sendTo(collector.url)
  await send(body())
  // It closes in the moment of the request, as it does when its own time for idle connections is over.
  let requests = 0
  collector.respond = () => (++requests === 1 ? { reset: true } : {})
  assert.equal(await send(body()), 'sent')
  assert.equal(collector.spans().length, 2)
  await collector.close()
})

test('a collector that says something unasked has ended the connection', async () => {
  const ports = new Set<number | undefined>()
  const server = createHttpServer((req, res) => {
    ports.add(req.socket.remotePort)
    req.resume().once('end', () => res.end())
    res.once('finish', () => setTimeout(() => req.socket.write('HTTP/1.1 408 Request Timeout\r\n\r\n'), 20))
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const send = sendTo(`http://127.0.0.1:${(server.address() as { port: number }).port}`)
  assert.equal(await send(body()), 'sent')
  await new Promise(resolve => setTimeout(resolve, 200))
  assert.equal(await send(body()), 'sent')
  assert.equal(ports.size, 2)
  server.close()
  server.closeAllConnections()
})

test('a request names each header once, and who asks by the name and password of the URL', async () => {
  const collector = await createCollector()
  const named = { 'user-agent': 'shop', 'content-type': 'text/plain' }
  await sendTo(collector.url.replace('//', '//me:p%40ss@'), { headers: named })(body())
  await sendTo(collector.url.replace('//', '//me:p%40ss@'), { headers: { authorization: 'Bearer t' } })(body())
  const [first, second] = collector.requests.map(({ headers }) => headers)
  assert.equal(first?.authorization, `Basic ${Buffer.from('me:p@ss').toString('base64')}`)
  assert.deepEqual([first?.['user-agent'], first?.['content-type']], ['shop', 'application/x-protobuf'])
  assert.equal(second?.authorization, 'Bearer t')
  await collector.close()
})

test('a connection is kept, but not for ever', async () => {
  const collector = await createCollector()
  const options = { protocol: 'http/protobuf', endpoint: collector.url, headers: {}, compression: 'none' } as const
  for (const [connectionMs, connections] of [
    [60_000, 1],
    [0, 2],
  ] as const) {
    collector.requests.length = 0
    const send = createHttpSend(options, { onRefused() {}, onPartial() {} }, connectionMs)
    await send(body())
    await send(body())
    assert.equal(new Set(collector.requests.map(({ port }) => port)).size, connections)
  }
  await collector.close()
})
test('a retry sends the same batch until it is taken', async () => {
  const collector = await createCollector({ respond: { status: 503, headers: { 'retry-after': '0' } } })
  const { send } = retrying(sendTo(collector.url), 5000)
  const sending = send(body())
  while (collector.requests.length < 3) await new Promise(resolve => setTimeout(resolve, 5))
  collector.respond = {}
  assert.equal(await sending, 'sent')
  assert.equal(collector.spans().length, 1)
  await collector.close()
})

test('a wait of more than a timer can wait is no wait of none', async () => {
  const collector = await createCollector({ respond: { status: 503, headers: { 'retry-after': '9999999999' } } })
  const patient = retrying(sendTo(collector.url), 0)
  const sending = patient.send(body())
  while (collector.requests.length === 0) await new Promise(resolve => setTimeout(resolve, 5))
  await new Promise(resolve => setTimeout(resolve, 100))
  assert.equal(collector.requests.length, 1)
  collector.respond = {}
  patient.hurry()
  assert.equal(await sending, 'sent')
  await collector.close()
})

test('retries end with the time limit, and at once when there is no time to wait for', async () => {
  const collector = await createCollector({ respond: { status: 503 } })
  const limited = retrying(sendTo(collector.url), 1500)
  assert.deepEqual(await limited.send(body()), { retryAfterMs: undefined, reason: 'HTTP 503' })
  assert.ok(collector.requests.length >= 1 && collector.requests.length <= 2)

  const patient = retrying(sendTo(collector.url), 600_000)
  const before = collector.requests.length
  const sending = patient.send(body())
  while (collector.requests.length === before) await new Promise(resolve => setTimeout(resolve, 5))
  patient.hurry()
  assert.deepEqual(await sending, { retryAfterMs: undefined, reason: 'HTTP 503' })
  await collector.close()
})

test('the last batches go out while this thread waits, and it knows whether they were taken', async () => {
  // In a process of its own, as a collector in this one could not answer while it waits.
  const collector = await createCollector()
  const code = `
    const { createOtlpExporter } = require('./src/exporter/index.js')
    const body = Buffer.from('${Buffer.from(body()).toString('base64')}', 'base64')
    const exporter = createOtlpExporter({ protocol: process.argv[3], endpoint: process.argv[2], headers: { a: 'b' }, compression: 'gzip', timeoutMs: 1 })
    console.log(exporter.sendNow([body], 2000), exporter.sendNow([body], 2000))`
  const app = join(root, 'build', 'last-batches.cjs')
  writeFileSync(app, code)
  const run = (url: string, protocol = 'http/protobuf') =>
    runApp({ script: 'build/last-batches.cjs', args: [`${url}/v1/traces`, protocol], preload: 'none' })
  assert.equal((await run(collector.url)).stdout, '1 1\n')
  assert.equal((await run(collector.url, 'http/json')).stdout, '1 1\n')
  assert.equal(collector.requests.length, 4)
  assert.equal(collector.requests[0]?.headers.a, 'b')
  collector.respond = { status: 503 }
  assert.equal((await run(collector.url)).stdout, '0 0\n')

  const calls = await createCollector({ grpc: true })
  assert.equal((await run(calls.url, 'grpc')).stdout, '1 1\n')
  assert.equal(calls.requests.length, 2)
})
