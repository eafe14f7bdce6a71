/** The header of AWS X-Ray, `x-amzn-trace-id` (AWS X-Ray developer guide, "Tracing header"), and its variable in AWS Lambda. */
import type { Context, TextMapGetter, TextMapSetter } from '@opentelemetry/api'
import { spanOf } from '../context/context.js'
import { identityOf } from '../context/span-identity.js'
import { continued, type Decision, decisionOf, firstText, idOf } from './foreign.js'
import type { Format } from './format.js'
import { lowerCaseGetter } from './headers.js'

const HEADER = 'x-amzn-trace-id'
const VARIABLE = '_X_AMZN_TRACE_ID'

// Version, seconds and random digits: an id of 128 bits in two parts.
const ROOT = /^1-([\da-f]{8})-([\da-f]{24})$/i
const PARENT = /^[\da-f]{16}$/i

// A question mark asks whoever gets the request to decide.
const DECISIONS = new Map<string, Decision>([
  ['1', true],
  ['0', false],
])

/** Takes `Root`, `Parent` and `Sampled` in any order; other fields mean nothing here. */
function extract(context: Context, carrier: unknown, getter: TextMapGetter): Context {
  const fields: Record<string, string> = Object.create(null)
  for (const field of (firstText(carrier, getter, HEADER) ?? '').split(';')) {
    const equals = field.indexOf('=')
    if (equals > 0) fields[field.slice(0, equals).trim()] ??= field.slice(equals + 1).trim()
  }
  const [, seconds = '', rest = ''] = ROOT.exec(fields.Root ?? '') ?? []
  const parent = PARENT.test(fields.Parent ?? '') ? fields.Parent : undefined
  return continued(context, idOf(seconds + rest, 32), idOf(parent, 16), DECISIONS.get(fields.Sampled ?? ''))
}

export const xray: Format = {
  inject(context: Context, carrier: unknown, setter: TextMapSetter): void {
    const identity = identityOf(spanOf(context))
    if (identity === undefined) return
    const { traceId, spanId, traceFlags } = identity
    const decision = decisionOf(context, traceId, traceFlags)
    const sampled = decision === undefined ? '?' : Number(decision !== false)
    const root = `Root=1-${traceId.slice(0, 8)}-${traceId.slice(8)}`
    setter.set(carrier, HEADER, `${root};Parent=${spanId};Sampled=${sampled}`)
  },
  extract,
  fields: () => [HEADER],
}

/**
 * In AWS Lambda the variable tells the trace of each invocation, and counts before the header, unless there is a span
 * already (semantic conventions, AWS Lambda, "AWS X-Ray Environment Span Context Propagation").
 */
export const xrayLambda = (variables: Readonly<Record<string, string | undefined>>): Format => ({
  ...xray,
  extract(context, carrier, getter) {
    const extracted = extract(context, carrier, getter)
    const told = variables[VARIABLE]
    if (told === undefined || identityOf(spanOf(context)) !== undefined) return extracted
    return extract(extracted, { [HEADER]: told }, lowerCaseGetter)
  },
})
