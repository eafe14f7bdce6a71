/** Collectors and proxies that never answer: a process that is done ends in the time that it has for its end. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { type AddressInfo, createServer } from 'node:net'
import { after, before, test } from 'node:test'
import { createTransport } from '../../src/exporter/transport.js'
import { runApp } from '../helpers/child.js'
import { requestOf } from '../helpers/ended-span.js'
import { createSilentHost } from '../helpers/silent-host.js'

const skip = process.platform !== 'linux' && 'a full backlog is silent on Linux only'

let host: Awaited<ReturnType<typeof createSilentHost>>
before(async () => {
  if (!skip) host = await createSilentHost()
})
after(() => host?.close())

// Several batches, of which one is on its way when the process is done.
const CODE = `
  const tracer = require('@opentelemetry/api').trace.getTracer('app')
  for (let i = 0; i < 4; i++) tracer.startSpan('span ' + i).end()
  setTimeout(() => console.log('done'), 300)`
const DONE_MS = 300
const EXIT_MS = 2000
// What starting and ending take, on a machine that is busy with something else.
const A_BIT_MS = 1500

async function endsInTime(env: Record<string, string>): Promise<void> {
  const { code, stdout, stderr, durationMs } = await runApp({
    code: CODE,
    env: { OTEL_BSP_MAX_EXPORT_BATCH_SIZE: '1', TRACE_EXIT_TIMEOUT_MS: String(EXIT_MS), ...env },
  })
  assert.equal(code, 0)
  assert.equal(stdout, 'done\n')
  assert.match(stderr, /of 4 spans some were lost \(\d un(reachable|answered)/)
  assert.ok(durationMs < DONE_MS + EXIT_MS + A_BIT_MS, `${durationMs} ms`)
}

for (const protocol of ['http/protobuf', 'grpc']) {
  const env = { OTEL_EXPORTER_OTLP_PROTOCOL: protocol }

  test(`${protocol}: a collector, or a proxy, whose host drops what comes`, { skip }, async () => {
    const { port } = host
    await endsInTime({ ...env, OTEL_EXPORTER_OTLP_ENDPOINT: `http://127.0.0.1:${port}` })
    await endsInTime({ ...env, OTEL_EXPORTER_OTLP_ENDPOINT: `https://localhost:${port}` })
    const HTTP_PROXY = `http://127.0.0.1:${port}`
    await endsInTime({ ...env, HTTP_PROXY, OTEL_EXPORTER_OTLP_ENDPOINT: 'http://collector.invalid' })
    await endsInTime({ ...env, HTTPS_PROXY: HTTP_PROXY, OTEL_EXPORTER_OTLP_ENDPOINT: 'https://collector.invalid' })
  })

  test(`${protocol}: a collector, or a proxy, that takes a connection and says nothing`, async () => {
    const server = createServer(socket => socket.unref().on('error', () => {}))
      .listen(0, '127.0.0.1')
      .unref()
    await once(server, 'listening')
    const url = `127.0.0.1:${(server.address() as AddressInfo).port}`
    await endsInTime({ ...env, OTEL_EXPORTER_OTLP_ENDPOINT: `http://${url}` })
    await endsInTime({ ...env, OTEL_EXPORTER_OTLP_ENDPOINT: `https://${url}` })
    const OTEL_EXPORTER_OTLP_ENDPOINT = 'https://collector.invalid'
    await endsInTime({ ...env, HTTPS_PROXY: `http://${url}`, OTEL_EXPORTER_OTLP_ENDPOINT })
    await endsInTime({ ...env, HTTPS_PROXY: `https://${url}`, OTEL_EXPORTER_OTLP_ENDPOINT })
  })
}

test('what nobody answers is tried again, after a rest in which nothing else is', { skip }, async () => {
  const send = createTransport(
    { protocol: 'http/protobuf', endpoint: `http://127.0.0.1:${host.port}`, headers: {}, compression: 'none' },
    { onRefused() {}, onPartial() {} },
  )
  const attempt = async () => {
    const sinceMs = performance.now()
    const result = await send(requestOf(1), undefined, 10_000)
    assert.deepEqual(result, { retryAfterMs: undefined, reason: 'nobody answers within 1500 ms' })
    return performance.now() - sinceMs
  }
  const alive = setInterval(() => {}, 100)
  assert.ok((await attempt()) > 1400)
  assert.ok((await attempt()) < 500)
  await new Promise(resolve => setTimeout(resolve, 800))
  assert.ok((await attempt()) > 1400)
  clearInterval(alive)
})
