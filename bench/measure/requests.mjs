/** What a request costs: CPU time of the whole process with all that is exported, latency, throughput, memory. */
import { app } from '../lib/apps.mjs'
import { startChild } from '../lib/child.mjs'
import { watchIdle } from '../lib/cores.mjs'
import { createLoad } from '../lib/load.mjs'
import { interleaved } from '../lib/rounds.mjs'
import { median, minus, over, share, spread } from '../lib/statistics.mjs'
import { spreadText, table } from '../lib/tables.mjs'
import { warm } from '../lib/warm.mjs'

/** `rate` is low enough for every peer to keep up with, in requests a second. */
export const workloads = {
  http: { title: 'bare http', path: '/', connections: 32, rate: 2000 },
  express: { title: 'express with three middlewares', path: '/users/4711', connections: 32, rate: 1000 },
  'express-pg': { title: 'express, two queries, one fetch', path: '/orders/4711', connections: 16, rate: 200 },
}

const FIRST_REQUESTS = 10
const CALIBRATION_REQUESTS = 100
// Less than this share of the spans that single requests made have arrived from the load.
const TOLERATED_LOSS = 0.005
// With more of the core's time unused, the client was the limit.
const SATURATED_IDLE = 0.1

/** One process of one variant under load, at saturation and then, unless `rateMs` is 0, at the fixed rate. */
async function measureOnce(variant, name, { node, surroundings, postgresUrl, warmUpMs, loadMs, rateMs }) {
  const { path, connections, rate } = workloads[name]
  const child = await startChild({
    node,
    flags: variant.flags('cjs'),
    env: {
      ...variant.env(surroundings.sink),
      BENCH_POSTGRES_URL: postgresUrl,
      BENCH_UPSTREAM_URL: surroundings.upstream,
    },
    app: app(`${name}.cjs`),
  })
  const load = await createLoad({ port: child.ready.port, path, connections })
  /** Does `work`, waits for its spans, and tells what the process spent on both. */
  async function costOf(work, spansEach) {
    const [cpuBefore, spansBefore] = [await child.ask({}), await surroundings.received()]
    const idle = watchIdle()
    const done = { ...(await work()), idle: idle() }
    const expected = variant.exports === 0 ? 0 : done.requests * spansEach
    const received = await surroundings.settled(spansBefore.spans + expected, variant.quietMs)
    const { cpuUs, rssMb } = await child.ask({})
    return {
      ...done,
      cpuUs: (cpuUs - cpuBefore.cpuUs) / done.requests,
      rssMb,
      spans: (received.spans - spansBefore.spans) / done.requests,
      bytes: (received.bytes - spansBefore.bytes) / done.requests,
    }
  }
  try {
    // The first requests set up connections, whose spans are not the requests'.
    await costOf(() => load.some(FIRST_REQUESTS), Infinity)
    const { spans: spansEach } = await costOf(() => load.some(CALIBRATION_REQUESTS), variant.exports < 1 ? 0 : Infinity)
    const expectedEach = variant.exports < 1 ? Infinity : spansEach
    await warm(async () => (await costOf(() => load.saturate(warmUpMs), expectedEach)).cpuUs)
    const saturated = await costOf(() => load.saturate(loadMs), expectedEach)
    const paced = rateMs > 0 ? await costOf(() => load.atRate(rate, rateMs), expectedEach) : undefined
    return { ...saturated, paced, trouble: troubleOf(variant, saturated, spansEach) }
  } finally {
    load.close()
    await child.stop()
  }
}

