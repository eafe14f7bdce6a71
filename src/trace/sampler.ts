/** Which traces are recorded: the standard samplers (specification/trace/sdk.md#built-in-samplers). */
import { DEFERRED, SAMPLED, type SpanIdentity } from './span.js'

/** True if the span is to be recorded and exported. Without a parent, its trace id is the 16 bytes from `at` on. */
export type Sampler = (parent: SpanIdentity | undefined, bytes: Buffer, at: number) => boolean

/** A sampler by its standard name, as in OTEL_TRACES_SAMPLER; `ratio` from 0 to 1 is of those that have one. */
export function createSampler({ name, ratio }: { readonly name: SamplerName; readonly ratio: number }): Sampler {
  return SAMPLERS[name](ratio)
}

export type SamplerName =
  | 'always_on'
  | 'always_off'
  | 'traceidratio'
  | `parentbased_${'always_on' | 'always_off' | 'traceidratio'}`

export const alwaysOn: Sampler = () => true
export const alwaysOff: Sampler = () => false

/** Keeps a trace if the low 56 bits of its id, which are random, reach the rejection threshold: the same in every service. */
function traceIdRatio(ratio: number): Sampler {
  // 52 of the 56 bits: what a double holds exactly.
  const threshold = Math.round((1 - ratio) * 2 ** 52)
  return (parent, bytes, at) =>
    (parent === undefined
      ? bytes.readUIntBE(at + 9, 6) * 16 + ((bytes[at + 15] as number) >> 4)
      : Number.parseInt(parent.traceId.slice(18, 31), 16)) >= threshold
}

const parentBased =
  (root: Sampler): Sampler =>
  (parent, bytes, at) =>
    parent === undefined || (parent.traceFlags & DEFERRED) !== 0
      ? root(parent, bytes, at)
      : (parent.traceFlags & SAMPLED) !== 0

const SAMPLERS: Record<SamplerName, (ratio: number) => Sampler> = {
  always_on: () => alwaysOn,
  always_off: () => alwaysOff,
  traceidratio: traceIdRatio,
  parentbased_always_on: () => parentBased(alwaysOn),
  parentbased_always_off: () => parentBased(alwaysOff),
  parentbased_traceidratio: ratio => parentBased(traceIdRatio(ratio)),
}
