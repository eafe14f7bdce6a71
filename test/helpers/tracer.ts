/** A tracer for tests, whose spans end in a list. */
import { W3CTraceContextPropagator } from '@opentelemetry/core'
import { createGuard } from '../../src/trace/begin.js'
import type { Operation } from '../../src/trace/operation.js'
import { createPolicy } from '../../src/trace/passage.js'
import { createSampler, type SamplerName } from '../../src/trace/sampler.js'
import { type EndedSpan, INTERNAL, type Scope, type SpanDraft } from '../../src/trace/span.js'
import { traced } from '../../src/trace/traced.js'
import type { TracerCore } from '../../src/trace/tracer.js'

export const limits = {
  attributeCount: 8,
  attributeValueLength: Number.POSITIVE_INFINITY,
  eventCount: 4,
  linkCount: 4,
  eventAttributeCount: 2,
  linkAttributeCount: 2,
}

export const scope: Scope = { name: 'test', version: '1.0.0' }

/** The propagator is not ours, so that headers are judged by somebody else's reading of the standard. */
export function createTestTracer(sampler: SamplerName = 'always_on') {
  const ended: EndedSpan[] = []
  const core: TracerCore = {
    host: { limits, started: 0, onEnd: span => ended.push(span) },
    sampler: createSampler({ name: sampler, ratio: 0.5 }),
    isLinked: createPolicy({ relation: 'auto', maxAgeMs: 3_600_000 }),
    propagator: new W3CTraceContextPropagator(),
  }
  return {
    core,
    ended,
    /** `original`, traced by an operation that makes a span of that name and whatever `verbs` add. */
    trace<This, Args extends unknown[], R>(
      original: (this: This, ...args: Args) => R,
      verbs: Partial<Operation<any>> = {},
      guard = createGuard('test 1.0.0'),
    ) {
      return traced<This, Args, R>(core, scope, { start: () => draft('call'), ...verbs }, original, guard)
    },
  }
}

export const draft = (name: string): SpanDraft => ({ name, kind: INTERNAL, attributes: {} })
