/** Programs that the application runs: a span from start to exit, and the trace in the program's environment. */
import type { ChildProcess } from 'node:child_process'
import { basename, isAbsolute } from 'node:path'
import { env as inherited } from 'node:process'
import { getSystemErrorName } from 'node:util'
import { type Call, client, defineInstrumentation, flag, type Kit, type Operation, type TracedSpan } from './define.js'
import { headersToSend, tellsTrace } from './shared/http.js'
import { createStamp } from './shared/stamp.js'

interface Options {
  arguments: boolean
}

export default defineInstrumentation<Options>({
  name: 'child-process',
  title: 'child processes',
  category: 'process',
  options: {
    arguments: flag(false, 'Record the arguments of programs that are run. They may hold secrets.'),
  },
  channels: [
    {
      // Node publishes each child process before it spawns it: what nobody uses is not loaded for our sake.
      name: 'child_process',
      listen(kit) {
        const patched = new WeakSet<object>()
        return ({ process: child }: { process: Child }) => {
          let holder: Child = child
          while (!Object.hasOwn(holder, 'spawn')) holder = Object.getPrototypeOf(holder)
          if (patched.has(holder)) return
          patched.add(holder)
          kit.wrap(holder, 'spawn', spawn => {
            const spawnDetached = kit.detach(spawn)
            return function (this: Child, options) {
              if (!isClusterWorker(options)) return Reflect.apply(spawn, this, arguments as never)
              if (this._handle) this._handle.onexit = kit.detach(this._handle.onexit)
              return Reflect.apply(spawnDetached, this, arguments as never)
            }
          })
          kit.trace(holder, 'spawn', spawning(kit))
          kit.wrap(holder, 'unref', unref => {
            return function (this: Child) {
              // Nobody waits for it any more: it may outlive the process, whose spans have to end.
              running.get(this)?.()
              return Reflect.apply(unref, this, arguments as never)
            }
          })
        }
      },
    },
  ],
  modules: [
    {
      name: 'child_process',
      versions: '>=20.6 <28',
      calls: ['spawnSync', 'execFileSync', 'execSync'],
      patch(lib: typeof import('node:child_process'), kit) {
        kit.trace(lib, 'spawnSync', waiting(kit, callOf))
        kit.trace(lib, 'execFileSync', waiting(kit, callOf))
        kit.trace(lib, 'execSync', waiting(kit, shellCallOf))
      },
    },
  ],
})

type Variables = NodeJS.ProcessEnv

/** What Node makes of the arguments of `spawn`, `exec`, `execFile` and `fork`. */
interface Spawn {
  readonly file: string
  readonly args?: readonly string[]
  /** As the application gave it; what the child gets are the pairs. */
  readonly env?: Variables | null
  readonly envPairs?: readonly string[]
}

/** The parts of a child process that Node keeps for itself. */
type Child = Omit<ChildProcess, 'spawn'> & {
  spawn(options: Spawn): number
  readonly _handle: { onexit(exitCode: number, signal: string): void } | null
}

type Spawning = Call<Child, [Spawn], number> & { exitCode?: number; signal?: string }

// A worker is forked again when it ends: in the context of the first, that trace would never end. Nor does what it sends
// belong to whoever forked it. Node tells workers by this variable.
function isClusterWorker(options: Spawn | undefined): boolean {
  const pairs: unknown = options?.envPairs
  return Array.isArray(pairs) && pairs.some(pair => typeof pair === 'string' && pair.startsWith('NODE_UNIQUE_ID='))
}

const running = createStamp<() => void>()

const spawning = (kit: Kit<Options>): Operation<Spawning> => ({
  inside: 'none',
  needsParent: true,
  start: ({ args: [{ file, args = [] }] }) => {
    const { name, attributes } = describe(file)
    return client(name, { ...attributes, 'process.command_args': kit.options.arguments ? args.map(String) : undefined })
  },
  inject(call, headers) {
    const [options] = call.args
    // Without any the child gets all of ours, by the operating system.
    if (options.envPairs === undefined) return
    const pairs = new Map(options.envPairs.map(pair => [pair.slice(0, pair.indexOf('=', 1)), pair] as const))
    const own = (variable: string) => pairs.get(variable)?.slice(variable.length + 1)
    for (const [variable, value] of variablesToSet(kit, headers, own, !options.env)) {
      pairs.set(variable, `${variable}=${value}`)
    }
    call.args = [Object.assign(Object.create(null), options, { envPairs: [...pairs.values()] })]
  },
  outlives(call, open) {
    const { _handle: handle } = call.self
    if (!handle) return false
    // An `exit` listener could be seen, and counted.
    const { onexit } = handle
    handle.onexit = function (exitCode, signal) {
      Object.assign(call, { exitCode, signal })
      open.end(call)
      return Reflect.apply(onexit, this, arguments as never)
    }
    running.set(call.self, () => open.end(call))
    call.args = [{ file: '' }]
    return true
  },
  finish(span, { self: { pid }, exitCode, signal }) {
    span.set({ 'process.pid': pid })
    ended(span, exitCode, signal)
  },
})

