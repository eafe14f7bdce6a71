/** Values of options as one line of the log shows them: cut, printable, and without what is secret. */
import { isObject, withoutCredentials } from './parse.js'
import type { Row } from './row.js'

const MAX_SHOWN = 100

export function show(value: unknown, secret?: Row['secret']): string {
  if (secret === 'value') return '***'
  if (typeof value === 'string') return inQuotes(secret === undefined ? value : withoutCredentials(value))
  // Anything else of an object could run its code.
  return isObject(value) ? `a value of type ${typeof value}` : cut(String(value))
}

/** What is used instead, in the same words. */
export function used(value: unknown, secret: Row['secret']): string {
  if (value === undefined) return 'the default'
  if (value === Number.POSITIVE_INFINITY) return 'no limit'
  if (Array.isArray(value)) return value.length === 0 ? 'none' : inQuotes(value.join(','))
  if (isObject(value)) return Object.keys(value).length === 0 ? 'none' : 'the others'
  return show(value, secret)
}

/** The name of an option or of a part of it. */
export const nameOf = (key: string): string => (/^[\w-]{1,100}$/.test(key) ? key : inQuotes(key))

// What JSON leaves as it is and a terminal does not show, or shows as something else.
const UNSEEN = /[\x7f-\x9f\u00ad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]/g

export const inQuotes = (text: string): string =>
  JSON.stringify(cut(text)).replace(UNSEEN, letter => `\\u${letter.charCodeAt(0).toString(16).padStart(4, '0')}`)

const cut = (text: string): string => (text.length > MAX_SHOWN ? `${text.slice(0, MAX_SHOWN)}...` : text)
