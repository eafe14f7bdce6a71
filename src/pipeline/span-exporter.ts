/** The application's own OpenTelemetry span exporter, fed in batches (specification/trace/sdk.md#span-exporter). */
import type { Health } from '../diagnostics/health.js'
import { log } from '../diagnostics/log.js'
import type { Span } from '../trace/span.js'
import { type BatchOptions, type BatchQueue, createBatchQueue, type Deliver } from './batch.js'
import type { SpanExporter } from './foreign.js'
import type { ViewOf } from './processors.js'
import type { ReadableSpan } from './readable-span.js'
import { within } from './within.js'

/** Spans have no size that is known before others have encoded them. */
interface Views {
  readonly byteLength: 0
  readonly views: ReadableSpan[]
}

export interface ExporterQueue extends BatchQueue<Views> {
  /** Hands over all that waits in this turn; what the exporter has not done at once counts as lost. */
  drainNow(): void
}

/** `exportTimeoutMs` 0 is no limit. */
export function createExporterQueue(
  exporter: SpanExporter,
  viewOf: ViewOf,
  { exportTimeoutMs, ...options }: BatchOptions & { readonly exportTimeoutMs: number },
  health: Health,
): ExporterQueue {
  let waiting: ReadableSpan[] = []
  const collector = {
    append(span: unknown): void {
      waiting.push(viewOf(span as Span))
    },
    take() {
      if (waiting.length === 0) return undefined
      const batch = { body: { byteLength: 0 as const, views: waiting }, spans: waiting.length }
      waiting = []
      return batch
    },
    get spans() {
      return waiting.length
    },
    bytes: 0,
  }

  const exported = (views: ReadableSpan[]): Promise<'sent' | 'refused'> =>
    new Promise(resolve => {
      try {
        exporter.export(views, result => {
          const isDone = result?.code === 0
          if (!isDone) log.once('exporter', 'the span exporter failed: %s', result?.error)
          resolve(isDone ? 'sent' : 'refused')
        })
      } catch (error) {
        log.once('exporter', 'the span exporter failed: %s', error)
        resolve('refused')
      }
    })

  const deliver: Deliver<Views> = async ({ views }) => {
    const result = exported(views)
    if (exportTimeoutMs > 0 && !(await within(exportTimeoutMs, result))) return { reason: 'the span exporter hangs' }
    return result
  }

  const queue = createBatchQueue(collector, deliver, options, health)
  return Object.assign(queue, {
    drainNow() {
      for (const { body, settle } of queue.drain()) {
        let taken = false
        try {
          exporter.export(body.views, result => {
            taken = result?.code === 0
          })
        } catch {
          // It counts as lost.
        }
        settle(taken)
      }
    },
  })
}
