/** The exporter of others: batches, failures, time limits and the last batch. */
import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { createHealth } from '../../src/diagnostics/health.js'
import type { SpanExporter } from '../../src/pipeline/foreign.js'
import { createViews } from '../../src/pipeline/processors.js'
import { createForeignResource } from '../../src/pipeline/readable-span.js'
import { createExporterQueue } from '../../src/pipeline/span-exporter.js'
import type { Span } from '../../src/trace/span.js'
import { createTracerProvider } from '../../src/trace/tracer.js'
import { createTestTracer, limits } from '../helpers/tracer.js'

// Timers of ours do not keep a process alive.
const alive = setInterval(() => {}, 1000)
after(() => clearInterval(alive))

function queueOf(exporter: Pick<SpanExporter, 'export'>, options: object = {}) {
  const health = createHealth()
  const viewOf = createViews(() => createForeignResource({}), limits)
  const queue = createExporterQueue(
    { shutdown: async () => {}, ...exporter },
    viewOf,
    { scheduleDelayMs: 60_000, exportTimeoutMs: 1000, maxQueueSize: 4, maxExportBatchSize: 2, ...options },
    health,
  )
  return { queue, health }
}

function endedSpans(count: number): Span[] {
  const { core, ended } = createTestTracer()
  const tracer = createTracerProvider(core).getTracer('app')
  for (let n = 0; n < count; n++) tracer.startSpan(`span ${n}`).end()
  return ended as Span[]
}

test('spans go out in batches, and are counted', async () => {
  const batches: string[][] = []
  const { queue, health } = queueOf({
    export(spans, done) {
      batches.push(spans.map(({ name }) => name))
      setImmediate(done, { code: 0 })
    },
  })
  for (const span of endedSpans(3)) queue.add(span)
  await queue.flush()
  assert.deepEqual(batches, [['span 0', 'span 1'], ['span 2']])
  assert.equal(health.sent, 3)
})

test('what does not fit is dropped and counted', async () => {
  const { queue, health } = queueOf({ export: (_, done) => done({ code: 0 }) })
  for (const span of endedSpans(6)) queue.add(span)
  await queue.flush()
  assert.deepEqual([health.sent, health.dropped.full], [4, 2])
})

test('an exporter that fails, throws or hangs loses its batch and nothing else', async () => {
  const behaviours = [
    (done: (result: { code: number }) => void) => done({ code: 1 }),
    () => {
      throw new Error('no')
    },
    () => {},
    (done: (result: never) => void) => done(undefined as never),
    (done: (result: { code: number }) => void) => done({ code: 0 }),
  ]
  const { queue, health } = queueOf(
    { export: (_, done) => behaviours.shift()?.(done) },
    { maxExportBatchSize: 1, exportTimeoutMs: 20, maxQueueSize: 5 },
  )
  for (const span of endedSpans(5)) queue.add(span)
  await queue.flush()
  assert.deepEqual([health.sent, health.dropped.refused, health.dropped.unreachable], [1, 3, 1])
})

test('in the last turn only what is done at once counts as exported', () => {
  const sync = queueOf({ export: (_, done) => done({ code: 0 }) })
  for (const span of endedSpans(1)) sync.queue.add(span)
  sync.queue.drainNow()
  const async = queueOf({ export: (_, done) => void setImmediate(done, { code: 0 }) })
  for (const span of endedSpans(1)) async.queue.add(span)
  async.queue.drainNow()
  assert.deepEqual([sync.health.sent, async.health.sent, async.health.dropped.unreachable], [1, 0, 1])
})
