/** The headers of the basic tracers of OpenTracing, `ot-tracer-*` and `ot-baggage-*`, whose trace ids have 64 bits. */
import type { Context, TextMapGetter, TextMapSetter } from '@opentelemetry/api'
import { spanOf } from '../context/context.js'
import { identityOf } from '../context/span-identity.js'
import { continued, type Decision, decisionOf, firstText, idOf } from './foreign.js'
import type { Format } from './format.js'
import { extractPrefixed, injectPrefixed } from './prefixed-baggage.js'

const TRACE_ID = 'ot-tracer-traceid'
const SPAN_ID = 'ot-tracer-spanid'
const SAMPLED = 'ot-tracer-sampled'
const PREFIX = 'ot-baggage-'

const DECISIONS = new Map<string, Decision>([
  ['true', true],
  ['false', false],
  ['1', true],
  ['0', false],
])

// What may stand in the value of a header (RFC 9110, section 5.5), of which ends with no blanks.
const FIELD_VALUE = /^(?:[\x21-\x7e](?:[\t\x20-\x7e]*[\x21-\x7e])?)?$/

export const ottrace: Format = {
  inject(context: Context, carrier: unknown, setter: TextMapSetter): void {
    const identity = identityOf(spanOf(context))
    if (identity !== undefined) {
      const { traceId, spanId, traceFlags } = identity
      setter.set(carrier, TRACE_ID, traceId.slice(16))
      setter.set(carrier, SPAN_ID, spanId)
      const decision = decisionOf(context, traceId, traceFlags)
      if (decision !== undefined) setter.set(carrier, SAMPLED, String(decision !== false))
    }
    // There is no encoding: what may not stand in a header is left out.
    injectPrefixed(context, carrier, setter, PREFIX, value => (FIELD_VALUE.test(value) ? value : undefined))
  },

  extract(context: Context, carrier: unknown, getter: TextMapGetter): Context {
    const traceId = idOf(firstText(carrier, getter, TRACE_ID), 32)
    const spanId = idOf(firstText(carrier, getter, SPAN_ID), 16)
    const sampled = firstText(carrier, getter, SAMPLED)?.toLowerCase() ?? ''
    const remote = continued(context, traceId, spanId, DECISIONS.get(sampled))
    return extractPrefixed(remote, carrier, getter, PREFIX, value => value)
  },

  fields: () => [TRACE_ID, SPAN_ID, SAMPLED],
}
