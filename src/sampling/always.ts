/** Samplers that decide the same of every span (specification/trace/sdk.md#alwayson), composable as well. */
import { type ComposableSampler, NO_INTENT, type SamplingIntent } from './composable.js'
import { DROP, RECORD_AND_SAMPLE, type Sampler } from './sampler.js'

const ALL: SamplingIntent = { threshold: '0', thresholdReliable: true }

export const alwaysOn: Sampler & ComposableSampler = {
  shouldSample: () => ({ decision: RECORD_AND_SAMPLE }),
  getSamplingIntent: () => ALL,
  toString: () => 'AlwaysOnSampler',
}

export const alwaysOff: Sampler & ComposableSampler = {
  shouldSample: () => ({ decision: DROP }),
  getSamplingIntent: () => NO_INTENT,
  toString: () => 'AlwaysOffSampler',
}
