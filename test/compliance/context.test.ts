/** The specification's compliance matrix, sections "Baggage", "Resource" and "Context Propagation": each test has the name of its row. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import {
  context,
  createContextKey,
  propagation,
  ROOT_CONTEXT,
  type TextMapGetter,
  type TextMapSetter,
  trace,
} from '@opentelemetry/api'
import { createForeignResource } from '../../src/pipeline/readable-span.js'
import { last } from './memory.js'

const TRACEPARENT = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01'

describe('Baggage', () => {
  test('Basic support', () => {
    const baggage = propagation.createBaggage({ tenant: { value: 'acme' } })
    const within = propagation.setBaggage(ROOT_CONTEXT, baggage.setEntry('user', { value: 'ü 1' }))
    context.with(within, () => {
      assert.equal(propagation.getActiveBaggage()?.getEntry('user')?.value, 'ü 1')
      assert.deepEqual(propagation.getActiveBaggage()?.removeEntry('user').getAllEntries(), [
        ['tenant', { value: 'acme' }],
      ])
    })
    assert.equal(propagation.getActiveBaggage(), undefined)
  })
  test('Use official header name `baggage`', () => {
    const headers: Record<string, string> = {}
    const baggage = propagation.createBaggage({ tenant: { value: 'a b' } })
    propagation.inject(propagation.setBaggage(ROOT_CONTEXT, baggage), headers)
    assert.deepEqual(headers, { baggage: 'tenant=a%20b' })
  })
})

describe('Resource', () => {
  test('Create from Attributes', () => {
    const { attributes } = createForeignResource({ a: 1, b: ['x'], gone: undefined })
    assert.deepEqual(attributes, { a: 1, b: ['x'] })
  })
  test('Create empty', () => assert.deepEqual(createForeignResource({}).attributes, {}))
  test('Merge (v2)', () => {
    const merged = createForeignResource({ a: 1, b: 2 }).merge({ attributes: { b: 3, c: 4 } })
    assert.deepEqual(merged.attributes, { a: 1, b: 3, c: 4 })
    assert.deepEqual(createForeignResource({ a: 1 }).merge(null).attributes, { a: 1 })
  })
  test('Retrieve attributes', () => {
    trace.getTracer('t').startSpan('x').end()
    const { attributes } = (last() as unknown as { resource: { attributes: Record<string, unknown> } }).resource
    assert.equal(attributes['telemetry.sdk.language'], 'nodejs')
    assert.equal(typeof attributes['service.name'], 'string')
  })
})

describe('Context', () => {
  const key = createContextKey('own')
  const other = createContextKey('own')
  test('Create Context Key', () => assert.equal(typeof key, 'symbol'))
  test('Get value from Context', () => {
    assert.equal(ROOT_CONTEXT.getValue(key), undefined)
    const within = trace.setSpan(context.active(), trace.getTracer('t').startSpan('x')).setValue(key, 1)
    assert.deepEqual([within.getValue(key), context.active().getValue(key)], [1, undefined])
  })
  test('Set value for Context', () => {
    const one = context.active().setValue(key, 1)
    const two = one.setValue(key, 2)
    assert.deepEqual([one.getValue(key), two.getValue(key), two.deleteValue(key).getValue(key)], [1, 2, undefined])
    if (other !== key) assert.equal(one.getValue(other), undefined)
  })
  test('Attach Context', async () => {
    const within = ROOT_CONTEXT.setValue(key, 'attached')
    await context.with(within, async () => {
      await new Promise(resolve => setTimeout(resolve, 1))
      assert.equal(context.active().getValue(key), 'attached')
    })
  })
  test('Detach Context', () => {
    const before = context.active()
    assert.throws(() =>
      context.with(ROOT_CONTEXT.setValue(key, 1), () => {
        throw new Error('left')
      }),
    )
    assert.equal(context.active(), before)
  })
  test('Get current Context', () => {
    const within = ROOT_CONTEXT.setValue(key, 1)
    assert.equal(
      context.with(within, () => context.active()),
      within,
    )
  })
})

describe('Propagators', () => {
  test('Composite Propagator', () => {
    const extracted = propagation.extract(ROOT_CONTEXT, { traceparent: TRACEPARENT, baggage: 'a=1' })
    assert.equal(trace.getSpanContext(extracted)?.spanId, 'b7ad6b7169203331')
    assert.equal(propagation.getBaggage(extracted)?.getEntry('a')?.value, '1')
    const headers: Record<string, string> = {}
    propagation.inject(extracted, headers)
    assert.deepEqual(headers, { traceparent: TRACEPARENT, baggage: 'a=1' })
  })
  test('Global Propagator', () => assert.deepEqual(propagation.fields(), ['traceparent', 'tracestate', 'baggage']))
  test('TextMapPropagator', () => {
    const empty = propagation.extract(ROOT_CONTEXT, {})
    assert.equal(trace.getSpanContext(empty), undefined)
    assert.equal(trace.getSpanContext(propagation.extract(ROOT_CONTEXT, { traceparent: 'nonsense' })), undefined)
  })
  test('Fields', () => assert.ok(propagation.fields().every(field => field === field.toLowerCase())))
  test('Setter argument', () => {
    const set: [unknown, string, string][] = []
    const setter: TextMapSetter = { set: (carrier, name, value) => void set.push([carrier, name, value]) }
    const carrier = {}
    propagation.inject(trace.setSpanContext(ROOT_CONTEXT, remote()), carrier, setter)
    assert.deepEqual(set, [[carrier, 'traceparent', TRACEPARENT]])
  })
  test('Getter argument', () => {
    const getter: TextMapGetter<Map<string, string>> = {
      keys: carrier => [...carrier.keys()],
      get: (carrier, name) => carrier.get(name),
    }
    const extracted = propagation.extract(ROOT_CONTEXT, new Map([['traceparent', TRACEPARENT]]), getter)
    assert.deepEqual(trace.getSpanContext(extracted), remote())
  })

  function remote() {
    const [, traceId = '', spanId = ''] = TRACEPARENT.split('-')
    return { traceId, spanId, traceFlags: 1, isRemote: true }
  }
})
