/** Token buckets: at most so many a second. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { createTokenBucket } from '../../src/sampling/token-bucket.js'

const taken = (perSecond: number, timesMs: readonly number[]): number => {
  let at = 0
  const bucket = createTokenBucket(perSecond, () => timesMs[at++] as number)
  return timesMs.slice(1).filter(() => bucket.take()).length
}

test('a full second of them at once, then as they come', () => {
  assert.equal(taken(2, [0, 0, 0, 0]), 2)
  assert.equal(taken(2, [0, 0, 0, 499, 500]), 3)
  assert.equal(taken(2, [0, 0, 0, 60_000, 60_000, 60_000]), 4)
})

test('less than one a second is saved up for', () => {
  assert.equal(taken(0.5, [0, 0, 1000, 2000, 3000, 4000]), 3)
})

test('none a second is none', () => assert.equal(taken(0, [0, 0, 1e9]), 0))

test('never more than what came and what was kept', () => {
  fc.assert(
    fc.property(
      fc.double({ min: 0.1, max: 100, noNaN: true }),
      fc.array(fc.integer({ min: 0, max: 500 }), { maxLength: 200 }),
      (perSecond, steps) => {
        let now = 0
        const times = [0, ...steps.map(step => (now += step))]
        assert.ok(taken(perSecond, times) <= Math.max(1, perSecond) + (now / 1000) * perSecond + 1e-6)
      },
    ),
  )
})
