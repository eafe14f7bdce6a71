/** Asks a sampler that looks at more than parent and trace id, with a fence around what it does. */
import type { Attributes as ApiAttributes, Context, Link, Sampler } from '@opentelemetry/api'
import { DEFERRED, NonRecordingSpan, RANDOM, SAMPLED, type SpanIdentity } from '../context/span-identity.js'
import { TraceState } from '../context/trace-state.js'
import { log } from '../diagnostics/log.js'
import type { SpanKind } from './ended-span.js'
import { idFlags, spanIdText, TRACE_ID_BYTES, traceIdText } from './ids.js'

/** What is known of a span that is to be made. */
export interface Prospect {
  /** The parent's. */
  readonly context: Context
  readonly parent: SpanIdentity | undefined
  /** Where its ids are: the span id begins at `idAt`, without a parent after the trace id. */
  readonly bytes: Buffer
  readonly idAt: number
  readonly name: string
  readonly kind: SpanKind
  readonly attributes: ApiAttributes
  readonly links: Link[]
}

/** What a sampler has said of one span. */
export interface Decision {
  readonly recorded: boolean
  /** Of the span: a recorded one need not be sampled, and is not exported then. */
  readonly traceFlags: number
  readonly traceState: string | undefined
  readonly attributes: ApiAttributes | undefined
}

// The API's words (specification/trace/sdk.md#sampling-result-returned-by-shouldsample).
const RECORD = 1
const RECORD_AND_SAMPLED = 2

/**
 * Never throws: a sampler that does, or says nothing that can be used, is told of once. The span is then recorded as its
 * parent is, and without one it is.
 */
export function decide(sampler: Sampler, prospect: Prospect): Decision {
  const { context, parent, name, kind, attributes, links } = prospect
  const inherited = parent === undefined ? idFlags : parent.traceFlags & RANDOM
  try {
    const result = sampler.shouldSample(context, traceIdOf(prospect), name, kind, attributes, links)
    const { decision } = result
    if (decision !== 0 && decision !== RECORD && decision !== RECORD_AND_SAMPLED)
      throw new TypeError(`the decision is ${String(decision)}, expected 0, 1 or 2`)
    return {
      recorded: decision !== 0,
      traceFlags: decision === RECORD_AND_SAMPLED ? inherited | SAMPLED : inherited,
      traceState: result.traceState ? valid(result.traceState.serialize()) : parent?.traceState,
      // Read here: a getter may throw.
      attributes: result.attributes && { ...result.attributes },
    }
  } catch (error) {
    log.once('sampler', 'the sampler failed, so spans are sampled as their parents are: %s', error)
    const sampled = parent === undefined || (parent.traceFlags & (SAMPLED | DEFERRED)) !== 0
    return {
      recorded: sampled,
      traceFlags: sampled ? inherited | SAMPLED : inherited,
      traceState: parent?.traceState,
      attributes: undefined,
    }
  }
}

/** A span that a sampler has left out, with an id of its own (specification/trace/sdk.md#sdk-span-creation). */
export const leftOut = ({ traceFlags, traceState }: Decision, prospect: Prospect): NonRecordingSpan =>
  new NonRecordingSpan(traceIdOf(prospect), spanIdText(prospect.bytes, prospect.idAt), traceFlags, traceState, false)

const traceIdOf = ({ parent, bytes, idAt }: Prospect): string =>
  parent === undefined ? traceIdText(bytes, idAt - TRACE_ID_BYTES) : parent.traceId

const valid = (state: string): string | undefined => TraceState.parse(state)?.serialize() || undefined
