/** From `init` options, environment and defaults to one frozen Config. */
import { isMainThread } from 'node:worker_threads'
import { log } from '../diagnostics/log.js'
import { applicationPackage } from './application.js'
import { type Config, createTable, type Definition, isRow, type Options, type Row, type Table } from './options.js'
import { GRPC_ENDPOINT, HTTP_ENDPOINT, isHostAndPort } from './otlp.js'
import { type Complain, isObject, withoutCredentials } from './parse.js'
import { divideArgument, SAMPLER_ARGUMENT } from './sampler.js'

/** The variables of a process, as `process.env` has them. */
export type Environment = Readonly<Record<string, string | undefined>>

/** Of this process. */
export const environment: Environment = process.env

/** Something that was given and is not used: `where` is a variable or the path of an option. */
type Warn = (where: string, value: string, expected: string, used: string) => void

/**
 * The Config of this process; also sets the log level, as what is wrong with the rest is said by it. Main thread only
 * warns: a worker has the same environment. Never throws, and changes nothing that it is given.
 */
export function loadConfig(
  definitions: readonly Definition[],
  options?: Options,
  env: Environment = environment,
): Config {
  const { config, warnings } = readConfig(definitions, options, env)
  log.setLevel(config.logLevel)
  if (isMainThread) for (const warning of warnings) log.warn('%s', warning)
  return config
}

/** As `loadConfig`, but says nothing. */
export function readConfig(
  definitions: readonly Definition[],
  options: unknown,
  env: Environment,
): { config: Config; warnings: string[] } {
  const warnings: string[] = []
  const warn: Warn = (where, value, expected, used) => {
    warnings.push(`${where}: ignored ${value}, expected ${expected}; using ${used}`)
  }
  const table = createTable(definitions)
  const variables = env[SAMPLER_ARGUMENT] === undefined ? env : forSampler(table, options, env, warn)
  const { serviceName, batch, otlp, ...rest } = valuesOf(table, options, '', variables, warn) as Read
  return {
    config: frozen({
      ...rest,
      ...service(serviceName ?? rest.resourceAttributes['service.name']),
      batch: fitting(batch, warn),
      otlp: addressed(otlp, warn),
    }),
    warnings,
  }
}

/** The argument is read as the sampler wants it. */
function forSampler(
  table: ReturnType<typeof createTable>,
  options: unknown,
  env: Environment,
  warn: Warn,
): Environment {
  const sampler = isObject(options) ? read(options, 'sampler') : undefined
  const given = isObject(sampler) ? read(sampler, 'name') : undefined
  const name = valueOfRow(table.sampler.name, 'sampler.name', given, env, () => {})
  return divideArgument(env, name, (value, expected) => warn(SAMPLER_ARGUMENT, show(value), expected, 'the others'))
}

/** What the table says, before one row knows of another. */
type Read = Omit<Config, 'serviceName' | 'otlp'> & {
  serviceName: string | undefined
  otlp: Omit<Config['otlp'], 'endpoint'> & { endpoint: string | undefined }
}

function service(named: string | undefined): { serviceName: string; serviceVersion?: string } {
  if (named) return { serviceName: named }
  const found = applicationPackage()
  return { serviceName: found?.name ?? 'unknown_service:node', serviceVersion: found?.version }
}

function fitting(batch: Config['batch'], warn: Warn): Config['batch'] {
  const { maxExportBatchSize, maxQueueSize } = batch
  if (maxExportBatchSize <= maxQueueSize) return batch
  warn(
    'batch.maxExportBatchSize (OTEL_BSP_MAX_EXPORT_BATCH_SIZE)',
    show(maxExportBatchSize),
    'no more than batch.maxQueueSize',
    show(maxQueueSize),
  )
  return { ...batch, maxExportBatchSize: maxQueueSize }
}

/** Which endpoint is the default, and what it may look like, depends on the protocol. */
function addressed({ endpoint, ...otlp }: Read['otlp'], warn: Warn): Config['otlp'] {
  const isGrpc = otlp.protocol === 'grpc'
  if (endpoint === undefined) return { ...otlp, endpoint: isGrpc ? GRPC_ENDPOINT : HTTP_ENDPOINT }
  if (isGrpc) {
    const { protocol, host, href } = new URL(isHostAndPort(endpoint) ? `https://${endpoint}` : endpoint)
    if (protocol === 'unix:') return { ...otlp, endpoint: href }
    const scheme = isHostAndPort(endpoint) && otlp.insecure ? 'http:' : protocol
    return { ...otlp, endpoint: `${scheme}//${host}` }
  }
  if (!isHostAndPort(endpoint)) return { ...otlp, endpoint }
  warn(
    'otlp.endpoint (OTEL_EXPORTER_OTLP_ENDPOINT)',
    show(endpoint),
    `an http or https URL, as the protocol is ${otlp.protocol}`,
    show(HTTP_ENDPOINT),
  )
  return { ...otlp, endpoint: HTTP_ENDPOINT }
}

