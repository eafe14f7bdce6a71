/** The public API of `@org/trace`, and nothing else. */
import { coreNow } from './start.js'
import { createTraced } from './traced.js'

export type { Components, IdGenerator, Options } from './components.js'
export type { HealthReport } from './diagnostics/health.js'
export { recordError } from './record-error.js'
export type { RemoteSamplingOptions } from './remote-sampling.js'
export { samplers } from './samplers.js'
export type { ComposableSampler, SamplingIntent, SpanToBe } from './sampling/composable.js'
export type { JaegerRemoteSampler } from './sampling/jaeger-remote.js'
export type { SamplingRule } from './sampling/rule-based.js'
export type { Sampler, SamplingResult } from './sampling/sampler.js'
export type { FlushOptions, FlushResult, Running } from './start.js'
export { health, init } from './start.js'
export type { TracedOptions } from './traced.js'
export const traced = createTraced(coreNow)
