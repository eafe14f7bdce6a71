/** Builds every part from a Config and joins them. */
import { writeSync } from 'node:fs'
import { isMainThread } from 'node:worker_threads'
import { environment, loadConfig } from './config/load.js'
import type { Config, Options } from './config/options.js'
import { connect, coveredBy, report } from './connect.js'
import { contextManager, setBase } from './context/storage.js'
import { createHealth } from './diagnostics/health.js'
import { log } from './diagnostics/log.js'
import { watchExit } from './exit.js'
import type * as ConsoleExporter from './exporter/console.js'
import { isTaken, setGlobals } from './globals.js'
import { install } from './hooks/index.js'
import type { Instrumentation } from './instrumentations/define.js'
import { instrumentations } from './instrumentations/index.js'
import { createOtlpSink, type Destination } from './otlp.js'
import { extractEnvironment } from './propagation/environment.js'
import { createPropagator } from './propagation/index.js'
import { createPolicy } from './trace/passage.js'
import { createSampler } from './trace/sampler.js'
import { withoutStandIns, withStandIns } from './trace/stand-in.js'
import { createTracerProvider, type TracerCore } from './trace/tracer.js'

/** Tracing, started. */
export interface Running {
  /** Resolves when every span that ended before has been delivered or given up. Never rejects. */
  flush(): Promise<void>
  /** Stops recording, then flushes. Never rejects. */
  shutdown(): Promise<void>
}

const nothing: Running = { flush: async () => {}, shutdown: async () => {} }

const KEY = Symbol.for('@org/trace')
const globals = globalThis as { [KEY]?: { readonly running: Running; readonly home: string } }

/** Starts once per thread of a process, as the preload does. Never throws. */
export function startOnce(options?: Options): Running {
  const before = globals[KEY]
  if (before !== undefined) {
    if (before.home !== __filename)
      log.once('copies', 'two copies of @org/trace in one process: %s is used, not %s', before.home, __filename)
    return before.running
  }
  let running = nothing
  try {
    const config = loadConfig(instrumentations, options)
    running = start(config)
  } catch (error) {
    log.error('tracing could not be started: %s', error)
  }
  Object.defineProperty(globals, KEY, { value: { running, home: __filename } })
  return running
}

/**
 * Starts tracing, as `--import @org/trace/register` does; options win over the environment. Call it before the modules
 * that are to be traced are loaded. A second call warns and returns what the first started. Never throws.
 */
export function init(options?: Options): Running {
  if (globals[KEY]?.home === __filename)
    log.warn('tracing has been started before: the options of this init() are not used')
  return startOnce(options)
}

function start(config: Config): Running {
  const propagator = createPropagator(config.propagators)
  if (isTaken()) {
    if (!config.disabled)
      log.warn('another OpenTelemetry SDK runs in this process: @org/trace leaves the tracing to it')
    return nothing
  }
  setBase(extractEnvironment(propagator, environment), config.async.maxAgeMs)
  // Disabled, the SDK still propagates for code that uses the API (specification/configuration/sdk-environment-variables.md).
  if (config.disabled) {
    setGlobals(undefined, contextManager, propagator)
    return nothing
  }

  const sinks = destinations(config).map(destination => createOtlpSink(config, createHealth(), destination))
  const console = config.exporters.includes('console') ? consoleSink() : undefined
  let open = true
  const core: TracerCore = {
    propagator,
    sampler: createSampler(config.sampler),
    isLinked: createPolicy(config.async),
    host: {
      limits: config.limits,
      onEnd(span) {
        if (!open) return
        for (let i = 0; i < sinks.length; i++) sinks[i]?.add(span)
        console?.add(span)
      },
    },
  }
  const definitions = enabled(config)
  setGlobals(
    withStandIns(createTracerProvider(core), coveredBy(definitions)),
    contextManager,
    withoutStandIns(propagator),
  )

  const early = install(connect(definitions, config, core), report)
  if (early.length > 0 && isMainThread) {
    log.warn(
      'loaded before @org/trace and so not traced: %s; start with node --import @org/trace/register',
      early.join(', '),
    )
  }

  watchExit(
    {
      pending: () => sinks.some(sink => sink.pending()),
      deliver: () => Promise.all(sinks.map(sink => sink.deliver())),
      deliverNow(timeoutMs) {
        const until = performance.now() + timeoutMs
        for (const sink of sinks) sink.deliverNow(until - performance.now())
      },
      lastWords() {
        console?.flush()
        for (const sink of sinks) sink.lastWords()
      },
    },
    config.exitTimeoutMs,
  )

  const flush = async (): Promise<void> => {
    console?.flush()
    await Promise.all(sinks.map(sink => sink.flush()))
  }
  return {
    flush,
    shutdown() {
      open = false
      return flush()
    },
  }
}

/** What is written in this very turn comes first: at the end of a process it takes no time from the others. */
const destinations = ({ exporters }: Config): Destination[] =>
  (['otlp/stdout', 'otlp/file', 'otlp'] as const).filter(name => exporters.includes(name))

function enabled({ enabledInstrumentations: only, disabledInstrumentations: without }: Config): Instrumentation[] {
  return instrumentations.filter(({ name }) => (only?.includes(name) ?? true) && !without.includes(name))
}

// A file of its own, that few applications load: the properties of Unicode that it knows cost 1 ms.
function consoleSink(): ReturnType<typeof ConsoleExporter.createConsoleSink> {
  const { createConsoleSink } = require('./exporter/console.js') as typeof ConsoleExporter
  return createConsoleSink(writeToTerminal)
}

// Standard error: what the application prints on standard output may be read by another program.
const writeToTerminal = (text: string): void => {
  writeSync(2, text)
}
