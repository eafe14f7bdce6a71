/** Encoder, queue and exporter, joined: from an ended span to a request. */
import type { Config } from './config/options.js'
import type { Health } from './diagnostics/health.js'
import { log } from './diagnostics/log.js'
import { createOtlpExporter } from './exporter/index.js'
import type { Box } from './exporter/mailbox.js'
import { createProtoEncoder } from './exporter/otlp-proto.js'
import { type BatchQueue, createBatchQueue, type Deliver, type Encoder } from './pipeline/batch.js'
import { detectResource } from './resource.js'
import type * as Spooling from './spooling.js'

export function createDelivery(config: Config, health: Health, box: Box | undefined) {
  // Both limit one batch, retries included; 0 is no limit.
  const limits = [config.otlp.timeoutMs, config.batch.exportTimeoutMs].filter(ms => ms > 0)
  const timeoutMs = limits.length === 0 ? 0 : Math.min(...limits)
  const exporter = createOtlpExporter({ ...config.otlp, timeoutMs })
  const encoder = createProtoEncoder(detectResource(config), config.limits)
  return { exporter, queue: queueFor(config, encoder, exporter.send, health, box) }
}

function queueFor(
  config: Config, encoder: Encoder, deliver: Deliver, health: Health, box: Box | undefined): BatchQueue {
  const { path, maxBytes } = config.spool
  if (path !== undefined) {
    try {
      const { createSpooledQueue, createSpool } = require('./spooling.js') as typeof Spooling
      const spool = createSpool(path, maxBytes, config.serviceName, '.pb')
      return createSpooledQueue(encoder, deliver, config.batch, health, spool)
    } catch (error) {
      log.once('no spool', 'no spool in %s, spans wait in memory: %s', path, error)
    }
  }
  if (box !== undefined) {
    const { createSpooledQueue, createMailbox } = require('./spooling.js') as typeof Spooling
    return createSpooledQueue(encoder, deliver, config.batch, health, createMailbox(box))
  }
  return createBatchQueue(encoder, deliver, config.batch, health)
}
