/** The headers of Zipkin, `b3` and `x-b3-*` (https://github.com/openzipkin/b3-propagation). */
import type { Context, TextMapGetter, TextMapSetter } from '@opentelemetry/api'
import { spanOf } from '../context/context.js'
import { identityOf } from '../context/span-identity.js'
import { continued, type Decision, decisionOf, firstText, idOf } from './foreign.js'
import type { Format } from './format.js'

const SINGLE = 'b3'
const TRACE_ID = 'x-b3-traceid'
const SPAN_ID = 'x-b3-spanid'
const SAMPLED = 'x-b3-sampled'
const FLAGS = 'x-b3-flags'

// Trace, span, perhaps a decision, perhaps the span's parent, which is of no use: a span has one side here.
const VALUE = /^([\da-f]{16}|[\da-f]{32})-([\da-f]{16})(?:-([01d]))?(?:-[\da-f]{16})?$/i

// `true` and `false` are of the time before the specification (its section "Sampling State").
const DECISIONS = new Map<string, Decision>([
  ['0', false],
  ['1', true],
  ['d', 'debug'],
  ['false', false],
  ['true', true],
])

const decided = (text = ''): Decision => DECISIONS.get(text.toLowerCase())

/** The one header counts before the several, whichever of them is written (specification/context/api-propagators.md#b3-extract). */
function extract(context: Context, carrier: unknown, getter: TextMapGetter): Context {
  const [, traceId, spanId, state] = VALUE.exec(firstText(carrier, getter, SINGLE) ?? '') ?? []
  const single = continued(context, idOf(traceId, 32), idOf(spanId, 16), decided(state))
  if (single !== context) return single
  const trace = firstText(carrier, getter, TRACE_ID)
  const span = firstText(carrier, getter, SPAN_ID)
  if ((trace?.length !== 16 && trace?.length !== 32) || span?.length !== 16) return context
  const isDebug = firstText(carrier, getter, FLAGS) === '1'
  const decision = isDebug ? 'debug' : decided(firstText(carrier, getter, SAMPLED))
  return continued(context, idOf(trace, 32), idOf(span, 16), decision)
}

/** Writes one header. */
export const b3: Format = {
  inject(context: Context, carrier: unknown, setter: TextMapSetter): void {
    const identity = identityOf(spanOf(context))
    if (identity === undefined) return
    const { traceId, spanId, traceFlags } = identity
    const decision = decisionOf(context, traceId, traceFlags)
    const state = decision === 'debug' ? 'd' : Number(decision)
    setter.set(carrier, SINGLE, decision === undefined ? `${traceId}-${spanId}` : `${traceId}-${spanId}-${state}`)
  },
  extract,
  fields: () => [SINGLE],
  alsoReads: [TRACE_ID, SPAN_ID, SAMPLED, FLAGS],
}

/** Writes several. */
export const b3multi: Format = {
  inject(context: Context, carrier: unknown, setter: TextMapSetter): void {
    const identity = identityOf(spanOf(context))
    if (identity === undefined) return
    const { traceId, spanId, traceFlags } = identity
    setter.set(carrier, TRACE_ID, traceId)
    setter.set(carrier, SPAN_ID, spanId)
    const decision = decisionOf(context, traceId, traceFlags)
    // Debug implies sampled, which is not said beside it.
    if (decision === 'debug') setter.set(carrier, FLAGS, '1')
    else if (decision !== undefined) setter.set(carrier, SAMPLED, decision ? '1' : '0')
  },
  extract,
  fields: () => [TRACE_ID, SPAN_ID, SAMPLED, FLAGS],
  alsoReads: [SINGLE],
}
