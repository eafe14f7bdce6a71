/** What the formats that are not of W3C have in common: how they read and tell the identity of a span. */
import type { Context, TextMapGetter } from '@opentelemetry/api'
import { DEBUG_KEY, withSpan } from '../context/context.js'
import { DEFERRED, NonRecordingSpan, SAMPLED } from '../context/span-identity.js'
import { headerText } from './headers.js'

/** What was decided upstream; undefined: whoever gets the request decides. Debug is sampled, whatever a sampler says. */
export type Decision = boolean | 'debug' | undefined

// Longer than the longest of these headers that means anything.
const MAX_LENGTH = 1024

/** The header as text, the first one if there are several, without blanks around it; undefined for one that is too long. */
export function firstText(carrier: unknown, getter: TextMapGetter, name: string): string | undefined {
  const text = headerText(getter.get(carrier, name))
  if (text === undefined || text.length > MAX_LENGTH) return undefined
  const comma = text.indexOf(',')
  return (comma < 0 ? text : text.slice(0, comma)).trim()
}

const HEX = /^[\da-f]+$/i
const ZEROS = /^0*$/

/** The id with that many digits, of which the first may be missing; undefined for what is none. */
export function idOf(text: string | undefined, digits: 16 | 32): string | undefined {
  if (text === undefined || text.length > digits || !HEX.test(text) || ZEROS.test(text)) return undefined
  return text.toLowerCase().padStart(digits, '0')
}

/** The context of a span elsewhere, if both ids are there. */
export function continued(
  context: Context,
  traceId: string | undefined,
  spanId: string | undefined,
  decision: Decision,
): Context {
  if (traceId === undefined || spanId === undefined) return context
  const remote = withSpan(context, new NonRecordingSpan(traceId, spanId, flagsOf(decision), undefined, true))
  return decision === 'debug' ? remote.setValue(DEBUG_KEY, traceId) : remote
}

function flagsOf(decision: Decision): number {
  if (decision === undefined) return DEFERRED
  return decision === false ? 0 : SAMPLED
}

/** What is told downstream. */
export function decisionOf(context: Context, traceId: string, traceFlags: number): Decision {
  // A trace that begins in this context is not the one that is debugged.
  if (context.getValue(DEBUG_KEY) === traceId) return 'debug'
  return (traceFlags & DEFERRED) === 0 ? (traceFlags & SAMPLED) !== 0 : undefined
}
