/** How text from the environment and values from code become typed values. */

import type { AttributeValue } from '../semconv.js'

/** Says that a part of a value is left out; `key` names the part of a value from code. */
export type Complain = (part: unknown, key?: string) => void

/** What an option holds, and how it is read. Both readers may throw: the value is then not acceptable. */
export interface Kind<T> {
  /** What is expected, in words that end a sentence. */
  readonly expected: string
  /** From the environment: `text` is trimmed and not empty. Undefined: not acceptable. */
  parse(text: string, complain: Complain, variable: string): T | undefined
  /** From code, where `value` is whatever a caller passes. Undefined: not acceptable. */
  check(value: unknown, complain: Complain): T | undefined
  /** Present: what several sources give is put together. */
  merge?(over: T, under: T): T
}

// Node fires a timer with a longer delay after 1 ms.
const MAX_TIMER_MS = 2 ** 31 - 1

/** What is neither true nor false counts as false (specification/configuration/sdk-environment-variables.md#boolean). */
export const boolean: Kind<boolean> = {
  expected: 'true or false',
  parse(text, complain) {
    const lower = text.toLowerCase()
    if (lower !== 'true' && lower !== 'false') complain(text)
    return lower === 'true'
  },
  check: value => (typeof value === 'boolean' ? value : undefined),
}

export const text: Kind<string> = {
  expected: 'text',
  parse: given => given,
  check: value => (typeof value === 'string' && value.trim() !== '' ? value.trim() : undefined),
}

const whole = (value: unknown, min: number, max: number): number | undefined =>
  Number.isSafeInteger(value) && (value as number) >= min && (value as number) <= max ? (value as number) : undefined

/** A whole number of things. */
export const count = (min: number): Kind<number> => ({
  expected: `a whole number from ${min}`,
  parse: given => (/^\d+$/.test(given) ? whole(Number(given), min, Number.MAX_SAFE_INTEGER) : undefined),
  check: value => whole(value, min, Number.MAX_SAFE_INTEGER),
})

/** A whole number from 0; Infinity, which only code can say, is no limit. */
export const limit: Kind<number> = {
  ...count(0),
  check: value => (value === Number.POSITIVE_INFINITY ? value : whole(value, 0, Number.MAX_SAFE_INTEGER)),
}

/** Milliseconds, up to what a timer can wait. */
const duration = (min: number): Kind<number> => ({
  expected: `milliseconds from ${min} to ${MAX_TIMER_MS}, in the environment also 250ms or 5s`,
  parse(given) {
    const [, digits, unit] = /^(\d+)(ms|s)?$/i.exec(given) ?? []
    if (digits === undefined) return undefined
    return whole(Number(digits) * (unit?.toLowerCase() === 's' ? 1000 : 1), min, MAX_TIMER_MS)
  },
  check: value => whole(value, min, MAX_TIMER_MS),
})

export const milliseconds = duration(0)
/** Between one time and the next. */
export const interval = duration(1)

const share = (value: unknown): number | undefined =>
  typeof value === 'number' && value >= 0 && value <= 1 ? value : undefined

export const ratio: Kind<number> = {
  expected: 'a number from 0 to 1',
  parse: given => (/^[\d.e+-]+$/i.test(given) ? share(Number(given)) : undefined),
  check: share,
}

const oneOf = <T extends string>(values: readonly T[], value: unknown): T | undefined => {
  if (typeof value !== 'string') return undefined
  const lower = value.trim().toLowerCase()
  return values.find(known => known.toLowerCase() === lower)
}

/** One of a few words, in any case. */
export const choice = <const T extends string>(values: readonly T[], expected = listed(values)): Kind<T> => ({
  expected,
  parse: given => oneOf(values, given),
  check: value => oneOf(values, value),
})

/** Any of a few words, in any case, each once, in the order given. If none of those given is known, that is no value. */
export function names<const T extends string>(
  values: readonly T[],
  expected = `a list of ${listed(values)}`,
): Kind<readonly T[]> {
  const known = (given: readonly unknown[], complain: Complain): readonly T[] | undefined => {
    const found = new Set<T>()
    for (const item of given) {
      const name = oneOf(values, item)
      if (name === undefined) complain(item)
      else found.add(name)
    }
    return found.size > 0 ? [...found] : undefined
  }
  return {
    expected,
    parse: (given, complain) => known(items(given), complain),
    check: (value, complain) =>
      Array.isArray(value) ? (value.length === 0 ? [] : known([...value], complain)) : undefined,
  }
}

