/** Processors of others: what they are called with, and what they cannot break. */
import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import type { Context } from '@opentelemetry/api'
import { ROOT, spanOf, withSpan } from '../../src/context/context.js'
import type { SpanProcessor } from '../../src/pipeline/foreign.js'
import { createProcessors, createViews } from '../../src/pipeline/processors.js'
import { createForeignResource } from '../../src/pipeline/readable-span.js'
import type { Span } from '../../src/trace/span.js'
import { createTracerProvider, type TracerCore } from '../../src/trace/tracer.js'
import { createTestTracer, limits } from '../helpers/tracer.js'

// Timers of ours do not keep a process alive.
const alive = setInterval(() => {}, 1000)
after(() => clearInterval(alive))

/** A tracer whose spans go through `processors`, and those that have ended. */
function tracerOf(...processors: SpanProcessor[]) {
  const { core } = createTestTracer()
  const all = createProcessors(
    processors,
    createViews(() => createForeignResource({ 'service.name': 's' }), limits),
  )
  const ended: Span[] = []
  const host = {
    ...core.host,
    onStart: all.onStart,
    onEnding: all.onEnding,
    onEnd(span: unknown) {
      all.onEnd(span as Span)
      ended.push(span as Span)
    },
  }
  const tracer = createTracerProvider({ ...core, host } as TracerCore).getTracer('app', '1.0.0', {
    schemaUrl: 'https://s',
  })
  return { tracer, ended, all }
}

const processor = (verbs: Partial<SpanProcessor>): SpanProcessor => ({
  onStart() {},
  onEnd() {},
  forceFlush: async () => {},
  shutdown: async () => {},
  ...verbs,
})

test('one object stands for the span from start to end, and the parent context comes with it', () => {
  const seen: unknown[] = []
  let context: Context | undefined
  const { tracer } = tracerOf(
    processor({
      onStart(span, parent) {
        seen.push(span)
        context = parent
        assert.deepEqual(span.attributes, { a: 1 })
        assert.equal(span.ended, false)
        span.setAttribute('started', true)
      },
      onEnding(span) {
        seen.push(span)
        assert.equal(span.isRecording(), true)
        span.setAttribute('ending', true)
      },
      onEnd(span) {
        seen.push(span)
        assert.equal(span.isRecording(), false)
        assert.deepEqual(span.attributes, { a: 1, started: true, ending: true })
      },
    }),
  )
  const parent = tracer.startSpan('parent', { attributes: { a: 1 } })
  const parentContext = withSpan(ROOT, parent)
  tracer.startSpan('child', { attributes: { a: 1 } }, parentContext).end()
  assert.equal(spanOf(context as Context), parent)
  assert.equal(seen[1], seen[2])
  assert.equal(seen[2], seen[3])
})

test('a span reads as those of the SDKs 1.x and 2.x do', () => {
  let view: any
  const { tracer } = tracerOf(processor({ onEnd: span => (view = span) }))
  const parent = tracer.startSpan('parent')
  const options = { kind: 2, startTime: [1000, 500], attributes: { a: 1, gone: undefined } }
  const span = tracer.startSpan('child', options as never, withSpan(ROOT, parent))
  span.addEvent('e', { b: [1, 2] }, new Date(1_000_001))
  span.addLink({ context: parent.spanContext(), attributes: { c: 'd' } })
  span.setStatus({ code: 2, message: 'no' })
  span.end([1002, 250])
  assert.deepEqual(
    {
      name: view.name,
      kind: view.kind,
      context: view.spanContext(),
      parentSpanId: view.parentSpanId,
      parent: view.parentSpanContext,
      startTime: view.startTime,
      endTime: view.endTime,
      status: view.status,
      attributes: view.attributes,
      events: view.events,
      links: view.links,
      ended: view.ended,
      scope: view.instrumentationScope,
      library: view.instrumentationLibrary.name,
      resource: view.resource.attributes,
      dropped: [view.droppedAttributesCount, view.droppedEventsCount, view.droppedLinksCount],
    },
    {
      name: 'child',
      kind: 2,
      context: span.spanContext(),
      parentSpanId: parent.spanContext().spanId,
      parent: parent.spanContext(),
      startTime: [1000, 500],
      endTime: [1002, 250],
      status: { code: 2, message: 'no' },
      attributes: { a: 1 },
      events: [{ name: 'e', time: [1000, 1_000_000], attributes: { b: [1, 2] }, droppedAttributesCount: 0 }],
      links: [{ context: parent.spanContext(), attributes: { c: 'd' }, droppedAttributesCount: 0 }],
      ended: true,
      scope: { name: 'app', version: '1.0.0', schemaUrl: 'https://s', attributes: undefined },
      library: 'app',
      resource: { 'service.name': 's' },
      dropped: [0, 0, 0],
    },
  )
})

test('what a processor changes at the end, those after it and the export see', () => {
  const { tracer, ended } = tracerOf(
    processor({
      onEnd(span) {
        span.attributes['url.full'] = 'REDACTED'
        span.name = 'renamed'
      },
    }),
  )
  tracer.startSpan('x', { attributes: { 'url.full': 'https://user:secret@host/' } }).end()
  assert.deepEqual([ended[0]?.name, ended[0]?.attributes['url.full']], ['renamed', 'REDACTED'])
})

test('one that throws, or ends the span itself, stops nobody', () => {
  const reached: string[] = []
  const broken = processor({
    onStart() {
      throw new Error('start')
    },
    onEnding(span) {
      span.end()
      throw new Error('ending')
    },
    onEnd() {
      throw new Error('end')
    },
  })
  const good = processor({
    onStart: () => reached.push('start'),
    onEnding: () => reached.push('ending'),
    onEnd: () => reached.push('end'),
  })
  const { tracer, ended } = tracerOf(broken, good)
  tracer.startSpan('x').end()
  assert.deepEqual([reached, ended.length], [['start', 'end', 'ending'], 1])
})

test('a flush waits for all, and not for one that hangs', async () => {
  const done: string[] = []
  const { all } = tracerOf(
    processor({ forceFlush: () => new Promise(() => {}) }),
    processor({ forceFlush: () => Promise.reject(new Error('no')) }),
    processor({
      async forceFlush() {
        done.push('flushed')
      },
    }),
  )
  await all.flush(20)
  assert.deepEqual(done, ['flushed'])
})
