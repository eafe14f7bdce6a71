/** One wall-clock anchor per trace and process, monotonic after that: the spans of a trace can never disagree. */

export interface Anchor {
  /** What to add to `performance.now()` for milliseconds since the epoch. */
  readonly offsetMs: number
}

export const newAnchor = (): Anchor => ({ offsetMs: Date.now() - performance.now() })

/** Milliseconds since the epoch, as a double: steps of about 0.25 microseconds. */
export const now = (anchor: Anchor): number => anchor.offsetMs + performance.now()
