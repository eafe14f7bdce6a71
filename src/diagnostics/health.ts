/** Counters of what happened to spans; plain numbers, as calls count and never log. */

export interface Health {
  /** Spans that ended and were sampled. */
  ended: number
  /** Spans that a collector took. */
  sent: number
  /** Spans that were lost, by reason. */
  readonly dropped: Record<DropReason, number>
  /** Spans on disk, that this process or a later one of the service sends. */
  spooled: number
  /** Spans that earlier processes left on disk: they are none of those that ended here. */
  adopted: number
  /** Batches that were sent or given up, and the seconds that this took. */
  operations: number
  operationSeconds: number
  /** Is told of each of them, where somebody wants to know; `errorType` is undefined for success. Must not throw. */
  onOperation?: (seconds: number, errorType: string | undefined) => void
}

/** Counts a batch that was sent or given up; `errorType` says why it was not sent. */
export function countOperation(health: Health, seconds: number, errorType: string | undefined): void {
  health.operations++
  health.operationSeconds += seconds
  health.onOperation?.(seconds, errorType)
}

/**
 * 'full': the queue was. 'refused': by the collector. 'unreachable': no collector took them in time. 'unanswered': sent, but
 * the process ended before the collector said whether it took them. 'failed': they could not be encoded, or the package's own files were gone.
 * 'evicted': the oldest of a spool that was full. 'damaged': their file in the spool could not be read.
 */
export type DropReason = 'full' | 'refused' | 'unreachable' | 'unanswered' | 'failed' | 'evicted' | 'damaged'

export const createHealth = (): Health => ({
  ended: 0,
  sent: 0,
  dropped: { full: 0, refused: 0, unreachable: 0, unanswered: 0, failed: 0, evicted: 0, damaged: 0 },
  spooled: 0,
  adopted: 0,
  operations: 0,
  operationSeconds: 0,
})

/** All that was lost. */
export const lostOf = ({ dropped }: Health): number => Object.values(dropped).reduce((sum, spans) => sum + spans, 0)

/** What the queue tells besides. */
export interface QueueState {
  /** Spans that wait, in memory and on disk. */
  readonly size: number
  /** Spans on their way. */
  readonly inFlight: number
}

/**
 * How tracing itself is doing in this thread, by the names and units of the semantic conventions for SDKs. Where the
 * conventions have an attribute `error.type`, the key is its value, and `success` stands for none.
 */
export interface HealthReport {
  'otel.sdk.span.started': number
  'otel.sdk.span.live': number
  'otel.sdk.processor.span.queue.size': number
  'otel.sdk.processor.span.queue.capacity': number
  'otel.sdk.processor.span.processed': { success: number; queue_full: number; failed: number }
  'otel.sdk.exporter.span.inflight': number
  'otel.sdk.exporter.span.exported': { success: number } & Record<Exclude<DropReason, 'full' | 'failed'>, number>
  'otel.sdk.exporter.operation.duration': { count: number; sum: number }
}

/** `started` counts sampled spans only, as `ended` does. */
export function reportOf(health: Health, started: number, capacity: number, queue: QueueState): HealthReport {
  const { full, failed, ...others } = health.dropped
  return {
    'otel.sdk.span.started': started,
    'otel.sdk.span.live': started - health.ended,
    'otel.sdk.processor.span.queue.size': queue.size,
    'otel.sdk.processor.span.queue.capacity': capacity,
    'otel.sdk.processor.span.processed': { success: health.ended - full - failed, queue_full: full, failed },
    'otel.sdk.exporter.span.inflight': queue.inFlight,
    'otel.sdk.exporter.span.exported': { success: health.sent, ...others },
    'otel.sdk.exporter.operation.duration': { count: health.operations, sum: health.operationSeconds },
  }
}
