/** STUB until the real one is here. */
import type { Config, Options } from './options.js'
export function loadConfig(definitions: readonly { name: string; options?: Record<string, { default: unknown }> }[], _options?: Options): Config {
  const env = process.env
  const instrumentations: Config['instrumentations'] = {}
  for (const d of definitions) instrumentations[d.name] = Object.fromEntries(Object.entries(d.options ?? {}).map(([k, o]) => [k, env[`TRACE_${d.name.toUpperCase().replace(/-/g, '_')}_${k.toUpperCase()}`] ? (o.default === false ? env[`TRACE_${d.name.toUpperCase().replace(/-/g, '_')}_${k.toUpperCase()}`] === 'true' : env[`TRACE_${d.name.toUpperCase().replace(/-/g, '_')}_${k.toUpperCase()}`]) : o.default]))
  return {
    serviceName: env.OTEL_SERVICE_NAME ?? 'stub', resourceAttributes: {}, disabled: env.OTEL_SDK_DISABLED === 'true',
    exporters: (env.OTEL_TRACES_EXPORTER ?? 'otlp').split(','), sampler: { name: (env.OTEL_TRACES_SAMPLER ?? 'parentbased_always_on') as 'parentbased_always_on', ratio: Number(env.OTEL_TRACES_SAMPLER_ARG ?? 1) }, propagators: ['tracecontext', 'baggage'],
    batch: { scheduleDelayMs: Number(env.OTEL_BSP_SCHEDULE_DELAY ?? 5000), exportTimeoutMs: 30000, maxQueueSize: 2048, maxExportBatchSize: 512 },
    limits: { attributeCount: 128, attributeValueLength: Number.POSITIVE_INFINITY, eventCount: 128, linkCount: 128, eventAttributeCount: 128, linkAttributeCount: 128 },
    otlp: { endpoint: `${env.OTEL_EXPORTER_OTLP_ENDPOINT ?? 'http://localhost:4318'}/v1/traces`, headers: {}, timeoutMs: 10000, compression: 'none' },
    logLevel: (env.OTEL_LOG_LEVEL ?? 'warn') as 'warn', exitTimeoutMs: 2000, disabledInstrumentations: [], instrumentations,
  }
}
