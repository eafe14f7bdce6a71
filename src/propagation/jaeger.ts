/** The headers of Jaeger, `uber-trace-id` and `uberctx-*` (https://www.jaegertracing.io/docs/1.76/client-libraries/#propagation-format). */
import type { Context, TextMapGetter, TextMapSetter } from '@opentelemetry/api'
import { spanOf } from '../context/context.js'
import { identityOf } from '../context/span-identity.js'
import { decodeText, encodeText } from './baggage.js'
import { continued, type Decision, decisionOf, firstText, idOf } from './foreign.js'
import type { Format } from './format.js'
import { extractPrefixed, injectPrefixed } from './prefixed-baggage.js'

const TRACE_ID = 'uber-trace-id'
const PREFIX = 'uberctx-'

const SAMPLED = 0x01
const DEBUG = 0x02

// Trace, span, its parent, which is of no use, and flags; leading zeros may be missing.
const VALUE = /^([\da-f]{1,32}):([\da-f]{1,16}):[\da-f]{0,16}:([\da-f]{1,2})$/i

function decided(flags: string | undefined): Decision {
  const bits = Number.parseInt(flags ?? '0', 16)
  return (bits & DEBUG) !== 0 ? 'debug' : (bits & SAMPLED) !== 0
}

const FLAGS = { debug: '03', true: '01', false: '00' }

export const jaeger: Format = {
  inject(context: Context, carrier: unknown, setter: TextMapSetter): void {
    const identity = identityOf(spanOf(context))
    if (identity !== undefined) {
      const { traceId, spanId, traceFlags } = identity
      // There is no way to leave the decision to others.
      const flags = FLAGS[`${decisionOf(context, traceId, traceFlags) ?? false}`]
      setter.set(carrier, TRACE_ID, `${traceId}:${spanId}:0:${flags}`)
    }
    injectPrefixed(context, carrier, setter, PREFIX, encodeText)
  },

  extract(context: Context, carrier: unknown, getter: TextMapGetter): Context {
    // Clients encode the colons, as some proxies took offence at them.
    const [, traceId, spanId, flags] = VALUE.exec(decodeText(firstText(carrier, getter, TRACE_ID) ?? '')) ?? []
    const remote = continued(context, idOf(traceId, 32), idOf(spanId, 16), decided(flags))
    return extractPrefixed(remote, carrier, getter, PREFIX, decodeText)
  },

  // Those of the baggage have no names that are known before.
  fields: () => [TRACE_ID],
}
