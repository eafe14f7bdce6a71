/** Adds attributes to the spans that another sampler keeps (specification/trace/sdk.md#composableannotating). */
import type { ComposableSampler } from './composable.js'
import type { SamplerAttributes } from './sampler.js'

export const createAnnotating = (attributes: SamplerAttributes, delegate: ComposableSampler): ComposableSampler => ({
  getSamplingIntent(span) {
    const intent = delegate.getSamplingIntent(span)
    return { ...intent, attributes: () => ({ ...intent.attributes?.(), ...attributes }) }
  },
  toString: () => `ComposableAnnotating{${Object.keys(attributes).join(',')},${delegate}}`,
})
