/**
 * `npm run test:harm`: what applications see of each library has to be the same with and without us.
 * `npm run test:harm -- --node 24 pg http` looks at those libraries only, on another Node.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { parseArgs } from 'node:util'
import { createCollector } from '../../build/test/helpers/collector.js'
import { nodeBinary } from '../node-binary.mjs'
import { startServices } from '../services.mjs'
import { differences, linesOf, printedLines } from './compare.mjs'

const here = dirname(fileURLToPath(import.meta.url))
const root = join(here, '..', '..')
const require = createRequire(import.meta.url)
const TYPES = ['cjs', 'mjs']
const TIMEOUT_MS = 60_000
const CONCURRENCY = 2
const SHOWN = 40

/** Node itself listens to 'exit' where it is given this flag. */
const NOTHING = ['--import', 'data:text/javascript,']

/** How the same is run with us. */
const SAMPLERS = { sampled: 'always_on', unsampled: 'always_off' }

const { values: options, positionals: filters } = parseArgs({
  allowPositionals: true,
  options: {
    // What is held against doing nothing: ourselves, unless this suite itself is tested.
    preload: { type: 'string', default: join(root, 'dist', 'register.js') },
    node: { type: 'string' },
  },
})
const node = options.node === undefined ? process.execPath : nodeBinary(options.node)

const logs = mkdtempSync(join(tmpdir(), 'trace-harm-'))
let runs = 0

/** Runs a scene. Resolves to the lines of what it observed, and of what the process did. */
async function observe({ script, scene, type }, env, flags) {
  const log = join(logs, String(++runs))
  const child = spawn(node, [...flags, join(here, `child.${type}`), script, scene, log], {
    cwd: root,
    env: { PATH: process.env.PATH, HOME: process.env.HOME, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const printed = { stdout: '', stderr: '' }
  for (const name of ['stdout', 'stderr']) child[name].setEncoding('utf8').on('data', text => (printed[name] += text))
  const timer = setTimeout(() => child.kill('SIGKILL'), TIMEOUT_MS)
  const [code, signal] = await once(child, 'close')
  clearTimeout(timer)
  return [
    ...linesOf(existsSync(log) ? readFileSync(log, 'utf8') : ''),
    ...printedLines(printed.stdout).map(line => `stdout: ${line}`),
    ...printedLines(printed.stderr).map(line => `stderr: ${line}`),
    signal === 'SIGKILL' ? `killed after ${TIMEOUT_MS} ms` : `ended with ${signal ?? code}`,
  ]
}

const environmentOf = (url, sampler) => ({
  OTEL_EXPORTER_OTLP_ENDPOINT: url,
  OTEL_TRACES_SAMPLER: sampler,
  TRACE_EXIT_TIMEOUT_MS: '15000',
})

/** All that is wrong with a scene, as lines of text. */
async function check(job, services) {
  // Children of the application see it, too.
  const plain = { ...services, ...environmentOf('http://127.0.0.1:1', 'always_on') }
  const without = await observe(job, plain, NOTHING)
  const faults = [...faultsOf(job, without)]
  const seen = new Map()
  for (const [variant, sampler] of Object.entries(SAMPLERS)) {
    const collector = await createCollector()
    const env = { ...services, ...environmentOf(collector.url, sampler) }
    const withUs = await observe(job, env, ['--import', pathToFileURL(options.preload).href])
    await collector.close().catch(error => faults.push(`${variant}: the spans are wrong: ${error.message}`))
    const spans = collector.spans().filter(({ scope }) => scope.name !== 'harm').length
    if (variant === 'sampled' && job.traced && spans === 0) faults.push('sampled: there is no span')
    if (variant === 'unsampled' && spans > 0) faults.push(`unsampled: there are ${spans} spans`)
    const found = shown(differences(without, withUs)).join('\n')
    if (found !== '') seen.set(found, [...(seen.get(found) ?? []), variant])
  }
  for (const [found, variants] of seen) {
    faults.push(`${variants.join(' and ')}, this differs (- without us, + with us):`, ...found.split('\n'))
  }
  if (seen.size > 0 && differences(without, await observe(job, plain, NOTHING)).length > 0) {
    faults.push('but it differs from run to run without us, too')
  }
  return faults
}

const shown = lines =>
  lines.length > SHOWN ? [...lines.slice(0, SHOWN), `... and ${lines.length - SHOWN} more`] : lines

/** What is wrong already without us. */
function* faultsOf({ scene, crashes }, lines) {
  const process = /^(listeners of the process|exit: |ended with|stdout: |stderr: |the scene has ended)/
  if (lines.every(line => process.test(line))) yield 'nothing was observed'
  const ended = lines.includes('the scene has ended') && lines.at(-1) === 'ended with 0'
  if (!crashes && !ended) yield* [`"${scene}" does not come to its end:`, ...lines.slice(-20)]
  if (crashes && lines.at(-1) === 'ended with 0') yield `"${scene}" does not crash`
}

function jobsOf(script) {
  const { libraries, scenes = {}, crashes = {}, untraced = [] } = require(join(here, 'scripts', `${script}.cjs`))
  return [...(libraries.length > 0 ? ['shape'] : []), ...Object.keys(scenes), ...Object.keys(crashes)].flatMap(scene =>
    TYPES.map(type => {
      const traced = scene in scenes && !untraced.includes(scene)
      return { script, scene, type, traced, crashes: scene in crashes }
    }),
  )
}

const scripts = readdirSync(join(here, 'scripts'))
  .map(file => file.replace(/\.cjs$/, ''))
  .filter(script => filters.length === 0 || filters.includes(script))
  .sort()
const jobs = scripts.flatMap(jobsOf)
const names = scripts.flatMap(script => require(join(here, 'scripts', `${script}.cjs`)).services ?? [])
process.once('SIGINT', () => process.exit(130)).once('SIGTERM', () => process.exit(143))

if (scripts.length === 0) throw new Error(`there is no script of the name ${filters.join(' ')}`)
const services = await startServices([...new Set(names)])
let failed = 0
const queue = jobs.slice()
const work = async () => {
  for (let job = queue.shift(); job !== undefined; job = queue.shift()) {
    const faults = await check(job, services.env)
    if (faults.length > 0) failed++
    const title = `${job.script} in ${job.type === 'cjs' ? 'CommonJS' : 'an ES module'}: ${job.scene}`
    console.log(`${faults.length > 0 ? 'DIFFERS' : 'same'}  ${title}${faults.map(line => `\n    ${line}`).join('')}`)
  }
}
try {
  await Promise.all(Array.from({ length: CONCURRENCY }, work))
} finally {
  await services.stop()
  rmSync(logs, { recursive: true, force: true })
}
console.log(`${jobs.length - failed} of ${jobs.length} scenes are the same with us as without`)
process.exitCode = failed > 0 ? 1 : 0
