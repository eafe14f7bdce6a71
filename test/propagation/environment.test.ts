/** TRACEPARENT, TRACESTATE and BAGGAGE: the trace that a process was started in. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { propagation } from '@opentelemetry/api'
import { ROOT, spanOf } from '../../src/context/context.js'
import { identityOf } from '../../src/context/span-identity.js'
import { environmentName, extractEnvironment } from '../../src/propagation/environment.js'
import { createPropagator } from '../../src/propagation/index.js'
import { runApp } from '../helpers/child.js'
import { createCollector, type ReceivedSpan } from '../helpers/collector.js'

const TRACE_ID = '0af7651916cd43dd8448eb211c80319c'
const SPAN_ID = 'b7ad6b7169203331'
const TRACEPARENT = `00-${TRACE_ID}-${SPAN_ID}-01`

const propagator = createPropagator(['tracecontext', 'baggage'])

test('names of variables are the headers in capitals, with underscores', () => {
  assert.deepEqual(['traceparent', 'x-b3-traceid', 'uber.trace-id'].map(environmentName), [
    'TRACEPARENT',
    'X_B3_TRACEID',
    'UBER_TRACE_ID',
  ])
})

test('the trace of the environment is read', () => {
  const context = extractEnvironment(propagator, { TRACEPARENT, TRACESTATE: 'a=b', PATH: '/bin' })
  const identity = identityOf(spanOf(context))
  assert.deepEqual(
    { ...identity },
    { traceId: TRACE_ID, spanId: SPAN_ID, traceFlags: 1, traceState: 'a=b', isRemote: true },
  )
})

test('nothing, and what is malformed, is the root', () => {
  for (const variables of [{}, { TRACEPARENT: '' }, { TRACEPARENT: 'x'.repeat(55) }, { traceparent: TRACEPARENT }]) {
    assert.equal(extractEnvironment(propagator, variables), ROOT)
  }
})

test('every format has its variables', () => {
  const ids = { traceId: TRACE_ID, spanId: SPAN_ID, traceFlags: 1, traceState: undefined, isRemote: true }
  const low = TRACE_ID.slice(16)
  const cases: [name: string, variables: Record<string, string>, traceId?: string][] = [
    ['b3', { B3: `${TRACE_ID}-${SPAN_ID}-1` }],
    ['b3', { X_B3_TRACEID: TRACE_ID, X_B3_SPANID: SPAN_ID, X_B3_SAMPLED: '1' }],
    ['b3multi', { B3: `${TRACE_ID}-${SPAN_ID}-1` }],
    ['jaeger', { UBER_TRACE_ID: `${TRACE_ID}:${SPAN_ID}:0:1` }],
    ['xray', { X_AMZN_TRACE_ID: `Root=1-${TRACE_ID.slice(0, 8)}-${TRACE_ID.slice(8)};Parent=${SPAN_ID};Sampled=1` }],
    [
      'ottrace',
      { OT_TRACER_TRACEID: low, OT_TRACER_SPANID: SPAN_ID, OT_TRACER_SAMPLED: 'true' },
      low.padStart(32, '0'),
    ],
  ]
  for (const [name, variables, traceId = TRACE_ID] of cases) {
    const context = extractEnvironment(createPropagator([name]), variables)
    assert.deepEqual({ ...identityOf(spanOf(context)) }, { ...ids, traceId }, name)
  }
})

test('baggage whose names have a prefix comes with its trace, dashes for underscores', () => {
  const variables = { UBER_TRACE_ID: `${TRACE_ID}:${SPAN_ID}:0:1`, UBERCTX_USER_ID: 'a%20b', UBERCTX: 'x' }
  const baggage = propagation.getBaggage(extractEnvironment(createPropagator(['jaeger']), variables))
  assert.deepEqual(baggage?.getAllEntries(), [['user-id', { value: 'a b' }]])
})

async function spansOf(code: string, env: Record<string, string>): Promise<ReceivedSpan[]> {
  const collector = await createCollector()
  const ended = await runApp({ collector, code, env })
  await collector.close()
  assert.equal(ended.code, 0, ended.stderr)
  return collector.spans()
}

const ASK = `
  const http = require('node:http')
  const { trace } = require('@opentelemetry/api')
  const server = http.createServer((_, res) => res.end()).listen(0, '127.0.0.1', () => {
    const url = 'http://127.0.0.1:' + server.address().port
    http.get(url, res => res.resume().on('end', () => {
      trace.getTracer('own').startSpan('own').end()
      const options = { headers: { traceparent: '00-11111111111111111111111111111111-2222222222222222-01' } }
      setTimeout(() => http.get(url, options, res => res.resume().on('end', () => server.close())), 1)
    }))
  })`

test('spans that have no parent are children of it, those of requests that come in are not', async () => {
  const spans = await spansOf(ASK, { TRACEPARENT })
  const roots = spans.filter(({ parentSpanId }) => parentSpanId === SPAN_ID)
  assert.deepEqual(roots.map(({ kind, name }) => `${kind} ${name}`).sort(), [
    'client GET',
    'client GET',
    'internal own',
  ])
  for (const span of roots) assert.equal(span.traceId, TRACE_ID)
  const servers = spans.filter(({ kind }) => kind === 'server')
  assert.equal(servers.length, 2)
  assert.ok(servers.every(({ parentSpanId }) => parentSpanId !== SPAN_ID))
})

test('a request from outside the trace of the environment begins its own', async () => {
  const code = `
    const net = require('node:net'), http = require('node:http')
    const server = http.createServer((_, res) => res.end()).listen(0, '127.0.0.1', () => {
      net.connect(server.address().port, '127.0.0.1').end('GET / HTTP/1.0\\r\\n\\r\\n').resume().on('close', () => server.close())
    })`
  const [span, ...others] = await spansOf(code, { TRACEPARENT })
  assert.deepEqual(others, [])
  assert.equal(span?.kind, 'server')
  assert.notEqual(span?.traceId, TRACE_ID)
  assert.equal(span?.parentSpanId, undefined)
})

test('without propagators the environment is not read', async () => {
  const spans = await spansOf(ASK, { TRACEPARENT, OTEL_PROPAGATORS: 'none' })
  assert.ok(spans.length > 0)
  assert.ok(spans.every(({ traceId }) => traceId !== TRACE_ID))
})
