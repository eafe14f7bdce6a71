/** Encoder, queue and exporter, joined: from an ended span to a request. */
import type { Environment } from './config/load.js'
import type { Config } from './config/options.js'
import { ROOT, suppressed } from './context/context.js'
import { run } from './context/storage.js'
import type { Health } from './diagnostics/health.js'
import { log } from './diagnostics/log.js'
import { createFileExporter, createOtlpExporter, type OtlpExporter } from './exporter/index.js'
import { createProtoEncoder } from './exporter/otlp-proto.js'
import type { Destination } from './otlp.js'
import { type BatchQueue, createBatchQueue, type Deliver, type Encoder } from './pipeline/batch.js'
import { createSurroundings } from './resource/detector.js'
import { type Detected, detectResource } from './resource/index.js'
import { SCHEMA_URL } from './semconv.js'
import type * as Spooling from './spooling.js'

export function createDelivery(config: Config, health: Health, destination: Destination, variables: Environment) {
  const { attributes, whole } = resourceOf(config, variables)
  const encoder = createProtoEncoder(attributes, config.limits, SCHEMA_URL)
  const transport = exporterFor(config, health, destination)
  const exporter = whole === undefined ? transport : describing(transport, whole, encoder.describe)
  return { exporter, queue: queueFor(config, encoder, exporter.send, health, destination) }
}

let detected: Detected | undefined

/** The same for all destinations. What it asks for makes no spans. */
export function resourceOf(config: Config, variables: Environment): Detected {
  detected ??= run(suppressed(ROOT), detectResource, undefined, [config, createSurroundings(variables)])
  return detected
}

/** Holds batches back until the whole resource is known, unless nothing can wait any more. */
function describing(
  exporter: OtlpExporter,
  whole: NonNullable<Detected['whole']>,
  describe: ReturnType<typeof createProtoEncoder>['describe'],
): OtlpExporter {
  let described = (body: Uint8Array): Uint8Array => body
  let hurry = (): void => {}
  const known = whole.then(attributes => {
    described = describe(attributes)
  })
  const ready = Promise.race([known, new Promise<void>(resolve => (hurry = resolve))])
  return {
    async send(body, onWritten) {
      await ready
      return exporter.send(described(body), onWritten)
    },
    hurry() {
      hurry()
      exporter.hurry()
    },
    sendNow: (bodies, timeoutMs) => exporter.sendNow(bodies.map(described), timeoutMs),
  }
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
  { otlp, otlpFile, zipkin, batch, proxies, exitTimeoutMs }: Config,
  health: Health,
  destination: Destination,
): OtlpExporter {
  if (destination === 'otlp/stdout') return createFileExporter(undefined)
  if (destination === 'otlp/file') return createFileExporter(otlpFile)
  // Both limit one batch, retries included; 0 is no limit.
  const { timeoutMs: ownTimeoutMs, ...transport } = destination === 'zipkin' ? zipkinTransport(zipkin) : otlp
  const limits = [ownTimeoutMs, batch.exportTimeoutMs].filter(ms => ms > 0)
  const timeoutMs = limits.length === 0 ? 0 : Math.min(...limits)
  return createOtlpExporter({
    ...transport,
    proxies,
    lingerMs: exitTimeoutMs,
    timeoutMs,
    onRejected(spans) {
      health.sent -= spans
      health.dropped.refused += spans
    },
  })
}

function zipkinTransport({ endpoint, timeoutMs }: Config['zipkin']) {
  log.info(
    'the exporter zipkin is deprecated by OpenTelemetry: Zipkin takes OTLP by a collector, or by its module zipkin-otel',
  )
  return { protocol: 'zipkin', endpoint, timeoutMs, headers: {}, compression: 'none' } as const
}
