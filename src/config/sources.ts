/** What options are read from besides code: the environment, and files where there are any. */
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { type ApplicationPackage, workingDirectory } from './application.js'
import type * as OwnFile from './own-file.js'
import { rowsWithPaths, type Table } from './row.js'
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

/** Never throws. */
export function sourcesOf(
  table: Table & { readonly instrumentations: Table },
  env: Environment,
  application: ApplicationPackage | undefined,
): Sources {
  const notes: Note[] = []
  const explained = understood(table, env)
  notes.push(...explained.notes)
  const file = ownFile(env, application)
  if (file === undefined) return { ...explained, files: [] }
  const { readOwnFile } = require('./own-file.js') as typeof OwnFile
  const { source, error } = readOwnFile(file)
  if (error !== undefined) notes.push({ level: 'error', text: error })
  return { env: explained.env, files: source === undefined ? [] : [source], notes }
}

function understood(
  table: Table & { readonly instrumentations: Table },
  env: Environment,
): { env: Environment; notes: readonly Note[] } {
  const names = Object.keys(env).filter(name => name.startsWith('OTEL_'))
  if (names.length === 0) return { env, notes: [] }
  const known = new Set(rowsWithPaths(table).flatMap(([, row]) => row.env))
  const unknown = names.filter(name => !known.has(name))
  if (unknown.length === 0) return { env, notes: [] }
  const { explain } = require('./variables.js') as typeof Variables
  return explain(unknown, env, known, Object.keys(table.instrumentations))
}

const FILE = 'trace.config.json'

/** The one that TRACE_CONFIG names, or that stands beside the application's package.json or in the working directory. */
function ownFile(env: Environment, application: ApplicationPackage | undefined): string | undefined {
  const named = env.TRACE_CONFIG?.trim()
  if (named) return named
  const here = workingDirectory()
  const folders = application === undefined || application.folder === here ? [here] : [application.folder, here]
  return folders.map(folder => join(folder, FILE)).find(file => existsSync(file))
}
