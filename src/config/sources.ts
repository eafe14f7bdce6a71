/** What options are read from besides code: the environment, and files where there are any. */
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { getEnvironmentData, isMainThread, setEnvironmentData } from 'node:worker_threads'
import { applicationFolders } from './application.js'
import type * as OwnFile from './own-file.js'
import { isRow, rowsWithPaths, type Table } from './row.js'
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
}

type OptionTable = Table & { readonly instrumentations: Table }

/** Never throws. */
export function sourcesOf(table: OptionTable, env: Environment): Sources {
  const explained = understood(table, env)
  const file = ownFile(env)
  if (file === undefined) return { ...explained, files: [] }
  const { readOwnFile } = require('./own-file.js') as typeof OwnFile
  const { source, error } = readOwnFile(file)
  const notes = error === undefined ? explained.notes : [...explained.notes, { level: 'error' as const, text: error }]
  return { env: explained.env, files: source === undefined ? [] : [source], notes }
}

function understood(table: OptionTable, env: Environment): { env: Environment; notes: readonly Note[] } {
  const unknown = Object.keys(env).filter(name => name.startsWith('OTEL_') && !hasVariable(table, name))
  if (unknown.length === 0) return { env, notes: [] }
  const known = new Set(rowsWithPaths(table).flatMap(([, row]) => row.env))
  const { explain } = require('./variables.js') as typeof Variables
  return explain(unknown, env, known, Object.keys(table.instrumentations))
}

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
  if (!isMainThread) return getEnvironmentData(KEY) as string | undefined
  const found = applicationFolders()
    .map(folder => join(folder, FILE))
    .find(file => existsSync(file))
  if (found !== undefined) setEnvironmentData(KEY, found)
  return found
}
