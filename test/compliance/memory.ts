/** Tracing of this process, as an application has it, with what its own processors hear. */
import type { Context, Sampler, SpanContext } from '@opentelemetry/api'
import { init } from '../../src/start.js'

/** What is read of a span that has ended. */
export interface EndedView {
  readonly name: string
  readonly kind: number
  readonly startTime: [number, number]
  readonly endTime: [number, number]
  readonly status: { code: number; message?: string }
  readonly attributes: Record<string, unknown>
  readonly events: { name: string; time: [number, number]; attributes?: object; droppedAttributesCount: number }[]
  readonly links: { context: SpanContext; attributes?: object; droppedAttributesCount: number }[]
  readonly parentSpanId: string | undefined
  readonly droppedAttributesCount: number
  readonly droppedEventsCount: number
  readonly droppedLinksCount: number
  readonly instrumentationScope: { name: string; version?: string; schemaUrl?: string; attributes?: object }
  spanContext(): SpanContext
  isRecording(): boolean
}

export const ended: EndedView[] = []
export const heard = {
  start: [] as { span: any; parent: Context }[],
  ending: [] as any[],
  flushes: 0,
  shutdowns: 0,
}

/** What the next spans are decided by; the tests set it. */
export const sampling: { sampler: Sampler['shouldSample'] } = { sampler: () => ({ decision: 2 }) }

export const running = init({
  exporters: [],
  limits: { attributeCount: 8, eventCount: 4, linkCount: 4, eventAttributeCount: 3, linkAttributeCount: 2 },
  sampler: { shouldSample: (...args) => sampling.sampler(...args), toString: () => 'of the test' },
  spanProcessors: [
    {
      onStart: (span: any, parent: Context) => void heard.start.push({ span, parent }),
      onEnding: (span: any) => void heard.ending.push(span),
      onEnd: (span: any) => void ended.push(span),
      async forceFlush() {
        heard.flushes++
      },
      async shutdown() {
        heard.shutdowns++
      },
    },
  ],
})

export const last = (): EndedView => ended.at(-1) as EndedView
