/** Applications as child processes, started with the real flag in a clean environment. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after } from 'node:test'
import { pathToFileURL } from 'node:url'
import { root } from './root.js'

export interface AppOptions {
  /** A file to run, relative to the repository. */
  script?: string
  /** Or the text of one. Bare imports in it resolve as in the repository. */
  code?: string
  /** What `code` is. By default 'cjs'. */
  type?: 'cjs' | 'esm' | 'cts' | 'mts'
  /** How we come into the process. By default 'import', the flag that README names. */
  preload?: 'import' | 'require' | 'node-options' | 'none'
  /** Flags of Node, before the script. */
  flags?: string[]
  args?: string[]
  /** Added to an environment that has no variable of ours or of OpenTelemetry. */
  env?: Record<string, string>
  /** Where spans go. */
  collector?: { url: string }
  input?: string
  /** By default the repository. */
  cwd?: string
  /** After this the process is killed and the run fails. By default 30 s. */
  timeoutMs?: number
}

export interface Ended {
  code: number | null
  signal: NodeJS.Signals | null
  stdout: string
  stderr: string
  durationMs: number
}

export interface RunningApp {
  /** As printed in the line `ready <port>`. */
  readonly port: number
  readonly url: string
  readonly pid: number
  stdout(): string
  stderr(): string
  /** Sends the signal, SIGTERM by default, and waits for the end. */
  stop(signal?: NodeJS.Signals): Promise<Ended>
  /** Waits for an end that comes by itself. */
  ended(): Promise<Ended>
}

const RUN_MS = 30_000
const BATCH_DELAY_MS = 50
// Longer than the default: what the last spans of a test need on a machine that is busy with something else.
const EXIT_MS = 15_000

/** The file that `--import` and `--require` name. */
export const register = join(root, 'dist', 'register.js')

const preloads: Record<NonNullable<AppOptions['preload']>, string[]> = {
  import: ['--import', pathToFileURL(register).href],
  require: ['--require', register],
  'node-options': [],
  none: [],
}

const running = new Set<ChildProcess>()
// A test that failed may have left its application running.
after(() => {
  for (const child of running) child.kill('SIGKILL')
})

let files = 0

/** Writes the code where Node resolves imports as it does in the repository. Returns the file's path. */
export function writeApp(code: string, type: AppOptions['type'] = 'cjs'): string {
  const folder = join(root, 'build', 'apps')
  mkdirSync(folder, { recursive: true })
  const file = join(folder, `app-${process.pid}-${++files}.${type === 'esm' ? 'mjs' : type}`)
  writeFileSync(file, code)
  return file
}

/** The environment of a child: nothing of ours, of OpenTelemetry or of the test runner is inherited. */
function environment({ env, collector, preload }: AppOptions): Record<string, string> {
  const clean: Record<string, string> = {
    OTEL_BSP_SCHEDULE_DELAY: String(BATCH_DELAY_MS),
    TRACE_EXIT_TIMEOUT_MS: String(EXIT_MS),
    // No cloud is asked, should the tests run in one.
    OTEL_NODE_RESOURCE_DETECTORS: 'host,os,process,serviceinstance,container,k8s',
  }
  for (const name of ['PATH', 'HOME', 'TMPDIR', 'LANG']) {
    const value = process.env[name]
    if (value !== undefined) clean[name] = value
  }
  if (collector !== undefined) clean.OTEL_EXPORTER_OTLP_ENDPOINT = collector.url
  if (preload === 'node-options') clean.NODE_OPTIONS = preloads.import.join(' ')
  return { ...clean, ...env }
}

function start(options: AppOptions) {
  const { code, script, type, preload = 'import', flags = [], args = [], timeoutMs = RUN_MS } = options
  const file = script === undefined ? writeApp(code ?? '', type) : join(root, script)
  const startedMs = performance.now()
  const child = spawn(process.execPath, [...preloads[preload], ...flags, file, ...args], {
    cwd: options.cwd ?? root,
    env: environment(options),
    stdio: 'pipe',
  })
  running.add(child)
  const output = { stdout: '', stderr: '' }
  child.stdout.setEncoding('utf8').on('data', text => (output.stdout += text))
  child.stderr.setEncoding('utf8').on('data', text => (output.stderr += text))
  // A child that does not read its input, or has ended, is no failure of the test.
  child.stdin.on('error', () => {}).end(options.input)

  let late = false
  const timer = setTimeout(() => {
    late = true
    child.kill('SIGKILL')
  }, timeoutMs)
  const ended = once(child, 'close').then(([code, signal]): Ended => {
    clearTimeout(timer)
    running.delete(child)
    const durationMs = performance.now() - startedMs
    if (late) throw new Error(`killed after ${timeoutMs} ms: ${report(output)}`)
    return { code, signal, ...output, durationMs }
  })
  // Whoever waits gets it; nobody waiting is no unhandled rejection.
  ended.catch(() => {})
  return { child, output, ended }
}

const report = ({ stdout, stderr }: { stdout: string; stderr: string }): string =>
  `\n--- stdout\n${stdout}\n--- stderr\n${stderr}`

/** Runs an application to its end, whatever its exit code. */
export const runApp = (options: AppOptions): Promise<Ended> => start(options).ended

/** Starts a server and waits until it prints `ready <port>` on a line of its own. Default time limit: 60 s for all. */
export async function startApp(options: AppOptions): Promise<RunningApp> {
  const { child, output, ended } = start({ timeoutMs: 2 * RUN_MS, ...options })
  const port = await new Promise<number>((resolve, reject) => {
    const look = (): void => {
      const line = /^ready (\d+)$/m.exec(output.stdout)
      if (line !== null) resolve(Number(line[1]))
    }
    child.stdout.on('data', look)
    ended.then(result => reject(new Error(`ended with ${result.code ?? result.signal}: ${report(result)}`)), reject)
  })
  return {
    port,
    url: `http://127.0.0.1:${port}`,
    pid: child.pid as number,
    stdout: () => output.stdout,
    stderr: () => output.stderr,
    stop(signal = 'SIGTERM') {
      child.kill(signal)
      return ended
    },
    ended: () => ended,
  }
}
