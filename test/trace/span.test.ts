/** A span: what it takes while it is open, and that it is closed after its end. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Span as ApiSpan, SpanKind, SpanStatusCode } from '@opentelemetry/api'
import { ROOT, withSpan } from '../../src/context/context.js'
import { anchorAt, toMs } from '../../src/trace/clock.js'
import { errorType } from '../../src/trace/errors.js'
import {
  type EndedSpan,
  INTERNAL,
  identityOf,
  NonRecordingSpan,
  RANDOM,
  SAMPLED,
  Span,
  STATUS_ERROR,
  STATUS_OK,
  STATUS_UNSET,
} from '../../src/trace/span.js'
import { createTracerProvider, startSpan } from '../../src/trace/tracer.js'
import { createTestTracer, draft, limits, scope } from '../helpers/tracer.js'

const TRACE_ID = '0af7651916cd43dd8448eb211c80319c'
const SPAN_ID = 'b7ad6b7169203331'

function openSpan() {
  const { core, ended } = createTestTracer()
  const span = startSpan(core, scope, undefined, draft('name'), undefined)
  return { span, ended }
}

test('set takes attributes and skips undefined values', () => {
  const { span } = openSpan()
  span.set({ 'http.route': '/a', 'server.port': 80 }).set({ 'http.route': undefined, 'server.port': 81 })
  assert.deepEqual(span.attributes, { 'http.route': '/a', 'server.port': 81 })
})

test('the draft’s attributes become the span’s', () => {
  const { core } = createTestTracer()
  const attributes = { 'db.system.name': 'postgresql' }
  const span = startSpan(core, scope, undefined, { name: 'n', kind: INTERNAL, attributes }, undefined)
  assert.equal(span.attributes, attributes)
})

for (const [value, expected] of [
  ['text', 'text'],
  ['', ''],
  [0, 0],
  [Number.NaN, Number.NaN],
  [false, false],
  [[], []],
  [
    ['a', 'b'],
    ['a', 'b'],
  ],
  [
    [1, null, undefined, 2],
    [1, null, undefined, 2],
  ],
  [['a', 1], undefined],
  [[{}], undefined],
  [{}, undefined],
  [null, undefined],
  [undefined, undefined],
  [Symbol('s'), undefined],
  [1n, undefined],
  [() => 1, undefined],
] as [unknown, unknown][]) {
  test(`setAttribute with ${typeof value} ${Array.isArray(value) ? JSON.stringify(value) : String(value)}`, () => {
    const { span } = openSpan()
    span.setAttribute('key', value)
    assert.deepEqual(span.attributes, expected === undefined ? {} : { key: expected })
  })
}

test('an array that changes after it was set does not change the span', () => {
  const { span } = openSpan()
  const value = ['a']
  span.setAttribute('key', value)
  value.push('b')
  assert.deepEqual(span.attributes, { key: ['a'] })
})

test('keys that are no name are ignored', () => {
  const { span } = openSpan()
  span.setAttribute('', 1).setAttribute(5 as unknown as string, 1)
  assert.deepEqual(span.attributes, {})
})

test('attributes beyond the limit are counted; a key that is there can still be changed', () => {
  const { span } = openSpan()
  span.set({ 'http.route': '/a' })
  span.setAttributes(Object.fromEntries(Array.from({ length: limits.attributeCount + 2 }, (_, i) => [`k${i}`, i])))
  span.setAttribute('k0', 'changed')
  assert.equal(Object.keys(span.attributes).length, limits.attributeCount)
  assert.equal(span.droppedAttributes, 3)
  assert.equal(span.attributes.k0, 'changed')
})

test('events: name, time, attributes, and limits of both', () => {
  const { span } = openSpan()
  span.addEvent('plain')
  span.addEvent('attributes', { a: 1, b: 2, c: 3 })
  span.addEvent('time', new Date(1000))
  span.addEvent('both', { a: 1 }, [2, 5e8])
  span.addEvent('one too many')
  assert.deepEqual(
    span.events?.map(event => [event.name, event.attributes, event.droppedAttributes]),
    [
      ['plain', undefined, 0],
      ['attributes', { a: 1, b: 2 }, 1],
      ['time', undefined, 0],
      ['both', { a: 1 }, 0],
    ],
  )
  assert.deepEqual(
    span.events?.slice(2).map(event => event.timeMs),
    [1000, 2500],
  )
  assert.ok((span.events?.[0]?.timeMs ?? 0) >= span.startMs)
  assert.equal(span.droppedEvents, 1)
})

test('links: identity, attributes, and limits of both', () => {
  const { span } = openSpan()
  const context = { traceId: TRACE_ID, spanId: SPAN_ID, traceFlags: 1, isRemote: true }
  span.addLink({ context, attributes: { a: 1, b: 2, c: 3 } })
  span.addLinks(Array.from({ length: limits.linkCount }, () => ({ context })))
  assert.equal(span.links?.length, limits.linkCount)
  assert.equal(span.droppedLinks, 1)
  assert.deepEqual(span.links?.[0], {
    traceId: TRACE_ID,
    spanId: SPAN_ID,
    traceFlags: 1,
    traceState: undefined,
    isRemote: true,
    attributes: { a: 1, b: 2 },
    droppedAttributes: 1,
  })
})

const { ERROR, OK, UNSET } = SpanStatusCode
for (const [what, statuses, code, message] of [
  ['ok is final', [{ code: OK }, { code: ERROR, message: 'no' }], STATUS_OK, undefined],
  ['ok has no message', [{ code: OK, message: 'fine' }], STATUS_OK, undefined],
  ['ok replaces an error', [{ code: ERROR, message: 'no' }, { code: OK }], STATUS_OK, undefined],
  ['an error has a message', [{ code: ERROR, message: 'no' }], STATUS_ERROR, 'no'],
  [
    'the last error stands',
    [
      { code: ERROR, message: 'no' },
      { code: ERROR, message: 'yes' },
    ],
    STATUS_ERROR,
    'yes',
  ],
  ['unset replaces nothing', [{ code: ERROR, message: 'no' }, { code: UNSET }], STATUS_ERROR, 'no'],
  ['an unknown code is ignored', [{ code: 7 as SpanStatusCode }], STATUS_UNSET, undefined],
] as const) {
  test(`status: ${what}`, () => {
    const { span } = openSpan()
    for (const status of statuses) span.setStatus(status)
    assert.deepEqual([span.statusCode, span.statusMessage], [code, message])
  })
}

test('an error does not replace what the application decided', () => {
  const { span } = openSpan()
  span.setStatus({ code: OK })
  span.recordError(new Error('no'))
  assert.equal(span.statusCode, STATUS_OK)
  assert.equal(span.attributes['error.type'], 'Error')
  assert.equal(span.events?.length, 1)
})

test('fail marks the span and says nothing', () => {
  const { span } = openSpan()
  span.fail()
  assert.deepEqual([span.statusCode, span.statusMessage, span.events], [STATUS_ERROR, undefined, undefined])
})

test('recordException makes an event and leaves the status alone', () => {
  const { span } = openSpan()
  span.recordException(new TypeError('bad'))
  span.recordException('text')
  assert.equal(span.statusCode, STATUS_UNSET)
  assert.deepEqual(
    span.events?.map(({ name, attributes }) => [
      name,
      attributes?.['exception.type'],
      attributes?.['exception.message'],
    ]),
    [
      ['exception', 'TypeError', 'bad'],
      ['exception', undefined, 'text'],
    ],
  )
})

for (const [error, expected] of [
  [new TypeError('x'), 'TypeError'],
  [Object.assign(new Error('x'), { code: 'ECONNREFUSED' }), 'ECONNREFUSED'],
  [Object.assign(new Error('x'), { name: 'AbortError' }), 'AbortError'],
  [new (class Declined extends Error {})('x'), 'Declined'],
  [{ message: 'x' }, 'Error'],
  ['text', 'Error'],
  [5, 'number'],
  [undefined, 'undefined'],
] as [unknown, string][]) {
  test(`error.type is ${expected}`, () => assert.equal(errorType(error), expected))
}

test('an ended span is read-only, and ended once', () => {
  const { span, ended } = openSpan()
  span.end()
  const { endMs } = span
  const before = JSON.stringify(view(span))
  span.set({ 'http.route': '/late' }).setAttribute('late', 1).setAttributes({ late: 1 }).updateName('late')
  span.addEvent('late').setStatus({ code: ERROR })
  span.addLink({ context: { traceId: TRACE_ID, spanId: SPAN_ID, traceFlags: 1 } })
  span.recordException(new Error('late'))
  span.recordError(new Error('late'))
  span.fail()
  span.end()
  assert.equal(span.isRecording(), false)
  assert.equal(span.endMs, endMs)
  assert.equal(JSON.stringify(view(span)), before)
  assert.deepEqual(ended, [span])
})

const view = ({ name, attributes, events, links, statusCode }: EndedSpan) => ({
  name,
  attributes,
  events,
  links,
  statusCode,
})

test('a span never ends before its start', () => {
  const { span } = openSpan()
  span.end(new Date(0))
  assert.equal(span.endMs, span.startMs)
})

test('the API’s forms of a time', () => {
  const anchor = anchorAt(performance.now())
  assert.equal(toMs(new Date(1234), anchor), 1234)
  assert.equal(toMs([1, 500_000_000], anchor), 1500)
  assert.equal(toMs(1_700_000_000_000, anchor), 1_700_000_000_000)
  assert.equal(toMs(5, anchor), performance.timeOrigin + 5)
  for (const bad of [undefined, Number.NaN, new Date(Number.NaN), [1, Number.NaN] as [number, number]]) {
    assert.ok(Math.abs(toMs(bad, anchor) - Date.now()) < 1000)
  }
})

test('a child has the trace, the state and the clock of its parent; only the random flag is inherited', () => {
  const { core } = createTestTracer()
  const remote = new NonRecordingSpan(TRACE_ID, SPAN_ID, SAMPLED, 'a=1', true)
  const parent = startSpan(core, scope, identityOf(remote), draft('parent'), remote)
  const child = startSpan(core, scope, parent, draft('child'), parent)
  assert.deepEqual([parent.traceFlags, parent.parentIsRemote, parent.traceState], [SAMPLED, true, 'a=1'])
  assert.deepEqual([child.traceFlags, child.parentIsRemote, child.traceState], [SAMPLED, false, 'a=1'])
  assert.equal(child.anchor, parent.anchor)
  const root = startSpan(core, scope, undefined, draft('root'), undefined)
  assert.deepEqual([root.traceFlags, root.parentSpanId], [SAMPLED | RANDOM, undefined])
})

test('spanContext is what the API says', () => {
  const { core } = createTestTracer()
  const remote = new NonRecordingSpan(TRACE_ID, SPAN_ID, SAMPLED, 'a=1,b=2', true)
  assert.equal(remote.spanContext().isRemote, true)
  const { traceState, ...rest } = startSpan(core, scope, remote, draft('n'), remote).spanContext()
  assert.deepEqual(Object.keys(rest).sort(), ['spanId', 'traceFlags', 'traceId'])
  assert.equal(traceState?.get('b'), '2')
})

test('a span of another implementation is a parent by its context, if that is valid', () => {
  const foreign = (traceId: string, spanId: string): ApiSpan =>
    ({ spanContext: () => ({ traceId, spanId, traceFlags: 1 }) }) as ApiSpan
  assert.equal(identityOf(foreign(TRACE_ID, SPAN_ID))?.spanId, SPAN_ID)
  assert.equal(identityOf(foreign(TRACE_ID, '0'.repeat(16))), undefined)
  assert.equal(identityOf(foreign('0'.repeat(32), SPAN_ID)), undefined)
  assert.equal(identityOf(foreign(TRACE_ID.toUpperCase(), SPAN_ID)), undefined)
  assert.equal(identityOf(foreign('', '')), undefined)
  assert.equal(identityOf(undefined), undefined)
})

test('a tracer of the API makes spans with kind, times, attributes and links', () => {
  const { core, ended } = createTestTracer()
  const tracer = createTracerProvider(core).getTracer('app', '2.0.0')
  const parent = new NonRecordingSpan(TRACE_ID, SPAN_ID, SAMPLED, undefined, false)
  const span = tracer.startSpan(
    'manual',
    {
      kind: SpanKind.PRODUCER,
      startTime: 1_700_000_000_000,
      attributes: { a: 1 },
      links: [{ context: parent.spanContext() }],
    },
    withSpan(ROOT, parent),
  )
  span.end(1_700_000_000_005)
  const [made] = ended as [EndedSpan]
  assert.ok(made instanceof Span)
  assert.deepEqual(
    [made.scope.name, made.scope.version, made.kind, made.startMs, made.endMs, made.parentSpanId, made.links?.length],
    ['app', '2.0.0', SpanKind.PRODUCER, 1_700_000_000_000, 1_700_000_000_005, SPAN_ID, 1],
  )
  assert.deepEqual(made.attributes, { a: 1 })
})

test('startActiveSpan runs the function where the span is active, and returns its result', () => {
  const { core, ended } = createTestTracer()
  const tracer = createTracerProvider(core).getTracer('app')
  const result = tracer.startActiveSpan('outer', outer => {
    tracer.startSpan('inner').end()
    tracer.startSpan('new root', { root: true }).end()
    outer.end()
    return 'result'
  })
  assert.equal(result, 'result')
  const [inner, root, outer] = ended as [EndedSpan, EndedSpan, EndedSpan]
  assert.equal(inner.parentSpanId, outer.spanId)
  assert.equal(root.parentSpanId, undefined)
  assert.notEqual(root.traceId, outer.traceId)
})

test('the same name, version and schema URL are one scope', () => {
  const { core, ended } = createTestTracer()
  const provider = createTracerProvider(core)
  const version = (v?: string, schemaUrl?: string) => provider.getTracer('app', v, { schemaUrl }).startSpan('s').end()
  version('1')
  version('1')
  version('2')
  version('1', 'https://example.org/schemas/1.0.0')
  assert.equal(new Set(ended.map(span => span.scope)).size, 3)
})

/** What an application without types may pass. */
const oddities: unknown[] = [undefined, null, 0, 'text', {}, [], Symbol('s'), () => {}]

test('no method throws for an argument of the wrong kind', () => {
  const { core } = createTestTracer()
  const tracer: any = createTracerProvider(core).getTracer('app')
  for (const odd of oddities) {
    const span: any = tracer.startSpan(odd, odd)
    span.setAttribute(odd, odd)
    span.setAttributes(odd)
    span.addEvent(odd, odd, odd)
    span.addLink(odd)
    span.addLinks(odd)
    span.setStatus(odd)
    span.updateName(odd)
    span.recordException(odd, odd)
    span.end(odd)
    assert.equal(span.isRecording(), false, String(odd))
  }
})
