/** Decides as a composable sampler intends, and keeps the tracestate true (specification/trace/sdk.md#compositesampler). */
import { spanOf } from '../context/context.js'
import { identityOf, RANDOM, SAMPLED, type SpanIdentity } from '../context/span-identity.js'
import { TraceState } from '../context/trace-state.js'
import { log } from '../diagnostics/log.js'
import type { ComposableSampler, SpanToBe } from './composable.js'
import { formatOt, isThreshold, OT_KEY, type OtState, parseOt } from './ot-state.js'
import { DROP, RECORD_AND_SAMPLE, type Sampler, type SamplerTraceState, type SamplingResult } from './sampler.js'

/** The digits of a trace id that are not of its randomness. */
const NOT_RANDOM = 18
const EMPTY = TraceState.parse('') as TraceState

export const createComposite = (
  delegate: ComposableSampler,
  description = (): string => `CompositeSampler{${delegate}}`,
): Sampler => ({
  shouldSample(context, traceId, name, kind, attributes, links) {
    const parent = identityOf(spanOf(context as never))
    const before = parent?.traceState === undefined ? EMPTY : (TraceState.parse(parent.traceState) ?? EMPTY)
    const ot = parseOt(before.get(OT_KEY))
    const randomness = ot.randomness ?? traceId.slice(NOT_RANDOM)
    const span: SpanToBe = {
      context,
      traceId,
      name,
      kind,
      attributes,
      links,
      parent: placeOf(parent),
      parentIsSampled: isSampled(parent),
      parentThreshold: parentThreshold(ot, randomness, isSampled(parent)),
      randomness,
      isRandom: ot.randomness !== undefined || parent === undefined || (parent.traceFlags & RANDOM) !== 0,
    }
    return decide(delegate, span, before, ot)
  },
  toString: description,
})

function decide(delegate: ComposableSampler, span: SpanToBe, before: TraceState, ot: OtState): SamplingResult {
  const intent = delegate.getSamplingIntent(span)
  const { threshold, thresholdReliable } = intent
  // A threshold that counts nothing may come from this very randomness: it is compared with another.
  const randomness = thresholdReliable ? span.randomness : freshRandomness()
  const result: SamplingResult = { decision: DROP }
  let after: SamplerTraceState
  if (isThreshold(threshold) && randomness >= threshold) {
    result.decision = RECORD_AND_SAMPLE
    const attributes = intent.attributes?.()
    if (attributes !== undefined) result.attributes = attributes
    after = stated(intent.traceState?.(before) ?? before, ot, thresholdReliable ? threshold : undefined)
  } else after = stated(before, ot, undefined)
  if (after !== before) result.traceState = after
  return result
}

/** With the threshold that a span was sampled by, and without that of its parent. */
function stated(state: SamplerTraceState, ot: OtState, threshold: string | undefined): SamplerTraceState {
  const member = formatOt({ ...ot, threshold })
  if (threshold !== undefined && member?.startsWith(`th:${threshold}`) !== true)
    log.once('ot too long', 'the tracestate has no room for the sampling threshold: its member ot is full')
  if (member === state.get(OT_KEY)) return state
  return member === undefined ? state.unset(OT_KEY) : state.set(OT_KEY, member)
}

/** That of the parent, if its flag is what comes of it. */
function parentThreshold({ threshold }: OtState, randomness: string, sampled: boolean): string | undefined {
  return threshold !== undefined && randomness >= threshold === sampled ? threshold : undefined
}

const isSampled = (parent: SpanIdentity | undefined): boolean =>
  parent !== undefined && (parent.traceFlags & SAMPLED) !== 0

function placeOf(parent: SpanIdentity | undefined): SpanToBe['parent'] {
  if (parent === undefined) return 'none'
  return parent.isRemote ? 'remote' : 'local'
}

const freshRandomness = (): string => Math.random().toString(16).slice(2).padEnd(14, '0')
