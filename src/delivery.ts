/** Encoder, queue and exporter, joined: from an ended span to a request. */
import type { Config } from './config/options.js'
import type { Health } from './diagnostics/health.js'
import { createFileExporter, createOtlpExporter, type OtlpExporter } from './exporter/index.js'
import { createProtoEncoder } from './exporter/otlp-proto.js'
import type { Destination } from './otlp.js'
import { createBatchQueue } from './pipeline/batch.js'
import { detectResource } from './resource.js'

export function createDelivery(config: Config, health: Health, destination: Destination) {
  const exporter = exporterFor(config, health, destination)
  const encoder = createProtoEncoder(detectResource(config), config.limits)
  return { exporter, queue: createBatchQueue(encoder, exporter.send, config.batch, health) }
}

function exporterFor(
  { otlp, otlpFile, batch, proxies }: Config,
  health: Health,
  destination: Destination,
): OtlpExporter {
  if (destination === 'otlp/stdout') return createFileExporter(undefined)
  if (destination === 'otlp/file') return createFileExporter(otlpFile)
  // Both limit one batch, retries included; 0 is no limit.
  const limits = [otlp.timeoutMs, batch.exportTimeoutMs].filter(ms => ms > 0)
  const timeoutMs = limits.length === 0 ? 0 : Math.min(...limits)
  return createOtlpExporter({
    ...otlp,
    proxies,
    timeoutMs,
    onRejected(spans) {
      health.sent -= spans
      health.dropped.refused += spans
    },
  })
}
