/** The values that a statement is given: as text, and what is known of them. */
import { inspect, types } from 'node:util'
import type { SemanticAttributes } from '../../semconv.js'

/** By index from 0 on, so that `$1` is `db.query.parameter.0` (semantic conventions, `db.query.parameter.<key>`). */
export function parameterAttributes(values: readonly unknown[]): SemanticAttributes {
  const attributes: SemanticAttributes = {}
  for (let i = 0; i < values.length; i++) {
    if (!ArrayBuffer.isView(values[i])) attributes[`db.query.parameter.${i}`] = parameterText(values[i])
  }
  return attributes
}

const parameterText = (value: unknown): string =>
  value !== null && typeof value === 'object' ? inspect(dataOf(value), INSPECT) : String(dataOf(value) ?? null)

// Unlike JSON.stringify it throws for no cycle.
const INSPECT = { breakLength: Number.POSITIVE_INFINITY, customInspect: false, depth: 4 }

/** A copy that is data and nothing else: of what is more `inspect` runs code, as the getters of `Symbol.toStringTag`. */
function dataOf(root: unknown): unknown {
  const copies = new Map<object, object>()
  let left = MAX_VISITED
  function copied(value: unknown): unknown {
    if (typeof value === 'function') return '[Function]'
    if (typeof value !== 'object' || value === null) return value
    if (types.isProxy(value) || ArrayBuffer.isView(value)) return '[Object]'
    if (types.isDate(value)) return new Date(Date.prototype.getTime.call(value))
    const before = copies.get(value)
    if (before !== undefined) return before
    const isList = Array.isArray(value)
    const copy = isList ? Array(value.length) : {}
    copies.set(value, copy)
    const keys = isList ? Object.keys(Array(Math.min(value.length, MAX_SHOWN)).fill(0)) : Object.keys(value)
    for (const key of keys) {
      if (left-- <= 0) break
      const part = Object.getOwnPropertyDescriptor(value, key)
      if (part === undefined) continue
      const data = 'value' in part ? copied(part.value) : '[Getter]'
      Object.defineProperty(copy, key, { value: data, enumerable: true })
    }
    return copy
  }
  return copied(root)
}

/** Of a list `inspect` shows 100. */
const MAX_SHOWN = 101
const MAX_VISITED = 1000

/** What a driver sends of the values, as far as that is known without running code of theirs. */
export function textsOf(values: readonly unknown[]): { known: string[]; all: boolean } {
  const known: string[] = []
  const rest = [...values]
  let all = true
  for (let visited = 0; rest.length > 0; visited++) {
    const value = rest.pop()
    if (visited === MAX_VISITED) return { known, all: false }
    if (typeof value === 'string') known.push(value, JSON.stringify(value).slice(1, -1))
    else if (typeof value === 'number' || typeof value === 'bigint') known.push(String(value))
    else if (typeof value === 'symbol' || typeof value === 'function') all = false
    else if (value !== null && typeof value === 'object') all = addParts(value, rest) && all
  }
  return { known, all }
}

/** Adds what is in an object. Returns whether that is what a driver sends of it: it may be a date, or tell its text itself. */
function addParts(value: object, rest: unknown[]): boolean {
  if (types.isProxy(value) || types.isDate(value) || ArrayBuffer.isView(value)) return false
  const keys = Object.keys(value)
  let all = keys.length <= MAX_VISITED && !WRITERS.some(name => name in value)
  for (const key of keys.slice(0, MAX_VISITED)) {
    const part = Object.getOwnPropertyDescriptor(value, key) as PropertyDescriptor
    if ('value' in part) rest.push(part.value)
    else all = false
  }
  return all
}

const WRITERS = ['toPostgres', 'toJSON']
