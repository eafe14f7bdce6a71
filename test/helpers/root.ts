/** The folder of this repository. */
import { existsSync } from 'node:fs'
import { dirname, join } from 'node:path'

function find(folder: string): string {
  if (existsSync(join(folder, 'package.json'))) return folder
  const parent = dirname(folder)
  if (parent === folder) throw new Error('run the tests inside the repository')
  return find(parent)
}

/** Absolute, without a trailing slash. */
export const root = find(process.cwd())
