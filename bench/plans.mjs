/** What the two forms of the benchmark measure, and for how long. */

/** Against all peers: two to three hours. */
export const full = {
  nodes: [20, 22, 24],
  scripts: ['empty.cjs', 'empty.mjs', 'startup.cjs', 'startup.mjs', 'modules.mjs'],
  workloads: ['http', 'express', 'express-pg'],
  parts: ['footprint', 'micro', 'startup', 'requests', 'queue', 'memory'],
  startup: { rounds: 15 },
  requests: { rounds: 5, warmUpMs: 1500, loadMs: 3000, rateMs: 3000 },
  queue: { rounds: 5, messages: 10_000 },
  micro: { rounds: 5, measureMs: 500 },
}

/** Ours against the last commit: fit for every change. */
export const quick = {
  nodes: [20, 24],
  scripts: ['empty.cjs', 'startup.cjs'],
  workloads: ['http', 'express-pg'],
  parts: ['micro', 'startup', 'requests'],
  startup: { rounds: 10 },
  requests: { rounds: 3, warmUpMs: 500, loadMs: 1000, rateMs: 0 },
  micro: { rounds: 3, measureMs: 100 },
}