type Waiting = Call<unknown, unknown[]>

/** A call of one of the functions that wait for the program to end, whose arguments Node takes in many forms. */
interface Program {
  readonly file: unknown
  readonly args: unknown
  /** Where the options stand among the arguments, given or not. */
  readonly optionsAt: 1 | 2
}

type Given = { readonly env?: Variables | null; readonly shell?: unknown } | null | undefined

const callOf = ([file, args]: readonly unknown[]): Program => {
  const withArgs = Array.isArray(args) || args === undefined || args === null
  return { file, args: withArgs ? args : undefined, optionsAt: withArgs ? 2 : 1 }
}

const shellCallOf = ([command]: readonly unknown[]): Program => ({ file: command, args: undefined, optionsAt: 1 })

function waiting(kit: Kit<Options>, read: (args: readonly unknown[]) => Program): Operation<Waiting> {
  return {
    inside: 'none',
    needsParent: true,
    callsBack: false,
    start({ args }) {
      const { file, args: given, optionsAt } = read(args)
      const shell =
        read === shellCallOf ? ((args[optionsAt] as Given)?.shell ?? true) : (args[optionsAt] as Given)?.shell
      // Node throws, and says why.
      if (typeof file !== 'string' || file === '') return undefined
      const { name, attributes } = describe(shell ? shellOf(shell) : file)
      const told = [file, ...(Array.isArray(given) ? given : [])].map(String)
      return client(name, { ...attributes, 'process.command_args': kit.options.arguments ? told : undefined })
    },
    inject(call, headers) {
      const { optionsAt } = read(call.args)
      const options = call.args[optionsAt] as Given
      if (options !== undefined && (typeof options !== 'object' || options === null)) return
      const given = options?.env
      const env: Variables = {}
      // As Node does, with what is inherited.
      for (const variable in given ?? inherited) env[variable] = (given ?? inherited)[variable]
      for (const [variable, value] of variablesToSet(kit, headers, name => env[name], !given)) env[variable] = value
      const copy = Object.assign(Object.create(Object.getPrototypeOf(options ?? {})), options, { env })
      call.args = Object.assign(call.args.slice(), { [optionsAt]: copy })
    },
    finish(span, { result, error }) {
      const outcome = (error ?? result) as { pid?: number; status?: number | null; signal?: string; error?: unknown }
      const known = typeof outcome === 'object' && outcome !== null && 'status' in outcome
      if (known) {
        // Of what could not be started the process id is 0.
        span.set({ 'process.pid': outcome.pid || undefined })
        if (outcome.error !== undefined) span.fail(outcome.error)
        ended(span, outcome.status ?? undefined, outcome.signal)
      } else if (error === undefined) ended(span, 0)
    },
    // The whole command, and what it printed.
    describe: text => text.replace(/(Command failed):[\s\S]*/, '$1'),
  }
}

const shellOf = (shell: unknown): string => {
  if (typeof shell === 'string') return shell
  return process.platform === 'win32' ? 'cmd.exe' : '/bin/sh'
}

/** The variables to set, name and value: what the application has set itself stays, what it has inherited does not. */
function variablesToSet(
  { environmentName: variableOf }: Kit<Options>,
  headers: Record<string, string>,
  own: (variable: string) => string | undefined,
  areInherited: boolean,
): [string, string][] {
  const ownHeader = (name: string): string | undefined => own(variableOf(name))
  const isStale = areInherited && tellsTrace(headers, ownHeader)
  const names = isStale ? Object.keys(headers) : headersToSend(headers, ownHeader)
  return names.map(name => [variableOf(name), headers[name] as string])
}

/** Name and attributes as the semantic conventions for command line programs have them. */
const describe = (file: string) => {
  const name = basename(file)
  const path = isAbsolute(file) ? file : undefined
  return { name, attributes: { 'process.executable.name': name, 'process.executable.path': path } }
}

function ended(span: TracedSpan, exitCode: number | undefined, signal?: string | null): void {
  // Negative is why it could not be started.
  if (exitCode !== undefined && exitCode >= 0 && !signal) span.set({ 'process.exit.code': exitCode })
  if (!signal && !exitCode) return
  const type = signal || (Number(exitCode) < 0 ? getSystemErrorName(Number(exitCode)) : String(exitCode))
  span.set({ 'error.type': type }).fail()
}
