/** Keeps a share of the traces, the same ones in every service (specification/trace/sdk.md#traceidratiobased). */
import { log } from '../diagnostics/log.js'
import { thresholdOf } from '../trace/threshold.js'
import { type ComposableSampler, NO_INTENT, type SamplingIntent } from './composable.js'
import { createComposite } from './composite.js'
import type { Sampler } from './sampler.js'

export function createProbability(ratio: number): ComposableSampler {
  const threshold = thresholdOf(ratio)
  const intent: SamplingIntent = threshold === undefined ? NO_INTENT : { threshold, thresholdReliable: true }
  return {
    getSamplingIntent({ isRandom }) {
      if (!isRandom)
        log.once(
          'not random',
          'the sampler takes trace ids for random, and a caller does not confirm it: its tracing should set the random flag (W3C Trace Context Level 2)',
        )
      return intent
    },
    toString: () => `ComposableProbability{${ratio}}`,
  }
}

/** The flag of the parent does not count. */
export const createTraceIdRatio = (ratio: number): Sampler =>
  createComposite(createProbability(ratio), () => `TraceIdRatioBased{${ratio}}`)
