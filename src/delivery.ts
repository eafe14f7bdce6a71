/** Encoder, queue and exporter, joined: from an ended span to a request. */
import type { Config } from './config/options.js'
import type { Health } from './diagnostics/health.js'
import { log } from './diagnostics/log.js'
import { createFileExporter, createOtlpExporter, type OtlpExporter } from './exporter/index.js'
import { createProtoEncoder } from './exporter/otlp-proto.js'
import type { Destination } from './otlp.js'
import { type BatchQueue, createBatchQueue, type Deliver, type Encoder } from './pipeline/batch.js'
import { detectResource } from './resource.js'
import type * as Spooling from './spooling.js'

export function createDelivery(config: Config, health: Health, destination: Destination) {
  const exporter = exporterFor(config, health, destination)
  const encoder = createProtoEncoder(detectResource(config), config.limits)
  return { exporter, queue: queueFor(config, encoder, exporter.send, health, destination) }
}

function queueFor(
  config: Config,
  encoder: Encoder,
  deliver: Deliver,
  health: Health,
  destination: Destination,
): BatchQueue {
  const { path, maxBytes } = config.spool
  if (path !== undefined && destination === 'otlp') {
    try {
      const { createSpooledQueue, createSpool } = require('./spooling.js') as typeof Spooling
      const spool = createSpool(path, maxBytes, config.serviceName, '.pb')
      return createSpooledQueue(encoder, deliver, config.batch, health, spool)
    } catch (error) {
      log.once('no spool', 'no spool in %s, spans wait in memory: %s', path, error)
    }
  }
  return createBatchQueue(encoder, deliver, config.batch, health)
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
