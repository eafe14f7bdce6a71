/** The one place in a process where an application's copies of the OpenTelemetry API look for an implementation. */
import type { ContextManager, DiagLogger, TextMapPropagator, TracerProvider } from '@opentelemetry/api'
import { log } from './diagnostics/log.js'

const API = Symbol.for('opentelemetry.js.api.1')

interface ApiGlobal {
  version: string
  trace?: TracerProvider
  context?: ContextManager
  propagation?: TextMapPropagator
  diag?: DiagLogger
}

const globals = globalThis as { [API]?: ApiGlobal }

/** True if another OpenTelemetry implementation makes the spans of this process. */
export const isTaken = (): boolean => globals[API]?.trace !== undefined

/** From now on every copy of the API 1.x, older or newer than ours, makes its spans with `provider`. */
export function setGlobals(
  provider: TracerProvider | undefined,
  context: ContextManager,
  propagation: TextMapPropagator,
): void {
  for (const api of provider === undefined ? [] : loadedCopies()) {
    // Tracers that the application took before us wait for their own copy's provider to be set.
    delete globals[API]
    api.trace.setGlobalTracerProvider(provider as TracerProvider)
  }
  // A copy takes globals of its own major version whose minor is not older than its own (API, internal/semver.ts).
  globals[API] = { version: '1.99.0', ...(provider && { trace: provider }), context, propagation, diag }
}

type ApiModule = typeof import('@opentelemetry/api')

const loadedCopies = (): ApiModule[] =>
  Object.entries(require.cache)
    .filter(([file]) => /[\\/]@opentelemetry[\\/]api[\\/]build[\\/]src[\\/]index\.js$/.test(file))
    .map(([, module]) => module?.exports as ApiModule)
    .filter(api => typeof api?.trace?.setGlobalTracerProvider === 'function')

// What the API reports when somebody else registers: OpenTelemetry's own SDK, started beside us.
const RIVAL = /(duplicate registration of API: trace|Registration of version .* for trace )/

const diag: DiagLogger = {
  error(message, ...args) {
    if (RIVAL.test(message)) {
      log.once(
        'rival',
        "another OpenTelemetry SDK was started in this process: its spans are not used, @org/trace's are; remove one of the two",
      )
    } else if (/registration of/i.test(message)) log.debug(message, ...args)
    else log.error(message, ...args)
  },
  warn: log.warn,
  info: log.info,
  debug: log.debug,
  verbose: log.verbose,
}
