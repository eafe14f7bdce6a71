/** Zipkin's V2 JSON: each test of the first part has the name of its row in the specification's compliance matrix. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { test } from 'node:test'
import { createProtoEncoder } from '../../src/exporter/otlp-proto.js'
import { toZipkin } from '../../src/exporter/zipkin.js'
import type { Attributes } from '../../src/semconv.js'
import type { EndedSpan } from '../../src/trace/span.js'
import { runApp } from '../helpers/child.js'
import { endedSpan } from '../helpers/ended-span.js'

interface ZipkinSpan {
  readonly kind?: string
  readonly timestamp: number
  readonly duration: number
  readonly localEndpoint: object
  readonly remoteEndpoint?: object
  readonly annotations?: object[]
  readonly tags?: Record<string, string>
}

const LIMITS = { attributeCount: 4, attributeValueLength: Number.POSITIVE_INFINITY }
const SCOPE = { name: '' }

function zipkin(more: Partial<EndedSpan> = {}, resource: Attributes = { 'service.name': 'shop' }): ZipkinSpan {
  const encoder = createProtoEncoder(resource, LIMITS)
  encoder.append(endedSpan({ scope: SCOPE, ...more }))
  const { body } = encoder.take() as { body: Uint8Array }
  const [span = assert.fail(), ...others] = JSON.parse(toZipkin(body))
  assert.equal(others.length, 0)
  return span
}

const tagsOf = (more: Partial<EndedSpan>): Record<string, string> | undefined => zipkin(more).tags
const attributesAs = (attributes: Record<string, unknown>) => tagsOf({ attributes: attributes as Attributes })

test('Zipkin V2 JSON', () => {
  const span = {
    traceId: '0af7651916cd43dd8448eb211c80319c',
    spanId: 'b7ad6b7169203331',
    name: 'GET /Cart',
    startMs: 1000,
    endMs: 1002.5,
  }
  // What is empty is left out.
  assert.deepEqual(zipkin(span), {
    traceId: span.traceId,
    id: span.spanId,
    name: 'GET /Cart',
    timestamp: 1_000_000,
    duration: 2500,
    localEndpoint: { serviceName: 'shop' },
  })
  const whole = zipkin({
    ...span,
    kind: 2,
    parentSpanId: '00f067aa0ba902b7',
    attributes: { 'server.address': 'db', a: 1 },
    events: [{ name: 'retry', timeMs: 1001, attributes: undefined, droppedAttributes: 0 }],
  } as Partial<EndedSpan>)
  assert.deepEqual(whole, {
    traceId: span.traceId,
    id: span.spanId,
    parentId: '00f067aa0ba902b7',
    name: 'GET /Cart',
    kind: 'CLIENT',
    timestamp: 1_000_000,
    duration: 2500,
    localEndpoint: { serviceName: 'shop' },
    remoteEndpoint: { serviceName: 'db' },
    annotations: [{ timestamp: 1_001_000, value: 'retry' }],
    tags: { 'server.address': 'db', a: '1' },
  })
})

test('Service name mapping', () => {
  const resource = { 'service.name': 'shop', 'service.namespace': 'eu' } as Attributes
  const { localEndpoint, tags } = zipkin({}, resource)
  assert.deepEqual(localEndpoint, { serviceName: 'shop' })
  assert.deepEqual(tags, { 'service.namespace': 'eu' })
  assert.deepEqual(zipkin({}, {}).localEndpoint, { serviceName: 'unknown_service' })
})

test('SpanKind mapping', () => {
  const kinds = [0, 1, 2, 3, 4].map(kind => zipkin({ kind } as Partial<EndedSpan>).kind)
  assert.deepEqual(kinds, [undefined, 'SERVER', 'CLIENT', 'PRODUCER', 'CONSUMER'])
})

test('InstrumentationLibrary mapping', () => {
  const tags = tagsOf({ scope: { name: 'lib', version: '1.2.3' } })
  assert.equal(tags?.['otel.library.name'], 'lib')
  assert.equal(tags?.['otel.library.version'], '1.2.3')
})

test('InstrumentationScope mapping', () => {
  const scope = { name: 'lib', version: '1.2.3', attributes: { tier: 'gold' } }
  assert.deepEqual(tagsOf({ scope, attributes: { 'otel.scope.name': 'mine' } as Attributes }), {
    'otel.scope.name': 'mine',
    'otel.scope.version': '1.2.3',
    'otel.library.name': 'lib',
    'otel.library.version': '1.2.3',
    tier: 'gold',
  })
  assert.equal(tagsOf({ scope: { name: 'lib' } })?.['otel.scope.version'], undefined)
})

test('Boolean attributes', () => {
  assert.deepEqual(attributesAs({ yes: true, no: false }), { yes: 'true', no: 'false' })
})

test('Array attributes', () => {
  assert.deepEqual(
    attributesAs({ texts: ['a', '"b"'], numbers: [1, -2.5, Number.NaN], gaps: [true, null], none: [] }),
    {
      texts: '["a","\\"b\\""]',
      numbers: '[1,-2.5,"NaN"]',
      gaps: '[true,null]',
      none: '[]',
    },
  )
})

test('Status mapping', () => {
  assert.equal(tagsOf({ statusCode: 0 }), undefined)
  assert.deepEqual(tagsOf({ statusCode: 1, statusMessage: 'not for this one' }), { 'otel.status_code': 'OK' })
  assert.equal(tagsOf({ statusCode: 2 })?.['otel.status_code'], 'ERROR')
})

test('Error Status mapping', () => {
  assert.deepEqual(tagsOf({ statusCode: 2, statusMessage: 'boom', attributes: { error: false } as never }), {
    'otel.status_code': 'ERROR',
    error: 'boom',
  })
  assert.equal(tagsOf({ statusCode: 2 })?.error, '')
  assert.equal(attributesAs({ error: false }), undefined)
})

test('Event attributes mapping to Annotations', () => {
  const attributes = { key1: 'value1', count: 2, list: ['x'] } as never
  const { annotations } = zipkin({
    events: [
      { name: 'my-event-name', timeMs: 5, attributes, droppedAttributes: 3 },
      { name: 'bare', timeMs: 6, attributes: undefined, droppedAttributes: 0 },
    ],
  } as Partial<EndedSpan>)
  assert.deepEqual(annotations, [
    {
      timestamp: 5000,
      value: '"my-event-name":{"key1":"value1","count":2,"list":["x"],"otel.dropped_attributes_count":3}',
    },
    { timestamp: 6000, value: 'bare' },
  ])
})

test('Integer microseconds in timestamps', () => {
  const startMs = 1_700_000_000_000.457
  const { timestamp, duration } = zipkin({ startMs, endMs: startMs + 0.001234 })
  assert.equal(timestamp, 1_700_000_000_000_457)
  assert.equal(duration, 1)
  assert.equal(zipkin({ startMs, endMs: startMs }).duration, 1)
  assert.equal(zipkin({ startMs: 1000, endMs: 1001.9999 }).duration, 1999)
})

test('the remote endpoint is the preferred attribute that is there, of clients and producers', () => {
  const endpointOf = (attributes: Record<string, unknown>, kind = 2) =>
    zipkin({ kind, attributes: attributes as Attributes } as Partial<EndedSpan>).remoteEndpoint
  assert.deepEqual(endpointOf({ 'server.address': 'b', 'peer.service': 'a', 'db.name': 'c' }), { serviceName: 'a' })
  assert.deepEqual(endpointOf({ 'db.name': 'c' }, 3), { serviceName: 'c' })
  assert.deepEqual(endpointOf({ 'network.peer.address': '10.0.0.1', 'network.peer.port': 5432 }), {
    serviceName: '10.0.0.1',
    ipv4: '10.0.0.1',
    port: 5432,
  })
  assert.deepEqual(endpointOf({ 'net.sock.peer.addr': '::1' }), { serviceName: '::1', ipv6: '::1' })
  assert.equal(endpointOf({ 'peer.service': 'a' }, 1), undefined)
  assert.equal(endpointOf({ a: 'b' }), undefined)
})

test('what was dropped is counted in tags', () => {
  const attributes = { a: 1, b: 2, c: 3, d: 4, e: 5 } as never
  const tags = tagsOf({ attributes, droppedAttributes: 2, droppedEvents: 3, droppedLinks: 4 })
  assert.equal(tags?.['otel.dropped_attributes_count'], '3')
  assert.equal(tags?.['otel.dropped_events_count'], '3')
  assert.equal(tags?.['otel.dropped_links_count'], '4')
})

const SPAN = `require('@opentelemetry/api').trace.getTracer('app', '1.0.0').startSpan('last').end()\n`

test('a process sends to Zipkin by the standard variables, again where it is asked to, and is told that this is deprecated', async () => {
  const seen: { url: string | undefined; type: string | undefined; names: string[] }[] = []
  const server = createServer(async (req, res) => {
    let text = ''
    for await (const part of req) text += part
    const names = JSON.parse(text).map(({ name }: { name: string }) => name)
    seen.push({ url: req.url, type: req.headers['content-type'], names })
    res.writeHead(seen.length === 1 ? 503 : 202).end()
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/zipkin/spans`
  const env = { OTEL_TRACES_EXPORTER: 'zipkin', OTEL_EXPORTER_ZIPKIN_ENDPOINT: url, OTEL_LOG_LEVEL: 'info' }
  const ended = await runApp({ code: `${SPAN} setTimeout(() => {}, 2500)`, env })
  server.close()
  const expected = { url: '/zipkin/spans', type: 'application/json', names: ['last'] }
  assert.deepEqual(seen, [expected, expected])
  assert.equal(ended.stderr.match(/info: the exporter zipkin is deprecated/g)?.length, 1, ended.stderr)
})

test('the last span of a process that exits arrives at Zipkin, and one that nobody takes is counted', async () => {
  const names: string[] = []
  const server = createServer(async (req, res) => {
    let text = ''
    for await (const part of req) text += part
    names.push(...JSON.parse(text).map(({ name }: { name: string }) => name))
    res.writeHead(202).end()
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const port = (server.address() as AddressInfo).port
  const env = (to: number) => ({
    OTEL_TRACES_EXPORTER: 'zipkin',
    OTEL_EXPORTER_ZIPKIN_ENDPOINT: `http://127.0.0.1:${to}/api/v2/spans`,
    OTEL_BSP_SCHEDULE_DELAY: '600000',
  })
  const taken = await runApp({ code: `${SPAN} process.exit(3)`, env: env(port) })
  server.close()
  assert.deepEqual([taken.code, taken.stderr, names], [3, '', ['last']])
  const lost = await runApp({ code: `${SPAN} process.exit(3)`, env: env(9) })
  assert.match(
    lost.stderr,
    /of 1 spans some were lost \(1 unreachable\); the collector is http:\/\/127\.0\.0\.1:9\/api/,
  )
})
