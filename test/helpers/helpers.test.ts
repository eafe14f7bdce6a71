/** The helpers themselves: that they see what is there, and that they can fail. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { gzipSync } from 'node:zlib'
import { createProtoEncoder } from '../../src/exporter/otlp-proto.js'
import { CLIENT, type EndedSpan, SERVER } from '../../src/trace/span.js'
import { startSpan } from '../../src/trace/tracer.js'
import { runApp, startApp } from './child.js'
import { createCollector, type ReceivedSpan } from './collector.js'
import { assertTree, oneTrace } from './spans.js'
import { createTestTracer, limits, scope } from './tracer.js'

const resource = {
  'service.name': 'shop',
  'telemetry.sdk.name': 'test',
  'telemetry.sdk.language': 'nodejs',
  'telemetry.sdk.version': '1.0.0',
}

const changed = (span: EndedSpan, more: Partial<EndedSpan>): EndedSpan => Object.assign(Object.create(span), more)

/** A request of a server span with a client span below it. */
function request(change: (span: EndedSpan) => EndedSpan = span => span): Uint8Array {
  const { core, ended } = createTestTracer()
  const attributes = { 'http.request.method': 'GET', 'url.path': '/', 'url.scheme': 'http' }
  const parent = startSpan(core, scope, undefined, { name: 'GET', kind: SERVER, attributes }, undefined)
  const child = startSpan(core, scope, parent, { name: 'SELECT orders', kind: CLIENT, attributes: {} }, parent)
  child.set({ 'db.system.name': 'postgresql', 'db.query.summary': 'SELECT orders', 'server.port': 5432 })
  child.recordError(new Error('no such table'))
  child.end()
  parent.end()
  const encoder = createProtoEncoder(resource, limits)
  for (const span of ended) encoder.append(change(span))
  return encoder.take()?.body as Uint8Array
}

const post = (url: string, body: Uint8Array, headers: Record<string, string> = {}) =>
  fetch(`${url}/v1/traces`, {
    method: 'POST',
    body: body as Uint8Array<ArrayBuffer>,
    headers: { 'content-type': 'application/x-protobuf', ...headers },
  })

async function received(): Promise<ReceivedSpan[]> {
  const collector = await createCollector()
  await post(collector.url, request())
  const spans = await collector.waitFor(2)
  await collector.close()
  return spans
}

const client = {
  name: 'SELECT orders',
  kind: 'client',
  status: 'error',
  attributes: { 'server.port': 5432, 'db.system.name': /^postgres/, 'db.query.text': undefined },
} as const
const server = { name: 'GET', kind: 'server', service: 'shop', children: [client] } as const

test('the collector takes plain and compressed requests, and tells resource and scope', async () => {
  const collector = await createCollector()
  const plain = request()
  await post(collector.url, plain)
  await post(collector.url, gzipSync(request()), { 'content-encoding': 'gzip' })
  const spans = await collector.waitFor(4)
  assert.deepEqual([...new Set(spans.map(span => `${span.service} ${span.scope.name}`))], ['shop test'])
  assert.equal(collector.requests[0]?.wireBytes, plain.length)
  assert.equal(collector.requests[1]?.headers['content-encoding'], 'gzip')
  await collector.close()
})

test('the collector refuses, delays and resets; what it refused is not counted', async () => {
  const collector = await createCollector({ respond: { status: 503, headers: { 'retry-after': '1' } } })
  const refused = await post(collector.url, request())
  assert.deepEqual([refused.status, refused.headers.get('retry-after')], [503, '1'])
  collector.respond = { reset: true }
  await assert.rejects(post(collector.url, request()))
  const began = performance.now()
  collector.respond = { delayMs: 50 }
  await post(collector.url, request())
  assert.ok(performance.now() - began >= 49)
  assert.deepEqual(
    collector.requests.map(({ accepted }) => accepted),
    [false, false, true],
  )
  assert.equal(collector.spans().length, 2)
  await collector.close()
})

test('waitFor says what there was instead', async () => {
  const collector = await createCollector()
  await post(collector.url, request())
  await assert.rejects(collector.waitFor(3, 30), /received 2 spans: client SELECT orders, server GET/)
  await collector.close()
})

