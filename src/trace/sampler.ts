/** Which traces are recorded: the standard samplers (specification/trace/sdk.md#built-in-samplers). */
import { SAMPLED, type SpanIdentity } from './span.js'

/** True if the span is to be recorded and exported. */
export type Sampler = (parent: SpanIdentity | undefined, traceId: string) => boolean

export const alwaysOn: Sampler = () => true
export const alwaysOff: Sampler = () => false

/** Keeps a trace if the low 56 bits of its id, which are random, reach the rejection threshold: the same in every service. */
export function traceIdRatio(ratio: number): Sampler {
  // 52 of the 56 bits: what a double holds exactly.
  const threshold = Math.round((1 - ratio) * 2 ** 52)
  return (_parent, traceId) => Number.parseInt(traceId.slice(18, 31), 16) >= threshold
}

export const parentBased =
  (root: Sampler): Sampler =>
  (parent, traceId) =>
    parent === undefined ? root(parent, traceId) : (parent.traceFlags & SAMPLED) !== 0
