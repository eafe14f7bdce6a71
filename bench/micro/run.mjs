/** Runs the micro benchmarks of one side in a process of their own, and sends back nanoseconds of CPU time for each. */

import { attributes, HEADERS, NAME } from './typical.mjs'
import { warm } from './warm.mjs'

const BATCH = 512

const [side, from, measureMs] = process.argv.slice(2)
const ms = Number(measureMs)
const { createSide } = await import(side === 'otel' ? './otel.mjs' : './ours.mjs')
const { tracer, propagator, root, context, tracedCall, listen, encode } = createSide(from)

const getter = { get: (carrier, key) => carrier[key], keys: Object.keys }
const setter = {
  set(carrier, key, value) {
    carrier[key] = value
  },
}
const other = root.setValue(Symbol('bench'), 1)
const nothing = () => undefined
let waiting = []

/** Each does its work `size` times in one call. */
const benchmarks = {
  'span around a call': { size: 1, work: tracedCall },
  'span by the API': {
    size: 1,
    work: () => tracer.startActiveSpan(NAME, { kind: 2, attributes: attributes() }, span => span.end()),
  },
  'span around a call, encoded': {
    size: BATCH,
    before: () => listen(span => waiting.push(span)),
    work() {
      waiting = []
      for (let n = 0; n < BATCH; n++) tracedCall()
      encode(waiting)
    },
  },
  'encode one span of 512': { size: BATCH, work: () => encode(waiting) },
  'propagation, extract and inject': {
    size: 1,
    work: () => propagator.inject(propagator.extract(root, HEADERS, getter), {}, setter),
  },
  'context with': { size: 1, work: () => context.with(other, nothing) },
  'context active': { size: 1, work: () => context.active() },
}

/** Nanoseconds of the whole process for one piece of work. */
function nsOf({ size, work }) {
  // Looking at the clock costs more than some of what is measured.
  const calls = Math.ceil(1024 / size)
  const before = process.cpuUsage()
  const startMs = performance.now()
  let done = 0
  while (performance.now() - startMs < ms) {
    for (let call = 0; call < calls; call++) work()
    done += calls * size
  }
  const { user, system } = process.cpuUsage(before)
  return ((user + system) * 1000) / done
}

const results = {}
for (const [name, benchmark] of Object.entries(benchmarks)) {
  listen(nothing)
  benchmark.before?.()
  await warm(() => nsOf(benchmark))
  results[name] = nsOf(benchmark)
}
process.send({ results, bytes: encode(waiting).length / waiting.length })
process.disconnect()
