/** Whether what was measured reaches a goal of the project, or cannot be told. */
import { number } from './tables.mjs'

/**
 * A goal: `limit` is the most (the least with `atLeast`) that the median of `measured` may be; `measured` is a spread, with
 * the `doubt` of its median where that is known, or undefined where no figure could be had, for the reason in `why`.
 */
export function judged({ goal, limit, atLeast = false, measured, why }) {
  const wanted = `${atLeast ? '>=' : '<='} ${number(limit)}`
  if (measured === undefined) return { goal, wanted, measured: '', verdict: `cannot be told: ${why}` }
  const reaches = value => (atLeast ? value >= limit : value <= limit)
  const text = `${measured.atMost ? '< ' : ''}${number(measured.median)} [${number(measured.min)} to ${number(measured.max)}]`
  if (measured.atMost && !reaches(measured.median)) {
    return { goal, wanted, measured: text, verdict: 'cannot be told: what we add is less than runs differ by' }
  }
  // The quartiles on both sides of the limit, or the limit in reach of the median: a second run could end the other way.
  const near = Math.abs(measured.median - limit) <= (measured.doubt ?? 0)
  const clear = measured.atMost || (!near && reaches(measured.low) === reaches(measured.high))
  const verdict = reaches(measured.median) ? 'met' : 'NOT MET'
  return {
    goal,
    wanted,
    measured: text,
    verdict: clear ? verdict : `${verdict} by its median, within what runs differ by`,
  }
}
