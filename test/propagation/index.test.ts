/** Which propagators stand behind a list of names. */
import assert from 'node:assert/strict'
import { it } from 'node:test'
import * as api from '@opentelemetry/api'
import { ROOT, withSpan } from '../../src/context/context.js'
import { NonRecordingSpan } from '../../src/context/span-identity.js'
import { createPropagator } from '../../src/propagation/index.js'
import { LOW, relayed, SPAN, TRACE, told } from './told.js'

const headers = {
  traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-03',
  tracestate: 'a=1',
  baggage: 'b=2',
}

function relay(names: readonly string[]): Record<string, string> {
  const propagator = createPropagator(names)
  const carrier = {}
  propagator.inject(propagator.extract(ROOT, headers, api.defaultTextMapGetter), carrier, api.defaultTextMapSetter)
  return carrier
}

it('carries what is named', () => {
  const { baggage, ...trace } = headers
  assert.deepEqual(relay(['tracecontext', 'baggage']), headers)
  assert.deepEqual(relay(['baggage', 'tracecontext', 'baggage']), headers)
  assert.deepEqual(relay(['tracecontext']), trace)
  assert.deepEqual(relay(['baggage']), { baggage })
  assert.deepEqual(relay([]), {})
  assert.deepEqual(relay(['none', 'toString', '__proto__']), {})
})

it('writes every format that is named, and in their order the last that is there counts', () => {
  const propagator = createPropagator(['b3', 'tracecontext', 'jaeger', 'b3'])
  assert.deepEqual(propagator.fields(), ['b3', 'traceparent', 'tracestate', 'uber-trace-id'])
  assert.deepEqual(propagator.alsoReads, ['x-b3-traceid', 'x-b3-spanid', 'x-b3-sampled', 'x-b3-flags'])
  const [one, two, three] = ['1', '2', '3'].map(digit => digit.repeat(32)) as [string, string, string]
  const came = { b3: `${one}-${SPAN}-1`, traceparent: `00-${two}-${SPAN}-01`, 'uber-trace-id': `${three}:${SPAN}:0:1` }
  assert.equal(told(propagator, came), `${three} ${SPAN} sampled`)
  assert.equal(told(propagator, { ...came, 'uber-trace-id': 'x' }), `${two} ${SPAN} sampled`)
  assert.equal(told(createPropagator(['tracecontext', 'b3']), came), `${one} ${SPAN} sampled`)
  assert.deepEqual(relayed(propagator, came), {
    b3: `${three}-${SPAN}-1`,
    traceparent: `00-${three}-${SPAN}-01`,
    'uber-trace-id': `${three}:${SPAN}:0:01`,
  })
})

it('does not show the application what only we know of a decision', () => {
  const context = createPropagator(['b3']).extract(ROOT, { b3: `${TRACE}-${SPAN}` }, api.defaultTextMapGetter)
  assert.equal(api.trace.getSpanContext(context)?.traceFlags, 0)
})

it('forgets that a trace is debugged where another begins', () => {
  const propagator = createPropagator(['b3'])
  const debugged = propagator.extract(ROOT, { b3: `${TRACE}-${SPAN}-d` }, api.defaultTextMapGetter)
  const written = (traceId: string, spanId: string) => {
    const carrier: Record<string, string> = {}
    const span = new NonRecordingSpan(traceId, spanId, 1, undefined, false)
    propagator.inject(withSpan(debugged, span), carrier, api.defaultTextMapSetter)
    return carrier.b3
  }
  assert.equal(written(TRACE, LOW), `${TRACE}-${LOW}-d`)
  assert.equal(written('1'.repeat(32), LOW), `${'1'.repeat(32)}-${LOW}-1`)
})

it('names its headers', () => {
  assert.deepEqual(createPropagator(['tracecontext', 'baggage']).fields(), ['traceparent', 'tracestate', 'baggage'])
  assert.deepEqual(createPropagator([]).fields(), [])
})

it('serves an application that holds the API', () => {
  assert.equal(api.propagation.setGlobalPropagator(createPropagator(['tracecontext', 'baggage'])), true)
  const context = api.propagation.extract(api.ROOT_CONTEXT, headers)
  const carrier = {}
  api.propagation.inject(context, carrier)
  assert.deepEqual(carrier, headers)
  assert.equal(api.propagation.getBaggage(context)?.getEntry('b')?.value, '2')
  assert.equal(api.trace.getSpanContext(context)?.traceFlags, 3)
  api.propagation.disable()
})
