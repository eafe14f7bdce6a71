/** The text of a configuration file as a tree that knows its lines, with the environment's values in it. */
import {
  type Document,
  isAlias,
  isMap,
  isScalar,
  isSeq,
  LineCounter,
  type Node,
  parseDocument,
  type Scalar,
} from 'yaml'
import type { Environment } from '../sources.js'
import { substitute } from './substitute.js'

export type Value = string | number | boolean | null

interface Leaf {
  readonly line: number
  readonly value: Value
  /** As it is written, or as the environment has it. */
  readonly text: string
}

interface List {
  readonly line: number
  readonly items: readonly Tree[]
}

interface Mapping {
  readonly line: number
  /** Each key once. */
  readonly entries: readonly { readonly key: string; readonly line: number; readonly tree: Tree }[]
}

export type Tree = Leaf | List | Mapping

export interface Problem {
  readonly line: number
  /** The keys above, as in `tracer_provider.processors[0].batch`; none of what is no YAML. */
  readonly path?: string
  readonly text: string
}

// What refers to itself, or to something that refers to many, has no end.
const MAX_NODES = 20_000
const MAX_DEPTH = 100

/** Either the whole tree or what is wrong with the text. */
export function readTree(text: string, env: Environment): { tree?: Tree; problems: readonly Problem[] } {
  const counter = new LineCounter()
  const document = parseDocument(text, { version: '1.2', schema: 'core', lineCounter: counter, prettyErrors: false })
  const lineOf = (offset: number): number => Math.max(1, counter.linePos(offset).line)
  // Those after the first come of it, mostly.
  const problems: Problem[] = document.errors
    .slice(0, 1)
    .map(({ pos, message }) => ({ line: lineOf(pos[0]), text: message }))
  if (problems.length > 0) return { problems }

  let nodes = 0
  function treeOf(node: Node | null | undefined, depth: number, above: number): Tree {
    const line = node?.range ? lineOf(node.range[0]) : above
    if (++nodes > MAX_NODES || depth > MAX_DEPTH) throw new TooMuch()
    if (isAlias(node)) {
      const target = node.resolve(document) as Node | undefined
      if (target === undefined) problems.push({ line, text: `expected an anchor &${node.source} before` })
      return treeOf(target, depth + 1, line)
    }
    if (isSeq(node)) return { line, items: node.items.map(item => treeOf(item as Node, depth + 1, line)) }
    if (isMap(node)) {
      return {
        line,
        entries: node.items.map(({ key, value }) => {
          const own = (key as Node | null)?.range
          const at = own ? lineOf(own[0]) : line
          return { key: nameOf(key), line: at, tree: treeOf(value as Node | null, depth + 1, at) }
        }),
      }
    }
    return isScalar(node) ? leafOf(node, line) : { line, value: null, text: '' }
  }
  function leafOf(scalar: Scalar, line: number): Leaf {
    try {
      return { line, ...resolved(scalar, document, env) }
    } catch (error) {
      problems.push({ line, text: (error as Error).message })
      return { line, value: null, text: '' }
    }
  }

  try {
    const tree = treeOf(document.contents, 0, 1)
    return problems.length > 0 ? { problems } : { tree, problems }
  } catch (error) {
    if (!(error instanceof TooMuch)) throw error
    return { problems: [{ line: 1, text: 'expected fewer levels and references' }] }
  }
}

class TooMuch extends Error {}

const nameOf = (key: unknown): string => (isScalar(key) ? (key.source ?? String(key.value)) : String(key))

/** Of a plain scalar the type is that of the text with the environment's values in it; any other is text. */
function resolved(scalar: Scalar, document: Document, env: Environment): { value: Value; text: string } {
  const { source, type, tag, value } = scalar
  if (source === undefined || !source.includes('$')) return { value: value as Value, text: source ?? String(value) }
  const text = substitute(source, env)
  if (type !== 'PLAIN' || tag !== undefined) return { value: text, text }
  for (const known of document.schema.tags) {
    if (known.collection || known.default !== true || known.test?.test(text) !== true) continue
    const found = known.resolve(text, () => {}, {})
    return { value: (isScalar(found) ? found.value : found) as Value, text }
  }
  return { value: text, text }
}

export const isList = (tree: Tree): tree is List => 'items' in tree
export const isMapping = (tree: Tree): tree is Mapping => 'entries' in tree
export const isLeaf = (tree: Tree): tree is Leaf => 'value' in tree
