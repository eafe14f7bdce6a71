/** Rejection thresholds: the specification's own table, and what has to hold of any. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { thresholdOf } from '../../src/trace/threshold.js'

const ALL = 2n ** 56n
const numberOf = (threshold: string): bigint => BigInt(`0x${threshold.padEnd(14, '0')}`)
/** The share that the threshold keeps. */
const keptBy = (threshold: string): number => Number(ALL - numberOf(threshold)) / Number(ALL)

test('thresholds are those of the specification for 1 in N', () => {
  const table: [n: number, threshold: string][] = [
    [1, '0'],
    [2, '8'],
    [3, 'aaab'],
    [4, 'c'],
    [5, 'cccd'],
    [8, 'e'],
    [10, 'e666'],
    [16, 'f'],
    [100, 'fd70a'],
    [1000, 'ffbe77'],
    [10_000, 'fff9724'],
    [100_000, 'ffff583a'],
    [1_000_000, 'ffffef39'],
  ]
  for (const [n, threshold] of table) assert.equal(thresholdOf(1 / n), threshold, `1 in ${n}`)
})

test('ratios from 2^-56 to 1 have a threshold, and no others', () => {
  for (const ratio of [0, -0, -1, 2 ** -57, Number.MIN_VALUE, Number.NaN]) assert.equal(thresholdOf(ratio), undefined)
  assert.equal(thresholdOf(2 ** -56), 'f'.repeat(14))
  assert.equal(thresholdOf(3 * 2 ** -56), 'fffffffffffffd')
  assert.equal(thresholdOf(1 - 2 ** -53), '0')
})

const ratios = fc.oneof(
  fc.double({ min: 2 ** -56, max: 1, noNaN: true }),
  fc.double({ min: 0, max: 56, noNaN: true }).map(exponent => 2 ** -exponent),
)

test('a threshold has 1 to 14 digits, and no zeros at its end', () => {
  fc.assert(fc.property(ratios, ratio => /^(0|[0-9a-f]{0,13}[1-9a-f])$/.test(thresholdOf(ratio) ?? '')))
})

test('the share that a threshold keeps is its ratio, to a half of the fourth digit', () => {
  fc.assert(
    fc.property(ratios, ratio => {
      const off = Math.abs(keptBy(thresholdOf(ratio) ?? '') - ratio)
      assert.ok(off <= Math.max(ratio * 16 ** -3 * 0.5, 2 ** -57), `${off}`)
    }),
  )
})

test('a higher ratio never has a higher threshold', () => {
  fc.assert(
    fc.property(ratios, ratios, (a, b) => {
      const [low, high] = [Math.min(a, b), Math.max(a, b)].map(ratio => thresholdOf(ratio) ?? '')
      assert.ok(numberOf(high as string) <= numberOf(low as string))
    }),
  )
})

test('compared as text, a threshold and the digits of a trace are compared as numbers', () => {
  const digits = fc.bigInt({ min: 0n, max: ALL - 1n }).map(value => value.toString(16).padStart(14, '0'))
  fc.assert(
    fc.property(ratios, digits, (ratio, randomness) => {
      const threshold = thresholdOf(ratio) ?? ''
      assert.equal(randomness >= threshold, numberOf(randomness) >= numberOf(threshold))
    }),
  )
})
