/** From the text of a configuration file to its model, or to what is wrong with it. */
import type { Environment } from '../sources.js'
import type { ConfigModel } from './model.js'
import { schema } from './schema.js'
import type { Report } from './shape.js'
import { isLeaf, isMapping, type Problem, readTree, type Tree } from './tree.js'

/** The version of the format that is known here. */
const MAJOR = 1
const MINOR = 0

export interface Parsed {
  /** Absent if there are errors. */
  readonly model?: ConfigModel
  readonly errors: readonly Problem[]
  readonly warnings: readonly Problem[]
  /** Of the values, by their paths. */
  readonly lines: ReadonlyMap<string, number>
}

export function parse(text: string, env: Environment): Parsed {
  const { tree, problems } = readTree(text, env)
  const errors = [...problems]
  const warnings: Problem[] = []
  const lines = new Map<string, number>()
  if (tree === undefined) return { errors, warnings, lines }

  const format = formatOf(tree)
  const isOther = format !== undefined && format.major !== MAJOR
  if (isOther) errors.push({ line: format.line, path: 'file_format', text: `expected ${MAJOR}.${MINOR}` })
  const isLater = format !== undefined && format.minor > MINOR
  if (isLater && !isOther) {
    const text = `is later than ${MAJOR}.${MINOR}: what is new in it is not known`
    warnings.push({ line: format.line, path: 'file_format', text })
  }
  const report: Report = {
    error: problem => errors.push(problem),
    warn: problem => warnings.push(problem),
    lines,
    isLater,
  }
  // A format that is not known has keys of its own.
  const model = isOther ? undefined : schema(tree, '', report)
  return { model: errors.length === 0 ? (model as unknown as ConfigModel) : undefined, errors, warnings, lines }
}

function formatOf(tree: Tree): { line: number; major: number; minor: number } | undefined {
  const entry = isMapping(tree) ? tree.entries.find(({ key }) => key === 'file_format') : undefined
  if (entry === undefined || !isLeaf(entry.tree) || entry.tree.text === '') return undefined
  const [, major, minor] = /^(\d{1,6})\.(\d{1,6})(-rc\.\d+)?$/.exec(entry.tree.text) ?? []
  return { line: entry.line, major: Number(major ?? -1), minor: Number(minor ?? 0) }
}
