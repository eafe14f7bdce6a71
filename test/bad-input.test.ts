/** Bad input: the application behaves as without us, and one clear line says what was ignored. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect } from 'node:net'
import { after, test } from 'node:test'
import { createAuthority } from './helpers/certificates.js'
import { runApp, startApp } from './helpers/child.js'
import { type Collector, createCollector } from './helpers/collector.js'
import { freePort } from './helpers/port.js'

// Collectors of these tests hold no process open.
const alive = setInterval(() => {}, 1000)
after(() => clearInterval(alive))

const ECHO = `
const s = require('http').createServer({ maxHeaderSize: 262144 }, (q, r) => r.end(q.method + ' ' + q.url)).listen(0, () => console.log('ready ' + s.address().port))`

const PARENT = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01'

/** Sends the bytes as they are; the answer up to the end of the connection. */
async function raw(port: number, request: string): Promise<string> {
  const socket = connect(port, '127.0.0.1').setEncoding('latin1')
  let answer = ''
  socket.on('data', text => (answer += text))
  socket.write(request, 'latin1')
  await once(socket, 'close')
  return answer.replace(/^Date: .*\r\n/m, '')
}

const get = (headers: string, target = '/x'): string =>
  `GET ${target} HTTP/1.1\r\nHost: example\r\nConnection: close\r\n${headers}\r\n`

const hostile: Record<string, { request: string; joins?: boolean }> = {
  'a traceparent of the wrong length': { request: get(`traceparent: ${PARENT}0\r\n`) },
  'a traceparent of zeros': { request: get(`traceparent: 00-${'0'.repeat(32)}-${'0'.repeat(16)}-01\r\n`) },
  'a traceparent with bytes beyond ASCII': { request: get('traceparent: \xff\xfe00-\x80\r\n') },
  'two traceparents': { request: get(`traceparent: ${PARENT}\r\ntraceparent: ${PARENT}\r\n`) },
  'a traceparent of 60 kB': { request: get(`traceparent: ${'0'.repeat(60_000)}\r\n`) },
  'a tracestate of 60 kB': {
    request: get(`traceparent: ${PARENT}\r\ntracestate: ${'a=b,'.repeat(15_000)}\r\n`),
    joins: true,
  },
  'a hostile tracestate': {
    request: get(`traceparent: ${PARENT}\r\ntracestate: =,==;,\xfe=\xff,__proto__=1\r\n`),
    joins: true,
  },
  'a baggage of 60 kB': {
    request: get(`traceparent: ${PARENT}\r\nbaggage: ${'%00%ff=%,'.repeat(6000)}\r\n`),
    joins: true,
  },
  'a target in absolute form': { request: get('', 'http://other:99/y?z=1') },
  'a target that is no path': { request: get('', '//') },
  'a host that is no host': { request: get('').replace('Host: example', 'Host: [::1:::'.concat(']')) },
  'an unknown method': { request: get('').replace('GET', 'PURGE') },
}

test('hostile requests get the answer that they get without us', async () => {
  const collector = await createCollector()
  const [without, withUs] = [await startApp({ code: ECHO, preload: 'none' }), await startApp({ code: ECHO, collector })]
  for (const [what, { request, joins = false }] of Object.entries(hostile)) {
    const before = collector.spans().length
    assert.equal(await raw(withUs.port, request), await raw(without.port, request), what)
    await collector.waitFor(before + 1)
    const span = collector.spans()[before]
    assert.equal(span?.traceId === PARENT.slice(3, 35), joins, what)
  }
  const ended = await withUs.stop()
  assert.equal(ended.stderr, '')
  await without.stop()
  await collector.close()
})

test('wrong values of variables are named in one line each, and the application runs', async () => {
  const env = {
    OTEL_BSP_MAX_QUEUE_SIZE: 'many',
    OTEL_TRACES_SAMPLER: 'sometimes',
    OTEL_EXPORTER_OTLP_ENDPOINT: 'not a url',
    OTEL_PROPAGATORS: 'pigeon',
    OTEL_SPAN_EVENT_COUNT_LIMIT: '-1',
    OTEL_EXPORTER_OTLP_PROTOCOL: 'carrier pigeon',
    OTEL_EXPORTER_OTLP_CERTIFICATE: '/no/such/file.pem',
    OTEL_EXPORTER_OTLP_COMPRESSION: 'brotli',
    OTEL_TRACES_EXPORTER: 'pigeon',
    HTTPS_PROXY: 'socks5://proxy',
  }
  const ended = await runApp({ code: `console.log('runs')`, env })
  assert.equal(ended.stdout, 'runs\n')
  const lines = ended.stderr.trim().split('\n')
  assert.equal(lines.length, Object.keys(env).length, ended.stderr)
  for (const [name, value] of Object.entries(env)) {
    const line = lines.find(line => line.includes(name))
    assert.match(line ?? '', /^\[@org\/trace\] warn: /, name)
    assert.ok(line?.includes(value), line)
  }
})

const SPAN = `require('@opentelemetry/api').trace.getTracer('app').startSpan('one').end()\n`