function valuesOf(table: Table, given: unknown, prefix: string, env: Environment, warn: Warn): Record<string, unknown> {
  const options = isObject(given) ? given : {}
  if (given !== undefined && !isObject(given))
    warn(prefix.slice(0, -1) || 'options', show(given), 'an object', 'the defaults')
  for (const key of keysOf(options)) {
    // The value is not shown: nobody knows whether it is a secret.
    if (!Object.hasOwn(table, key))
      warn(prefix + nameOf(key), '***', `one of ${Object.keys(table).join(', ')}`, 'nothing')
  }
  return Object.fromEntries(
    Object.entries(table).map(([key, entry]) => {
      const value = read(options, key)
      const path = prefix + key
      return [
        key,
        isRow(entry) ? valueOfRow(entry, path, value, env, warn) : valuesOf(entry, value, `${path}.`, env, warn),
      ]
    }),
  )
}

function valueOfRow(row: Row, path: string, given: unknown, env: Environment, warn: Warn): unknown {
  // Most rows of most processes: 1 ms of a start, all together.
  if (given === undefined && row.env.every(variable => env[variable] === undefined)) return row.default
  const { kind } = row
  const ignored: [where: string, part: unknown][] = []
  const take = (where: string, value: unknown, reader: (complain: Complain) => unknown): unknown => {
    const before = ignored.length
    let taken: unknown
    try {
      taken = reader((part, key) => ignored.push([key === undefined ? where : `${where}.${nameOf(key)}`, part]))
    } catch {
      // Text that is no URL, or an object with a throwing getter: as unacceptable as a wrong type.
    }
    if (taken === undefined && ignored.length === before) ignored.push([where, value])
    return taken
  }

  let found = given === undefined ? undefined : take(path, given, complain => kind.check(given, complain))
  for (const variable of row.env) {
    if (found !== undefined && kind.merge === undefined) break
    const text = env[variable]?.trim()
    if (!text) continue
    const taken = take(variable, text, complain => kind.parse(text, complain, variable))
    if (taken !== undefined) found = found === undefined ? taken : kind.merge?.(found, taken)
  }
  const value = found ?? row.default
  for (const [where, part] of ignored) warn(where, show(part, row.secret), kind.expected, used(value, row.secret))
  return value
}

// A proxy of the caller may throw from any of its traps, a getter when it is read.
const UNREADABLE = Symbol('unreadable')

function read(options: Record<string, unknown>, key: string): unknown {
  try {
    return options[key]
  } catch {
    return UNREADABLE
  }
}

function keysOf(options: Record<string, unknown>): string[] {
  try {
    return Object.keys(options)
  } catch {
    return []
  }
}

const MAX_SHOWN = 100

/** For one line of the log: a value, without what is secret in it. */
function show(value: unknown, secret?: Row['secret']): string {
  if (secret === 'value') return '***'
  if (typeof value === 'string') return quoted(secret === undefined ? value : withoutCredentials(value))
  // Anything else of an object could run its code.
  return isObject(value) ? `a value of type ${typeof value}` : cut(String(value))
}

/** What is used instead, in the same words. */
function used(value: unknown, secret: Row['secret']): string {
  if (value === undefined) return 'the default'
  if (value === Number.POSITIVE_INFINITY) return 'no limit'
  if (Array.isArray(value)) return value.length === 0 ? 'none' : quoted(value.join(','))
  if (isObject(value)) return Object.keys(value).length === 0 ? 'none' : 'the others'
  return show(value, secret)
}

const nameOf = (key: string): string => (/^[\w-]{1,100}$/.test(key) ? key : quoted(key))
const quoted = (text: string): string => JSON.stringify(cut(text))
const cut = (text: string): string => (text.length > MAX_SHOWN ? `${text.slice(0, MAX_SHOWN)}...` : text)

function frozen<T>(value: T): T {
  if (Array.isArray(value)) return Object.freeze(value.map(frozen)) as T
  if (!isObject(value)) return value
  return Object.freeze(Object.fromEntries(Object.entries(value).map(([key, item]) => [key, frozen(item)]))) as T
}
