/** The context: for the API it is one like its own, whichever copy of it asks; and where it is active. */
import assert from 'node:assert/strict'
import { EventEmitter } from 'node:events'
import { describe, it } from 'node:test'
import { setImmediate as nextTurn } from 'node:timers/promises'
import * as api from '@opentelemetry/api'
import { isTracingSuppressed, suppressTracing, unsuppressTracing } from '@opentelemetry/core'
import { isSuppressed, ROOT, SPAN_KEY, spanOf, suppressed, TraceContext, withSpan } from '../../src/context/context.js'
import { identityOf, NonRecordingSpan } from '../../src/context/span-identity.js'
import { active, bind, contextManager, run } from '../../src/context/storage.js'

const TRACE_ID = '0af7651916cd43dd8448eb211c80319c'
const span = (spanId = 'b7ad6b7169203331') => new NonRecordingSpan(TRACE_ID, spanId, 1, undefined, false)

describe('a context', () => {
  const key = api.createContextKey('test key')
  const other = api.createContextKey('test key of the same name')

  it('keeps values by key, and the span in its slot', () => {
    const one = span()
    const context = api.trace.setSpan(ROOT.setValue(key, 1).setValue(other, 2), one)
    assert.equal(context.getValue(key), 1)
    assert.equal(context.getValue(SPAN_KEY), one)
    assert.equal(api.trace.getSpan(context), one)
    assert.equal(spanOf(context), one)
    assert.ok(context instanceof TraceContext)
    assert.equal(context.span, one)
  })

  it('is immutable', () => {
    const one = span()
    const context = withSpan(ROOT.setValue(key, 1), one)
    context.setValue(key, 2)
    context.setValue(other, 3)
    context.deleteValue(key)
    api.trace.deleteSpan(context)
    withSpan(context, span())
    assert.deepEqual([context.getValue(key), context.getValue(other), spanOf(context)], [1, undefined, one])
    assert.deepEqual([ROOT.getValue(key), spanOf(ROOT)], [undefined, undefined])
  })

  it('deletes one thing and keeps the others', () => {
    const one = span()
    const context = withSpan(ROOT.setValue(key, 1).setValue(other, 2), one)
    assert.deepEqual(
      [key, other, SPAN_KEY].map(k => context.deleteValue(key).getValue(k)),
      [undefined, 2, one],
    )
    assert.deepEqual(
      [key, other, SPAN_KEY].map(k => api.trace.deleteSpan(context).getValue(k)),
      [1, 2, undefined],
    )
  })

  it('has no span once that is set to undefined', () => {
    assert.equal(withSpan(ROOT, span()).setValue(SPAN_KEY, undefined).getValue(SPAN_KEY), undefined)
  })

  it("carries the API's baggage and suppression", () => {
    const baggage = api.propagation.createBaggage({ a: { value: '1' } })
    assert.equal(api.propagation.getBaggage(api.propagation.setBaggage(ROOT, baggage)), baggage)
    assert.equal(isSuppressed(ROOT), false)
    assert.equal(isSuppressed(suppressTracing(ROOT)), true)
    assert.equal(isTracingSuppressed(suppressed(ROOT)), true)
    assert.equal(isSuppressed(unsuppressTracing(suppressed(ROOT))), false)
    assert.equal(spanOf(suppressed(withSpan(ROOT, span())))?.isRecording(), false)
  })

  it('may be one that the application made', () => {
    const one = span()
    const foreign = withSpan(api.ROOT_CONTEXT.setValue(key, 1), one)
    assert.ok(!(foreign instanceof TraceContext))
    assert.equal(spanOf(foreign), one)
    assert.equal(foreign.getValue(key), 1)
    assert.equal(isSuppressed(foreign), false)
    assert.equal(isSuppressed(suppressed(foreign)), true)
    assert.equal(spanOf(api.ROOT_CONTEXT), undefined)
  })
})

describe('the identity of a span', () => {
  it('is the span itself, if it is ours', () => {
    const one = span()
    assert.equal(identityOf(one), one)
    assert.equal(identityOf(undefined), undefined)
  })

  it('is read from another implementation, if it is valid', () => {
    const context = { traceId: TRACE_ID, spanId: 'b7ad6b7169203331', traceFlags: 1 }
    const of = (more: Partial<api.SpanContext>) => identityOf(api.trace.wrapSpanContext({ ...context, ...more }))
    assert.deepEqual(of({}), { ...context, traceState: undefined, isRemote: false })
    assert.deepEqual(of({ isRemote: true, traceState: api.createTraceState('a=1') }), {
      ...context,
      traceState: 'a=1',
      isRemote: true,
    })
    assert.equal(of({ traceId: api.INVALID_TRACEID }), undefined)
    assert.equal(of({ spanId: api.INVALID_SPANID }), undefined)
    assert.equal(of({ traceId: TRACE_ID.toUpperCase() }), undefined)
    assert.equal(of({ spanId: 'b7ad6b716920333' }), undefined)
    assert.equal(identityOf(api.trace.wrapSpanContext(api.INVALID_SPAN_CONTEXT)), undefined)
  })
})

describe('the active context', () => {
  const here = withSpan(ROOT, span())

  it('is the root where none was entered', () => assert.equal(active(), ROOT))

  it('stays with what was started in it', async () => {
    const seen: api.Context[] = []
    const listeners = new EventEmitter().on('event', () => seen.push(active()))
    const work = run(
      here,
      async () => {
        seen.push(active())
        await nextTurn()
        seen.push(active())
        await new Promise(resolve => setTimeout(resolve, 1))
        listeners.emit('event')
      },
      undefined,
      [],
    )
    assert.equal(active(), ROOT)
    await work
    assert.deepEqual(seen, [here, here, here])
    assert.equal(active(), ROOT)
  })

  it('is left on a throw', () => {
    const error = new Error('x')
    const fail = () => {
      throw error
    }
    assert.throws(() => run(here, fail, undefined, []), error)
    assert.equal(active(), ROOT)
  })

  it('nests', () => {
    const inner = withSpan(ROOT, span('00f067aa0ba902b7'))
    const seen = run(here, () => [active(), run(inner, active, undefined, []), active()], undefined, [])
    assert.deepEqual(seen, [here, inner, here])
  })

  it('passes `this`, arguments and result through, entered or bound', () => {
    const self = { name: 'self' }
    const echo = function (this: unknown, ...args: unknown[]) {
      return [this, active(), ...args]
    }
    assert.deepEqual(run(here, echo, self, [1, 2]), [self, here, 1, 2])
    assert.deepEqual(
      run(here, () => run(here, echo, self, [1]), undefined, []),
      [self, here, 1],
    )
    assert.deepEqual(bind(echo, here).call(self, 1, 2), [self, here, 1, 2])
    const bound = run(here, () => bind(echo), undefined, [])
    assert.deepEqual(bound.call(self, 1), [self, here, 1])
  })

  it("is the API's", () => {
    assert.equal(api.context.setGlobalContextManager(contextManager), true)
    try {
      const self = {}
      const result = api.context.with(
        here,
        function (this: unknown, value: number) {
          return [this, api.context.active(), active(), api.trace.getActiveSpan(), value]
        },
        self,
        1,
      )
      assert.deepEqual(result, [self, here, here, spanOf(here), 1])
      assert.equal(api.context.bind(here, () => active())(), here)
      const target = {}
      assert.equal(api.context.bind(here, target), target)
      const foreign = api.ROOT_CONTEXT.setValue(SPAN_KEY, spanOf(here))
      assert.equal(api.context.with(foreign, active), foreign)
    } finally {
      api.context.disable()
    }
  })
})
