/** Which traces are recorded: the standard samplers that need nothing but parent and trace id (specification/trace/sdk.md#built-in-samplers). */
import { DEFERRED, SAMPLED, type SpanIdentity } from '../context/span-identity.js'
import { RANDOM_DIGITS, thresholdOf } from './threshold.js'

/** True if the span is to be recorded and exported. Without a parent, its trace id is the 16 bytes from `at` on. */
export type Sampler = (parent: SpanIdentity | undefined, bytes: Buffer, at: number) => boolean

/** A sampler by its standard name, as in OTEL_TRACES_SAMPLER; `ratio` from 0 to 1 is of those that have one. */
export function createSampler({ name, ratio }: { readonly name: SamplerName; readonly ratio: number }): Sampler {
  return SAMPLERS[name](ratio)
}

/** Of those that need to know no more than the parent and the trace id. */
export type SamplerName = 'always_on' | 'always_off' | `parentbased_${'always_on' | 'always_off' | 'traceidratio'}`

export const alwaysOn: Sampler = () => true
export const alwaysOff: Sampler = () => false

/** Keeps a trace if the low 56 bits of its id, which are random, reach the rejection threshold: the same in every service. */
function traceIdRatio(ratio: number): Sampler {
  const digits = thresholdOf(ratio)?.padEnd(RANDOM_DIGITS, '0')
  if (digits === undefined) return alwaysOff
  // More bits than a double holds exactly: the last byte is compared by itself.
  const threshold = Number.parseInt(digits.slice(0, -2), 16)
  const last = Number.parseInt(digits.slice(-2), 16)
  return (parent, bytes, at) => {
    // A parent that leaves the decision to us has its trace id as text.
    const drawn = parent === undefined ? bytes.readUIntBE(at + 9, 6) : Number.parseInt(parent.traceId.slice(18, 30), 16)
    if (drawn !== threshold) return drawn > threshold
    return (parent === undefined ? (bytes[at + 15] as number) : Number.parseInt(parent.traceId.slice(30), 16)) >= last
  }
}

/** The `tracestate` of roots that `parentbased_traceidratio` keeps: by which threshold they were. */
export function rootStateOf({ name, ratio }: { readonly name: string; readonly ratio: number }): string | undefined {
  const threshold = name === 'parentbased_traceidratio' ? thresholdOf(ratio) : undefined
  return threshold === undefined ? undefined : `ot=th:${threshold}`
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
  parentbased_always_on: () => parentBased(alwaysOn),
  parentbased_always_off: () => parentBased(alwaysOff),
  parentbased_traceidratio: ratio => parentBased(traceIdRatio(ratio)),
}

export const isSamplerName = (name: string): name is SamplerName => Object.hasOwn(SAMPLERS, name)
