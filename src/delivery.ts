/** Encoder, queue and exporter, joined: from an ended span to a request. */
import type { Config } from './config/options.js'
import type { Health } from './diagnostics/health.js'
import { createOtlpExporter } from './exporter/index.js'
import { createProtoEncoder } from './exporter/otlp-proto.js'
import { createBatchQueue } from './pipeline/batch.js'
import { detectResource } from './resource.js'

export function createDelivery(config: Config, health: Health) {
  // Both limit one batch, retries included; 0 is no limit.
  const limits = [config.otlp.timeoutMs, config.batch.exportTimeoutMs].filter(ms => ms > 0)
  const timeoutMs = limits.length === 0 ? 0 : Math.min(...limits)
  const exporter = createOtlpExporter({ ...config.otlp, timeoutMs })
  const encoder = createProtoEncoder(detectResource(config), config.limits)
  return { exporter, queue: createBatchQueue(encoder, exporter.send, config.batch, health) }
}
