/** The one policy for asynchronous work: whether what handles a message is a child of what sent it, or linked to it. */

/** What is known of a message's way from its sender to here. */
export interface Passage {
  /** Milliseconds since the epoch. */
  readonly sentAtMs?: number | undefined
  /** Handed out together with others. */
  readonly batch?: boolean
  /** Made by a schedule, and so by the same sender again and again. */
  readonly scheduled?: boolean
}

/** 'auto' is 'parent' for a message that is handled alone, and soon. */
export type Relation = 'auto' | 'parent' | 'link'

/** True if a handler's span begins a trace of its own, linked to the sender's. */
export type IsLinked = (passage: Passage | undefined) => boolean

export function createPolicy({ relation, maxAgeMs }: { relation: Relation; maxAgeMs: number }): IsLinked {
  if (relation !== 'auto') return () => relation === 'link'
  return passage =>
    passage !== undefined &&
    (passage.batch === true ||
      passage.scheduled === true ||
      (passage.sentAtMs !== undefined && Date.now() - passage.sentAtMs > maxAgeMs))
}
