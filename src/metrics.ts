/** How tracing itself is doing, as metrics of the application's own SDK (semantic conventions, SDK self-monitoring metrics). */
import type { Health, HealthReport } from './diagnostics/health.js'
import { log } from './diagnostics/log.js'
import { version } from './version.js'

type Attributes = Record<string, string>
type Observe = (result: { observe(value: number, attributes?: Attributes): void }) => void

interface Observable {
  addCallback(callback: Observe): void
}

interface Options {
  readonly unit: string
  readonly description: string
}

/** As much of the API's MeterProvider as is used here. */
interface MeterProvider {
  getMeter(
    name: string,
    version: string,
  ): {
    createObservableCounter(name: string, options: Options): Observable
    createObservableUpDownCounter(name: string, options: Options): Observable
    createHistogram(name: string, options: Options): { record(value: number, attributes?: Attributes): void }
  }
}

const SAMPLED: Attributes = { 'otel.span.sampling_result': 'RECORD_AND_SAMPLE' }
const PROCESSOR: Attributes = {
  'otel.component.type': 'batching_span_processor',
  'otel.component.name': 'batching_span_processor/0',
}

/** Never throws: what an SDK of metrics makes of it is told of once. */
export function observeHealth(
  provider: unknown,
  report: () => HealthReport,
  health: Health,
  exporterType: string,
): void {
  try {
    observe(provider as MeterProvider, report, health, {
      'otel.component.type': exporterType,
      'otel.component.name': `${exporterType}/0`,
    })
  } catch (error) {
    log.once('metrics', 'the state of tracing cannot be told as metrics: %s', error)
  }
}

function observe(provider: MeterProvider, report: () => HealthReport, health: Health, exporter: Attributes): void {
  const meter = provider.getMeter('@org/trace', version)
  // A provider may be no more than what its application needs.
  if (typeof meter?.createObservableCounter !== 'function' || typeof meter.createHistogram !== 'function') return
  const span = (description: string): Options => ({ unit: '{span}', description })
  const counter = (name: string, description: string, callback: Observe): void =>
    meter.createObservableCounter(name, span(description)).addCallback(callback)
  const gauge = (name: string, description: string, callback: Observe): void =>
    meter.createObservableUpDownCounter(name, span(description)).addCallback(callback)

  counter('otel.sdk.span.started', 'Spans that were started.', result =>
    result.observe(report()['otel.sdk.span.started'], SAMPLED),
  )
  gauge('otel.sdk.span.live', 'Spans that have not ended yet.', result =>
    result.observe(report()['otel.sdk.span.live'], SAMPLED),
  )
  gauge('otel.sdk.processor.span.queue.size', 'Spans that wait.', result =>
    result.observe(report()['otel.sdk.processor.span.queue.size'], PROCESSOR),
  )
  gauge('otel.sdk.processor.span.queue.capacity', 'Spans that may wait.', result =>
    result.observe(report()['otel.sdk.processor.span.queue.capacity'], PROCESSOR),
  )
  counter('otel.sdk.processor.span.processed', 'Spans that were queued, or lost before that.', result =>
    byError(result, report()['otel.sdk.processor.span.processed'], PROCESSOR),
  )
  gauge('otel.sdk.exporter.span.inflight', 'Spans on their way.', result =>
    result.observe(report()['otel.sdk.exporter.span.inflight'], exporter),
  )
  counter('otel.sdk.exporter.span.exported', 'Spans that a collector took, or that were lost.', result =>
    byError(result, report()['otel.sdk.exporter.span.exported'], exporter),
  )
  const duration = meter.createHistogram('otel.sdk.exporter.operation.duration', {
    unit: 's',
    description: 'How long a batch took to be delivered or given up.',
  })
  health.onOperation = (seconds, errorType) => {
    try {
      duration.record(seconds, errorType === undefined ? exporter : { ...exporter, 'error.type': errorType })
    } catch (error) {
      log.once('metrics', 'the state of tracing cannot be told as metrics: %s', error)
    }
  }
}

function byError(
  result: { observe(value: number, attributes?: Attributes): void },
  counts: Readonly<Record<string, number>>,
  attributes: Attributes,
): void {
  for (const [outcome, count] of Object.entries(counts))
    result.observe(count, outcome === 'success' ? attributes : { ...attributes, 'error.type': outcome })
}
