/** One row of the table of options, groups of them, and the rows that the options of an instrumentation make. */
import { boolean, choice, count, type Kind, names, text, words } from './parse.js'

export interface Row<T = any> {
  readonly kind: Kind<T>
  readonly default: T
  /** Environment variables; the first that holds an acceptable value wins. */
  readonly env: readonly string[]
  readonly about: string
  /** What is never shown: all of the value, or the credentials in a URL. */
  readonly secret?: 'value' | 'credentials'
}

/** Rows and groups of rows, by the key that they have in `Options` and in `Config`. */
export interface Table {
  readonly [key: string]: Row | Table
}

/** What the table needs to know of an instrumentation. */
export interface Definition {
  readonly name: string
  readonly options?: Readonly<Record<string, DefinedOption>>
}

interface DefinedOption {
  readonly default: any
  readonly about: string
  readonly values?: readonly any[]
  readonly env?: string
  /** What `variablesOf` says, where a build has asked it. */
  readonly variables?: readonly string[]
}

export const row = <T>(
  kind: Kind<T>,
  byDefault: NoInfer<T>,
  env: string | readonly string[],
  about: string,
  secret?: Row['secret'],
): Row<T> => ({ kind, default: byDefault, env: typeof env === 'string' ? [env] : env, about, secret })

export const isRow = (entry: Row | Table): entry is Row => Array.isArray(entry.env)

/** All rows of a table with their paths. */
export const rowsWithPaths = (table: Table, prefix = ''): [path: string, row: Row][] =>
  Object.entries(table).flatMap(([key, entry]) =>
    isRow(entry) ? [[`${prefix}${key}`, entry]] : rowsWithPaths(entry, `${prefix}${key}.`),
  )

/** The rows of an instrumentation. */
export const rowsOf = ({ name, options = {} }: Definition): Record<string, Row<unknown>> =>
  Object.fromEntries(
    Object.entries(options).map(([key, option]) => [
      key,
      row(kindOf(option), option.default, option.variables ?? variablesOf(name, key, option), option.about),
    ]),
  )

/** Of an option of the instrumentation `name`: its own variable, then one that it shares with others. */
export function variablesOf(name: string, key: string, { env }: DefinedOption): string[] {
  const own = `TRACE_${inCapitals(name)}_${inCapitals(key)}`
  return env === undefined ? [own] : [own, env]
}

function kindOf({ default: byDefault, values }: DefinedOption): Kind<any> {
  if (Array.isArray(byDefault)) return values === undefined ? words : names(values)
  if (values !== undefined) return choice(values)
  if (typeof byDefault === 'boolean') return boolean
  return typeof byDefault === 'number' ? count(0) : text
}

/** 'captureHeaders' -> 'CAPTURE_HEADERS', 'aws-sdk' -> 'AWS_SDK'. */
export const inCapitals = (key: string): string =>
  key
    .replace(/([a-z\d])([A-Z])/g, '$1_$2')
    .replace(/\W+/g, '_')
    .toUpperCase()
