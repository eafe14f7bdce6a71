/** One wall-clock anchor per trace and process, monotonic after that: the spans of a trace can never disagree. */
import type { TimeInput } from '@opentelemetry/api'

/** Shared by all traces that begin before the wall clock is set. */
export interface Anchor {
  /** What to add to `performance.now()` for milliseconds since the epoch. */
  readonly offsetMs: number
}

// Of the process: so that its traces stand in order, too. The wall clock has whole milliseconds, and may be set.
let current: Anchor | undefined
let checkedMs = 0
const MAX_DRIFT_MS = 2
// To read the wall clock for every trace costs 50 ns of each.
const CHECK_EVERY_MS = 100

// Not when this file is loaded, as to reach it first costs 1 ms of a start; and once, as the global is a getter (90 ns a request, Node 24).
let clock: typeof performance | undefined

/** Milliseconds since the process started, that never go back. */
export const monotonicNow = (): number => (clock ??= performance).now()

/** For a trace that begins at `monotonicMs`, as `monotonicNow` tells it. */
export function anchorAt(monotonicMs: number): Anchor {
  if (current === undefined) current = { offsetMs: performance.timeOrigin }
  else if (monotonicMs - checkedMs < CHECK_EVERY_MS) return current
  checkedMs = monotonicMs
  const driftMs = Date.now() - (current.offsetMs + monotonicMs)
  if (Math.abs(driftMs) > MAX_DRIFT_MS) current = { offsetMs: current.offsetMs + driftMs }
  return current
}

/** Milliseconds since the epoch, as a double: steps of about 0.25 microseconds. */
export const now = (anchor: Anchor): number => anchor.offsetMs + monotonicNow()

export const isTimeInput = (value: unknown): value is TimeInput =>
  typeof value === 'number' ||
  value instanceof Date ||
  (Array.isArray(value) && value.length === 2 && typeof value[0] === 'number')

/** The API's times: an epoch in milliseconds, a `performance.now()`, a Date, or [seconds, nanoseconds]. */
export function toMs(time: TimeInput | undefined, anchor: Anchor): number {
  if (typeof time === 'number' && Number.isFinite(time)) {
    // A performance.now() counts from the start of the process: 1e11 is three years of that, and 1973 of the epoch.
    return time < 1e11 ? performance.timeOrigin + time : time
  }
  if (time instanceof Date && !Number.isNaN(time.getTime())) return time.getTime()
  if (Array.isArray(time) && Number.isFinite(time[0]) && Number.isFinite(time[1])) return time[0] * 1000 + time[1] / 1e6
  return now(anchor)
}
