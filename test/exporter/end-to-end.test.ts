/** Real processes that send over each protocol, by the standard variables. */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { createAuthority } from '../helpers/certificates.js'
import { runApp, startApp } from '../helpers/child.js'
import { createCollector } from '../helpers/collector.js'

// Collectors of these tests hold no process open.
const alive = setInterval(() => {}, 1000)
const folder = mkdtempSync(join(tmpdir(), 'trace-end-to-end-'))
after(() => {
  clearInterval(alive)
  rmSync(folder, { recursive: true })
})

const PROTOCOLS = ['http/protobuf', 'http/json', 'grpc'] as const
const SPAN = `require('@opentelemetry/api').trace.getTracer('app', '1.0.0').startSpan('last').end()\n`
const LATE = { OTEL_BSP_SCHEDULE_DELAY: '600000' }

const SERVER = `
  const http = require('http')
  const server = http.createServer((req, res) => {
    if (req.url === '/inner') return res.end('ok')
    http.get({ port: server.address().port, path: '/inner' }, inner => inner.pipe(res))
  }).listen(0, () => console.log('ready ' + server.address().port))`

function file(name: string, content: string): string {
  const path = join(folder, name)
  writeFileSync(path, content)
  return path
}

for (const protocol of PROTOCOLS) {
  const env = { OTEL_EXPORTER_OTLP_PROTOCOL: protocol }
  const grpc = protocol === 'grpc'

  test(`${protocol}: a server's spans arrive while it lives, and its own requests are not among them`, async () => {
    const collector = await createCollector({ grpc })
    const app = await startApp({ code: SERVER, collector, env })
    for (let i = 0; i < 3; i++) {
      await (await fetch(app.url)).text()
      await collector.waitFor(3 * (i + 1))
    }
    const { stderr, signal } = await app.stop()
    assert.deepEqual([stderr, signal], ['', 'SIGTERM'])
    assert.deepEqual([...new Set(collector.spans().map(({ kind, name }) => `${kind} ${name}`))].sort(), [
      'client GET',
      'server GET',
    ])
    assert.equal(collector.spans().length, 9)
    assert.ok(collector.requests.every(({ headers }) => headers.traceparent === undefined))
    assert.ok(collector.requests.every(({ headers }) => /^org-trace\/\d/.test(headers['user-agent'] ?? '')))
    await collector.close()
  })

  for (const [what, code] of Object.entries({
    'ends by itself': SPAN,
    'calls process.exit': `${SPAN} process.exit(0)`,
    'calls process.exit with a connection open': `${SPAN} setTimeout(() => { ${SPAN} process.exit(0) }, 500)`,
  })) {
    test(`${protocol}: the last span of a process that ${what} arrives once`, async () => {
      const collector = await createCollector({ grpc })
      const early = code.includes('500') ? {} : LATE
      const { stderr, durationMs } = await runApp({ code, collector, env: { ...env, ...early } })
      assert.equal(stderr, '')
      assert.ok(durationMs < 15_000, 'nothing keeps the process alive')
      assert.equal(collector.spans().length, code.includes('500') ? 2 : 1)
      await collector.close()
    })
  }

  test(`${protocol}: mutual TLS, headers and compression by the standard variables`, async () => {
    const authority = createAuthority()
    const tls = {
      ...authority.issue('127.0.0.1'),
      ca: authority.cert,
      requestCert: true,
      rejectUnauthorized: true,
    }
    const client = authority.issue('client')
    const collector = await createCollector({ grpc, tls })
    const name = protocol.replace('/', '-')
    const secured = {
      ...env,
      OTEL_EXPORTER_OTLP_CERTIFICATE: file(`${name}-ca.pem`, authority.cert),
      OTEL_EXPORTER_OTLP_TRACES_CLIENT_CERTIFICATE: file(`${name}-client.pem`, client.cert),
      OTEL_EXPORTER_OTLP_CLIENT_KEY: file(`${name}-client.key`, client.key),
      OTEL_EXPORTER_OTLP_HEADERS: 'api-key=s%20cret,X-Other=2',
      OTEL_EXPORTER_OTLP_COMPRESSION: 'gzip',
    }
    // Both ways out: the thread's own connection, and the one of the thread that sends the last spans.
    for (const code of [SPAN, `${SPAN} process.exit(0)`]) {
      const { stderr } = await runApp({ code, collector, env: { ...secured, ...LATE } })
      assert.equal(stderr, '')
    }
    assert.equal(collector.spans().length, 2)
    const [{ headers } = assert.fail()] = collector.requests
    assert.deepEqual([headers['api-key'], headers['x-other']], ['s cret', '2'])
    await collector.close()
  })
}

test('grpc to host:port without TLS, and to a unix socket', async () => {
  const collector = await createCollector({ grpc: true })
  const env = { OTEL_EXPORTER_OTLP_TRACES_PROTOCOL: 'grpc', OTEL_EXPORTER_OTLP_ENDPOINT: `127.0.0.1:${collector.port}` }
  const insecure = { ...env, OTEL_EXPORTER_OTLP_INSECURE: 'true' }
  assert.equal((await runApp({ code: SPAN, env: insecure })).stderr, '')
  assert.equal(collector.spans().length, 1)
  const secure = await runApp({ code: SPAN, env })
  assert.match(secure.stderr, /of 1 spans some were lost \(1 unreachable\); the collector is https:/)
  assert.equal(collector.spans().length, 1)
  await collector.close()

  const socket = join(folder, 'collector.sock')
  const behind = await createCollector({ grpc: true, socket })
  await runApp({ code: SPAN, collector: behind, env: { OTEL_EXPORTER_OTLP_PROTOCOL: 'grpc' } })
  assert.equal(behind.spans().length, 1)
  await behind.close()
})

test('a proxy by its variable, and past it by NO_PROXY', async () => {
  const collector = await createCollector()
  // A collector that takes whatever it is asked for is a proxy too.
  const env = { HTTP_PROXY: collector.url, OTEL_EXPORTER_OTLP_ENDPOINT: 'http://collector.invalid:4318' }
  assert.equal((await runApp({ code: SPAN, env })).stderr, '')
  assert.equal(collector.requests[0]?.path, 'http://collector.invalid:4318/v1/traces')
  assert.equal(collector.spans().length, 1)
  const past = await runApp({ code: SPAN, env: { ...env, NO_PROXY: 'collector.invalid' } })
  assert.match(past.stderr, /ENOTFOUND|EAI_AGAIN/)
  assert.equal(collector.requests.length, 1)
  await collector.close()
})