test('close reports spans that break OTLP or the conventions, and bodies that are neither', async () => {
  const late = request(span => changed(span, { startMs: span.endMs + 60_000 }))
  const old = request(span => changed(span, { attributes: { ...span.attributes, 'http.method': 'GET' } }))
  for (const [body, report] of [
    [late, /^otlp /m],
    [old, /^semconv .*http\.method/m],
    [Buffer.from('no protobuf'), /wire type|field|truncated/],
  ] as const) {
    const collector = await createCollector()
    await post(collector.url, body)
    await assert.rejects(collector.close(), report)
  }
})

test('assertTree compares names, kinds, statuses and children, and attributes as a subset', async () => {
  const spans = await received()
  assertTree(spans, [server])
  for (const expected of [
    [],
    [server, server],
    [{ ...server, name: 'POST' }],
    [{ ...server, kind: 'client' as const }],
    [{ ...server, status: 'error' as const }],
    [{ ...server, service: 'other' }],
    [{ ...server, children: [] }],
    [{ ...server, attributes: { 'url.path': '/other' } }],
    [{ ...server, attributes: { 'url.path': undefined } }],
    [{ ...server, attributes: { 'url.path': /other/ } }],
    [{ ...server, children: [{ ...client, status: 'unset' as const }] }],
  ]) {
    assert.throws(() => assertTree(spans, expected), assert.AssertionError)
  }
})

test('oneTrace fails for none, for several, for a span that came twice, and for a trace in pieces', async () => {
  const [child, parent] = (await received()) as [ReceivedSpan, ReceivedSpan]
  oneTrace([child, parent])
  assert.throws(() => oneTrace([]), /no spans/)
  assert.throws(() => oneTrace([child, { ...parent, traceId: 'f'.repeat(32) }]), /several traces/)
  assert.throws(() => oneTrace([child, parent, child]), /twice/)
  assert.throws(() => oneTrace([{ ...child, parentSpanId: '0000000000000001' }, parent]), /pieces/)
})

test('an application starts in a clean environment, with what it is given', async () => {
  process.env.OTEL_SERVICE_NAME = 'of the test'
  const { code, stdout, stderr } = await runApp({
    preload: 'none',
    code: `
      process.stdin.pipe(process.stdout)
      console.log(process.env.OTEL_SERVICE_NAME, process.env.OWN, process.argv[2], require('pg').Pool.name)
      console.error(process.env.OTEL_EXPORTER_OTLP_ENDPOINT)
      process.exitCode = 3`,
    env: { OWN: 'own' },
    args: ['argument'],
    collector: { url: 'http://127.0.0.1:1' },
    input: 'input',
  })
  delete process.env.OTEL_SERVICE_NAME
  assert.deepEqual([code, stdout, stderr], [3, 'undefined own argument BoundPool\ninput', 'http://127.0.0.1:1\n'])
})

for (const [type, code] of [
  ['cjs', 'console.log(typeof require)'],
  ['esm', 'import pg from "pg"; console.log(typeof pg.Pool)'],
] as const) {
  test(`an application may be ${type}`, async () => {
    const { stdout } = await runApp({ preload: 'none', type, code })
    assert.equal(stdout, 'function\n')
  })
}

test('an application that does not end is killed, and the run fails with what it said', async () => {
  const app = runApp({ preload: 'none', code: `console.log('here'); setInterval(() => {}, 1000)`, timeoutMs: 500 })
  await assert.rejects(app, /killed after 500 ms[\s\S]*here/)
})

test('a server is started, asked and stopped', async () => {
  const app = await startApp({
    preload: 'none',
    code: `
      const server = require('node:http').createServer((req, res) => res.end('hello'))
      server.listen(0, '127.0.0.1', () => console.log('ready ' + server.address().port))`,
  })
  assert.equal(await (await fetch(app.url)).text(), 'hello')
  const { code, signal } = await app.stop()
  assert.deepEqual([code, signal], [null, 'SIGTERM'])
})

test('a server that fails to start tells why', async () => {
  const app = startApp({ preload: 'none', code: `throw new Error('no port')` })
  await assert.rejects(app, /ended with 1[\s\S]*no port/)
})
