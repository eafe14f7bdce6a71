/** From the model of a configuration file to our options, to components of the application, and to what is not used of it. */

import { attributes as attributePairs } from '../parse.js'
import type { Table } from '../row.js'
import type { Outcome } from './given.js'
import { addInstrumentations } from './instrumentations.js'
import { type Component, type ConfigModel, nameAndValue, type Properties, type TracerProviderModel } from './model.js'
import { addProcessors } from './processors.js'
import { samplerOf } from './samplers.js'

const LEVELS: Readonly<Record<string, string>> = { trace: 'verbose', fatal: 'error' }

export function outcomeOf(model: ConfigModel, table: Table & { readonly instrumentations: Table }): Outcome {
  const outcome: Outcome = { given: [], wanted: [], remarks: [] }
  const { given, remarks } = outcome
  if (typeof model.disabled === 'boolean') given.push({ option: 'disabled', value: model.disabled, from: 'disabled' })
  if (typeof model.log_level === 'string') {
    const level = model.log_level.replace(/\d$/, '')
    given.push({ option: 'logLevel', value: LEVELS[level] ?? level, from: 'log_level' })
  }
  addResource(model, outcome)
  addPropagators(model, outcome)
  if (model.tracer_provider === undefined) {
    // Without one, OpenTelemetry makes no spans.
    given.push({ option: 'disabled', value: true, from: 'file_format' })
    remarks.push({ level: 'warn', path: 'tracer_provider', text: 'is not there: no spans are made' })
  } else addTracerProvider(model.tracer_provider, model, outcome)
  addInstrumentations(model, table, outcome)
  for (const path of ['meter_provider', 'logger_provider'] as const)
    if (model[path] !== undefined)
      remarks.push({ level: 'info', path, text: 'is not used: metrics and logs are not made here' })
  if (model.distribution !== undefined) remarks.push({ level: 'debug', path: 'distribution', text: 'is not used' })
  return outcome
}

function addResource({ resource }: ConfigModel, { given, wanted, remarks }: Outcome): void {
  const { attributes = [], attributes_list, schema_url, 'detection/development': detection } = resource ?? {}
  const isBad = (): void => {
    remarks.push({ level: 'warn', path: 'resource.attributes_list', text: `expected ${attributePairs.expected}` })
  }
  const listed = attributes_list ? attributePairs.parse(attributes_list, isBad, '') : undefined
  const single = Object.fromEntries(attributes.map(({ name, value }) => [name, value]))
  const from = attributes.length > 0 ? 'resource.attributes' : 'resource.attributes_list'
  given.push({ option: 'resourceAttributes', value: { ...listed, ...single }, from })
  if (schema_url) remarks.push({ level: 'debug', path: 'resource.schema_url', text: 'is not used' })
  const names: string[] = []
  for (const [at, detector] of (detection?.detectors ?? []).entries()) {
    const [name, { properties }] = nameAndValue(detector)
    if (properties === undefined) names.push(...(DETECTORS[name] ?? [name]))
    else
      wanted.push({
        kind: 'ResourceDetector',
        name,
        properties: properties as Properties,
        from: `${DETECTION}.detectors[${at}].${name}`,
      })
  }
  // Without any named, none is used.
  given.push({ option: 'resourceDetectors', value: [...new Set(names)], from: `${DETECTION}.detectors` })
  if (detection?.attributes !== undefined)
    remarks.push({ level: 'warn', path: `${DETECTION}.attributes`, text: 'is not used: all that is detected is sent' })
}

const DETECTION = 'resource.detection/development'

/** Those of the file that have other names here. */
const DETECTORS: Readonly<Record<string, readonly string[]>> = { host: ['host', 'os'], service: ['serviceinstance'] }

/** Without any named, none is used. */
function addPropagators({ propagator }: ConfigModel, { given, wanted }: Outcome): void {
  const { composite = [], composite_list } = propagator ?? {}
  const names: string[] = []
  for (const [at, component] of composite.entries()) {
    const [name, { properties }] = nameAndValue(component)
    const from = `propagator.composite[${at}].${name}`
    if (properties === undefined) names.push(name)
    else wanted.push({ kind: 'TextMapPropagator', name, properties: properties as Properties, from })
  }
  const listed = (composite_list ?? '').split(',').map(name => name.trim())
  names.push(...listed.filter(name => name !== '' && name !== 'none'))
  const from = composite.length > 0 ? 'propagator.composite' : 'propagator.composite_list'
  given.push({ option: 'propagators', value: [...new Set(names)], from })
}

const LIMITS = {
  attributeCount: 'attribute_count_limit',
  attributeValueLength: 'attribute_value_length_limit',
  eventCount: 'event_count_limit',
  linkCount: 'link_count_limit',
  eventAttributeCount: 'event_attribute_count_limit',
  linkAttributeCount: 'link_attribute_count_limit',
} as const

function addTracerProvider(provider: TracerProviderModel, model: ConfigModel, outcome: Outcome): void {
  const { given, wanted, remarks } = outcome
  addProcessors(provider.processors, 'tracer_provider.processors', outcome)
  const { attribute_limits } = model
  const general: Partial<Record<keyof typeof LIMITS, 'attribute_count_limit' | 'attribute_value_length_limit'>> = {
    attributeCount: 'attribute_count_limit',
    attributeValueLength: 'attribute_value_length_limit',
    eventAttributeCount: 'attribute_count_limit',
    linkAttributeCount: 'attribute_count_limit',
  }
  for (const key of Object.keys(LIMITS) as (keyof typeof LIMITS)[]) {
    const own = provider.limits?.[LIMITS[key]]
    const all = general[key] && attribute_limits?.[general[key]]
    const from =
      typeof own === 'number' ? `tracer_provider.limits.${LIMITS[key]}` : `attribute_limits.${general[key] ?? ''}`
    if (typeof (own ?? all) === 'number') given.push({ option: `limits.${key}`, value: own ?? all, from })
  }
  if (provider.sampler !== undefined) {
    const sampler = samplerOf(provider.sampler, 'tracer_provider.sampler')
    given.push(...sampler.given)
    if (sampler.wanted !== undefined) wanted.push(sampler.wanted)
  }
  addIdGenerator(provider.id_generator, outcome)
  if (provider['tracer_configurator/development'] !== undefined)
    remarks.push({ level: 'warn', path: 'tracer_provider.tracer_configurator/development', text: 'is not used' })
}

function addIdGenerator(component: Component | undefined, { wanted }: Outcome): void {
  const [name, { properties }] = component === undefined ? ['', {} as Properties] : nameAndValue(component)
  if (properties !== undefined)
    wanted.push({
      kind: 'IdGenerator',
      name,
      properties: properties as Properties,
      from: `tracer_provider.id_generator.${name}`,
    })
}

/** The options as `init` takes them. */
export function nested(given: Outcome['given']): Record<string, unknown> {
  const options = Object.create(null) as Record<string, unknown>
  for (const { option, value } of given) {
    const keys = option.split('.')
    let group = options
    for (const key of keys.slice(0, -1)) group = (group[key] ??= Object.create(null)) as Record<string, unknown>
    group[keys.at(-1) as string] = value
  }
  return options
}
