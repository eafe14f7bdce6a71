/** Encoder, queue and exporter, joined when the first span ends: a process that makes none does not pay for them. */
import type { Config } from './config/options.js'
import type { Health } from './diagnostics/health.js'
import { log } from './diagnostics/log.js'
import { createOtlpExporter } from './exporter/index.js'
import { createProtoEncoder } from './exporter/otlp-proto.js'
import { createBatchQueue } from './pipeline/batch.js'
import { detectResource } from './resource.js'
import type { EndedSpan } from './trace/span.js'

export interface OtlpSink {
  add(span: EndedSpan): void
  /** True if anything waits or is on its way. */
  pending(): boolean
  /** Resolves when all that waits now was sent, refused or given up. Never rejects. */
  flush(): Promise<void>
  /** The same for a process that is ending: nothing is tried twice. */
  deliver(): Promise<void>
  /** Delivers in this turn, within `timeoutMs`; what cannot be delivered is counted as lost. */
  deliverNow(timeoutMs: number): void
  /** Says what was lost, if anything was. */
  lastWords(): void
}

export function createOtlpSink(config: Config, health: Health): OtlpSink {
  let parts: ReturnType<typeof join> | undefined
  return {
    add(span) {
      parts ??= join(config, health)
      parts.queue.add(span)
    },
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
      const taken = timeoutMs > 0 && parts.exporter.sendNow(bodies, timeoutMs)
      for (const { spans } of batches) {
        if (taken) health.sent += spans
        else health.dropped.unreachable += spans
      }
    },
    lastWords() {
      const lost = Object.entries(health.dropped).filter(([, spans]) => spans > 0)
      if (lost.length === 0) return
      const reasons = lost.map(([reason, spans]) => `${spans} ${reason}`).join(', ')
      log.warn('of %d spans some were lost (%s); the collector is %s', health.ended, reasons, config.otlp.endpoint)
    },
  }
}

function join(config: Config, health: Health) {
  // Both limit one batch, retries included; 0 is no limit.
  const limits = [config.otlp.timeoutMs, config.batch.exportTimeoutMs].filter(ms => ms > 0)
  const timeoutMs = limits.length === 0 ? 0 : Math.min(...limits)
  const exporter = createOtlpExporter({ ...config.otlp, timeoutMs })
  const encoder = createProtoEncoder(detectResource(config), config.limits)
  return { exporter, queue: createBatchQueue(encoder, exporter.send, config.batch, health) }
}
