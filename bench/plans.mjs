/** What the two forms of the benchmark measure, and for how long. */

// A process with pg and a fetch finds one of many paces for its life, up to a tenth apart.
const requestRounds = { http: 2, express: 2, 'express-pg': 5 }

/** Against all peers: an hour. On Node 22 requests and messages take half an hour more: `--node 22`. */
export const full = {
  nodes: [20, 22, 24],
  scripts: ['empty.cjs', 'empty.mjs', 'startup.cjs', 'startup.mjs', 'modules.mjs'],
  workloads: ['http', 'express', 'express-pg'],
  parts: ['footprint', 'micro', 'startup', 'requests', 'queue', 'memory'],
  startup: { rounds: 5 },
  requests: { rounds: requestRounds, nodes: [20, 24], warmUpMs: 8000, loadMs: 4000, rateMs: 1500 },
  queue: { rounds: 2, nodes: [20, 24], messages: 10_000 },
  micro: { rounds: 3, measureMs: 300 },
}

/** Ours against the last commit: fit for every change. */
export const quick = {
  nodes: [20, 24],
  scripts: ['empty.cjs', 'startup.cjs'],
  workloads: ['http', 'express-pg'],
  parts: ['micro', 'startup', 'requests'],
  startup: { rounds: 10 },
  requests: { rounds: requestRounds, warmUpMs: 8000, loadMs: 4000, rateMs: 0 },
  micro: { rounds: 3, measureMs: 100 },
}
