/** The OTLP/HTTP transport and its retries, against a collector that answers in every way. */
import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { createHttpSend, type HttpOptions } from '../../src/exporter/http.js'
import { createProtoEncoder } from '../../src/exporter/otlp-proto.js'
import { retrying } from '../../src/exporter/retry.js'
import { runApp } from '../helpers/child.js'
import { createCollector } from '../helpers/collector.js'
import { endedSpan, RESOURCE } from '../helpers/ended-span.js'
import { root } from '../helpers/root.js'

// Neither our sockets nor the collector's keep a process alive.
const alive = setInterval(() => {}, 1000)
after(() => clearInterval(alive))

const LIMITS = { attributeCount: 128, attributeValueLength: Number.POSITIVE_INFINITY }

function body(): Uint8Array {
  const encoder = createProtoEncoder(RESOURCE, LIMITS)
  encoder.append(endedSpan())
  return (encoder.take() as { body: Uint8Array }).body
}

const optionsFor = (url: string, more: Partial<HttpOptions> = {}): HttpOptions => ({
  endpoint: `${url}/v1/traces`,
  headers: {},
  timeoutMs: 2000,
  compression: 'none',
  onRefused: () => {},
  ...more,
})

test('a batch arrives, with our headers, on one connection', async () => {
  const collector = await createCollector()
  const send = createHttpSend(optionsFor(collector.url, { headers: { authorization: 'Bearer t' } }))
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
  const send = createHttpSend(optionsFor(collector.url, { compression: 'gzip' }))
  assert.equal(await send(body()), 'sent')
  assert.equal(collector.requests[0]?.headers['content-encoding'], 'gzip')
  assert.equal(collector.spans().length, 1)
  await collector.close()
})

for (const status of [400, 401, 404, 413, 500, 501]) {
  test(`${status} refuses the batch for good, and says why`, async () => {
    const collector = await createCollector({ respond: { status } })
    const reasons: string[] = []
    const send = createHttpSend(optionsFor(collector.url, { onRefused: reason => reasons.push(reason) }))
    assert.equal(await send(body()), 'refused')
    assert.deepEqual(reasons, [`HTTP ${status}`])
    await collector.close()
  })
}

for (const status of [429, 502, 503, 504]) {
  test(`${status} asks to send the batch again`, async () => {
    const collector = await createCollector({ respond: { status } })
    const send = createHttpSend(optionsFor(collector.url))
    assert.deepEqual(await send(body()), { retryAfterMs: undefined, reason: `HTTP ${status}` })
    await collector.close()
  })
}

test('Retry-After is read as seconds and as a date', async () => {
  const collector = await createCollector({ respond: { status: 503, headers: { 'retry-after': '3' } } })
  const send = createHttpSend(optionsFor(collector.url))
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
  const refused = await createHttpSend(optionsFor(`http://127.0.0.1:${port}`))(body())
  assert.deepEqual(refused, { retryAfterMs: undefined, reason: 'ECONNREFUSED' })

  const collector = await createCollector({ respond: { reset: true } })
  const send = createHttpSend(optionsFor(collector.url, { timeoutMs: 200 }))
  assert.deepEqual(await send(body()), { retryAfterMs: undefined, reason: 'ECONNRESET' })
  collector.respond = { hang: true }
  assert.deepEqual(await send(body()), { retryAfterMs: undefined, reason: 'no answer in 200 ms' })
  collector.respond = { body: Buffer.alloc(5 * 1024 * 1024) }
  assert.deepEqual(await send(body()), { retryAfterMs: undefined, reason: 'the answer is longer than 4 MiB' })
  await collector.close()
})

test('a retry sends the same batch until it is taken', async () => {
  const collector = await createCollector({ respond: { status: 503, headers: { 'retry-after': '0' } } })
  const { send } = retrying(createHttpSend(optionsFor(collector.url)), 5000)
  const sending = send(body())
  while (collector.requests.length < 3) await new Promise(resolve => setTimeout(resolve, 5))
  collector.respond = {}
  assert.equal(await sending, 'sent')
  assert.equal(collector.spans().length, 1)
  await collector.close()
})

test('retries end with the time limit, and at once when there is no time to wait for', async () => {
  const collector = await createCollector({ respond: { status: 503 } })
  const limited = retrying(createHttpSend(optionsFor(collector.url)), 1500)
  assert.deepEqual(await limited.send(body()), { retryAfterMs: undefined, reason: 'HTTP 503' })
  assert.ok(collector.requests.length >= 1 && collector.requests.length <= 2)

  const patient = retrying(createHttpSend(optionsFor(collector.url)), 600_000)
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
    const exporter = createOtlpExporter({ endpoint: process.argv[2], headers: { a: 'b' }, compression: 'gzip', timeoutMs: 1 })
    console.log(exporter.sendNow([body], 2000), exporter.sendNow([body], 2000))`
  const app = join(root, 'build', 'last-batches.cjs')
  writeFileSync(app, code)
  const run = (url: string) => runApp({ script: 'build/last-batches.cjs', args: [url], preload: 'none' })
  assert.equal((await run(`${collector.url}/v1/traces`)).stdout, 'true true\n')
  assert.equal(collector.requests.length, 2)
  assert.equal(collector.requests[0]?.headers.a, 'b')
  collector.respond = { status: 503 }
  assert.equal((await run(`${collector.url}/v1/traces`)).stdout, 'false false\n')
})
