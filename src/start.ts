/** Builds every part from a Config and joins them. */
import { writeSync } from 'node:fs'
import { handOver, receiving, takeOver } from './boxes.js'
import type * as ComponentsOf from './components.js'
import type { Components, Options } from './components.js'
import { handDownBy, isMainThread } from './config/inherited.js'
import { environment, loadConfig } from './config/load.js'
import type { Config } from './config/options.js'
import { samplingOf } from './configured-sampler.js'
import { connect, coveredBy, report } from './connect.js'
import { SAMPLED } from './context/span-identity.js'
import { contextManager, setBase } from './context/storage.js'
import { createHealth, type HealthReport, lostOf, reportOf } from './diagnostics/health.js'
import { log } from './diagnostics/log.js'
import { watchExit } from './exit.js'
import type * as ConsoleExporter from './exporter/console.js'
import type * as Foreign from './foreign.js'
import { isTaken, setGlobals } from './globals.js'
import { whenLoaded } from './hooks/builtins.js'
import { install } from './hooks/index.js'
import type { Instrumentation } from './instrumentations/define.js'
import { instrumentations } from './instrumentations/index.js'
import type * as Lambda from './lambda.js'
import { KEY, type Making } from './making.js'
import type * as Metrics from './metrics.js'
import { createOtlpSink, type Destination, type SpanSink } from './otlp.js'
import { within } from './pipeline/within.js'
import { extractEnvironment } from './propagation/environment.js'
import { createPropagator } from './propagation/index.js'
import { createPolicy } from './trace/passage.js'
import type { Span } from './trace/span.js'
import { withoutStandIns, withStandIns } from './trace/stand-in.js'
import type { TracerCore } from './trace/tracer.js'
import type * as TracingOf from './tracing.js'
import type * as WantedOf from './wanted.js'

export { isInternalThread } from './config/inherited.js'

/** 'failed': of the spans that waited some were lost. 'timeout': some are still under way. */
export type FlushResult = 'delivered' | 'failed' | 'timeout'

/** Milliseconds to wait, at most; 30,000 without it. */
export interface FlushOptions {
  readonly timeoutMs?: number
}

/** Tracing, started. */
export interface Running {
  /**
   * Resolves when every span that ended before has been delivered or given up, or when the time is over. Never rejects
   * (specification/trace/sdk.md#forceflush).
   */
  flush(options?: FlushOptions): Promise<FlushResult>
  /** Stops recording, then flushes. Never rejects (specification/trace/sdk.md#shutdown). */
  shutdown(options?: FlushOptions): Promise<FlushResult>
}

const nothing: Started = {
  running: { flush: async () => 'delivered', shutdown: async () => 'delivered' },
  health: () => reportOf(createHealth(), 0, 0, { size: 0, inFlight: 0 }),
}

const FLUSH_TIMEOUT_MS = 30_000

