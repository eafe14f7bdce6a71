/**
 * `npm run bench`: all measurements, against the peers, into bench/RESULTS.md. `-- --quick`: ours against the last commit in a
 * few minutes, nothing written. `--only startup,http`: parts, the others stay as they are; `--node 24`: of a Node;
 * `--rounds 3`: so many.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { nodeBinary } from '../test/node-binary.mjs'
import { startServices } from '../test/services.mjs'
import { writeModules } from './apps/modules.mjs'
import { footprintGoals, memoryGoals, microGoals, requestGoals, startupGoals } from './goals.mjs'
import { keepOffMeasuredCore } from './lib/cores.mjs'
import { installed } from './lib/install.mjs'
import { bare, bareAgain, ours, peersFolder, peersOn, slower } from './lib/peers.mjs'
import { lastCommit, workingTree } from './lib/project.mjs'
import { startSurroundings } from './lib/surroundings.mjs'
import { footprintTable, measureFootprint } from './measure/footprint.mjs'
import { measureMemory, memoryTable } from './measure/memory.mjs'
import { measureMicro, microTable } from './measure/micro.mjs'
import { measureQueue, queueTable } from './measure/queue.mjs'
import { measureRequests, requestsTable, workloads } from './measure/requests.mjs'
import { measureStartup, scripts, startupTable } from './measure/startup.mjs'
import { bundleParts } from './micro/ours.mjs'
import { full, quick } from './plans.mjs'
import { createReport, writeResults } from './report.mjs'

const here = fileURLToPath(new URL('.', import.meta.url))

const { values } = parseArgs({
  options: {
    quick: { type: 'boolean', default: false },
    only: { type: 'string' },
    node: { type: 'string', multiple: true },
    rounds: { type: 'string' },
  },
})
const plan = values.quick ? quick : full
const nodes = values.node?.map(Number) ?? plan.nodes
/** Which of them a part is measured on; memory on the last alone, as the project has no goal for the others. */
const nodesOf = part =>
  part === 'memory' ? nodes.slice(-1) : values.node === undefined ? (plan[part]?.nodes ?? nodes) : nodes
const only = values.only?.split(',')
const wanted = (part, name) => only === undefined || only.includes(part) || only.includes(name)
const roundsOf = workload => Number(values.rounds ?? plan.requests.rounds[workload])
const setting = part => ({ ...plan[part], ...(values.rounds && { rounds: Number(values.rounds) }) })

process.once('SIGINT', () => process.exit(130)).once('SIGTERM', () => process.exit(143))
const folder = mkdtempSync(join(tmpdir(), 'trace-bench-'))
process.once('exit', () => rmSync(folder, { recursive: true, force: true }))
keepOffMeasuredCore()

const tree = workingTree(join(folder, 'now'))
const now = ours('ours', tree)
const before = values.quick ? lastCommit(join(folder, 'before')) : undefined
const report = createReport()

/** Who is compared on that Node; the peers by their names alone as well. */
function comparedOn(major) {
  const peers = values.quick ? [] : peersOn(major)
  const others = values.quick ? [ours('last commit', before).full] : peers
  const complete = peers.filter(({ exports }) => exports === 1)
  return { variants: [bare, bareAgain, now.full, ...others], peers, names: complete.map(({ name }) => name), complete }
}

async function micro(node, major) {
  const from = await bundleParts(tree)
  const last = before && { name: 'last commit', side: 'ours', from: await bundleParts(before) }
  const otel = installed(join(peersFolder, major < 22 ? 'otel-2' : 'otel'))
  const sides = [
    { name: 'ours', side: 'ours', from },
    { name: 'otel', side: 'otel', from: otel },
    ...(last ? [last] : []),
  ]
  const measured = await measureMicro(sides, { node, ...setting('micro') })
  report.section(`Parts, Node ${major}`, microTable(measured, 'ours'))
  report.goals(...microGoals(measured, major))
}

