/** What memory does while no collector answers, under a load that goes on. */
import { freePort } from '../../test/free-port.mjs'
import { app } from '../lib/apps.mjs'
import { startChild } from '../lib/child.mjs'
import { createLoad } from '../lib/load.mjs'
import { table } from '../lib/tables.mjs'
import { workloads } from './requests.mjs'

const LOOKS_AT_MS = [5000, 60_000, 120_000, 180_000]
// Tells a growing heap from one that is collected now and then.
const LOOKS_FOR_MS = 10_000
const EACH_MS = 1000

/** The lowest memory of the ten seconds before each look, in MB. */
async function measureOnce(variant, { node }) {
  const child = await startChild({
    node,
    flags: variant.flags('cjs'),
    env: variant.env(`http://127.0.0.1:${await freePort()}`),
    app: app('http.cjs'),
  })
  const { path, connections, rate } = workloads.http
  const load = await createLoad({ port: child.ready.port, path, connections })
  try {
    const lowest = LOOKS_AT_MS.map(() => Number.POSITIVE_INFINITY)
    const startMs = performance.now()
    while (performance.now() - startMs < LOOKS_AT_MS.at(-1)) {
      await load.atRate(rate, EACH_MS)
      const { rssMb } = await child.ask({})
      const ms = performance.now() - startMs
      const look = LOOKS_AT_MS.findIndex(at => ms > at - LOOKS_FOR_MS && ms <= at + EACH_MS)
      if (look >= 0) lowest[look] = Math.min(lowest[look], rssMb)
    }
    return lowest
  } finally {
    load.close()
    await child.stop()
  }
}

/** Side by side, as it takes three minutes: together they leave the core some room. */
export async function measureMemory(variants, setting) {
  const measured = await Promise.all(variants.map(variant => measureOnce(variant, setting)))
  const results = new Map(variants.map(({ name }, index) => [name, measured[index]]))
  const [, afterAMinute] = LOOKS_AT_MS
  const from = LOOKS_AT_MS.indexOf(afterAMinute)
  return { results, growthOf: name => results.get(name).at(-1) - results.get(name)[from] }
}

export const memoryTable = ({ results }) =>
  table(
    ['RSS in MB, no collector', ...LOOKS_AT_MS.map(ms => `${ms / 1000} s`)],
    [...results].map(([name, megabytes]) => [name, ...megabytes]),
  )
