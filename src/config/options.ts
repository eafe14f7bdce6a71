/** STUB until the real table is here. */
export interface Config {
  serviceName: string; resourceAttributes: Record<string, string>; disabled: boolean; exporters: string[]
  sampler: { name: 'parentbased_always_on'; ratio: number }; propagators: string[]
  batch: { scheduleDelayMs: number; exportTimeoutMs: number; maxQueueSize: number; maxExportBatchSize: number }
  limits: { attributeCount: number; attributeValueLength: number; eventCount: number; linkCount: number; eventAttributeCount: number; linkAttributeCount: number }
  otlp: { endpoint: string; headers: Record<string, string>; timeoutMs: number; compression: 'none' | 'gzip' }
  logLevel: 'warn'; exitTimeoutMs: number; enabledInstrumentations?: string[]; disabledInstrumentations: string[]
  instrumentations: Record<string, Record<string, unknown>>
}
export type Options = Record<string, unknown>
