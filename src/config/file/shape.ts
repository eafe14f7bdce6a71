/** What may stand in a place of a configuration file, and whether it does. */
import { isLeaf, isList, isMapping, type Problem, type Tree, type Value } from './tree.js'

/** What is found in a file, as plain data. */
export type Plain = Value | readonly Plain[] | { readonly [key: string]: Plain }

export interface Report {
  /** Makes the file one that is not used. */
  error(problem: Problem): void
  warn(problem: Problem): void
  /** Where the value of a path stands. */
  lines: Map<string, number>
  /** A file of a later version may have keys that are not known here. */
  readonly isLater: boolean
}

/** The value, if it is of the shape; else undefined, after a report. */
export type Shape = (tree: Tree, path: string, report: Report) => Plain | undefined

function wrong(tree: Tree, path: string, expected: string, report: Report): undefined {
  report.error({ line: tree.line, path, text: `expected ${expected}, found ${kindOf(tree)}` })
}

function kindOf(tree: Tree): string {
  if (isList(tree)) return 'a list'
  if (isMapping(tree)) return 'a mapping'
  if (tree.value === null) return 'nothing'
  // A text may hold a secret, out of the environment.
  return typeof tree.value === 'string' ? 'text' : String(tree.value)
}

/** Nothing is as good as the default, but where something has to stand. */
const scalar =
  (expected: string, accepts: (value: Value) => boolean): Shape =>
  (tree, path, report) => {
    if (isLeaf(tree) && (tree.value === null || accepts(tree.value))) return tree.value
    return wrong(tree, path, expected, report)
  }

export const text = scalar('text', value => typeof value === 'string')
export const boolean = scalar('true or false', value => typeof value === 'boolean')
export const integer = (min: number): Shape =>
  scalar(`a whole number from ${min}`, value => Number.isSafeInteger(value) && (value as number) >= min)
export const ratio = scalar('a number from 0 to 1', value => typeof value === 'number' && value >= 0 && value <= 1)
export const choice = (...values: string[]): Shape =>
  scalar(`one of ${values.join(', ')}`, value => values.includes(value as string))

/** Text, or a number that stands for itself as it is written. */
export const written: Shape = (tree, path, report) => {
  if (isLeaf(tree) && tree.value !== null && typeof tree.value !== 'boolean') return tree.text
  return wrong(tree, path, 'text', report)
}

/** A number that has to be there. */
export const number: Shape = (tree, path, report) =>
  isLeaf(tree) && typeof tree.value === 'number' && Number.isFinite(tree.value)
    ? tree.value
    : wrong(tree, path, 'a number', report)

export const orNothing =
  (shape: Shape): Shape =>
  (tree, path, report) =>
    isLeaf(tree) && tree.value === null ? null : shape(tree, path, report)

export const anything: Shape = (tree, path, report) => {
  report.lines.set(path, tree.line)
  if (isLeaf(tree)) return tree.value
  if (isList(tree)) return tree.items.map((item, at) => anything(item, `${path}[${at}]`, report) as Plain)
  return Object.fromEntries(
    tree.entries.map(({ key, tree }) => [key, anything(tree, below(path, key), report) as Plain]),
  )
}

export const list =
  (of: Shape, min = 1): Shape =>
  (tree, path, report) => {
    report.lines.set(path, tree.line)
    if (!isList(tree) || tree.items.length < min)
      return wrong(tree, path, min === 0 ? 'a list' : 'a list that is not empty', report)
    const items = tree.items.map((item, at) => {
      report.lines.set(`${path}[${at}]`, item.line)
      return of(item, `${path}[${at}]`, report)
    })
    return items.filter(item => item !== undefined)
  }

interface Rules {
  readonly required?: readonly string[]
  /** Nothing stands for a mapping of which all is the default. */
  readonly optional?: true
  /** Keys that are not known are of somebody else. */
  readonly open?: true
}

export const mapping =
  (keys: Readonly<Record<string, Shape>>, { required = [], optional, open }: Rules = {}): Shape =>
  (tree, path, report) => {
    if (optional && isLeaf(tree) && tree.value === null) return null
    if (!isMapping(tree)) return wrong(tree, path, 'a mapping', report)
    for (const key of required) {
      const found = tree.entries.find(entry => entry.key === key)?.tree
      if (found === undefined || (isLeaf(found) && found.value === null))
        report.error({ line: tree.line, path, text: `expected the key ${key}` })
    }
    return Object.fromEntries(
      tree.entries.flatMap(({ key, line, tree }) => {
        const own = below(path, key)
        report.lines.set(own, line)
        const shape = Object.hasOwn(keys, key) ? keys[key] : undefined
        if (shape === undefined) {
          const say = open || report.isLater ? report.warn : report.error
          say({ line, path: own, text: `is not known; expected one of ${Object.keys(keys).join(', ')}` })
          return []
        }
        const value = shape(tree, own, report)
        return value === undefined ? [] : [[key, value]]
      }),
    )
  }

/** What an application may have a component of its own for: a mapping of one key, which is the component's name. */
export const component =
  (known: Readonly<Record<string, Shape>>): Shape =>
  (tree, path, report) => {
    const [entry, more] = isMapping(tree) ? tree.entries : []
    if (entry === undefined || more !== undefined) return wrong(tree, path, 'a mapping of one key', report)
    const { key, line } = entry
    const own = below(path, key)
    report.lines.set(own, line)
    const shape = Object.hasOwn(known, key) ? known[key] : undefined
    if (shape !== undefined) {
      const value = shape(entry.tree, own, report)
      return value === undefined ? undefined : { [key]: value }
    }
    if (!isMapping(entry.tree) && !(isLeaf(entry.tree) && entry.tree.value === null))
      return wrong(entry.tree, own, 'a mapping', report)
    const properties = isMapping(entry.tree) ? (anything(entry.tree, own, report) as Plain) : {}
    return { [key]: { properties } }
  }

/** For shapes that hold themselves. */
export const later =
  (shape: () => Shape): Shape =>
  (tree, path, report) =>
    shape()(tree, path, report)

const below = (path: string, key: string): string => (path === '' ? key : `${path}.${key}`)
