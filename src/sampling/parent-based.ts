/** Lets the parent's flag say which of five samplers decides (specification/trace/sdk.md#parentbased). */
import { spanOf } from '../context/context.js'
import { identityOf, SAMPLED } from '../context/span-identity.js'
import type { Sampler } from './sampler.js'

export interface ParentBasedSamplers {
  /** For spans without a parent. */
  readonly root: Sampler
  readonly remoteParentSampled: Sampler
  readonly remoteParentNotSampled: Sampler
  readonly localParentSampled: Sampler
  readonly localParentNotSampled: Sampler
}

export function createParentBased(samplers: ParentBasedSamplers): Sampler {
  const { root, remoteParentSampled, remoteParentNotSampled, localParentSampled, localParentNotSampled } = samplers
  return {
    shouldSample(context, ...rest) {
      const parent = identityOf(spanOf(context as never))
      if (parent === undefined) return root.shouldSample(context, ...rest)
      const sampled = (parent.traceFlags & SAMPLED) !== 0
      if (parent.isRemote)
        return (sampled ? remoteParentSampled : remoteParentNotSampled).shouldSample(context, ...rest)
      return (sampled ? localParentSampled : localParentNotSampled).shouldSample(context, ...rest)
    },
    toString: () =>
      `ParentBased{root=${root}, remoteParentSampled=${remoteParentSampled}, remoteParentNotSampled=${remoteParentNotSampled}, localParentSampled=${localParentSampled}, localParentNotSampled=${localParentNotSampled}}`,
  }
}
