/** What only a process with OpenTelemetry objects of others loads: each of them, joined to what is ours. */
import { randomBytes } from 'node:crypto'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import type { TextMapPropagator, TracerProvider } from '@opentelemetry/api'
import type { Components, ForeignInstrumentation, IdGenerator } from './components.js'
import { environment } from './config/load.js'
import type { Config } from './config/options.js'
import { isSuppressed, ROOT, suppressed } from './context/context.js'
import { run } from './context/storage.js'
import { resourceOf } from './delivery.js'
import type { Health } from './diagnostics/health.js'
import { log } from './diagnostics/log.js'
import type { SpanSink } from './otlp.js'
import type { SpanExporter } from './pipeline/foreign.js'
import { createProcessors, createViews, type Processors, type ViewOf } from './pipeline/processors.js'
import { createForeignResource, type ForeignResource } from './pipeline/readable-span.js'
import { createExporterQueue } from './pipeline/span-exporter.js'

export interface Foreign {
  readonly processors: Processors | undefined
  readonly sink: SpanSink | undefined
}

/** `health` counts what goes to the exporter. */
export function createForeign(
  { spanProcessors = [], spanExporter }: Components,
  config: Config,
  health: Health,
): Foreign {
  let resource: ForeignResource | undefined
  const resourceNow = (): ForeignResource => {
    const { attributes, whole } = resourceOf(config, environment)
    return (resource ??= createForeignResource(attributes, whole))
  }
  const viewOf = createViews(resourceNow, config.limits)
  return {
    processors: spanProcessors.length === 0 ? undefined : createProcessors(spanProcessors, viewOf),
    sink: spanExporter === undefined ? undefined : createExporterSink(spanExporter, viewOf, config, health),
  }
}

function createExporterSink(exporter: SpanExporter, viewOf: ViewOf, config: Config, health: Health): SpanSink {
  const queue = createExporterQueue(exporter, viewOf, config.batch, health)
  let open = true
  async function flush(): Promise<void> {
    await queue.flush()
    if (!open) return
    try {
      await run(suppressed(ROOT), async () => exporter.forceFlush?.(), undefined, [])
    } catch (error) {
      log.once('exporter flush', 'the span exporter: forceFlush failed: %s', error)
    }
  }
  return {
    add(span) {
      health.ended++
      queue.add(span)
    },
    pending: queue.pending,
    flush,
    deliver: flush,
    deliverNow: () => queue.drainNow(),
    async shutdown() {
      open = false
      try {
        await run(suppressed(ROOT), () => exporter.shutdown(), undefined, [])
      } catch (error) {
        log.warn('the span exporter: shutdown failed: %s', error)
      }
    },
    state: () => queue,
    lastWords() {
      const lost = Object.values(health.dropped).reduce((sum, spans) => sum + spans, 0)
      if (lost > 0) log.warn('of %d spans %d were lost; they go to the span exporter of init()', health.ended, lost)
    },
  }
}

const ID = /^[0-9a-f]+$/

/** Ids as bytes, the trace id first if both are asked for; random ones where the generator fails, which is told of once. */
export const idsOf =
  (generator: IdGenerator) =>
  (bytes: number): Buffer => {
    try {
      const traceId = bytes > 8 ? checked(generator.generateTraceId(), 32) : ''
      return Buffer.from(traceId + checked(generator.generateSpanId(), 16), 'hex')
    } catch (error) {
      log.once('ids', 'the id generator failed, so ids are random: %s', error)
      return randomBytes(bytes)
    }
  }

function checked(id: unknown, length: number): string {
  if (typeof id === 'string' && id.length === length && ID.test(id) && !/^0+$/.test(id)) return id
  throw new TypeError(`an id is ${JSON.stringify(id)}, expected ${length} hexadecimal digits`)
}

/** A propagator of the application's that never throws, and is silent where spans are suppressed. */
export const fencedPropagator = (propagator: TextMapPropagator): TextMapPropagator => ({
  inject(context, carrier, setter) {
    if (isSuppressed(context)) return
    try {
      propagator.inject(context, carrier, setter)
    } catch (error) {
      log.once('inject', 'the propagator failed to inject: %s', error)
    }
  },
  extract(context, carrier, getter) {
    try {
      return propagator.extract(context, carrier, getter) ?? context
    } catch (error) {
      log.once('extract', 'the propagator failed to extract: %s', error)
      return context
    }
  },
  fields() {
    try {
      return [...propagator.fields()]
    } catch (error) {
      log.once('fields', 'the propagator does not tell its fields: %s', error)
      return []
    }
  },
})

/** As OpenTelemetry's own registration does: what was made enabled is enabled already. */
export function register(instrumentations: readonly ForeignInstrumentation[], provider: TracerProvider): void {
  for (const instrumentation of instrumentations) {
    try {
      instrumentation.setTracerProvider(provider)
      if (instrumentation.getConfig()?.enabled !== true) instrumentation.enable()
    } catch (error) {
      log.warn('the instrumentation %s could not be enabled: %s', nameOf(instrumentation), error)
    }
  }
}

const nameOf = (instrumentation: ForeignInstrumentation): string =>
  String(instrumentation.instrumentationName ?? instrumentation.constructor?.name)

/** New instrumentations of all classes of them that the modules export, as seen from the application's folder. */
export function loadInstrumentations(modules: readonly string[]): ForeignInstrumentation[] {
  return modules.flatMap(name => {
    try {
      // The working directory may have been deleted.
      const require = createRequire(join(process.cwd(), 'package.json'))
      const classes = Object.values(require(name) as object).filter(isInstrumentationClass)
      if (classes.length === 0) log.warn('TRACE_INSTRUMENTATIONS: %s exports no instrumentation', name)
      return [...new Set(classes)].map(Instrumentation => new Instrumentation())
    } catch (error) {
      log.warn('TRACE_INSTRUMENTATIONS: %s could not be loaded: %s', name, error)
      return []
    }
  })
}

const isInstrumentationClass = (value: unknown): value is new () => ForeignInstrumentation => {
  const prototype = typeof value === 'function' ? value.prototype : undefined
  return typeof prototype?.setTracerProvider === 'function' && typeof prototype.enable === 'function'
}
