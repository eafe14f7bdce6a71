/** Decides as the parent was decided about (specification/trace/sdk.md#composableparentthreshold). */
import { type ComposableSampler, NO_INTENT, UNCOUNTED } from './composable.js'

/** Without a parent, `root` decides. */
export const createParentThreshold = (root: ComposableSampler): ComposableSampler => ({
  getSamplingIntent(span) {
    if (span.parent === 'none') return root.getSamplingIntent(span)
    if (span.parentThreshold !== undefined) return { threshold: span.parentThreshold, thresholdReliable: true }
    return span.parentIsSampled ? UNCOUNTED : NO_INTENT
  },
  toString: () => `ComposableParentThreshold{root=${root}}`,
})