interface Started extends Making {
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
    started = options === undefined ? startBy(loadConfig(instrumentations), {}) : startWith(options)
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

/** Counters of what happened to the spans of this thread and of those that came from its workers. Never throws. */
export const health = (): HealthReport => (globals[KEY] ?? nothing).health()

// What there is to tell apart comes from code only.
function startWith(options: Options): Started {
  const { splitOptions, withResource } = require('./components.js') as typeof ComponentsOf
  const { components, table, warnings } = splitOptions(options)
  const config = withResource(loadConfig(instrumentations, table), components)
  for (const warning of warnings) log.warn('%s', warning)
  return startBy(config, components)
}

/** With the components that a configuration file names, unless the code has others. */
function startBy(config: Config, components: Components): Started {
  if (config.wanted === undefined) return start(config, components)
  const { createComponents } = require('./wanted.js') as typeof WantedOf
  const { splitOptions } = require('./components.js') as typeof ComponentsOf
  const { components: named, warnings } = splitOptions(createComponents(config.wanted, config) as Options)
  for (const warning of warnings) log.warn('of the configuration file, %s', warning)
  const resourceAttributes = { ...named.resource?.attributes, ...config.resourceAttributes }
  return start({ ...config, resourceAttributes }, { ...named, ...components })
}

function start(config: Config, components: Components): Started {
  const modules = config.instrumentationModules
  const isForeign = Object.keys(components).length > 0 || modules.length > 0
  const foreign = isForeign ? (require('./foreign.js') as typeof Foreign) : undefined
  const own = components.propagator
  const propagator = own && foreign ? foreign.fencedPropagator(own) : createPropagator(config.propagators, environment)
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

  whenLoaded(['worker_threads'], name => handDownBy(require(name)))

  const counters = createHealth()
  const theirs = foreign?.createForeign(components, config, counters)
  const processors = theirs?.processors
  const mailing = theirs ? undefined : handOver(config, () => core.host.started--)
  // Of several destinations the application's own exporter, else the collector is the one that is reported on.
  const sinks: SpanSink[] = mailing
    ? [mailing]
    : destinations(config).map((destination, at, all) =>
        createOtlpSink(config, at === all.length - 1 && !theirs?.sink ? counters : createHealth(), destination),
      )
  if (theirs?.sink !== undefined) sinks.push(theirs.sink)
  const console = config.exporters.includes('console') ? consoleSink() : undefined
  // Lambda freezes the process as soon as the invocation has its answer.
  const freezes = environment.AWS_LAMBDA_FUNCTION_NAME !== undefined
  const { stopSampling, ...sampling } = samplingOf(config, components)
  let open = true
  const core: TracerCore = {
    propagator,
    ...sampling,
    isLinked: createPolicy(config.async),
    host: {
      limits: config.limits,
      started: 0,
      onStart: processors && ((span, parent) => open && processors.onStart(span, parent)),
      onEnding: processors?.onEnding,
      onEnd(span) {
        if (!open) {
          core.host.started--
          return
        }
        processors?.onEnd(span as Span)
        if ((span.traceFlags & SAMPLED) === 0) {
          core.host.started--
          return
        }
        if (sinks.length === 0) counters.ended++
        for (let i = 0; i < sinks.length; i++) sinks[i]?.add(span)
        console?.add(span)
        if (freezes && span.parentIdBytes === undefined) flush()
      },
    },
  }
  // Components that the application gives are none of its threads'.
  const threads =
    isMainThread && sinks.length > 0 && !theirs
      ? takeOver(
          config,
          receiving(sinks, core.host, () => open, counters),
        )
      : undefined
  const healthNow = (): HealthReport =>
    reportOf(counters, core.host.started, config.batch.maxQueueSize, sinks.at(-1)?.state() ?? { size: 0, inFlight: 0 })
  // As metrics, spans are told by the thread that exports them.
  const ownHealth = (): HealthReport => mailing?.health(core.host.started) ?? healthNow()
  const definitions = enabled(config)
  const ids = components.idGenerator && foreign?.idsOf(components.idGenerator)
  let making: TracingOf.Tracing | undefined
  const tracing = () => (making ??= (require('./tracing.js') as typeof TracingOf).createTracing(core, config, ids))
  // What else makes spans, of the same core, takes its ids as it finds them.
  if (ids !== undefined) tracing()
  // Code that has the SDK's provider in mind flushes and ends it.
  const provider = Object.assign(
    withStandIns(() => tracing().provider, coveredBy(definitions)),
    {
      forceFlush: () => flush(),
      shutdown: () => shutdown(),
    },
  )
  setGlobals(provider, contextManager, withoutStandIns(propagator), metrics => {
    const { observeHealth } = require('./metrics.js') as typeof Metrics
    observeHealth(metrics, healthNow, counters, componentOf(config))
  })

  const early = install(connect(definitions, config, tracing), report)
  if (early.length > 0 && isMainThread) {
    log.warn(
      'loaded before @org/trace and so not traced: %s; start with node --import @org/trace/register',
      early.join(', '),
    )
  }

  foreign?.register([...(components.instrumentations ?? []), ...foreign.loadInstrumentations(modules)], provider)

  if (freezes && environment._HANDLER !== undefined)
    (require('./lambda.js') as typeof Lambda).holdAnswers(environment, core, flush, config.exitTimeoutMs)

  watchExit(
    {
      pending() {
        collect()
        return sinks.some(sink => sink.pending()) || processors?.pending() === true
      },
      deliver: () => Promise.all([processors?.flush(config.exitTimeoutMs), ...sinks.map(sink => sink.deliver())]),
      deliverNow(timeoutMs) {
        const until = performance.now() + timeoutMs
        do {
          for (const sink of sinks) sink.deliverNow(until - performance.now())
        } while (!collect() && performance.now() < until)
      },
      made: worker => threads?.made(worker),
      lastWords() {
        threads?.end()
        console?.flush()
        processors?.lastWords()
        for (const sink of sinks) sink.lastWords()
        log.info('health: %j', ownHealth())
      },
    },
    config.exitTimeoutMs,
  )

  /** True if there was room for all that other threads have written. */
  const collect = (): boolean => threads?.collect() ?? true

  async function flushSinks(): Promise<void> {
    const all = collect()
    await Promise.all(sinks.map(sink => sink.flush()))
    if (!all) await flushSinks()
  }

  async function flush({ timeoutMs = FLUSH_TIMEOUT_MS }: FlushOptions = {}): Promise<FlushResult> {
    console?.flush()
    const lost = (): number => lostOf(counters) + (mailing?.lost() ?? 0)
    const before = lost()
    const all = Promise.all([processors?.flush(timeoutMs), flushSinks()])
    if (!(await within(timeoutMs, all, true))) return 'timeout'
    return lost() > before ? 'failed' : 'delivered'
  }
  async function shutdown(options: FlushOptions = {}): Promise<FlushResult> {
    const again = !open
    open = false
    stopSampling?.()
    const result = await flush(options)
    if (again) return result
    const { timeoutMs = FLUSH_TIMEOUT_MS } = options
    const all = Promise.all([processors?.shutdown(timeoutMs), ...sinks.map(sink => sink.shutdown?.())])
    await within(timeoutMs, all, true)
    return result
  }
  return { running: { flush, shutdown }, core, health: ownHealth }
}

/** The exporter that is reported on, in the words of the semantic conventions (`otel.component.type`). */
function componentOf({ exporters, otlp }: Config): string {
  if (!exporters.includes('otlp'))
    return exporters.includes('zipkin') ? 'zipkin_http_span_exporter' : (exporters.at(-1) ?? 'none')
  const types = { grpc: 'otlp_grpc', 'http/json': 'otlp_http_json', 'http/protobuf': 'otlp_http' }
  return `${types[otlp.protocol]}_span_exporter`
}

/** What is written in this very turn comes first: at the end of a process it takes no time from the others. */
const destinations = ({ exporters }: Config): Destination[] =>
  (['otlp/stdout', 'otlp/file', 'zipkin', 'otlp'] as const).filter(name => exporters.includes(name))

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
