/** Where ended spans go by OTLP: the parts that deliver them are loaded when the first one ends. */
import { environment } from './config/load.js'
import type { Config } from './config/options.js'
import type * as Delivery from './delivery.js'
import type { Health, QueueState } from './diagnostics/health.js'
import { log } from './diagnostics/log.js'
import type { EndedSpan, Scope } from './trace/span.js'

export type Destination = 'otlp' | 'otlp/stdout' | 'otlp/file' | 'zipkin'

export interface SpanSink {
  add(span: EndedSpan): void
  /** A span that ended in another thread, encoded; and so many of which nothing but their number is known. */
  addEncoded?(scope: Scope, span: Uint8Array): void
  addMissing?(spans: number): void
  /** True if the next span would be dropped. */
  isFull?(): boolean
  /** True if anything waits or is on its way. */
  pending(): boolean
  /** Resolves when all that waits now was sent, refused or given up. Never rejects. */
  flush(): Promise<void>
  /** The same for a process that is ending: nothing is tried twice. */
  deliver(): Promise<void>
  /** After the last flush. Never rejects. */
  shutdown?(): Promise<void>
  /** Delivers in this turn, within `timeoutMs`; what cannot be delivered is counted as lost. */
  deliverNow(timeoutMs: number): void
  /** What waits and is on its way. */
  state(): QueueState
  /** Says what was lost, if anything was. */
  lastWords(): void
}

/** `health` counts what goes to this destination. */
export function createOtlpSink(config: Config, health: Health, destination: Destination = 'otlp'): SpanSink {
  let parts: ReturnType<typeof Delivery.createDelivery> | undefined
  // The spool may hold what an earlier process has left.
  if (config.spool.path !== undefined && destination === 'otlp') parts = load(config, health, destination)
  return {
    add(span) {
      health.ended++
      parts ??= load(config, health, destination)
      if (parts === undefined) health.dropped.failed++
      else parts.queue.add(span)
    },
    addEncoded(scope, span) {
      health.ended++
      parts ??= load(config, health, destination)
      if (parts === undefined) health.dropped.failed++
      else parts.queue.addEncoded(scope, span)
    },
    addMissing(spans) {
      health.ended += spans
      health.dropped.full += spans
    },
    isFull: () => parts?.queue.isFull() ?? false,
    pending: () => parts?.queue.pending() ?? false,
    flush: async () => parts?.queue.flush(),
    deliver: async () => {
      parts?.exporter.hurry()
      await parts?.queue.flush()
    },
    deliverNow(timeoutMs) {
      if (parts === undefined) return
      const batches = parts.queue.drain()
      if (batches.length === 0) return
      const bodies = batches.map(({ body }) => body)
      const taken = timeoutMs > 0 ? parts.exporter.sendNow(bodies, timeoutMs) : 0
      for (const [at, batch] of batches.entries()) batch.settle(at < taken)
    },
    state: () => parts?.queue ?? { size: 0, inFlight: 0 },
    lastWords() {
      if (health.spooled > 0) log.info('%d spans wait in the spool %s', health.spooled, config.spool.path)
      const lost = Object.entries(health.dropped).filter(([, spans]) => spans > 0)
      if (lost.length === 0) return
      const reasons = lost.map(([reason, spans]) => `${spans} ${reason}`).join(', ')
      log.warn('of %d spans some were lost (%s); %s', health.ended, reasons, whereTo(config, destination))
    },
  }
}

function whereTo({ otlp, otlpFile, zipkin }: Config, destination: Destination): string {
  if (destination === 'otlp/stdout') return 'they go to standard output'
  if (destination === 'otlp/file') return `they go to ${otlpFile}`
  const { endpoint } = destination === 'zipkin' ? zipkin : otlp
  // Without what may be a password or a key.
  return `the collector is ${endpoint.replace(/\/\/[^/]*@/, '//').replace(/[?#].*/, '')}`
}

// A file of its own, as a process that makes no spans does not need it: 2 ms of a start. It may be gone by the time that
// the first span ends, where the application's folder was replaced under it.
function load(
  config: Config,
  health: Health,
  destination: Destination,
): ReturnType<typeof Delivery.createDelivery> | undefined {
  try {
    const { createDelivery } = require('./delivery.js') as typeof Delivery
    return createDelivery(config, health, destination, environment)
  } catch (error) {
    log.once('delivery', 'spans cannot be delivered: %s', error)
    return undefined
  }
}
