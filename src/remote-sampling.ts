/** What only a process with remote sampling loads. */
import { environment, readConfig } from './config/load.js'
import type { Config, Options } from './config/options.js'
import { log } from './diagnostics/log.js'
import { alwaysOff, alwaysOn } from './sampling/always.js'
import { createJaegerRemote, type JaegerRemoteSampler } from './sampling/jaeger-remote.js'
import { createParentBased } from './sampling/parent-based.js'

/** Options that are not given have the defaults of the table. */
export type RemoteSamplingOptions = NonNullable<NonNullable<Options['sampler']>['jaegerRemote']> & {
  readonly serviceName?: string
}

/** The sampler that the environment or `init` names. */
export function createRemoteSampler({ sampler, serviceName }: Config): JaegerRemoteSampler {
  const root = createJaegerRemote({ ...sampler.jaegerRemote, serviceName })
  if (sampler.name === 'jaeger_remote') return root
  const delegates = {
    root,
    remoteParentSampled: alwaysOn,
    remoteParentNotSampled: alwaysOff,
    localParentSampled: alwaysOn,
    localParentNotSampled: alwaysOff,
  }
  return { ...createParentBased(delegates), shutdown: root.shutdown }
}

const SERVICE_VARIABLES = ['OTEL_SERVICE_NAME', 'OTEL_RESOURCE_ATTRIBUTES']

/** A sampler for whoever makes one in code. */
export function createRemoteSamplerInCode(options: RemoteSamplingOptions): JaegerRemoteSampler {
  const { serviceName, ...jaegerRemote } = copyOf(options)
  const env = Object.fromEntries(SERVICE_VARIABLES.map(name => [name, environment[name]]))
  const { config, warnings } = readConfig([], { serviceName, sampler: { jaegerRemote } }, env)
  // What is wrong with the environment is said by the start.
  const own = warnings.filter(warning => /^(sampler|serviceName)\b/.test(warning))
  for (const warning of own) log.warn('samplers.jaegerRemote: %s', warning)
  return createJaegerRemote({ ...config.sampler.jaegerRemote, serviceName: config.serviceName })
}

function copyOf(options: RemoteSamplingOptions): RemoteSamplingOptions {
  try {
    return { ...options }
  } catch {
    // A getter or a proxy of the caller may throw.
    log.warn('samplers.jaegerRemote: the options cannot be read; using the defaults')
    return {}
  }
}
