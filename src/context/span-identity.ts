/** What identifies a span to its children, in this process or another, and spans that are nothing but that. */
import type { Span as ApiSpan, SpanContext } from '@opentelemetry/api'
import { TraceState } from './trace-state.js'

/** W3C Trace Context Level 2, section 3.2.2.5. */
export const SAMPLED = 0x01
export const RANDOM = 0x02
/** Nothing is decided yet: of formats that can leave it to the receiver. It never leaves the process. */
export const DEFERRED = 0x100

const FLAGS = 0xff

export interface SpanIdentity {
  readonly traceId: string
  readonly spanId: string
  readonly traceFlags: number
  /** The text of `tracestate`, if any. */
  readonly traceState: string | undefined
  readonly isRemote: boolean
}

/** Every span that this package makes: its identity is valid and stands in its fields. */
export abstract class IdentifiedSpan implements SpanIdentity {
  abstract readonly traceId: string
  abstract readonly spanId: string
  abstract readonly traceFlags: number
  abstract readonly traceState: string | undefined
  abstract readonly isRemote: boolean

  spanContext(): SpanContext {
    return contextOf(this)
  }
}

/** An identity in the API's words. */
export function contextOf({ traceId, spanId, traceFlags, traceState, isRemote }: SpanIdentity): SpanContext {
  const context: SpanContext = { traceId, spanId, traceFlags: traceFlags & FLAGS }
  if (isRemote) context.isRemote = true
  const state = traceState === undefined ? undefined : TraceState.parse(traceState)
  if (state !== undefined) context.traceState = state
  return context
}

/** A span that records nothing and only carries an identity: unsampled, or remote. */
export abstract class SilentSpan extends IdentifiedSpan implements ApiSpan {
  get name(): string {
    return ''
  }

  isRecording(): boolean {
    return false
  }
  set(): this {
    return this
  }
  setAttribute(): this {
    return this
  }
  setAttributes(): this {
    return this
  }
  addEvent(): this {
    return this
  }
  addLink(): this {
    return this
  }
  addLinks(): this {
    return this
  }
  setStatus(): this {
    return this
  }
  updateName(): this {
    return this
  }
  recordException(): void {}
  recordError(): void {}
  fail(): void {}
  noteError(): void {}
  end(): void {}
}

/** One whose identity is known as text. */
export class NonRecordingSpan extends SilentSpan {
  constructor(
    readonly traceId: string,
    readonly spanId: string,
    readonly traceFlags: number,
    readonly traceState: string | undefined,
    readonly isRemote: boolean,
  ) {
    super()
  }
}

/** Stands where the API wants a span and there is none: its ids are not valid. */
export const NO_SPAN: ApiSpan = new NonRecordingSpan('0'.repeat(32), '0'.repeat(16), 0, undefined, false)

const TRACE_ID = /^(?!0{32})[0-9a-f]{32}$/
const SPAN_ID = /^(?!0{16})[0-9a-f]{16}$/

/** The identity of any span of the API, ours or of another implementation; undefined if its ids are not valid. */
export function identityOf(span: ApiSpan | undefined): SpanIdentity | undefined {
  if (span === undefined || span === NO_SPAN) return undefined
  if (span instanceof IdentifiedSpan) return span
  const identity = identityOfContext(span.spanContext())
  return isValid(identity) ? identity : undefined
}

export const isValid = ({ traceId, spanId }: SpanIdentity): boolean => TRACE_ID.test(traceId) && SPAN_ID.test(spanId)

export function identityOfContext(context: SpanContext): SpanIdentity {
  return {
    traceId: context.traceId,
    spanId: context.spanId,
    traceFlags: context.traceFlags,
    traceState: context.traceState?.serialize() || undefined,
    isRemote: context.isRemote === true,
  }
}
