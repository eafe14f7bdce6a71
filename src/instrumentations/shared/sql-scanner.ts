/** The tokens of SQL in PostgreSQL's dialect. */

/** In characters: of a longer statement the rest is not worth its time. */
export const MAX_TEXT = 4096

export const END = 0
export const WORD = 1
export const QUOTED = 2
export const LITERAL = 3
export const COMMENT = 4
export const OTHER = 5
export type Kind = typeof END | typeof WORD | typeof QUOTED | typeof LITERAL | typeof COMMENT | typeof OTHER

const isDigit = (c: number): boolean => c >= 48 && c <= 57
const isWordStart = (c: number): boolean => (c >= 97 && c <= 122) || (c >= 65 && c <= 90) || c === 95 || c >= 128
export const isWordPart = (c: number): boolean => isWordStart(c) || isDigit(c) || c === 36

const QUOTE = 39
const DOUBLE_QUOTE = 34

/** One pass over the text, token by token (PostgreSQL manual, section 4.1, Lexical Structure). */
export class Scanner {
  start = 0
  end = 0
  /** A quote was opened and not closed. */
  broken = false

  constructor(readonly text: string) {}

  next(): Kind {
    const { text } = this
    let at = this.end
    while (text.charCodeAt(at) <= 32) at++
    this.start = at
    if (at >= text.length) return END
    const c = text.charCodeAt(at)
    const following = text.charCodeAt(at + 1)
    if (isWordStart(c)) return this.word(at)
    if (isDigit(c) || (c === 46 /* . */ && isDigit(following))) return this.number(at)
    if (c === QUOTE) return this.string(at + 1, false)
    if (c === DOUBLE_QUOTE) return this.quoted(at + 1)
    if (c === 36 /* $ */) return this.dollar(at)
    if (c === 45 /* - */ && following === 45) {
      const end = text.indexOf('\n', at)
      this.end = end === -1 ? text.length : end
      return COMMENT
    }
    if (c === 47 /* / */ && following === 42 /* * */) return this.comment(at + 2)
    this.end = at + 1
    return OTHER
  }

  private word(at: number): Kind {
    const { text } = this
    let end = at + 1
    while (isWordPart(text.charCodeAt(end))) end++
    this.end = end
    if (end > at + 1) return WORD
    const letter = text.charCodeAt(at) | 32
    const following = text.charCodeAt(end)
    // E'', B'', X'' and N''; U&'' and U&"".
    if (following === QUOTE && (letter === 101 || letter === 98 || letter === 120 || letter === 110)) {
      return this.string(end + 1, letter === 101)
    }
    if (letter === 117 && following === 38) {
      const quote = text.charCodeAt(end + 1)
      if (quote === QUOTE) return this.string(end + 2, false)
      if (quote === DOUBLE_QUOTE) return this.quoted(end + 2)
    }
    return WORD
  }

  private number(at: number): Kind {
    const { text } = this
    let end = at + 1
    for (
      let c = text.charCodeAt(end);
      isWordPart(c) || c === 46 || this.isExponentSign(at, end);
      c = text.charCodeAt(end)
    )
      end++
    this.end = end
    return LITERAL
  }

  private isExponentSign(start: number, at: number): boolean {
    const c = this.text.charCodeAt(at)
    return (
      (c === 43 || c === 45) &&
      (this.text.charCodeAt(at - 1) | 32) === 101 &&
      (this.text.charCodeAt(start + 1) | 32) !== 120
    )
  }

  private string(from: number, escapes: boolean): Kind {
    const { text } = this
    let at = this.closing(from, QUOTE, escapes)
    // What is stuck to a literal is a part of it: the rest of a name with an apostrophe that nobody escaped.
    while (isWordPart(text.charCodeAt(at))) at++
    this.end = at
    return LITERAL
  }

  private quoted(from: number): Kind {
    this.end = this.closing(from, DOUBLE_QUOTE, false)
    return QUOTED
  }

  /** The place after the closing quote; a doubled quote is none. */
  private closing(from: number, quote: number, escapes: boolean): number {
    const { text } = this
    for (let at = from; at < text.length; at++) {
      const c = text.charCodeAt(at)
      if (escapes && c === 92 /* \ */) at++
      else if (c === quote) {
        if (text.charCodeAt(at + 1) !== quote) return at + 1
        at++
      }
    }
    this.broken = true
    return text.length
  }

  /** `$1` is a parameter; `$$text$$` and `$tag$text$tag$` are literals. */
  private dollar(at: number): Kind {
    const { text } = this
    let end = at + 1
    const parameter = isDigit(text.charCodeAt(end))
    while (parameter ? isDigit(text.charCodeAt(end)) : text.charCodeAt(end) !== 36 && isWordPart(text.charCodeAt(end)))
      end++
    this.end = end
    if (parameter || text.charCodeAt(end) !== 36) return OTHER
    const tag = text.slice(at, end + 1)
    const close = text.indexOf(tag, end + 1)
    if (close === -1) this.broken = true
    this.end = close === -1 ? text.length : close + tag.length
    return LITERAL
  }

  /** Comments nest. */
  private comment(from: number): Kind {
    const { text } = this
    let at = from
    for (let depth = 1; depth > 0 && at < text.length; at++) {
      const c = text.charCodeAt(at)
      const following = text.charCodeAt(at + 1)
      if (c === 42 && following === 47) depth--
      else if (c === 47 && following === 42) depth++
      else continue
      at++
    }
    this.end = Math.min(at, text.length)
    return COMMENT
  }
}

/** Whether a part of a qualified name begins so. */
export const startsName = (c: number): boolean => isWordStart(c) || c === DOUBLE_QUOTE
