/** Medians, spreads, and what two series measured round by round say about each other. */

/** The value below which that share of the values lies, interpolated. */
export function quantile(values, share) {
  const sorted = Float64Array.from(values).sort()
  const at = (sorted.length - 1) * share
  const below = sorted[Math.floor(at)]
  return below + (sorted[Math.ceil(at)] - below) * (at % 1)
}

export const median = values => quantile(values, 0.5)

/** Median, extremes and quartiles of one figure over all rounds. */
export const spread = values => ({
  median: median(values),
  min: Math.min(...values),
  max: Math.max(...values),
  low: quantile(values, 0.25),
  high: quantile(values, 0.75),
})

/** Each element of `a` with the one of the same round in `b`. */
export const perRound = (a, b, combine) => a.map((value, round) => combine(value, b[round]))
export const minus = (a, b) => perRound(a, b, (x, y) => x - y)
export const over = (a, b) => perRound(a, b, (x, y) => x / y)

/**
 * What the medians of two equal variants may differ by, from the rounds of two that were equal: twice the standard error. Each
 * process finds a pace of its own, so that few rounds of two can agree by chance.
 */
export const doubt = (a, b) => (2 * Math.hypot(...minus(a, b))) / a.length

/**
 * What `ours` added as a share of what `theirs` added, over rounds. `noise` is what two equal runs differed by, `doubt` what
 * their medians may differ by. Undefined if theirs cannot be told from nothing. What is below the noise counts as the
 * noise: `atMost` says so. The result's `doubt` is that of its median.
 */
export function share(ours, theirs, noise, doubt) {
  if (median(theirs) <= noise) return undefined
  const atMost = median(ours) <= noise
  const numerators = atMost ? ours.map(value => Math.max(value, noise)) : ours
  return { ...spread(over(numerators, theirs)), atMost, doubt: doubt / median(theirs) }
}
