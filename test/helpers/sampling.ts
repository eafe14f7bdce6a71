/** Spans that samplers are asked about, and trace ids by a seed. */
import type { Context } from '@opentelemetry/api'
import { ROOT, withSpan } from '../../src/context/context.js'
import { NonRecordingSpan } from '../../src/context/span-identity.js'
import type { Sampler, SamplingResult } from '../../src/sampling/sampler.js'

export const SPAN_ID = 'b7ad6b7169203331'

export interface Asked {
  traceId?: string
  name?: string
  kind?: number
  attributes?: Record<string, any>
  /** None without it. */
  parent?: { flags?: number; state?: string; remote?: boolean }
}

export const contextOf = ({ traceId = traceIdOf('0'), parent }: Asked): Context =>
  parent === undefined
    ? ROOT
    : withSpan(ROOT, new NonRecordingSpan(traceId, SPAN_ID, parent.flags ?? 0x03, parent.state, parent.remote ?? true))

export function ask(sampler: Sampler, asked: Asked = {}): SamplingResult {
  const { traceId = traceIdOf('0'), name = 'GET /', kind = 1, attributes = {} } = asked
  return sampler.shouldSample(contextOf(asked), traceId, name, kind, attributes, [])
}

/** The tracestate that the span gets, as text. */
export const stateAfter = (result: SamplingResult, asked: Asked = {}): string =>
  result.traceState === undefined ? (asked.parent?.state ?? '') : result.traceState.serialize()

/** A trace id of this randomness, which is filled up with zeros. */
export const traceIdOf = (randomness: string): string => `${'5'.repeat(18)}${randomness.padEnd(14, '0')}`

/** Trace ids that are the same in every run (mulberry32). */
export function seededTraceIds(count: number, seed: number): string[] {
  let state = seed
  const next = (): string => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0).toString(16).padStart(8, '0')
  }
  return Array.from({ length: count }, () => next() + next() + next() + next())
}
