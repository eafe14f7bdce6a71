/** Text for a terminal: made harmless, measured in columns, cut to them and coloured. */

/** A piece of a line and its SGR parameter (ECMA-48, section 8.3.117), if it has one. */
export type Piece = readonly [text: string, sgr?: string]

const MAX_TEXT = 1000

/** Without what could steer a terminal: white space becomes a space, other control characters and lone surrogates U+FFFD. */
export const harmless = (text: string): string =>
  text
    .slice(0, MAX_TEXT)
    .replace(/\s+/g, ' ')
    .replace(/\p{Cf}/gu, '')
    .replace(/[\p{Cc}\p{Cs}\p{Co}\p{Cn}]/gu, '\ufffd')

// Unicode Standard Annex 11: the wide scripts and emoji take two columns; marks are drawn over what stands before them.
const WIDE =
  /[\u1100-\u115f\u2e80-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6]|\p{Emoji_Presentation}|\p{Script=Han}/u
const MARK = /\p{M}/u

function columnsOf(character: string): number {
  if (character < '\u0300') return 1
  if (MARK.test(character)) return 0
  return WIDE.test(character) ? 2 : 1
}

/** The columns that the text takes. */
export function columns(text: string): number {
  let total = 0
  for (const character of text) total += columnsOf(character)
  return total
}

/** The pieces cut to `width` columns, with a sign if anything was cut. */
export function fit(pieces: readonly Piece[], width: number): Piece[] {
  if (pieces.reduce((sum, [text]) => sum + columns(text), 0) <= width) return [...pieces]
  const kept: Piece[] = []
  let room = width - 1
  for (const [text, sgr] of pieces) {
    let cut = ''
    for (const character of text) {
      room -= columnsOf(character)
      if (room < 0) return [...kept, [`${cut}…`, sgr]]
      cut += character
    }
    kept.push([cut, sgr])
  }
  return kept
}

/** The pieces filled up with spaces, or cut, to `width` columns. */
export function padded(pieces: readonly Piece[], width: number): Piece[] {
  const fitting = fit(pieces, width)
  const used = fitting.reduce((sum, [text]) => sum + columns(text), 0)
  return [...fitting, [' '.repeat(width - used)]]
}

/** One line, without spaces at its end. */
export const paint = (pieces: readonly Piece[], colour: boolean): string =>
  pieces
    .map(([text, sgr]) => (colour && sgr !== undefined && text.trim() !== '' ? `\x1b[${sgr}m${text}\x1b[0m` : text))
    .join('')
    .trimEnd()
