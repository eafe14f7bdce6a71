/** From a module that has just loaded to the targets that want it: name, file and version. */
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join, sep } from 'node:path'
import { types } from 'node:util'
import type { Report, Target } from './index.js'
import { inRange } from './range.js'

/** Where a file lies in an installed package. */
export interface Place {
  readonly name: string
  readonly baseDir: string
}

const MARK = `${sep}node_modules${sep}`

/** The package that a file belongs to, by the last `node_modules` on its path; undefined for the application's own files. */
export function placeOf(filename: string): Place | undefined {
  const mark = filename.lastIndexOf(MARK)
  if (mark === -1) return undefined
  const start = mark + MARK.length
  let end = filename.indexOf(sep, start)
  if (end !== -1 && filename.charCodeAt(start) === 64 /* @ */) end = filename.indexOf(sep, end + 1)
  if (end === -1) return undefined
  const name = filename.slice(start, end)
  return { name: sep === '/' ? name : name.replace(sep, '/'), baseDir: filename.slice(0, end) }
}

interface Installed {
  readonly version: string
  /** The file that `require(name)` runs. */
  readonly main: string
}

export interface Matcher {
  /** Cheap: whether any target names this package or built-in module. */
  wants(name: string): boolean
  /** A file of a wanted package has run; `exports` is what it exported, or a copy of what stands for it. */
  loaded(place: Place, filename: string, exports: unknown, original?: object): void
  /** A built-in module, which is loaded already. */
  builtin(name: string, exports: unknown): void
}

export function createMatcher(targets: readonly Target[], report: Report): Matcher {
  const byName = new Map<string, Target[]>()
  for (const target of targets) byName.set(target.name, [...(byName.get(target.name) ?? []), target])
  const installed = new Map<string, Installed | undefined>()
  // One copy of a package may be reached through require and import: each target is applied once to each exports object.
  const done = new WeakMap<object, Set<Target>>()

  function apply(target: Target, exports: unknown, version: string, original = exports): void {
    if (!isObject(original)) return
    try {
      const copy = copyOf(original)
      const before = done.get(copy) ?? new Set()
      if (before.has(target)) return
      done.set(copy, before.add(target))
      target.apply(exports, version)
      report('patched', target, version)
    } catch (error) {
      report('failed', target, version, error)
    }
  }

  /** Out of range is what no target of that name covers: those of another major version have files of their own. */
  function choose(name: string, version: string, candidates: readonly Target[]): readonly Target[] {
    const covers = ({ versions }: Target): boolean => inRange(version, versions)
    const [first] = candidates
    if (first !== undefined && !byName.get(name)?.some(covers)) report('unsupported', first, version)
    return candidates.filter(covers)
  }

  return {
    wants: name => byName.has(name),

    loaded({ name, baseDir }, filename, exports, original) {
      if (!installed.has(baseDir)) installed.set(baseDir, inspect(name, baseDir))
      const pkg = installed.get(baseDir)
      if (pkg === undefined) return
      const here = (byName.get(name) ?? []).filter(
        ({ file }) => filename === (file === undefined ? pkg.main : join(baseDir, file)),
      )
      for (const target of choose(name, pkg.version, here)) apply(target, exports, pkg.version, original)
    },

    builtin(name, exports) {
      const { node } = process.versions
      for (const target of choose(name, node, byName.get(name) ?? [])) apply(target, exports, node)
    },
  }
}

const isObject = (value: unknown): value is object =>
  (typeof value === 'object' && value !== null) || typeof value === 'function'

/** What tells one copy of a file from another: of an ES module with a default export, `require` returns a namespace of its own. */
function copyOf(exports: object): object {
  const { default: main } = types.isModuleNamespaceObject(exports) ? (exports as { default?: unknown }) : {}
  return isObject(main) ? main : exports
}

function inspect(name: string, baseDir: string): Installed | undefined {
  try {
    const file = join(baseDir, 'package.json')
    const { version, main } = JSON.parse(readFileSync(file, 'utf8')) as { version?: unknown; main?: unknown }
    if (typeof version !== 'string') return undefined
    try {
      return { version, main: createRequire(file).resolve(name) }
    } catch {
      return { version, main: join(baseDir, typeof main === 'string' ? main : 'index.js') }
    }
  } catch {
    return undefined
  }
}
