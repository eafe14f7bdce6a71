/** Counters of what happened to spans; plain numbers, as calls count and never log. */

export interface Health {
  /** Spans that ended and were sampled. */
  ended: number
  /** Spans that a collector took. */
  sent: number
  /** Spans that were lost, by reason. */
  readonly dropped: Record<DropReason, number>
}

/**
 * 'full': the queue was. 'refused': by the collector. 'unreachable': no collector took them in time. 'unanswered': sent, but
 * the process ended before the collector said whether it took them. 'failed': they could not be encoded, or the package's own files were gone.
 */
export type DropReason = 'full' | 'refused' | 'unreachable' | 'unanswered' | 'failed'

export const createHealth = (): Health => ({
  ended: 0,
  sent: 0,
  dropped: { full: 0, refused: 0, unreachable: 0, unanswered: 0, failed: 0 },
})
