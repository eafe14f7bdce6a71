/** What only a process with remote sampling loads. */
import { environment, readConfig } from './config/load.js'
import type { Options } from './config/options.js'
import { log } from './diagnostics/log.js'
import { createJaegerRemote, type JaegerRemoteSampler } from './sampling/jaeger-remote.js'

export { createJaegerRemote }

/** Options that are not given have the defaults of the table. */
export type RemoteSamplingOptions = NonNullable<NonNullable<Options['sampler']>['jaegerRemote']> & {
  readonly serviceName?: string
}

const SERVICE_VARIABLES = ['OTEL_SERVICE_NAME', 'OTEL_RESOURCE_ATTRIBUTES']

/** A sampler for whoever makes one in code. */
export function createRemoteSampling(options: RemoteSamplingOptions): JaegerRemoteSampler {
  const { serviceName, ...jaegerRemote } = options ?? {}
  const env = Object.fromEntries(SERVICE_VARIABLES.map(name => [name, environment[name]]))
  const { config, warnings } = readConfig([], { serviceName, sampler: { jaegerRemote } }, env)
  // What is wrong with the environment is said by the start.
  const own = warnings.filter(warning => /^(sampler|serviceName)\b/.test(warning))
  for (const warning of own) log.warn('samplers.jaegerRemote: %s', warning)
  return createJaegerRemote({ ...config.sampler.jaegerRemote, serviceName: config.serviceName })
}
