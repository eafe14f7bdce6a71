/** What a request costs: CPU time of the whole process with all that is exported, latency, throughput, memory. */
import { doubt, median, minus, over, perRound, quantile, share, spread } from '../lib/statistics.mjs'
import { shareText, spreadText, table } from '../lib/tables.mjs'
import { inTurns, startUnderLoad } from '../lib/under-load.mjs'

/** `rate` is low enough for every peer to keep up with, in requests a second; `others` says that the application calls them. */
export const workloads = {
  http: { title: 'bare http', path: '/', connections: 32, rate: 2000 },
  express: { title: 'express with three middlewares', path: '/users/4711', connections: 32, rate: 1000 },
  'express-pg': {
    title: 'express, two queries, one fetch',
    path: '/orders/4711',
    connections: 16,
    rate: 200,
    others: true,
  },
}

const FIRST_REQUESTS = 10
const CALIBRATION_REQUESTS = 100
// Less than this share of the spans that single requests made have arrived from the load.
const TOLERATED_LOSS = 0.005
// With more of the core's time unused, the client was the limit.
const SATURATED_IDLE = 0.1

/** One process of each variant under load, at saturation and then, unless `rateMs` is 0, at the fixed rate. */
async function measureRound(variants, name, { node, surroundings, postgresUrl, warmUpMs, loadMs, rateMs }) {
  const workload = workloads[name]
  const env = { BENCH_POSTGRES_URL: postgresUrl, BENCH_UPSTREAM_URL: surroundings.upstream }
  const processes = []
  /** What a request of each costs when they take turns at it; the spans of each are waited for at the end. */
  async function costs(ms, work, spansEach) {
    const ends = []
    for (const one of processes) ends.push(await one.count())
    const sums = await inTurns(processes, ms, work)
    const results = []
    for (const [index, { requests, idleMs, latencies, ...sum }] of sums.entries()) {
      const { cpuUs, spans, bytes, rssMb } = await ends[index](requests * spansEach[index])
      const each = { cpuUs: cpuUs / requests, spans: spans / requests, bytes: bytes / requests }
      results.push({ ...sum, ...each, requests, rssMb, idle: idleMs / sum.ms, latencies })
    }
    return results
  }
  try {
    for (const variant of variants) {
      processes.push(await startUnderLoad(variant, `${name}.cjs`, workload, { node, surroundings, env }))
    }
    const spansEach = []
    for (const one of processes) spansEach.push(await spansOfOne(one))
    await costs(warmUpMs, (load, ms) => load.saturate(ms), spansEach)
    const saturated = await costs(loadMs, (load, ms) => load.saturate(ms), spansEach)
    const paced = rateMs > 0 ? await costs(rateMs, (load, ms) => load.atRate(workload.rate, ms), spansEach) : []
    return saturated.map((run, index) => ({
      ...run,
      paced: paced[index],
      trouble: troubleOf(variants[index], run, spansEach[index]),
    }))
  } finally {
    for (const one of processes) await one.stop()
  }
}

/** How many spans a request makes, of some one after another. The first set up connections, whose spans are not theirs. */
async function spansOfOne({ variant, load, count }) {
  const first = await count()
  await load.some(FIRST_REQUESTS)
  await first(Number.POSITIVE_INFINITY)
  const end = await count()
  await load.some(CALIBRATION_REQUESTS)
  const { spans } = await end(Number.POSITIVE_INFINITY)
  // Of a share nobody knows which.
  return variant.exports === 1 ? spans / CALIBRATION_REQUESTS : variant.exports === 0 ? 0 : Number.POSITIVE_INFINITY
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

/** All variants on one workload and one Node, with a process of each in every round. */
export async function measureRequests(variants, name, { rounds, ...setting }) {
  const results = new Map(variants.map(({ name }) => [name, []]))
  for (let round = 0; round < rounds; round++) {
    const runs = await measureRound(variants, name, setting)
    for (const [index, variant] of variants.entries()) results.get(variant.name).push(runs[index])
  }
  const of = (variant, pick) => results.get(variant).map(pick)
  const cpu = pick => {
    const [bare, again] = [of('none', pick), of('none again', pick)]
    const none = perRound(bare, again, (a, b) => (a + b) / 2)
    const noise = Math.max(...minus(bare, again).map(Math.abs))
    const added = Object.fromEntries(variants.map(({ name }) => [name, minus(of(name, pick), none)]))
    return { none: median(none), noise, doubt: doubt(bare, again), added }
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
      return share(saturated.added[a], saturated.added[b], saturated.noise, saturated.doubt)
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
    const isBare = name === 'none' || name === 'none again'
    const share = name.startsWith('none') || name === subject ? undefined : shareOf(subject, name)
    return [
      name,
      middle(runs, run => run.cpuUs),
      isBare ? '' : spreadText(spread(added)),
      shareText(share),
      middle(runs, run => 100 * run.idle),
      middle(runs, run => (run.requests * 1000) / run.ms),
      ...(paced === undefined
        ? []
        : [
            middle(runs, run => run.paced.cpuUs),
            middle(runs, run => quantile(run.paced.latencies, 0.5)),
            middle(runs, run => quantile(run.paced.latencies, 0.99)),
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
