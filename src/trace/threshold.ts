/** Rejection thresholds (specification/trace/tracestate-probability-sampling.md#rejection-threshold-th). */

/** Digits of the randomness of a trace, which is the end of its id: 56 bits. */
export const RANDOM_DIGITS = 14
// What the specification recommends for SDKs, after the leading digits f of a small ratio.
const PRECISION = 4

/**
 * What a ratio rejects, in hexadecimal digits without the zeros at their end. As text it compares with the 14 digits of a
 * trace's randomness: a trace whose digits are less is rejected. Undefined for a ratio below 2^-56, which keeps nothing.
 */
export function thresholdOf(ratio: number): string | undefined {
  if (!(ratio >= 2 ** -56)) return undefined
  let leading = 0
  let rest = ratio
  while (rest < 1 / 16) {
    rest *= 16
    leading++
  }
  const digits = Math.min(PRECISION, RANDOM_DIGITS - leading)
  const range = 16 ** digits
  const kept = Math.ceil(rest * range - 0.5)
  const rejected = 'f'.repeat(leading) + (range - kept).toString(16).padStart(digits, '0')
  return rejected.replace(/0+$/, '') || '0'
}