/** What is said of a collector by a process that ends by itself, after two batches. */
async function saidOf(collector: { url: string }, env: Record<string, string> = {}): Promise<string[]> {
  const code = `${SPAN} setTimeout(() => { ${SPAN} }, 300)`
  const ended = await runApp({ code, collector, env: { TRACE_EXIT_TIMEOUT_MS: '2000', ...env } })
  assert.equal(ended.code, 0)
  return ended.stderr.trim().split('\n')
}

test('a collector that answers with a web page, or knows nobody, is said once, with its address', async () => {
  for (const [respond, words] of [
    [
      { headers: { 'content-type': 'text/html' }, body: '<h1>Hello' },
      /a web page with HTTP 200: expected the address of an OTLP collector/,
    ],
    [
      { status: 401, headers: { 'content-type': 'application/json' }, body: '{"message":"who are you?"}' },
      /\(HTTP 401: who are you\?\)/,
    ],
  ] as const) {
    const collector = await createCollector({ respond })
    const [first, second, ...more] = await saidOf(collector)
    assert.match(first ?? '', words)
    assert.ok(first?.includes(`${collector.url}/v1/traces refuses spans`), first)
    assert.match(second ?? '', /of 2 spans some were lost \(2 refused\)/)
    assert.deepEqual(more, [])
    await collector.close()
  }
})

test('a certificate of nobody who is trusted is said once, with the variable that names whom to trust', async () => {
  const collector = await createCollector({ tls: createAuthority().issue('127.0.0.1') })
  const lines = await saidOf(collector)
  assert.match(lines[0] ?? '', /https:.*UNABLE_TO_VERIFY_LEAF_SIGNATURE: OTEL_EXPORTER_OTLP_CERTIFICATE names a file/)
  assert.equal(lines.length, 2)
  await collector.close()
})

test('over gRPC too a web page, an unknown certificate and a refusal are said once, and in words', async () => {
  const GRPC = { OTEL_EXPORTER_OTLP_PROTOCOL: 'grpc' }
  for (const [respond, words] of [
    [
      { headers: { 'content-type': 'text/html' }, body: '<h1>Hello' },
      /\(HTTP 200: expected the address of an OTLP\/gRPC/,
    ],
    [{ grpc: { code: 16, message: 'who are you?' } }, /\(UNAUTHENTICATED: who are you\?\)/],
  ] as const) {
    const collector = await createCollector({ grpc: true, respond })
    const [first, second, ...more] = await saidOf(collector, GRPC)
    assert.match(first ?? '', words)
    assert.match(second ?? '', /of 2 spans some were lost \(2 refused\)/)
    assert.deepEqual(more, [])
    await collector.close()
  }
  const collector = await createCollector({ grpc: true, tls: createAuthority().issue('127.0.0.1') })
  const lines = await saidOf(collector, GRPC)
  assert.match(lines[0] ?? '', /UNABLE_TO_VERIFY_LEAF_SIGNATURE: OTEL_EXPORTER_OTLP_CERTIFICATE names a file/)
  assert.equal(lines.length, 2)
  await collector.close()
})

test('partial success is said once, and counted', async () => {
  const collector = await createCollector({ respond: { partial: { rejected: 1, message: 'too\nold' } } })
  const [first, second, ...more] = await saidOf(collector)
  assert.match(first ?? '', /refuses 1 spans of a batch: too old$/)
  assert.match(second ?? '', /of 2 spans some were lost \(2 refused\)/)
  assert.deepEqual(more, [])
  await collector.close()
})

test('a password in the address of the collector is in no line', async () => {
  const collector = await createCollector({ respond: { status: 503 } })
  const url = collector.url.replace('//', '//user:hunter2@')
  const lines = await saidOf({ url: `${url}/?key=hunter2` })
  assert.equal(collector.requests[0]?.headers.authorization, `Basic ${Buffer.from('user:hunter2').toString('base64')}`)
  assert.equal(lines.length, 2)
  assert.doesNotMatch(lines.join('\n'), /hunter2/)
  await collector.close()
})

const TICKS = `
const { trace } = require('@opentelemetry/api')
setInterval(() => trace.getTracer('app').startSpan('tick').end(), 20)
console.log('ready 1')`

test('a collector that is down is said once, and once more when it is back', async () => {
  const port = await freePort()
  const app = await startApp({ code: TICKS, env: { OTEL_EXPORTER_OTLP_ENDPOINT: `http://127.0.0.1:${port}` } })
  while (!app.stderr().includes('does not take spans')) await new Promise(resolve => setTimeout(resolve, 20))
  // Long enough for more failures, of which nothing is said.
  await new Promise(resolve => setTimeout(resolve, 2500))
  const collector: Collector = await createCollector({ port })
  await collector.waitFor(1, 15_000)
  await new Promise(resolve => setTimeout(resolve, 300))
  const { stderr, signal } = await app.stop()
  assert.equal(signal, 'SIGTERM')
  assert.match(stderr, /^.*does not take spans \(ECONNREFUSED\); trying again\n.*takes spans again\n$/)
  await collector.close()
})