/** Why the figures of a run may not be compared. */
function troubleOf(variant, { spans, requests }, spansEach) {
  const share = variant.exports
  if (share === 0) return spans === 0 ? undefined : 'exported spans, though it should not'
  if (share === 1 && spans < 1) return `exported ${Math.round(spans * requests)} spans of ${requests} requests`
  if (share === 1 && spans < spansEach * (1 - TOLERATED_LOSS))
    return `lost ${Math.round(100 * (1 - spans / spansEach))} % of its spans`
  // Of a share of the requests about that many: four standard deviations.
  const least = share * requests - 4 * Math.sqrt(share * requests)
  return spans * requests < least ? `exported ${Math.round(spans * requests)} spans at ${100 * share} %` : undefined
}

/** All variants on one workload and one Node. `bare` and `bareAgain` have to be the first two. */
export async function measureRequests(variants, name, { rounds, ...setting }) {
  const results = await interleaved(variants, rounds, variant => measureOnce(variant, name, setting))
  const of = (variant, pick) => results.get(variant).map(pick)
  const cpu = pick => {
    const [bare, again] = [of('none', pick), of('none again', pick)]
    const none = bare.map((value, round) => (value + again[round]) / 2)
    const noise = Math.max(...minus(bare, again).map(Math.abs))
    const added = Object.fromEntries(variants.map(({ name }) => [name, minus(of(name, pick), none)]))
    return { none: median(none), noise, added }
  }
  const saturated = cpu(run => run.cpuUs)
  const troubles = new Map(variants.map(({ name }) => [name, of(name, run => run.trouble).find(Boolean)]))
  return {
    workload: name,
    saturated,
    paced: setting.rateMs > 0 ? cpu(run => run.paced.cpuUs) : undefined,
    results,
    troubles,
    /** What `a` adds as a share of what `b` adds; undefined where that cannot be told. */
    shareOf(a, b) {
      if (troubles.get(a) ?? troubles.get(b)) return undefined
      return share(saturated.added[a], saturated.added[b], saturated.noise)
    },
    /**
     * Requests for each second of the core, over those without the variant: the throughput that a core of its own gives.
     * Undefined where the core was not saturated.
     */
    throughputOf(variant) {
      if (troubles.get(variant) !== undefined) return undefined
      const idle = [...of('none', run => run.idle), ...of(variant, run => run.idle)]
      if (!(median(idle) < SATURATED_IDLE)) return undefined
      return spread(
        over(
          of('none', run => run.cpuUs),
          of(variant, run => run.cpuUs),
        ),
      )
    },
    /** Megabytes over an uninstrumented process after the load. */
    memoryOf: variant =>
      spread(
        minus(
          of(variant, run => run.rssMb),
          of('none', run => run.rssMb),
        ),
      ),
  }
}

/** The figures of one workload on one Node; a variant that lost spans has its trouble in place of a ratio. */
export function requestsTable({ saturated, paced, results, troubles, shareOf }, subject) {
  const middle = (runs, pick) => median(runs.map(pick))
  const rows = [...results].map(([name, runs]) => {
    const added = saturated.added[name]
    const share = name.startsWith('none') || name === subject ? undefined : shareOf(subject, name)
    return [
      name,
      middle(runs, run => run.cpuUs),
      name.startsWith('none') ? '' : spreadText(spread(added)),
      share === undefined ? '' : `${share.atMost ? '< ' : ''}${spreadText(share)}`,
      middle(runs, run => 100 * run.idle),
      middle(runs, run => (run.requests * 1000) / run.ms),
      ...(paced === undefined
        ? []
        : [
            middle(runs, run => run.paced.cpuUs),
            middle(runs, run => run.paced.p50),
            middle(runs, run => run.paced.p99),
          ]),
      middle(runs, run => run.rssMb),
      middle(runs, run => run.spans),
      middle(runs, run => run.bytes),
      troubles.get(name),
    ]
  })
  const head = ['', 'CPU us', 'added', `${subject} is, of that`, 'core idle %', 'req/s']
  const atRate = paced === undefined ? [] : ['CPU us at rate', 'p50 ms', 'p99 ms']
  return table([...head, ...atRate, 'RSS MB', 'spans', 'bytes', 'trouble'], rows)
}
