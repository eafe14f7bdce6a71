/** Which packages the application can import. */
import { existsSync } from 'node:fs'
import { dirname, join, sep } from 'node:path'

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
