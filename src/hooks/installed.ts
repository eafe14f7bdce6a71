/** Which packages the application can import, and whether it does. */
import { existsSync, readFileSync } from 'node:fs'
import { dirname, extname, join, sep } from 'node:path'

/** Whether the main script is an ES module, by its name or by the nearest package.json (Node.js, determining module system). */
export function mainIsModule(script: string | undefined = process.argv[1]): boolean {
  if (script === undefined) return false
  const type = extname(script)
  if (type === '.mjs' || type === '.mts') return true
  if (type === '.cjs' || type === '.cts') return false
  for (let folder = dirname(script); ; folder = dirname(folder)) {
    const file = join(folder, 'package.json')
    if (existsSync(file)) return typeOf(file) === 'module'
    if (folder === dirname(folder)) return false
  }
}

function typeOf(file: string): unknown {
  try {
    return JSON.parse(readFileSync(file, 'utf8')).type
  } catch {
    return undefined
  }
}

/** Those that lie in a `node_modules` above the main script or the working directory. */
export function installedOf(names: Iterable<string>): Set<string> {
  const folders = new Set<string>()
  for (const start of [dirname(process.argv[1] ?? ''), workingDirectory()]) {
    for (let folder = start; !folders.has(folder); folder = dirname(folder)) folders.add(folder)
  }
  const found = new Set<string>()
  for (const folder of folders) {
    const modules = join(folder, 'node_modules')
    if (existsSync(modules)) for (const name of names) if (existsSync(join(modules, name))) found.add(name)
  }
  return found
}

function workingDirectory(): string {
  try {
    return process.cwd()
  } catch {
    // It has been deleted.
    return sep
  }
}
