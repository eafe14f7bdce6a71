/** Counters of what happened to spans; plain numbers, as calls count and never log. */

export interface Health {
  /** Spans that ended and were sampled. */
  ended: number
  /** Spans that a collector took. */
  sent: number
  /** Spans that were lost, by reason. */
  readonly dropped: Record<DropReason, number>
}

/** 'full': the queue was. 'refused': by the collector. 'unreachable': no collector answered in time. 'failed': we could not encode it. */
export type DropReason = 'full' | 'refused' | 'unreachable' | 'failed'

export const createHealth = (): Health => ({
  ended: 0,
  sent: 0,
  dropped: { full: 0, refused: 0, unreachable: 0, failed: 0 },
})
