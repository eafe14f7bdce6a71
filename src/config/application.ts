/** The application's own package.json: a service that nobody named is named after it, and beside it stand its options. */
import { existsSync, readFileSync } from 'node:fs'
import { dirname, isAbsolute, resolve, sep } from 'node:path'
import { handDown, inherited, isMainThread } from './inherited.js'

export interface ApplicationPackage {
  readonly name: string
  readonly version?: string
}

const KEY = '@org/trace application'

/** Of this process, the same in all of its threads. Never throws. */
export function applicationPackage(): ApplicationPackage | undefined {
  // A worker's main script is its own file, and not even that is known to what `--require` loads there.
  const found = inherited(KEY) as ApplicationPackage | undefined
  if (found !== undefined) return found
  const own = findApplicationPackage(process.argv[1])
  if (isMainThread && own !== undefined) handDown(KEY, own)
  return own
}

/** The nearest one with a name, upwards from the main script, else from the working directory. Never throws. */
export function findApplicationPackage(script: string | undefined): ApplicationPackage | undefined {
  const folder = placeOf(script)
  return (folder === undefined ? undefined : nearest(folder)) ?? nearest(workingDirectory())
}

// Eval and standard input have no path; what stands in node_modules is a tool that runs the application, or a worker of one.
const placeOf = (script: string | undefined): string | undefined =>
  script !== undefined && isAbsolute(script) ? script.split(`${sep}node_modules${sep}`, 1)[0] : undefined

/** Where the options of the application may stand: beside the nearest package.json, whatever that says, and where it runs. Never throws. */
export function applicationFolders(script: string | undefined = process.argv[1]): string[] {
  const here = workingDirectory()
  const above = folderAbove(placeOf(script))
  return above === undefined || above === here ? [here] : [above, here]
}

function folderAbove(place: string | undefined): string | undefined {
  if (place === undefined || existsSync(resolve(place, 'package.json'))) return place
  const above = dirname(place)
  return above === place ? undefined : folderAbove(above)
}

function workingDirectory(): string {
  try {
    return process.cwd()
  } catch {
    // It has been deleted.
    return sep
  }
}

function nearest(folder: string): ApplicationPackage | undefined {
  const found = read(resolve(folder, 'package.json'))
  if (found !== undefined) return found
  const parent = dirname(folder)
  return parent === folder ? undefined : nearest(parent)
}

function read(file: string): ApplicationPackage | undefined {
  // To look first costs 10 microseconds, an error 60, at every folder up to the application's.
  if (!existsSync(file)) return undefined
  try {
    const { name, version } = JSON.parse(readFileSync(file, 'utf8')) as Record<string, unknown>
    if (typeof name !== 'string' || name === '') return undefined
    return { name, version: typeof version === 'string' ? version : undefined }
  } catch {
    return undefined
  }
}
