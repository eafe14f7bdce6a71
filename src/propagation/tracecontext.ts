/** The headers `traceparent` and `tracestate` (W3C Trace Context Level 2, https://www.w3.org/TR/trace-context-2/). */
import type { Context, TextMapGetter, TextMapPropagator, TextMapSetter } from '@opentelemetry/api'
import { spanOf, withSpan } from '../context/context.js'
import { identityOf, NonRecordingSpan, RANDOM, SAMPLED } from '../context/span-identity.js'
import { TraceState } from '../context/trace-state.js'
import { headerText } from './headers.js'

const TRACEPARENT = 'traceparent'
const TRACESTATE = 'tracestate'

// Where the fields of a traceparent end: version, trace-id, parent-id, trace-flags (section 3.2.2).
const VERSION_END = 2
const TRACE_ID_END = 35
const SPAN_ID_END = 52
const LENGTH = 55

const DASH = 0x2d
const SPACE = 0x20
const TAB = 0x09

// Flags that are not defined yet are sent as zero (section "Other Flags").
const KNOWN_FLAGS = SAMPLED | RANDOM
const FLAGS_TEXT = ['-00', '-01', '-02', '-03']

/**
 * Continues a trace from a valid `traceparent`, of version 00 or a later one; an invalid one leaves the context as it
 * is, whatever `tracestate` says. An invalid `tracestate`, or one longer than 8,192 characters, is left out.
 */
export const tracecontext: TextMapPropagator = {
  inject(context: Context, carrier: unknown, setter: TextMapSetter): void {
    const identity = identityOf(spanOf(context))
    if (identity === undefined) return
    const flags = FLAGS_TEXT[identity.traceFlags & KNOWN_FLAGS]
    setter.set(carrier, TRACEPARENT, `00-${identity.traceId}-${identity.spanId}${flags}`)
    if (identity.traceState !== undefined) setter.set(carrier, TRACESTATE, identity.traceState)
  },

  extract(context: Context, carrier: unknown, getter: TextMapGetter): Context {
    const parent = headerText(getter.get(carrier, TRACEPARENT))
    if (parent === undefined) return context
    const text = parent.length === LENGTH ? parent : trimmed(parent)
    if (!isTraceparent(text)) return context
    const state = headerText(getter.get(carrier, TRACESTATE))
    const traceState = state === undefined ? undefined : TraceState.parse(state)?.serialize() || undefined
    const traceId = text.slice(VERSION_END + 1, TRACE_ID_END)
    const spanId = text.slice(TRACE_ID_END + 1, SPAN_ID_END)
    const flags = hexDigit(text.charCodeAt(LENGTH - 1)) & KNOWN_FLAGS
    return withSpan(context, new NonRecordingSpan(traceId, spanId, flags, traceState, true))
  },

  fields: () => [TRACEPARENT, TRACESTATE],
}

/** Without spaces and tabs at both ends (RFC 9110, section 5.6.3). */
function trimmed(text: string): string {
  let start = 0
  let end = text.length
  while (start < end && isBlank(text.charCodeAt(start))) start++
  while (end > start && isBlank(text.charCodeAt(end - 1))) end--
  return text.slice(start, end)
}

const isBlank = (code: number): boolean => code === SPACE || code === TAB

/** Later versions may say more, after a dash (section "Versioning of traceparent"). */
function isTraceparent(text: string): boolean {
  const version = hex(text, 0, VERSION_END)
  return (
    version >= 0 &&
    (text.length === LENGTH || (version > 0 && text.charCodeAt(LENGTH) === DASH)) &&
    !text.startsWith('ff') &&
    text.charCodeAt(VERSION_END) === DASH &&
    hex(text, VERSION_END + 1, TRACE_ID_END) > 0 &&
    text.charCodeAt(TRACE_ID_END) === DASH &&
    hex(text, TRACE_ID_END + 1, SPAN_ID_END) > 0 &&
    text.charCodeAt(SPAN_ID_END) === DASH &&
    hex(text, SPAN_ID_END + 1, LENGTH) >= 0
  )
}

/** Negative: not lower-case hexadecimal. 0: all zeros. Else positive. */
function hex(text: string, start: number, end: number): number {
  let bits = 0
  for (let i = start; i < end; i++) bits |= hexDigit(text.charCodeAt(i))
  return bits
}

/** The value of a lower-case hexadecimal digit; of any other code, or none, -1. */
function hexDigit(code: number): number {
  if (code >= 0x30 && code <= 0x39) return code - 0x30
  return code >= 0x61 && code <= 0x66 ? code - 0x57 : -1
}
