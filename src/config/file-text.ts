/** The text of a file that somebody named: of a regular file of a size that can be meant. */
import { readFileSync, statSync } from 'node:fs'
import { inQuotes } from './show.js'

const MAX_BYTES = 1024 * 1024

/** Throws an error whose message ends the sentence "the file ...". */
export function textOf(file: string): string {
  let isFile: boolean
  let size: number
  try {
    const stats = statSync(file)
    isFile = stats.isFile()
    size = stats.size
  } catch (error) {
    throw new Error(`cannot be read (${codeOf(error)})`)
  }
  // A pipe would keep the application waiting.
  if (!isFile) throw new Error('is no regular file')
  if (size > MAX_BYTES) throw new Error(`has more than ${MAX_BYTES} bytes`)
  try {
    return readFileSync(file, 'utf8').replace(/^\uFEFF/, '')
  } catch (error) {
    throw new Error(`cannot be read (${codeOf(error)})`)
  }
}

const codeOf = (error: unknown): string => (error as NodeJS.ErrnoException).code ?? 'unknown'

/** As it is shown in one line of the log. */
export const shownFile = (file: string): string => (/^[\w./\\:@+ -]{1,200}$/.test(file) ? file : inQuotes(file))
