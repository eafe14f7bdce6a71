/** The one place in a process where an application's copies of the OpenTelemetry API look for an implementation. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { ContextManager, DiagLogger, TextMapPropagator, TracerProvider } from '@opentelemetry/api'
import { log } from './diagnostics/log.js'
import { placeOf } from './hooks/match.js'
import { RIVAL } from './trace/stand-in.js'

const API = Symbol.for('opentelemetry.js.api.1')
const API_PACKAGE = '@opentelemetry/api'

interface ApiGlobal {
  readonly version: string
  trace?: TracerProvider
  context?: ContextManager
  propagation?: TextMapPropagator
  diag?: DiagLogger
  metrics?: unknown
  logs?: unknown
}

const globals = globalThis as { [API]?: ApiGlobal }

/** True if another OpenTelemetry implementation makes the spans of this process. */
export const isTaken = (): boolean => globals[API]?.trace !== undefined

/**
 * From now on every copy of the API 1.x, older or newer than ours, makes its spans with `provider`. `onMetrics` is told of
 * the MeterProvider that the application registers, or has.
 */
export function setGlobals(
  provider: TracerProvider | undefined,
  context: ContextManager,
  propagation: TextMapPropagator,
  onMetrics: (provider: unknown) => void = () => {},
): void {
  const before: Partial<ApiGlobal> = globals[API] ?? {}
  for (const api of provider === undefined ? [] : loadedCopies()) {
    // Tracers that the application took before us wait for their own copy's provider to be set.
    delete globals[API]
    api.setGlobalTracerProvider(provider as TracerProvider)
  }
  globals[API] = open({ diag, ...before, ...(provider && { trace: provider }), context, propagation }, onMetrics)
  if (before.metrics !== undefined) onMetrics(before.metrics)
}

type TraceApi = typeof import('@opentelemetry/api').trace

function loadedCopies(): Set<TraceApi> {
  const copies = new Set<TraceApi>()
  for (const [file, module] of Object.entries(require.cache)) {
    if (placeOf(file)?.name !== API_PACKAGE) continue
    const api = (module?.exports as { trace?: TraceApi } | undefined)?.trace
    if (typeof api?.setGlobalTracerProvider === 'function') copies.add(api)
  }
  return copies
}

// A copy takes globals of its own major version whose minor is not older than its own (API, internal/semver.ts).
const NEWEST = '1.99.0'

/**
 * What is given, and room for what the application registers where nothing is. A copy of the API registers only where the
 * version is exactly its own, of which it asks right after it has found the place empty (API, internal/global-utils.ts).
 */
function open(given: Omit<ApiGlobal, 'version'>, onMetrics: (provider: unknown) => void): ApiGlobal {
  let registering = false
  const api = Object.defineProperties({ ...given } as ApiGlobal, {
    version: {
      enumerable: true,
      get() {
        if (!registering) return NEWEST
        registering = false
        return versionOfCopy(callingFile()) ?? NEWEST
      },
    },
  })
  for (const name of ['trace', 'metrics', 'logs'] as const) {
    if (given[name] !== undefined) continue
    Object.defineProperty(api, name, {
      configurable: true,
      enumerable: true,
      get() {
        registering = true
      },
      set(value) {
        Object.defineProperty(api, name, { value, writable: true, configurable: true, enumerable: true })
        if (name === 'metrics') onMetrics(value)
      },
    })
  }
  return api
}

/** The file of the function that reads the version. */
function callingFile(): string | undefined {
  const { prepareStackTrace, stackTraceLimit } = Error
  try {
    Error.stackTraceLimit = 3
    Error.prepareStackTrace = (_error, sites) => sites
    const sites = new Error().stack as unknown as NodeJS.CallSite[]
    return sites[2]?.getFileName() ?? undefined
  } finally {
    Object.assign(Error, { prepareStackTrace, stackTraceLimit })
  }
}

function versionOfCopy(file: string | undefined): string | undefined {
  try {
    const place = placeOf(file?.startsWith('file:') ? fileURLToPath(file) : (file ?? ''))
    if (place?.name !== API_PACKAGE) return undefined
    return JSON.parse(readFileSync(join(place.baseDir, 'package.json'), 'utf8')).version
  } catch {
    return undefined
  }
}

// What the API reports when somebody else registers: OpenTelemetry's own SDK, started beside us.
const TAKEN = /(duplicate registration of API: trace|Registration of version .* for trace )/
const REGISTRATION = /registration of|Current logger will be overwritten/i

const diag: DiagLogger = {
  error(message, ...args) {
    if (TAKEN.test(message)) {
      log.once(
        RIVAL,
        "another OpenTelemetry SDK was started in this process: its spans are not used, @org/trace's are; remove one of the two",
      )
    } else if (REGISTRATION.test(message)) log.debug(message, ...args)
    else log.error(message, ...args)
  },
  warn(message, ...args) {
    if (REGISTRATION.test(message)) log.debug(message, ...args)
    else log.warn(message, ...args)
  },
  info: log.info,
  debug: log.debug,
  verbose: log.verbose,
}
