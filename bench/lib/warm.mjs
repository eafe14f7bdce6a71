/** Running what is measured until it does not get cheaper any more. */

const MAX_RUNS = 10
const CHEAPER = 0.93

/**
 * `costOf` runs it for a while and tells its cost. On a slow machine code waits many seconds for its compilation, and costs
 * five times as much until then: after 1.5 s of load two processes without us differed by half.
 */
export async function warm(costOf) {
  let best = Number.POSITIVE_INFINITY
  for (let left = MAX_RUNS, idle = 0; left > 0 && idle < 2; left--) {
    const cost = await costOf()
    idle = cost < best * CHEAPER ? 0 : idle + 1
    best = Math.min(best, cost)
  }
}
