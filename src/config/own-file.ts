/** The file of our own options, trace.config.json: in the shape that `init` takes them in. */
import { shownFile, textOf } from './file-text.js'
import { linesOf } from './json-lines.js'
import type { Source } from './sources.js'

export function readOwnFile(file: string): { source?: Source; error?: string } {
  const name = shownFile(file)
  let text: string
  try {
    text = textOf(file)
  } catch (error) {
    return { error: `${name} ${(error as Error).message}; it is not used` }
  }
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    const { broken = 1, expected = 'JSON' } = linesOf(text)
    return { error: `${name}:${broken}: expected ${expected}; the file is not used` }
  }
  let lines: ReadonlyMap<string, number> | undefined
  return {
    source: {
      value,
      place(path) {
        lines ??= linesOf(text).lines
        const line = `${name}:${lines.get(path) ?? 1}`
        return path === '' ? line : `${line}: ${path}`
      },
    },
  }
}
