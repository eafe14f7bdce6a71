/** A short form of `npm run test:faults`: every span is accounted for, whatever the collector does. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { kill } from './kill.js'
import { faults, run } from './load.js'

const SEED = 20
const SIZE = { ms: 1500, perTick: 10 }

for (const fault of faults(SEED)) {
  test(`a collector that is in a state of: ${fault.name}`, async () => {
    const row = await run(fault, SIZE)
    assert.equal(row.unaccounted, 0, JSON.stringify(row))
    assert.equal(row.twice, 0, JSON.stringify(row))
    if (fault.spool === undefined) return
    const { refused = 0, ...others } = row.dropped
    assert.deepEqual(others, {}, 'with a spool nothing is lost but what a collector refuses')
    assert.equal(row.delivered + row.later + refused, row.ended)
  })
}

for (const atOnce of [1, 3]) {
  test(`processes that are killed, ${atOnce} at a time`, async () => {
    const { lost, gaps, twice, leftFiles, written, delivered } = await kill(SEED + atOnce, 6, atOnce)
    assert.deepEqual({ lost, gaps, twice, leftFiles }, { lost: [], gaps: [], twice: [], leftFiles: 0 })
    assert.ok(written > 0 && delivered >= written)
  })
}
