/** Components that a configuration file names, made: by what the application has registered, or as samplers of ours. */
import type { TextMapPropagator } from '@opentelemetry/api'
import type { Components, Propagator, Resource } from './components.js'
import type { Wanted } from './config/file/given.js'
import type * as ConfigFile from './config/file/index.js'
import type { Config } from './config/options.js'
import { createDeclaredSampler } from './declared-sampler.js'
import { log } from './diagnostics/log.js'
import { createPropagator } from './propagation/index.js'

/** In the shape that `init` takes objects in; what cannot be made is said, and left out. */
export function createComponents(wanted: readonly Wanted[], config: Config): Record<keyof Components, unknown> {
  const { createOwn } = require('./config/file/index.js') as typeof ConfigFile
  const create = (component: Wanted): unknown =>
    'sampler' in component
      ? createDeclaredSampler(component.sampler, (name, properties) => createOwn({ kind: 'Sampler', name, properties }))
      : createOwn(component)
  const made = new Map<Wanted['kind'], unknown[]>()
  for (const component of wanted) {
    try {
      made.set(component.kind, [...(made.get(component.kind) ?? []), create(component)])
    } catch (error) {
      log.error('%s: %s', component.from, error instanceof Error ? error.message : error)
    }
  }
  const propagators = made.get('TextMapPropagator') as Propagator[] | undefined
  return {
    spanProcessors: made.get('SpanProcessor'),
    spanExporter: made.get('SpanExporter')?.[0],
    sampler: made.get('Sampler')?.[0],
    idGenerator: made.get('IdGenerator')?.[0],
    propagator: propagators && composed([createPropagator(config.propagators), ...propagators]),
    resource: detected(made.get('ResourceDetector') ?? []),
    instrumentations: undefined,
  }
}

const composed = (propagators: readonly (Propagator | TextMapPropagator)[]): Propagator => ({
  inject(context, carrier, setter) {
    for (const propagator of propagators) propagator.inject(context, carrier, setter)
  },
  extract: (context, carrier, getter) =>
    propagators.reduce((before, propagator) => propagator.extract(before, carrier, getter), context),
  fields: () => [...new Set(propagators.flatMap(propagator => propagator.fields()))],
})

/** What is known at once: a start waits for nothing. */
function detected(detectors: readonly unknown[]): Resource | undefined {
  if (detectors.length === 0) return undefined
  const attributes: Record<string, unknown> = {}
  for (const detector of detectors) {
    try {
      const { attributes: own } = (detector as { detect(): Resource }).detect()
      for (const [key, value] of Object.entries(own)) if (!(value instanceof Promise)) attributes[key] = value
    } catch (error) {
      log.error('a resource detector of the configuration file failed: %s', error)
    }
  }
  return { attributes }
}