/** As `names`, with the word `none` for an empty list; beside other words it is left out. */
export function namesOrNone<const T extends string>(
  values: readonly T[],
  expected = `a list of ${listed(values)}, or none alone`,
): Kind<readonly T[]> {
  const { parse, check } = names(values)
  return {
    expected,
    parse: (given, complain, variable) => (isNone(items(given)) ? [] : parse(given, complain, variable)),
    check: (value, complain) => (Array.isArray(value) && isNone([...value]) ? [] : check(value, complain)),
  }
}

const isNone = (given: readonly unknown[]): boolean =>
  given.length > 0 && given.every(item => oneOf(['none'], item) !== undefined)

/** Any words, each once. */
export const words: Kind<readonly string[]> = {
  expected: 'a list of words',
  parse(given) {
    const found = new Set(items(given))
    return found.size > 0 ? [...found] : undefined
  },
  check(value, complain) {
    if (!Array.isArray(value)) return undefined
    const given = [...value]
    for (const item of given) if (typeof item !== 'string') complain(item)
    return [...new Set(given.filter(item => typeof item === 'string'))]
  },
}

/**
 * Names with text values, percent-encoded in the environment as W3C Baggage has them, without metadata.
 * `accept` returns the name to use, or undefined for a pair that cannot be used.
 */
export function pairs(
  expected: string,
  accept: (name: string, value: string) => string | undefined,
): Kind<Readonly<Record<string, string>>> {
  return {
    expected,
    parse(given, complain) {
      const entries = []
      for (const pair of items(given)) {
        const entry = decoded(pair)
        const name = entry && accept(...entry)
        if (name) entries.push([name, entry[1]])
        else complain(pair)
      }
      return entries.length > 0 ? Object.fromEntries(entries) : undefined
    },
    check(value, complain) {
      if (!isObject(value) || Array.isArray(value)) return undefined
      const entries = []
      for (const key of Object.keys(value)) {
        const item = value[key]
        if (item === undefined) continue
        const name = typeof item === 'string' && accept(key, item)
        if (name) entries.push([name, item])
        else complain(item, key)
      }
      return Object.fromEntries(entries)
    },
    merge: (over, under) => ({ ...under, ...over }),
  }
}

/** Attributes by name: of text in the environment, elsewhere also of numbers, booleans, and lists of one of these. */
export const attributes: Kind<Readonly<Record<string, AttributeValue>>> = {
  ...pairs('name=value pairs, percent-encoded', name => name),
  check(value, complain) {
    if (!isObject(value) || Array.isArray(value)) return undefined
    const entries = Object.keys(value).flatMap(key => {
      const item = value[key]
      if (item === undefined) return []
      const own = attributeOf(item)
      if (own === undefined || key === '') complain(item, key)
      return own === undefined || key === '' ? [] : [[key, own] as const]
    })
    return Object.fromEntries(entries)
  },
}

function attributeOf(value: unknown): AttributeValue | undefined {
  if (!Array.isArray(value)) return isPrimitive(value) ? value : undefined
  const items = [...value]
  return items.every(item => isPrimitive(item) && typeof item === typeof items[0]) ? items : undefined
}

const isPrimitive = (value: unknown): value is string | number | boolean =>
  typeof value === 'string' || typeof value === 'boolean' || (typeof value === 'number' && Number.isFinite(value))

function decoded(pair: string): [string, string] | undefined {
  const equals = pair.indexOf('=')
  if (equals < 1) return undefined
  try {
    return [decodeURIComponent(pair.slice(0, equals).trim()), decodeURIComponent(pair.slice(equals + 1).trim())]
  } catch {
    return undefined
  }
}

/** An http or https URL; undefined for anything else. */
export function httpUrl(given: unknown): URL | undefined {
  if (typeof given !== 'string') return undefined
  const url = new URL(given)
  return url.protocol === 'http:' || url.protocol === 'https:' ? url : undefined
}

export const url: Kind<string> = {
  expected: 'an http or https URL',
  parse: given => httpUrl(given)?.href,
  check: value => httpUrl(value)?.href,
}

/** The text of a URL, well-formed or not, without what may be a password or a key. */
export const withoutCredentials = (given: string): string => given.replace(/^.*@/s, '***@').replace(/[?#].*$/s, '?***')

export const isObject = (value: unknown): value is Record<string, unknown> =>
  (typeof value === 'object' && value !== null) || typeof value === 'function'

const items = (given: string): string[] =>
  given
    .split(',')
    .map(item => item.trim())
    .filter(item => item !== '')

function listed(values: readonly string[]): string {
  return values.length < 2 ? values.join() : `${values.slice(0, -1).join(', ')} or ${values.at(-1)}`
}
