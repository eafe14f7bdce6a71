/** The declarative configuration file that OTEL_CONFIG_FILE names (specification/configuration/sdk.md): read, and as options. */
import { shownFile, textOf } from '../file-text.js'
import type { Table } from '../row.js'
import type { Environment, Note, Source } from '../sources.js'
import { create } from './components.js'
import type { OwnComponent, Wanted } from './given.js'
import type { ConfigModel } from './model.js'
import { nested, outcomeOf } from './outcome.js'
import { parse } from './parse.js'
import type { Problem } from './tree.js'

export { register } from './components.js'

/** A configuration file, read: either its model, or what is wrong with it, a line each. */
export interface ParsedConfigFile {
  readonly model?: ConfigModel
  readonly errors: readonly string[]
  readonly warnings: readonly string[]
}

export interface FileSource {
  /** Absent if the file is not used. */
  readonly source?: Source
  readonly notes: readonly Note[]
  readonly wanted: readonly Wanted[]
}

const MAX_ERRORS = 20

/** Never throws. */
export function readConfigFile(
  file: string,
  env: Environment,
  table: Table & { readonly instrumentations: Table },
): FileSource {
  const name = shownFile(file)
  let text: string
  try {
    text = textOf(file)
  } catch (error) {
    return { notes: [{ level: 'error', text: `${name} ${(error as Error).message}; ${UNUSED}` }], wanted: [] }
  }
  const { model, errors, warnings, lines } = parse(text, env)
  const notes: Note[] = warnings.map(problem => ({ level: 'warn', text: shown(name, problem) }))
  if (model === undefined) {
    for (const problem of errors.slice(0, MAX_ERRORS)) notes.push({ level: 'error', text: shown(name, problem) })
    const more = errors.length > MAX_ERRORS ? `${errors.length - MAX_ERRORS} more mistakes; ` : ''
    return { notes: [...notes, { level: 'error', text: `${name}: ${more}${UNUSED}` }], wanted: [] }
  }

  return sourceOf(model, table, name, path => `${name}:${lineOf(path, lines)}: ${path}`, notes)
}

/** The same of a model that somebody has at hand, from `parseConfigFile` perhaps. Never throws. */
export function readModel(
  model: ConfigModel,
  table: Table & { readonly instrumentations: Table },
  name: string,
): FileSource {
  try {
    return sourceOf(model, table, name, path => `${name}.${path}`, [])
  } catch (error) {
    return { notes: [{ level: 'error', text: `${name}: is no model (${error}); ${UNUSED}` }], wanted: [] }
  }
}

function sourceOf(
  model: ConfigModel,
  table: Table & { readonly instrumentations: Table },
  name: string,
  placeOf: (path: string) => string,
  before: readonly Note[],
): FileSource {
  const { given, wanted, remarks } = outcomeOf(model, table)
  return {
    source: {
      value: nested(given),
      place(path) {
        const from = given.findLast(({ option }) => path === option || path.startsWith(`${option}.`))?.from
        return from === undefined ? `${name}: ${path}` : placeOf(from)
      },
    },
    notes: [...before, ...remarks.map(({ level, path, text }) => ({ level, text: `${placeOf(path)} ${text}` }))],
    wanted: wanted.map(component => ({ ...component, from: placeOf(component.from) })),
  }
}

const UNUSED = 'it is not used, and the defaults are'

/** What the application has registered for it; throws an error that says why there is none. */
export const createOwn = ({ kind, name, properties }: Omit<OwnComponent, 'from'>): unknown =>
  create(kind, name, properties)

/** See `parseConfigFile` of the package. */
export function parseFile(source: string, env: Environment): ParsedConfigFile {
  const isText = source.includes('\n') || /^\s*(\{|"?file_format)/.test(source)
  const name = isText ? 'text' : shownFile(source)
  try {
    const { model, errors, warnings } = parse(isText ? source : textOf(source), env)
    const lines = (problems: readonly Problem[]): string[] => problems.map(problem => shown(name, problem))
    return { model, errors: lines(errors), warnings: lines(warnings) }
  } catch (error) {
    return { errors: [`${name} ${(error as Error).message}`], warnings: [] }
  }
}

const shown = (name: string, { line, path, text }: Problem): string =>
  path ? `${name}:${line}: ${path}: ${text}` : `${name}:${line}: ${text}`

/** Of the path, or of what it is in. */
function lineOf(path: string, lines: ReadonlyMap<string, number>): number {
  for (let at = path; at !== ''; at = at.replace(/(?:^|\.)[^.[]*$|\[\d+\]$/, '')) {
    const line = lines.get(at)
    if (line !== undefined) return line
  }
  return 1
}
