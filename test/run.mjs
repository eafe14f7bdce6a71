/** `npm test`: starts the services that the chosen tests need, runs the tests, stops what was started. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { starters, startServices } from './services.mjs'

const root = dirname(dirname(fileURLToPath(import.meta.url)))
const TEST_TIMEOUT_MS = 120_000
const CONCURRENCY = 2

/** The compiled test files whose path contains one of `filters`; all of them without filters. */
export function testFiles(filters) {
  const tests = join(root, 'build', 'test')
  return readdirSync(tests, { recursive: true })
    .filter(file => file.endsWith('.test.js'))
    .filter(file => filters.length === 0 || filters.some(filter => file.includes(filter)))
    .sort()
    .map(file => join(tests, file))
}

/** Names of the services that those files ask test/helpers/services.ts for. */
export function servicesOf(files) {
  const use = new RegExp(`services_js_1\\.(${Object.keys(starters).join('|')})\\b`, 'g')
  const names = files.flatMap(file => [...readFileSync(file, 'utf8').matchAll(use)])
  return [...new Set(names.map(match => match[1]))].sort()
}

/** Runs the files by `node --test`. `extra` are further flags. Resolves to the exit code. */
export async function runTests(files, { node = process.execPath, cwd = root, env, extra = [] }) {
  const child = spawn(
    node,
    [
      '--enable-source-maps',
      '--test',
      `--test-concurrency=${CONCURRENCY}`,
      `--test-timeout=${TEST_TIMEOUT_MS}`,
      '--test-reporter=spec',
      '--test-reporter-destination=stdout',
      ...extra,
      ...files.map(file => relative(cwd, file)),
    ],
    // A group of its own, so that its end takes along what tests that failed have left running.
    { cwd, env: { ...process.env, ...env }, stdio: ['ignore', 'inherit', 'inherit'], detached: true },
  )
  const end = () => killGroup(child.pid)
  process.once('exit', end)
  const [code] = await once(child, 'exit')
  process.off('exit', end)
  end()
  return code ?? 1
}

function killGroup(pid) {
  try {
    process.kill(-pid, 'SIGKILL')
  } catch (error) {
    if (error.code !== 'ESRCH') throw error
  }
}

/** Starts what `files` need, calls `body` with the environment, and stops it however `body` ends. */
export async function withServices(files, body) {
  // What was started is stopped when this process exits, which a signal alone would not make it do.
  process.once('SIGINT', () => process.exit(130)).once('SIGTERM', () => process.exit(143))
  const services = await startServices(servicesOf(files))
  try {
    return await body(services.env)
  } finally {
    await services.stop()
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const filters = process.argv.slice(2)
  const files = testFiles(filters)
  if (files.length === 0) fail(`no test file matches ${filters.join(' ') || 'anything'}: is the project built?`)
  process.exitCode = await withServices(files, env => runTests(files, { env })).catch(error => fail(error.message))
}

function fail(message) {
  console.error(message)
  process.exit(1)
}
