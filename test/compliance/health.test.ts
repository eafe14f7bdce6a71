/** The specification's compliance matrix, section "SDK Self-Observability": each test has the name of its row. */
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { before, test } from 'node:test'
import { runApp } from '../helpers/child.js'
import { createCollector } from '../helpers/collector.js'
import { root } from '../helpers/root.js'

interface Metric {
  name: string
  unit: string
  points: { value: unknown; attributes: Record<string, string> }[]
}

let metrics: Metric[] = []
const EXPORTER = {
  'otel.component.type': 'otlp_http_span_exporter',
  'otel.component.name': 'otlp_http_span_exporter/0',
}
const PROCESSOR = {
  'otel.component.type': 'batching_span_processor',
  'otel.component.name': 'batching_span_processor/0',
}
const SAMPLED = { 'otel.span.sampling_result': 'RECORD_AND_SAMPLE' }

before(async () => {
  const collector = await createCollector()
  const folder = JSON.stringify(join(root, 'test/versions/otel-sdk-2/package.json'))
  const { stdout, stderr, code } = await runApp({
    collector,
    env: { OTEL_BSP_MAX_QUEUE_SIZE: '4', OTEL_BSP_MAX_EXPORT_BATCH_SIZE: '4' },
    preload: 'none',
    code: `const need = require('node:module').createRequire(${folder})
      const { metrics, trace } = need('@opentelemetry/api')
      const { MeterProvider, MetricReader } = need('@opentelemetry/sdk-metrics')
      class Reader extends MetricReader { async onForceFlush() {} async onShutdown() {} }
      const reader = new Reader()
      const running = require('@org/trace').init()
      metrics.setGlobalMeterProvider(new MeterProvider({ readers: [reader] }))
      const tracer = trace.getTracer('app')
      const live = tracer.startSpan('live')
      for (let n = 0; n < 4; n++) tracer.startSpan('sent').end()
      ;(async () => {
        await running.flush()
        for (let n = 0; n < 6; n++) tracer.startSpan('waiting, or too many').end()
        const { resourceMetrics } = await reader.collect()
        console.log(JSON.stringify(resourceMetrics.scopeMetrics.filter(({ scope }) => scope.name === '@org/trace').flatMap(
          ({ metrics }) => metrics.map(({ descriptor: { name, unit }, dataPoints }) =>
            ({ name, unit, points: dataPoints.map(({ value, attributes }) => ({ value, attributes })) })))))
      })()`,
  })
  await collector.close()
  assert.equal(code, 0, stderr)
  metrics = JSON.parse(stdout)
})

const pointsOf = (name: string, unit = '{span}'): Metric['points'] => {
  const metric = metrics.find(candidate => candidate.name === name)
  assert.equal(metric?.unit, unit, name)
  return metric?.points ?? []
}

test('otel.sdk.span.started', () =>
  assert.deepEqual(pointsOf('otel.sdk.span.started'), [{ value: 11, attributes: SAMPLED }]))

test('otel.sdk.span.live', () => assert.deepEqual(pointsOf('otel.sdk.span.live'), [{ value: 1, attributes: SAMPLED }]))

test('otel.sdk.processor.span.queue.size', () =>
  assert.deepEqual(pointsOf('otel.sdk.processor.span.queue.size'), [{ value: 4, attributes: PROCESSOR }]))

test('otel.sdk.processor.span.queue.capacity', () =>
  assert.deepEqual(pointsOf('otel.sdk.processor.span.queue.capacity'), [{ value: 4, attributes: PROCESSOR }]))

test('otel.sdk.processor.span.processed', () =>
  assert.deepEqual(pointsOf('otel.sdk.processor.span.processed'), [
    { value: 8, attributes: PROCESSOR },
    { value: 2, attributes: { ...PROCESSOR, 'error.type': 'queue_full' } },
    { value: 0, attributes: { ...PROCESSOR, 'error.type': 'failed' } },
  ]))

test('otel.sdk.exporter.span.inflight', () =>
  assert.deepEqual(pointsOf('otel.sdk.exporter.span.inflight'), [{ value: 0, attributes: EXPORTER }]))

test('otel.sdk.exporter.span.exported', () => {
  const points = pointsOf('otel.sdk.exporter.span.exported')
  assert.deepEqual(points[0], { value: 4, attributes: EXPORTER })
  for (const { value, attributes } of points.slice(1))
    assert.deepEqual([value, typeof attributes['error.type']], [0, 'string'])
})

test('otel.sdk.exporter.operation.duration', () => {
  const [point] = pointsOf('otel.sdk.exporter.operation.duration', 's')
  const { count, sum } = (point as { value: { count: number; sum: number } }).value
  assert.deepEqual([count, point?.attributes], [1, EXPORTER])
  assert.ok(sum > 0 && sum < 60)
})
