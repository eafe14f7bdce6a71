/** What is told of the spans of a process, by code and at its end. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { HealthReport } from '../src/diagnostics/health.js'
import { runApp } from './helpers/child.js'
import { createCollector } from './helpers/collector.js'

const ASK = `
  const { health } = require('@org/trace')
  const tracer = require('@opentelemetry/api').trace.getTracer('app')
  const say = () => console.log(JSON.stringify(health()))\n`

/** What it said, in order, and the line at its end. */
async function run(code: string, env: Record<string, string> = {}, collector?: { url: string }) {
  const { stdout, stderr } = await runApp({ code: ASK + code, collector, env: { OTEL_LOG_LEVEL: 'info', ...env } })
  const reports = stdout.trim().split('\n').filter(Boolean)
  const last = [...stderr.matchAll(/^\[@org\/trace\] info: health: (.*)$/gm)].map(([, text = '']) => text)
  return [reports, last].map(texts => texts.map(text => JSON.parse(text) as HealthReport)) as [
    HealthReport[],
    HealthReport[],
  ]
}

test('spans are counted from their start to the collector', async () => {
  const collector = await createCollector()
  const [[open, waiting, sent], last] = await run(
    `const spans = ['a', 'b', 'c'].map(name => tracer.startSpan(name))
    spans[0].end()
    say()
    for (const span of spans) span.end()
    say()
    setTimeout(say, 1000)`,
    { OTEL_BSP_MAX_QUEUE_SIZE: '600' },
    collector,
  )
  await collector.close()
  assert.equal(open?.['otel.sdk.span.started'], 3)
  assert.equal(open?.['otel.sdk.span.live'], 2)
  assert.equal(open?.['otel.sdk.processor.span.queue.size'], 1)
  assert.equal(open?.['otel.sdk.processor.span.queue.capacity'], 600)
  assert.equal(waiting?.['otel.sdk.span.live'], 0)
  assert.equal(waiting?.['otel.sdk.processor.span.queue.size'], 3)
  assert.equal(waiting?.['otel.sdk.exporter.span.exported'].success, 0)
  assert.equal(sent?.['otel.sdk.processor.span.queue.size'], 0)
  assert.equal(sent?.['otel.sdk.processor.span.processed'].success, 3)
  assert.equal(sent?.['otel.sdk.exporter.span.inflight'], 0)
  assert.equal(sent?.['otel.sdk.exporter.span.exported'].success, 3)
  const duration = sent?.['otel.sdk.exporter.operation.duration']
  assert.equal(duration?.count, 1)
  assert.ok((duration?.sum ?? 0) > 0)
  assert.deepEqual(last, [sent], 'one line at the end says the same')
})

test('spans on their way, dropped and refused ones are told apart', async () => {
  const slow = await createCollector({ respond: { hang: true } })
  const [[hanging]] = await run(
    `for (let i = 0; i < 25; i++) tracer.startSpan('x').end()
    setTimeout(() => { say(); process.exit() }, 500)`,
    { OTEL_BSP_MAX_QUEUE_SIZE: '20', OTEL_BSP_MAX_EXPORT_BATCH_SIZE: '10', TRACE_EXIT_TIMEOUT_MS: '100' },
    slow,
  )
  await slow.close()
  assert.equal(hanging?.['otel.sdk.exporter.span.inflight'], 10)
  assert.equal(hanging?.['otel.sdk.processor.span.queue.size'], 10)
  assert.deepEqual(hanging?.['otel.sdk.processor.span.processed'], { success: 20, queue_full: 5, failed: 0 })

  const strict = await createCollector({ respond: { status: 400 } })
  const [, [last]] = await run(`tracer.startSpan('x').end()`, {}, strict)
  await strict.close()
  assert.equal(last?.['otel.sdk.exporter.span.exported'].refused, 1)
})

test('without tracing all counters are zero, and a quiet level says nothing', async () => {
  const [[off], lines] = await run(`tracer.startSpan('x').end(); say()`, { OTEL_SDK_DISABLED: 'true' })
  assert.equal(off?.['otel.sdk.span.started'], 0)
  assert.deepEqual(lines, [])
  const collector = await createCollector()
  const [, quiet] = await run(`tracer.startSpan('x').end()`, { OTEL_LOG_LEVEL: 'warn' }, collector)
  await collector.close()
  assert.deepEqual(quiet, [])
})

test('in a worker thread that hands its spans over they are counted too, and exported by the main thread', async () => {
  const collector = await createCollector()
  const { stdout } = await runApp({
    code: `${ASK}
      const { Worker, isMainThread } = require('worker_threads')
      if (isMainThread) new Worker(__filename).on('exit', () => setTimeout(say, 1000))
      else {
        const open = tracer.startSpan('open')
        for (let i = 0; i < 3; i++) tracer.startSpan('x').end()
        tracer.startSpan('huge', { attributes: { text: 'x'.repeat(2_000_000) } }).end()
        say()
        open.end()
        say()
      }`,
    collector,
  })
  await collector.close()
  const [open, ended, main] = stdout
    .trim()
    .split('\n')
    .map(text => JSON.parse(text) as HealthReport)
  assert.equal(open?.['otel.sdk.span.started'], 5)
  assert.equal(open?.['otel.sdk.span.live'], 1)
  assert.deepEqual(open?.['otel.sdk.processor.span.processed'], { success: 3, queue_full: 0, failed: 1 })
  assert.equal(open?.['otel.sdk.exporter.span.exported'].success, 0)
  assert.equal(ended?.['otel.sdk.span.live'], 0)
  assert.equal(ended?.['otel.sdk.processor.span.processed'].success, 4)
  assert.equal(main?.['otel.sdk.span.started'], 5)
  assert.equal(main?.['otel.sdk.exporter.span.exported'].success, 4)
})
