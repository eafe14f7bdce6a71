/** What an error tells, without the values that were in the statement. */
import { END, isWordPart, LITERAL, MAX_TEXT, Scanner } from './sql-scanner.js'

/** The message of an error without values: those given, and those that stand in the statement which failed. */
export function concealValues(message: string, text: string, values: readonly string[], allKnown = true): string {
  const literals = literalsOf(text)
  const hidden = [...new Set([...values, ...literals.values])].filter(value => value !== '')
  let told = message
  for (const value of hidden.sort((a, b) => b.length - a.length)) told = withoutValue(told, value)
  // Where quotes do not pair up, the end was not read, or a value is not known, any word of the message may be a value's,
  // and any quote in it.
  return literals.complete && allKnown ? told : told.replace(/".*"/s, '"?"')
}

/** A longer value is a value wherever it stands; a shorter one may be a part of the message's own words. */
const UNMISTAKABLE = 8

function withoutValue(message: string, value: string): string {
  let told = ''
  let from = 0
  for (let at = message.indexOf(value); at !== -1; at = message.indexOf(value, at + 1)) {
    const end = at + value.length
    const apart = !isWordPart(message.charCodeAt(at - 1)) && !isWordPart(message.charCodeAt(end))
    if (at < from || !(apart || value.length >= UNMISTAKABLE)) continue
    told += `${message.slice(from, at)}?`
    from = end
  }
  return told + message.slice(from)
}

const MAX_LITERALS = 500

function literalsOf(text: string): { values: string[]; complete: boolean } {
  const scanner = new Scanner(text.length > MAX_TEXT ? text.slice(0, MAX_TEXT) : text)
  const values: string[] = []
  for (let kind = scanner.next(); kind !== END && values.length < MAX_LITERALS; kind = scanner.next()) {
    if (kind === LITERAL) values.push(...valuesOf(scanner.text.slice(scanner.start, scanner.end)))
  }
  return { values, complete: text.length <= MAX_TEXT && values.length < MAX_LITERALS && !scanner.broken }
}

/** Without its quotes; and what is stuck to them. */
function valuesOf(literal: string): string[] {
  if (literal.startsWith('$')) {
    return [literal.slice(literal.indexOf('$', 1) + 1, literal.lastIndexOf('$', literal.length - 2))]
  }
  const open = literal.indexOf("'")
  if (open === -1) return [literal]
  const close = literal.lastIndexOf("'")
  const value = literal.slice(open + 1, close).replaceAll("''", "'")
  return [/^e/i.test(literal) ? value.replace(/\\(.)/gs, '$1') : value, literal.slice(close + 1)]
}
