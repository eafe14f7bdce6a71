/** From `init` options, environment, files and defaults to one frozen Config. */
import { log } from '../diagnostics/log.js'
import { applicationPackage } from './application.js'
import { isMainThread } from './inherited.js'
import { type Config, createTable, type Options } from './options.js'
import { GRPC_ENDPOINT, HTTP_ENDPOINT, isHostAndPort } from './otlp.js'
import { type Complain, isObject } from './parse.js'
import { type Definition, isRow, type Row, type Table } from './row.js'
import { divideArgument, SAMPLER_ARGUMENT } from './sampler.js'
import { nameOf, show, used } from './show.js'
import { type Environment, type Note, type Source, sourcesOf } from './sources.js'
import type * as Variables from './variables.js'

export type { Environment } from './sources.js'

/** Of this process. */
export const environment: Environment = process.env

/** Something that was given and is not used: `where` is a variable, the path of an option, or its place in a file. */
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
  const { config, warnings, notes } = readConfig(definitions, options, env)
  log.setLevel(config.logLevel)
  if (isMainThread) {
    for (const { level, text } of notes) log[level]('%s', text)
    for (const warning of warnings) log.warn('%s', warning)
  }
  return config
}

/** As `loadConfig`, but says nothing. */
export function readConfig(
  definitions: readonly Definition[],
  options: unknown,
  env: Environment,
): { config: Config; warnings: string[]; notes: readonly Note[] } {
  const warnings: string[] = []
  const warn: Warn = (where, value, expected, used) => {
    const { hintFor } = require('./variables.js') as typeof Variables
    const hint = hintFor(where, value)
    const text = `${where}: ignored ${value}, expected ${expected}; using ${used}`
    warnings.push(hint === undefined ? text : `${text}; ${hint}`)
  }
  const table = createTable(definitions)
  const { files, notes, wanted, ...outside } = sourcesOf(
    table,
    env,
    isObject(options) ? read(options, CONFIG_FILE) : undefined,
  )
  const code = options === undefined ? [] : [{ value: options, place: inCode }]
  const variables =
    outside.env[SAMPLER_ARGUMENT] === undefined ? outside.env : forSampler(table, code, files, outside.env, warn)
  const { serviceName, batch, otlp, ...rest } = valuesOf(table, code, files, '', variables, warn) as Read
  return {
    config: frozen({
      ...rest,
      ...service(serviceName ?? nameAmong(rest.resourceAttributes)),
      batch: fitting(batch, warn),
      otlp: addressed(otlp, warn),
      ...(wanted.length > 0 && { wanted }),
    }),
    warnings,
    notes,
  }
}

// No row of the table: it stands for all of them.
const CONFIG_FILE = 'configFile'

const inCode = (path: string): string => path || 'options'

/** The argument is read as the sampler wants it. */
function forSampler(
  table: ReturnType<typeof createTable>,
  code: readonly Source[],
  files: readonly Source[],
  env: Environment,
  warn: Warn,
): Environment {
  const named = (sources: readonly Source[]): readonly Source[] => partsOf(partsOf(sources, 'sampler'), 'name')
  const name = valueOfRow(table.sampler.name, 'sampler.name', named(code), named(files), env, () => {})
  return divideArgument(env, name, (value, expected) => warn(SAMPLER_ARGUMENT, show(value), expected, 'the others'))
}

/** What the table says, before one row knows of another. */
type Read = Omit<Config, 'serviceName' | 'otlp'> & {
  serviceName: string | undefined
  otlp: Omit<Config['otlp'], 'endpoint'> & { endpoint: string | undefined }
}

const nameAmong = ({ 'service.name': name }: Config['resourceAttributes']): string | undefined =>
  name === undefined ? undefined : String(name)

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

/** `code` has the options that `init` was given, if any: they win over the environment, and that over the files. */
function valuesOf(
  table: Table,
  code: readonly Source[],
  files: readonly Source[],
  prefix: string,
  env: Environment,
  warn: Warn,
): Record<string, unknown> {
  for (const source of [...code, ...files]) checkKeys(table, source, prefix, warn)
  return Object.fromEntries(
    Object.entries(table).map(([key, entry]) => {
      const path = prefix + key
      const own = partsOf(code, key)
      const filed = partsOf(files, key)
      return [
        key,
        isRow(entry)
          ? valueOfRow(entry, path, own, filed, env, warn)
          : valuesOf(entry, own, filed, `${path}.`, env, warn),
      ]
    }),
  )
}

function checkKeys(table: Table, { value, place }: Source, prefix: string, warn: Warn): void {
  const isGroup = isObject(value) && !isArray(value)
  if (!isGroup) warn(place(prefix.slice(0, -1)), show(value), 'an object', 'the defaults')
  for (const key of isGroup ? keysOf(value) : []) {
    // The value is not shown: nobody knows whether it is a secret.
    if (!Object.hasOwn(table, key) && prefix + key !== CONFIG_FILE)
      warn(place(prefix + nameOf(key)), '***', `one of ${Object.keys(table).join(', ')}`, 'nothing')
  }
}

/** What the sources say of a key: none at most starts. */
const partsOf = (sources: readonly Source[], key: string): readonly Source[] =>
  sources.length === 0
    ? sources
    : sources.flatMap(({ value, place }) => {
        const own = isObject(value) ? read(value, key) : undefined
        return own === undefined ? [] : [{ value: own, place }]
      })

function valueOfRow(
  row: Row,
  path: string,
  code: readonly Source[],
  files: readonly Source[],
  env: Environment,
  warn: Warn,
): unknown {
  // Most rows of most processes: 1 ms of a start, all together.
  if (code.length + files.length === 0 && row.env.every(variable => env[variable] === undefined)) return row.default
  const { kind } = row
  const ignored: [where: string, part: unknown][] = []
  let found: unknown
  const take = (where: string, value: unknown, reader: (complain: Complain) => unknown): void => {
    if (found !== undefined && kind.merge === undefined) return
    const before = ignored.length
    let taken: unknown
    try {
      taken = reader((part, key) => ignored.push([key === undefined ? where : `${where}.${nameOf(key)}`, part]))
    } catch {
      // Text that is no URL, or an object with a throwing getter: as unacceptable as a wrong type.
    }
    if (taken === undefined && ignored.length === before) ignored.push([where, value])
    if (taken !== undefined) found = found === undefined ? taken : kind.merge?.(found, taken)
  }

  const takeFrom = ({ value, place }: Source): void => take(place(path), value, complain => kind.check(value, complain))
  code.forEach(takeFrom)
  for (const variable of row.env) {
    const text = env[variable]?.trim()
    if (text) take(variable, text, complain => kind.parse(text, complain, variable))
  }
  files.forEach(takeFrom)
  const value = found ?? row.default
  for (const [where, part] of ignored) warn(where, show(part, row.secret), kind.expected, used(value, row.secret))
  return value
}

// A proxy of the caller may throw from any of its traps, or be of nothing any more; a getter when it is read.
function isArray(value: object): boolean {
  try {
    return Array.isArray(value)
  } catch {
    return false
  }
}

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

function frozen<T>(value: T): T {
  if (Array.isArray(value)) return Object.freeze(value.map(frozen)) as T
  if (!isObject(value)) return value
  return Object.freeze(Object.fromEntries(Object.entries(value).map(([key, item]) => [key, frozen(item)]))) as T
}
