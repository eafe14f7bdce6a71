/** Components that an application has for configuration files, by kind and name. */
import { log } from '../../diagnostics/log.js'
import type { Properties } from './model.js'

export type ComponentKind =
  | 'SpanExporter'
  | 'SpanProcessor'
  | 'Sampler'
  | 'TextMapPropagator'
  | 'ResourceDetector'
  | 'IdGenerator'

/** Makes the component; what it throws is said, and the component left out. */
export type CreateComponent = (properties: Properties) => unknown

const registered = new Map<string, CreateComponent>()

/** False if there is one of this kind and name already, which stays. */
export function register(kind: ComponentKind, name: string, create: CreateComponent): boolean {
  const key = `${kind} ${name}`
  if (registered.has(key)) {
    log.warn('registerComponent: there is a %s called %s already', kind, name)
    return false
  }
  registered.set(key, create)
  return true
}

/** Throws an error whose message says why there is none. */
export function create(kind: ComponentKind, name: string, properties: Properties): unknown {
  const make = registered.get(`${kind} ${name}`)
  if (make === undefined) throw new Error(`no ${kind} called ${name} is registered (registerComponent)`)
  return make(properties)
}