async function startup(node, major, surroundings) {
  const { variants, names, complete } = comparedOn(major)
  const chosen = values.quick ? variants : [bare, bareAgain, now.full, ...complete]
  for (const [name, script] of Object.entries(scripts(writeModules(folder)))) {
    if (!plan.scripts.includes(name)) continue
    const measured = await measureStartup(chosen, script, { node, surroundings, ...setting('startup') })
    report.section(`Start-up, ${script.title}, Node ${major}`, startupTable(measured, 'ours'))
    report.goals(...startupGoals(measured, major, names))
  }
}

async function requests(node, major, surroundings, env) {
  const { variants, names } = comparedOn(major)
  for (const name of plan.workloads.filter(workload => wanted('requests', workload))) {
    const all = values.quick
      ? variants
      : [...variants, now.sampled, now.disabled, ...(workloads[name].others ? [slower] : [])]
    const where = { node, surroundings, postgresUrl: env.TEST_POSTGRES_URL }
    const measured = await measureRequests(all, name, { ...where, ...setting('requests'), rounds: roundsOf(name) })
    report.section(`Requests, ${workloads[name].title}, Node ${major}`, requestsTable(measured, 'ours'))
    report.goals(...requestGoals(measured, major, names))
    finish(name, major)
  }
}

async function queue(node, major, surroundings, env) {
  const { variants } = comparedOn(major)
  const recording = variants.filter(({ exports }) => exports !== 0.01)
  const measured = await measureQueue(recording, {
    node,
    surroundings,
    rabbitmqUrl: env.TEST_RABBITMQ_URL,
    ...setting('queue'),
  })
  report.section(`RabbitMQ, one message published and consumed, Node ${major}`, queueTable(measured, 'ours'))
}

async function memory(node, major) {
  const { complete } = comparedOn(major)
  const measured = await measureMemory([bare, now.full, ...complete], { node })
  report.section(`Memory without a collector, Node ${major}`, memoryTable(measured))
  report.goals(...memoryGoals(measured))
}

function footprint() {
  const peers = [...peersOn(20), ...peersOn(24)].filter(({ product }) => product !== undefined)
  const unique = [...new Map(peers.map(peer => [peer.product, peer])).values()]
  const measured = measureFootprint(join(folder, 'packed'), unique)
  report.section('Installed', footprintTable(measured))
  report.goals(...footprintGoals(measured))
}

const keyOf = (part, major) => (major === undefined ? part : `${part} ${major}`)

/** A whole run keeps all of its parts, one of some parts those. */
function finish(part, major) {
  report.finish(keyOf(part, major), values.quick ? undefined : here)
  if (values.quick) return
  const order = full.parts.flatMap(name => (name === 'requests' ? full.workloads : name))
  const keys = order.flatMap(name => [keyOf(name), ...full.nodes.map(node => keyOf(name, node))])
  const products = new Set(full.nodes.flatMap(node => peersOn(node).map(({ product }) => product)).filter(Boolean))
  writeResults(
    here,
    keys,
    full.nodes.map(node => nodeBinary(String(node))),
    [...products],
  )
}

const parts = { footprint, micro, startup, requests, queue, memory }
const chosen = plan.parts.filter(
  part => wanted(part) || (part === 'requests' && plan.workloads.some(name => wanted(name))),
)
const needs = { requests: 'postgres', queue: 'rabbitmq' }
// Own ones, which are kept off the measured core with this process.
const services = await startServices(chosen.map(part => needs[part]).filter(Boolean), { own: true })
const surroundings = await startSurroundings()
try {
  if (chosen.includes('footprint')) {
    footprint()
    finish('footprint')
  }
  for (const part of chosen.filter(part => part !== 'footprint')) {
    for (const major of nodesOf(part)) {
      await parts[part](nodeBinary(String(major)), major, surroundings, services.env)
      if (part !== 'requests') finish(part, major)
    }
  }
  report.conclude()
} finally {
  surroundings.stop()
  await services.stop()
}
