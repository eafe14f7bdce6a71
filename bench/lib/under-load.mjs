/** A measured process with a client and a sink of its own, and how several of them take turns. */
import { app } from './apps.mjs'
import { startChild } from './child.mjs'
import { watchIdle } from './cores.mjs'
import { createLoad } from './load.mjs'

const SLICE_MS = 250

/** Starts `script` as `variant` has it. `workload`: { path, connections, others }, as createLoad has them. */
export async function startUnderLoad(variant, script, { path, connections, others }, { node, surroundings, env }) {
  const sink = await surroundings.openSink()
  const child = await startChild({
    node,
    flags: variant.flags('cjs'),
    env: { ...variant.env(sink.url), ...env },
    app: app(script),
  })
  const load = await createLoad({ port: child.ready.port, path, connections, others })
  const look = async () => ({ ...(await sink.received()), ...(await child.ask({})) })

  return {
    variant,
    load,
    /**
     * Starts to count. The returned function waits until `spans` more than now have arrived, or none comes any more, and
     * resolves to what the process has spent and exported meanwhile, with its memory.
     */
    async count() {
      const before = await look()
      return async spans => {
        await sink.settled(before.spans + spans, variant.quietMs)
        const after = await look()
        return {
          cpuUs: after.cpuUs - before.cpuUs,
          spans: after.spans - before.spans,
          bytes: after.bytes - before.bytes,
          rssMb: after.rssMb,
        }
      }
    },
    async stop() {
      load.close()
      await child.stop()
    },
  }
}

/**
 * Gives each process `ms` of `work(load, ms)`, in slices that follow each other at once. So what the machine's speed does, it
 * does to all of them, and none is idle for long: one that had been so for ten seconds cost more after that. Each cycle has
 * an order of its own, as a process still exports when it is the next one's turn. Resolves to what their slices came to, in the
 * order of `processes`.
 */
export async function inTurns(processes, ms, work) {
  const sums = processes.map(() => ({ requests: 0, ms: 0, idleMs: 0, latencies: [] }))
  for (let cycle = 0; cycle * SLICE_MS < ms; cycle++) {
    for (const index of shuffled(processes.length)) {
      const idle = watchIdle()
      const done = await work(processes[index].load, SLICE_MS)
      const sum = sums[index]
      sum.idleMs += idle() * done.ms
      sum.requests += done.requests
      sum.ms += done.ms
      sum.latencies.push(...done.latencies)
    }
  }
  return sums
}

/** The numbers below `length` in an order by chance. */
function shuffled(length) {
  const order = []
  for (let next = 0; next < length; next++) {
    const at = Math.floor(Math.random() * (next + 1))
    order.splice(at, 0, next)
  }
  return order
}
