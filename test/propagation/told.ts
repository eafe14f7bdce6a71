/** What a propagator makes of headers, in a few words. */
import type { Context, TextMapPropagator } from '@opentelemetry/api'
import { ROOT, spanOf } from '../../src/context/context.js'
import { DEFERRED, identityOf, SAMPLED } from '../../src/context/span-identity.js'
import { decisionOf } from '../../src/propagation/foreign.js'
import { headerGetter, headerSetter } from '../../src/propagation/headers.js'

export const LOW = 'dd8448eb211c8031'
export const TRACE = `0af7651916cd4309${LOW}`
export const SPAN = 'b7ad6b7169203331'

type Headers = Readonly<Record<string, unknown>>

const read = (propagator: TextMapPropagator, headers: Headers): Context =>
  propagator.extract(ROOT, headers, headerGetter)

/** Trace id, span id, and 'sampled', 'dropped', 'debug' or 'deferred'; undefined where there is no span. */
export function told(propagator: TextMapPropagator, headers: Headers): string | undefined {
  const context = read(propagator, headers)
  const identity = identityOf(spanOf(context))
  if (identity === undefined) return undefined
  const { traceId, spanId, traceFlags, isRemote } = identity
  const decision = decisionOf(context, traceId, traceFlags)
  const words = new Map<unknown, string>([
    [true, 'sampled'],
    [false, 'dropped'],
    ['debug', 'debug'],
    [undefined, 'deferred'],
  ])
  const isConsistent = decision === undefined ? traceFlags === DEFERRED : traceFlags === (decision ? SAMPLED : 0)
  return `${traceId} ${spanId} ${words.get(decision)}${isRemote && isConsistent ? '' : ', oddly'}`
}

/** What is written where those headers came in. */
export function relayed(
  propagator: TextMapPropagator,
  headers: Headers,
  through: TextMapPropagator = propagator,
): Record<string, string> {
  const carrier: Record<string, string> = {}
  through.inject(read(propagator, headers), carrier, headerSetter)
  return carrier
}
