/** Samplers for `init({ sampler })`: loaded when the first one is made. */
import type * as RemoteSampling from './remote-sampling.js'
import type { RemoteSamplingOptions } from './remote-sampling.js'
import type { ComposableSampler } from './sampling/composable.js'
import type * as Sampling from './sampling/index.js'
import type { ComposedSampler } from './sampling/index.js'
import type { JaegerRemoteSampler } from './sampling/jaeger-remote.js'
import type { ParentBasedSamplers } from './sampling/parent-based.js'
import type { SamplingRule } from './sampling/rule-based.js'
import type { Sampler, SamplerAttributes } from './sampling/sampler.js'

const sampling = (): typeof Sampling => require('./sampling/index.js')
const remoteSampling = (): typeof RemoteSampling => require('./remote-sampling.js')

/**
 * Samplers as the specification has them (specification/trace/sdk.md#built-in-samplers), for `init({ sampler })` and for
 * one another. None of them throws: what is wrong warns with its name, its value and what was expected, and a default is
 * used. Those that are composable are samplers by themselves as well, and then do what `composite` does.
 */
export const samplers = {
  /** Keeps every span (specification/trace/sdk.md#alwayson). Composable: as such it says a threshold of 0. */
  alwaysOn: (): ComposedSampler => sampling().alwaysOn,

  /** Drops every span (specification/trace/sdk.md#alwaysoff). Composable. */
  alwaysOff: (): ComposedSampler => sampling().alwaysOff,

  /**
   * Keeps a share of the traces, from 0 to 1, by default 1: the same traces in every service, whatever the parent's flag
   * says. Sampled spans carry the threshold, `ot=th:...`, in their tracestate, from which a backend knows for how many
   * they stand (specification/trace/sdk.md#traceidratiobased).
   */
  traceIdRatio: (ratio: number): Sampler => sampling().traceIdRatio(ratio),

  /**
   * Decides by the parent: `root` for spans without one, by default always on; `remoteParentSampled` and
   * `localParentSampled`, by default always on; `remoteParentNotSampled` and `localParentNotSampled`, by default always off
   * (specification/trace/sdk.md#parentbased).
   */
  parentBased: (delegates: Partial<ParentBasedSamplers>): Sampler => sampling().parentBased(delegates),

  /**
   * Records what `root` drops: span processors get these spans, they are not exported, and what is below them is not
   * sampled (specification/trace/sdk.md#alwaysrecord).
   */
  alwaysRecord: (root: Sampler): Sampler => sampling().alwaysRecord(root),

  /**
   * Decides as a composable sampler intends, and keeps the threshold in the tracestate true: set on spans that are sampled
   * by one, erased from all others (specification/trace/sdk.md#compositesampler). Takes any object with `getSamplingIntent`.
   */
  composite: (delegate: ComposableSampler): Sampler => sampling().composite(delegate),

  /** Composable. As `traceIdRatio`; with 0 it is always off (specification/trace/sdk.md#compositesampler). */
  probability: (ratio: number): ComposedSampler => sampling().probability(ratio),

  /**
   * Composable. As the parent was decided about, with its threshold; spans without a parent are left to `root`
   * (specification/trace/sdk.md#compositesampler).
   */
  parentThreshold: (root: ComposableSampler): ComposedSampler => sampling().parentThreshold(root),

  /**
   * Composable. The sampler of the first rule whose conditions a span meets decides; a span that meets none is dropped.
   * What is known of a span is what it has when it starts: attributes that are set later are in no rule. A rule of a wrong
   * shape is left out (specification/trace/sdk.md#compositesampler).
   */
  ruleBased: (rules: readonly SamplingRule[]): ComposedSampler => sampling().ruleBased(rules),

  /** Composable. Adds attributes to the spans that the delegate keeps (specification/trace/sdk.md#compositesampler). */
  annotating: (attributes: SamplerAttributes, delegate: ComposableSampler): ComposedSampler =>
    sampling().annotating(attributes, delegate),

  /**
   * Asks `endpoint`, by default http://localhost:5778/sampling, for a strategy: soon, and then `pollingIntervalMs`
   * milliseconds after each answer, by default 60,000. Until the first one, `initialSamplingRate` of the traces are kept, by default 0.001. Where no answer
   * comes the last strategy stays, and that is said once. `serviceName` is by default what the environment says
   * (specification/trace/sdk.md#jaegerremotesampler). It is meant to be the `root` of `parentBased`.
   */
  jaegerRemote: (options: RemoteSamplingOptions = {}): JaegerRemoteSampler =>
    remoteSampling().createRemoteSamplerInCode(options),
}
