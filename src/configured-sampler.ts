/** Which sampler decides, and how it is asked. */
import type { Components } from './components.js'
import type { Config } from './config/options.js'
import type * as RemoteSampling from './remote-sampling.js'
import type * as Samplers from './sampling/index.js'
import { alwaysOn, createSampler, isSamplerName, rootStateOf } from './trace/sampler.js'
import type { TracerCore } from './trace/tracer.js'

interface Sampling extends Pick<TracerCore, 'sampler' | 'rootState' | 'decider'> {
  readonly stopSampling?: () => void
}

/** The application's own sampler, else the configured one; those that decide by more than parent and trace id are files of their own. */
export function samplingOf({ sampler, ...config }: Config, components: Components): Sampling {
  const { name, ratio } = sampler
  const own = components.sampler as TracerCore['decider']
  if (own !== undefined) return { sampler: alwaysOn, decider: own }
  if (isSamplerName(name)) return { sampler: createSampler({ name, ratio }), rootState: rootStateOf(sampler) }
  if (name === 'traceidratio') {
    const { createTraceIdRatio } = require('./sampling/index.js') as typeof Samplers
    return { sampler: alwaysOn, decider: createTraceIdRatio(ratio) }
  }
  const { createRemoteSampler } = require('./remote-sampling.js') as typeof RemoteSampling
  const remote = createRemoteSampler({ sampler, ...config })
  return { sampler: alwaysOn, decider: remote, stopSampling: () => remote.shutdown() }
}
