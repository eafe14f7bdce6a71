/** The goals of the project, each beside the measurement that decides it. */
import { spread } from './lib/statistics.mjs'

// What the lightest peers added on 2026-11-22 (two cores of an AMD EPYC, Debian 12), for runs that measure none:
// milliseconds for a start, microseconds of CPU for a request.
const THEN = {
  startup: 124,
  http: { 20: 45, 22: 38, 24: 35 },
  express: { 20: 159, 22: 89, 24: 89 },
  'express-pg': { 20: 607, 22: 548, 24: 339 },
}
const OF_THE_LIGHTEST = {
  startup: 0.15,
  http: () => 0.2,
  express: () => 0.2,
  'express-pg': major => (major < 22 ? 0.25 : 0.2),
}
const OF_OTEL = 0.05

/** The variant with the smallest median of those that could be measured. */
const lightest = (names, medianOf, trouble = () => undefined) =>
  names.filter(name => trouble(name) === undefined).sort((a, b) => medianOf(a) - medianOf(b))[0]

/** `measured` if it is there, and the reason if not. */
const told = (goal, limit, measured, why = 'inside the noise, or spans were lost') => ({ goal, limit, measured, why })

const scaled = (values, by) => spread(values.map(value => value / by))

export function startupGoals(measurement, major, peers) {
  const { title, added, troubles, shareOf, ratioOf } = measurement
  const goal = `start-up, ${title}, Node ${major}`
  if (title === '500 ES modules') return [{ goal: `${goal}, of bare Node`, limit: 1.1, measured: ratioOf('ours') }]
  if (peers.length === 0) {
    const of = `of the lightest peer's ${THEN.startup} ms in November 2026`
    return [told(`${goal}, ${of}`, OF_THE_LIGHTEST.startup, scaled(added.get('ours'), THEN.startup))]
  }
  const peer = lightest(
    peers,
    name => spread(added.get(name)).median,
    name => troubles.get(name),
  )
  return [
    told(`${goal}, of ${peer}`, OF_THE_LIGHTEST.startup, shareOf('ours', peer)),
    told(`${goal}, of otel`, OF_OTEL, shareOf('ours', 'otel')),
  ]
}

export function requestGoals(measurement, major, peers) {
  const { workload, saturated, troubles, results, shareOf, throughputOf, memoryOf } = measurement
  const goal = `${workload}, Node ${major}`
  const limit = OF_THE_LIGHTEST[workload](major)
  const goals = []
  if (peers.length === 0) {
    const then = THEN[workload][major]
    const measured = troubles.get('ours') === undefined ? scaled(saturated.added.ours, then) : undefined
    goals.push(told(`${goal}: CPU added, of the lightest peer's ${then} us in November 2026`, limit, measured))
  } else {
    const medianOf = name => spread(saturated.added[name]).median
    const peer = lightest(peers, medianOf, name => troubles.get(name))
    const measured = peer === undefined ? undefined : shareOf('ours', peer)
    goals.push(told(`${goal}: CPU added, of ${peer ?? 'the lightest peer, as all lost spans'}`, limit, measured))
  }
  if (results.has('ours, 1 %')) {
    goals.push(told(`${goal}: CPU added at 1 %, of our own at 100 %`, 0.35, shareOf('ours, 1 %', 'ours')))
  }
  if (results.has('ours, disabled')) {
    const disabled = spread(saturated.added['ours, disabled'])
    goals.push({ goal: `${goal}: us added when disabled, within noise`, limit: saturated.noise, measured: disabled })
  }
  if (workload === 'http') {
    const throughput = told(`${goal}: throughput, of none`, 0.85, throughputOf('ours'), 'the core was not saturated')
    goals.push({ ...throughput, atLeast: true })
    goals.push({ goal: `${goal}: MB added after the load`, limit: 20, measured: memoryOf('ours') })
  }
  return goals
}

export function microGoals({ ratioOf }, major) {
  const speed = ratioOf('otel', 'ours', 'encode one span of 512')
  return [
    {
      goal: `a span with its encoding, Node ${major}, of otel`,
      limit: 0.25,
      measured: ratioOf('ours', 'otel', 'span around a call, encoded'),
    },
    { goal: `spans encoded a second, Node ${major}, times otel`, limit: 4, atLeast: true, measured: speed },
  ]
}

const exactly = value => spread([value])

export const memoryGoals = ({ growthOf }) => [
  // What the resident memory of a process moves by from one minute to the next without anything that grows.
  { goal: 'MB grown from 1 to 3 minutes without a collector', limit: 3, measured: exactly(growthOf('ours')) },
]

export const footprintGoals = ({ ours }) => [
  { goal: 'packages installed', limit: 5, measured: exactly(ours.packages) },
  { goal: 'MB installed', limit: 2, measured: exactly(ours.megabytes) },
]
