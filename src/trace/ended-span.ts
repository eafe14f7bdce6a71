/** A span that has ended, as pipeline and exporter see it. */
import type { Attributes } from '../semconv.js'

/** The API's numbers: OTLP's are one more. */
export type SpanKind = 0 | 1 | 2 | 3 | 4
export const INTERNAL = 0
export const SERVER = 1
export const CLIENT = 2
export const PRODUCER = 3
export const CONSUMER = 4

/** The API's numbers, and OTLP's. */
export const STATUS_UNSET = 0
export const STATUS_OK = 1
export const STATUS_ERROR = 2
export type StatusCode = 0 | 1 | 2

/** Who made a span: the instrumentation scope of OTLP. One object per tracer, so that its identity can be a key. */
export interface Scope {
  readonly name: string
  readonly version?: string | undefined
  readonly schemaUrl?: string | undefined
  readonly attributes?: Attributes | undefined
}

export interface SpanEvent {
  readonly name: string
  /** Milliseconds since the epoch. */
  readonly timeMs: number
  readonly attributes: Attributes | undefined
  readonly droppedAttributes: number
}

export interface SpanLink {
  readonly traceId: string
  readonly spanId: string
  readonly traceFlags: number
  readonly traceState: string | undefined
  readonly isRemote: boolean
  readonly attributes: Attributes | undefined
  readonly droppedAttributes: number
}

export interface EndedSpan {
  /** Where the ids are bytes still: from `idAt`, `traceIdAt` and `parentIdAt` on. */
  readonly idBytes?: Uint8Array | undefined
  readonly idAt?: number
  readonly traceIdBytes?: Uint8Array | undefined
  readonly traceIdAt?: number
  readonly parentIdBytes?: Uint8Array | undefined
  readonly parentIdAt?: number
  readonly traceId: string
  readonly spanId: string
  readonly parentSpanId: string | undefined
  readonly parentIsRemote: boolean
  readonly traceFlags: number
  readonly traceState: string | undefined
  readonly scope: Scope
  readonly kind: SpanKind
  readonly name: string
  /** Milliseconds since the epoch. */
  readonly startMs: number
  /** Milliseconds since the epoch. */
  readonly endMs: number
  readonly statusCode: StatusCode
  readonly statusMessage: string | undefined
  readonly attributes: Readonly<Attributes>
  readonly droppedAttributes: number
  readonly events: readonly SpanEvent[] | undefined
  readonly droppedEvents: number
  readonly links: readonly SpanLink[] | undefined
  readonly droppedLinks: number
}
