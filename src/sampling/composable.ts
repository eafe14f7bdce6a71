/** Samplers that say what they intend, and leave it to a composite sampler to do it (specification/trace/sdk.md#composablesampler). */
import type { SamplerAttributes, SamplerContext, SamplerLink, SamplerTraceState } from './sampler.js'

export interface ComposableSampler {
  getSamplingIntent(span: SpanToBe): SamplingIntent
  toString(): string
}

/** A span about which is to be decided. */
export interface SpanToBe {
  readonly context: SamplerContext
  readonly traceId: string
  readonly name: string
  /** As of the API: 0 is internal, then server, client, producer, consumer. */
  readonly kind: number
  readonly attributes: Readonly<SamplerAttributes>
  readonly links: readonly SamplerLink[]
  readonly parent: ParentPlace
  readonly parentIsSampled: boolean
  /** The threshold that the parent was sampled by; undefined if it says none, or one that it cannot have been sampled by. */
  readonly parentThreshold: string | undefined
  /** 14 hexadecimal digits, the same for every span of a trace. */
  readonly randomness: string
  /** False if nothing confirms that these digits are random. */
  readonly isRandom: boolean
}

export type ParentPlace = 'none' | 'local' | 'remote'

export interface SamplingIntent {
  /** The hexadecimal digits below which randomness is rejected, '0' for nothing is; undefined if everything is. */
  readonly threshold: string | undefined
  /** Whether the threshold tells for how many spans a sampled one stands. */
  readonly thresholdReliable: boolean
  /** What a sampled span gets. */
  attributes?(): SamplerAttributes
  /** The tracestate of a sampled span, from that of its parent; its member `ot` is not theirs to change. */
  traceState?(before: SamplerTraceState): SamplerTraceState
}

/** Rejects everything. */
export const NO_INTENT: SamplingIntent = { threshold: undefined, thresholdReliable: false }
/** Rejects nothing, for a reason that has no ratio. */
export const UNCOUNTED: SamplingIntent = { threshold: '0', thresholdReliable: false }
