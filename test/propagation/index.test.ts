/** Which propagators stand behind a list of names. */
import assert from 'node:assert/strict'
import { it } from 'node:test'
import * as api from '@opentelemetry/api'
import { ROOT } from '../../src/context/context.js'
import { createPropagator } from '../../src/propagation/index.js'

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
  assert.deepEqual(relay(['b3', 'toString', '__proto__']), {})
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
