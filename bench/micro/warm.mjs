/** Running what is measured until it does not get cheaper any more. */

const MAX_RUNS = 12
const CHEAPER = 0.93
/** Runs in a row that were not cheaper: one alone may have had the compiler beside it. */
const ENOUGH = 3

/**
 * `costOf` runs it for a while and tells its cost. On a slow machine code waits many seconds for its compilation: a request of
 * express cost 345 microseconds in the first 1.5 s of load on Node 24, and 100 after 12 s.
 */
export async function warm(costOf) {
  let best = Number.POSITIVE_INFINITY
  for (let left = MAX_RUNS, idle = 0; left > 0 && idle < ENOUGH; left--) {
    const cost = await costOf()
    idle = cost < best * CHEAPER ? 0 : idle + 1
    best = Math.min(best, cost)
  }
}
