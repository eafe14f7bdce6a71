/** What options are read from besides code: the environment, and files where there are any. */
import { existsSync } from 'node:fs'
import { resolve } from 'node:path'
import { applicationFolders } from './application.js'
import type { Wanted } from './file/given.js'
import type * as ConfigFile from './file/index.js'
import type { ConfigModel } from './file/model.js'
import { handDown, inherited, isMainThread } from './inherited.js'
import type * as OwnFile from './own-file.js'
import { isObject } from './parse.js'
import { isRow, rowsWithPaths, type Table } from './row.js'
import { show } from './show.js'
import type * as Variables from './variables.js'

/** The variables of a process, as `process.env` has them. */
export type Environment = Readonly<Record<string, string | undefined>>

/** Options, or a part of them, of whatever shape they have been given in. */
export interface Source {
  readonly value: unknown
  /** What a warning calls the option of that path. */
  place(path: string): string
}

/** Something to be said when the log level is known. */
export interface Note {
  readonly level: 'error' | 'warn' | 'info' | 'debug'
  readonly text: string
}

export interface Sources {
  readonly env: Environment
  /** The first wins. */
  readonly files: readonly Source[]
  readonly notes: readonly Note[]
  /** Components of the application that a file names. */
  readonly wanted: readonly Wanted[]
}

type OptionTable = Table & { readonly instrumentations: Table }

/** `configFile` is what the code says of one. Never throws. */
export function sourcesOf(table: OptionTable, env: Environment, configFile: unknown): Sources {
  const outside = configFile === undefined ? understood(table, env) : declaredInCode(configFile, table, env)
  const file = ownFile(env)
  if (file === undefined) return outside
  const { readOwnFile } = require('./own-file.js') as typeof OwnFile
  const { source, error } = readOwnFile(file)
  return {
    ...outside,
    files: source === undefined ? outside.files : [...outside.files, source],
    notes: error === undefined ? outside.notes : [...outside.notes, { level: 'error', text: error }],
  }
}

function understood(table: OptionTable, env: Environment): Sources {
  const unknown = Object.keys(env).filter(name => name.startsWith('OTEL_') && !hasVariable(table, name))
  if (unknown.length === 0) return { env, files: [], notes: [], wanted: [] }
  const configFile = CONFIG_FILE.find(name => env[name]?.trim())
  if (configFile !== undefined) return declared(configFile, table, env)
  const known = new Set(rowsWithPaths(table).flatMap(([, row]) => row.env))
  const { explain } = require('./variables.js') as typeof Variables
  return { ...explain(unknown, env, known, Object.keys(table.instrumentations)), files: [], wanted: [] }
}

const CONFIG_FILE = ['OTEL_CONFIG_FILE', 'OTEL_EXPERIMENTAL_CONFIG_FILE'] as const

/** Other variables of OpenTelemetry count where the file refers to them only (specification/configuration/sdk-environment-variables.md). */
function declared(variable: string, table: OptionTable, env: Environment): Sources {
  const { readConfigFile } = require('./file/index.js') as typeof ConfigFile
  const sources = withFile(readConfigFile((env[variable] as string).trim(), env, table), env)
  if (variable === CONFIG_FILE[0]) return sources
  const text = `${variable} is deprecated; use ${CONFIG_FILE[0]}`
  return { ...sources, notes: [{ level: 'warn', text }, ...sources.notes] }
}

function declaredInCode(given: unknown, table: OptionTable, env: Environment): Sources {
  const { readConfigFile, readModel } = require('./file/index.js') as typeof ConfigFile
  if (typeof given === 'string') return withFile(readConfigFile(given.trim(), env, table), env)
  if (isObject(given)) return withFile(readModel(given as unknown as ConfigModel, table, 'configFile'), env)
  const sources = understood(table, env)
  const text = `configFile: ignored ${show(given)}, expected a path, or a model of parseConfigFile; using nothing`
  return { ...sources, notes: [...sources.notes, { level: 'warn', text }] }
}

const withFile = ({ source, ...file }: ConfigFile.FileSource, env: Environment): Sources => ({
  ...file,
  env: Object.fromEntries(Object.entries(env).filter(([name]) => !name.startsWith('OTEL_'))),
  files: source === undefined ? [] : [source],
})

// For the few names of most processes 0.1 ms, where a set of all that are known takes 0.4 (Node 20).
const hasVariable = (table: Table, name: string): boolean =>
  Object.values(table).some(entry => (isRow(entry) ? entry.env.includes(name) : hasVariable(entry, name)))

const FILE = 'trace.config.json'
const KEY = '@org/trace options'

/** The one that TRACE_CONFIG names, or that stands in a folder of the application: for a worker the same as for its process. */
function ownFile(env: Environment): string | undefined {
  const named = env.TRACE_CONFIG?.trim()
  if (named) return named
  // What `--require` loads in a worker knows of no script.
  if (!isMainThread) return inherited(KEY) as string | undefined
  const found = applicationFolders()
    .map(folder => resolve(folder, FILE))
    .find(file => existsSync(file))
  if (found !== undefined) handDown(KEY, found)
  return found
}
