/** OpenTelemetry objects that `init` takes, known by their shape: the application has its own copy of what they are made with. */
import type { ConfigModel } from './config/file/model.js'
import type { Config, Options as TableOptions } from './config/options.js'
import type { SpanExporter, SpanProcessor } from './pipeline/foreign.js'
import type { Sampler } from './sampling/sampler.js'

// No word of the API's types: the package does not bring them, and applications need not have them.

/** Carries contexts across processes (specification/context/api-propagators.md#textmap-propagator). */
export interface Propagator {
  inject(context: any, carrier: any, setter: any): void
  extract(context: any, carrier: any, getter: any): any
  fields(): string[]
}

/** Makes ids as lower-case hexadecimal text, of 32 and 16 digits (specification/trace/sdk.md#id-generators). */
export interface IdGenerator {
  generateTraceId(): string
  generateSpanId(): string
}

/** An instrumentation object, as of `@opentelemetry/instrumentation`. */
export interface ForeignInstrumentation {
  readonly instrumentationName: string
  setTracerProvider(provider: any): void
  getConfig(): { readonly enabled?: boolean | undefined }
  enable(): void
}

/** What describes the service, as `Resource` of OpenTelemetry's SDK does. */
export interface Resource {
  readonly attributes: Readonly<Record<string, any>>
}

export interface Components {
  /** Called beside the export, in order: what they change in a span is exported. */
  readonly spanProcessors?: readonly SpanProcessor[]
  /** In place of `exporters`, or beside them where both are given. */
  readonly spanExporter?: SpanExporter
  readonly sampler?: Sampler
  /** In place of `propagators`. */
  readonly propagator?: Propagator
  readonly idGenerator?: IdGenerator
  /** Its attributes lie below those of `resourceAttributes`. */
  readonly resource?: Resource
  /** Registered and enabled; of those that trace what is traced already the spans are left out. */
  readonly instrumentations?: readonly ForeignInstrumentation[]
}

/**
 * What `init` takes: every option of the table, by groups, and OpenTelemetry objects. An option wins over the environment. What cannot be
 * used is told of, and left out.
 */
export type Options = Omit<TableOptions, 'sampler' | 'instrumentations'> &
  Omit<Components, 'sampler' | 'instrumentations'> & {
    readonly sampler?: TableOptions['sampler'] | Sampler
    readonly instrumentations?: TableOptions['instrumentations'] | readonly ForeignInstrumentation[]
    /** As OTEL_CONFIG_FILE, and in place of it: a path, or a model of `parseConfigFile`. */
    readonly configFile?: string | ConfigModel
  }

export interface Split {
  readonly components: Components
  readonly table: TableOptions | undefined
  /** What was left out, a line each. */
  readonly warnings: readonly string[]
}

const SHAPES: Readonly<Record<keyof Components, readonly string[]>> = {
  spanProcessors: ['onStart', 'onEnd', 'forceFlush', 'shutdown'],
  spanExporter: ['export', 'shutdown'],
  sampler: ['shouldSample'],
  propagator: ['inject', 'extract', 'fields'],
  idGenerator: ['generateTraceId', 'generateSpanId'],
  resource: [],
  instrumentations: ['setTracerProvider', 'getConfig', 'enable'],
}

const LISTS: readonly string[] = ['spanProcessors', 'instrumentations']

/** Tells the objects from the rest, without a look into any of them but for their methods. Never throws. */
export function splitOptions(options: Options | undefined): Split {
  if (options === null || typeof options !== 'object')
    return { components: {}, table: options as TableOptions | undefined, warnings: [] }
  const components: Record<string, unknown> = {}
  const rest: Record<string, unknown> = {}
  const warnings: string[] = []
  for (const key of keysOf(options)) {
    const value = read(options, key)
    if (!isComponent(key, value)) rest[key] = value
    else if (LISTS.includes(key)) components[key] = fitting(key, value, warnings)
    else if (value !== undefined && hasShape(key, value)) components[key] = value
    else if (value !== undefined) warnings.push(refusal(key, key))
  }
  if (components.spanExporter !== undefined) rest.exporters ??= []
  const { resource } = components as Components
  return { components, table: (resource ? withTexts(rest, resource) : rest) as TableOptions, warnings }
}

function isComponent(key: string, value: unknown): key is keyof Components {
  if (!Object.hasOwn(SHAPES, key)) return false
  if (key === 'sampler') return typeof (value as Partial<Sampler> | undefined)?.shouldSample === 'function'
  return key !== 'instrumentations' || Array.isArray(value)
}

function fitting(key: keyof Components, value: unknown, warnings: string[]): unknown[] {
  if (!Array.isArray(value)) {
    if (value !== undefined) warnings.push(`${key}: ignored, expected an array`)
    return []
  }
  return value.filter((item, at) => {
    const fits = hasShape(key, item)
    if (!fits) warnings.push(refusal(`${key}.${at}`, key))
    return fits
  })
}

const refusal = (where: string, key: keyof Components): string =>
  `${where}: ignored, expected an object with ${SHAPES[key].join(', ') || 'attributes'}`

function hasShape(key: keyof Components, value: unknown): boolean {
  if (value === null || typeof value !== 'object') return false
  if (key === 'resource') return isReadable(read(value, 'attributes'))
  return SHAPES[key].every(method => typeof read(value, method) === 'function')
}

function isReadable(attributes: unknown): boolean {
  try {
    return typeof attributes === 'object' && attributes !== null && Object.entries(attributes).length >= 0
  } catch {
    return false
  }
}

/** Texts of a resource are options like all others. */
function withTexts(rest: Record<string, unknown>, { attributes }: Resource): Record<string, unknown> {
  const texts = Object.entries(attributes).filter(([, value]) => typeof value === 'string')
  return { ...rest, resourceAttributes: { ...Object.fromEntries(texts), ...(rest.resourceAttributes as object) } }
}

/** What else a resource has, the table has no words for. */
export function withResource(config: Config, { resource }: Components): Config {
  if (resource === undefined) return config
  const others = Object.entries(resource.attributes).filter(([, value]) => typeof value !== 'string')
  return { ...config, resourceAttributes: { ...Object.fromEntries(others), ...config.resourceAttributes } as never }
}

// A getter or a proxy of the caller may throw.
function read(object: object, key: string): unknown {
  try {
    return (object as Record<string, unknown>)[key]
  } catch {
    return undefined
  }
}

function keysOf(object: object): string[] {
  try {
    return Object.keys(object)
  } catch {
    return []
  }
}
