/** Builds every part from a Config and joins them. */
import { writeSync } from 'node:fs'
import { isMainThread } from 'node:worker_threads'
import { environment, loadConfig } from './config/load.js'
import type { Config, Options } from './config/options.js'
import { connect, coveredBy, report } from './connect.js'
import { contextManager, setBase } from './context/storage.js'
import { createHealth, type HealthReport, reportOf } from './diagnostics/health.js'
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

const nothing: Started = {
  running: { flush: async () => {}, shutdown: async () => {} },
  health: () => reportOf(createHealth(), 0, 0, { size: 0, inFlight: 0 }),
}

const KEY = Symbol.for('@org/trace')
interface Started {
  readonly running: Running
  health(): HealthReport
}

const globals = globalThis as { [KEY]?: Started & { readonly home: string } }

/** Starts once per thread of a process, as the preload does. Never throws. */
export function startOnce(options?: Options): Running {
  const before = globals[KEY]
  if (before !== undefined) {
    if (before.home !== __filename)
      log.once('copies', 'two copies of @org/trace in one process: %s is used, not %s', before.home, __filename)
    return before.running
  }
  let started = nothing
  try {
    const config = loadConfig(instrumentations, options)
    started = start(config)
  } catch (error) {
    log.error('tracing could not be started: %s', error)
  }
  Object.defineProperty(globals, KEY, { value: { ...started, home: __filename } })
  return started.running
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

/** Counters of what happened to the spans of this thread, as they are now. Never throws. */
export const health = (): HealthReport => (globals[KEY] ?? nothing).health()

function start(config: Config): Started {
  const propagator = createPropagator(config.propagators, environment)
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

  const counters = createHealth()
  // Of several destinations the collector is the one that is reported on.
  const sinks = destinations(config).map((destination, at, all) =>
    createOtlpSink(config, at === all.length - 1 ? counters : createHealth(), destination),
  )
  const console = config.exporters.includes('console') ? consoleSink() : undefined
  // Lambda freezes the process as soon as the invocation has its answer.
  const freezes = environment.AWS_LAMBDA_FUNCTION_NAME !== undefined
  let open = true
  const core: TracerCore = {
    propagator,
    sampler: createSampler(config.sampler),
    isLinked: createPolicy(config.async),
    host: {
      limits: config.limits,
      started: 0,
      onEnd(span) {
        if (!open) return
        if (sinks.length === 0) counters.ended++
        for (let i = 0; i < sinks.length; i++) sinks[i]?.add(span)
        console?.add(span)
        if (freezes && span.parentIdBytes === undefined) flush()
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

  const healthNow = (): HealthReport =>
    reportOf(counters, core.host.started, config.batch.maxQueueSize, sinks.at(-1)?.state() ?? { size: 0, inFlight: 0 })
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
        log.info('health: %j', healthNow())
      },
    },
    config.exitTimeoutMs,
  )

  const flush = async (): Promise<void> => {
    console?.flush()
    await Promise.all(sinks.map(sink => sink.flush()))
  }
  function shutdown(): Promise<void> {
    open = false
    return flush()
  }
  return { running: { flush, shutdown }, health: healthNow }
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
