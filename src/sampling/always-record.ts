/** Records what another sampler drops, for span processors and not for export (specification/trace/sdk.md#alwaysrecord). */
import { DROP, RECORD, type Sampler } from './sampler.js'

export const createAlwaysRecord = (root: Sampler): Sampler => ({
  shouldSample(...span) {
    const result = root.shouldSample(...span)
    return result.decision === DROP ? { ...result, decision: RECORD } : result
  },
  toString: () => `AlwaysRecordSampler{${root}}`,
})
