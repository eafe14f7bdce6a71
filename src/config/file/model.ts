/** A configuration file that has been read: its values by the names that they have there. */
import type { Plain } from './shape.js'

/** A mapping of one key, which is the component's name; of one that is not known here with its `properties`. */
export type Component = Readonly<Record<string, Properties | null>>
export type Properties = Readonly<Record<string, Plain>>

export interface ConfigModel {
  readonly file_format: string
  readonly disabled?: boolean | null
  readonly log_level?: string | null
  readonly attribute_limits?: AttributeLimits | null
  readonly propagator?: { readonly composite?: readonly Component[]; readonly composite_list?: string | null } | null
  readonly resource?: ResourceModel | null
  readonly tracer_provider?: TracerProviderModel
  readonly meter_provider?: Plain
  readonly logger_provider?: Plain
  readonly distribution?: Plain
  readonly 'instrumentation/development'?: InstrumentationModel | null
}

interface AttributeLimits {
  readonly attribute_value_length_limit?: number | null
  readonly attribute_count_limit?: number | null
}

interface ResourceModel {
  readonly attributes?: readonly { readonly name: string; readonly value: Plain; readonly type?: string | null }[]
  readonly attributes_list?: string | null
  readonly schema_url?: string | null
  readonly 'detection/development'?: {
    readonly attributes?: { readonly included?: readonly string[]; readonly excluded?: readonly string[] }
    readonly detectors?: readonly Component[]
  }
}

export interface TracerProviderModel {
  readonly processors: readonly Component[]
  readonly limits?:
    | (AttributeLimits & {
        readonly event_count_limit?: number | null
        readonly link_count_limit?: number | null
        readonly event_attribute_count_limit?: number | null
        readonly link_attribute_count_limit?: number | null
      })
    | null
  readonly sampler?: Component
  readonly id_generator?: Component
  readonly 'tracer_configurator/development'?: Plain
}

export interface HttpModel {
  readonly request_captured_headers?: readonly string[]
  readonly response_captured_headers?: readonly string[]
  readonly known_methods?: readonly string[]
}

interface InstrumentationModel {
  readonly general?: {
    readonly http?: { readonly client?: HttpModel; readonly server?: HttpModel }
    readonly sanitization?: { readonly url?: { readonly sensitive_query_parameters?: readonly string[] } }
  } | null
  readonly js?: Readonly<Record<string, Plain>> | null
  readonly [language: string]: unknown
}

/** The one key of a component, and what it holds. */
export function nameAndValue(component: Component): [name: string, value: Properties] {
  const [[name, value] = ['', {}]] = Object.entries(component)
  return [name, value ?? {}]
}
