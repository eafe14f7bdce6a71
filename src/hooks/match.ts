/** From a module that has just loaded to the targets that want it: name, file and version. */
import { readFileSync } from 'node:fs'
import { dirname, join, sep } from 'node:path'
import { types } from 'node:util'
import { onFirstCall } from './first-call.js'
import type { Report, Target } from './index.js'
import { Module } from './module.js'
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
  main(): string
}

export interface Matcher {
  /** Cheap: whether any target names this package or built-in module. */
  wants(name: string): boolean
  /** A file of a wanted package has run; `exports` is what it exported, or a copy of what stands for it. */
  loaded(place: Place, filename: string, exports: unknown, original?: object): void
  /** A built-in module, which is loaded already; `wasBefore` us, so that its functions may be in hands that we cannot reach. */
  builtin(name: string, exports: unknown, wasBefore: boolean): void
}

export function createMatcher(targets: readonly Target[], report: Report): Matcher {
  const byName = new Map<string, Target[]>()
  for (const target of targets) byName.set(target.name, [...(byName.get(target.name) ?? []), target])
  const installed = new Map<string, Installed | undefined>()
  // One copy of a package may be reached through require and import: each target is applied once to each exports object.
  const done = new WeakMap<object, Set<Target>>()

  function apply(target: Target, exports: unknown, version: string, original = exports, atOnce = false): void {
    if (!isObject(original)) return
    const attempt = (step: () => void): void => {
      try {
        step()
      } catch (error) {
        report('failed', target, version, error)
      }
    }
    const patch = (given: unknown): void => {
      target.apply(given, version)
      report('patched', target, version)
    }
    attempt(() => {
      const copy = copyOf(original)
      const before = done.get(copy) ?? new Set()
      if (before.has(target)) return
      done.set(copy, before.add(target))
      if (target.calls === undefined || atOnce) patch(exports)
      else onFirstCall(exports as never, target.calls, given => attempt(() => patch(given)))
    })
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
        ({ file }) => filename === (file === undefined ? pkg.main() : join(baseDir, file)),
      )
      for (const target of choose(name, pkg.version, here)) apply(target, exports, pkg.version, original)
    },

    builtin(name, exports, wasBefore) {
      const { node } = process.versions
      for (const target of choose(name, node, byName.get(name) ?? [])) apply(target, exports, node, exports, wasBefore)
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

interface PackageJson {
  readonly version?: unknown
  readonly main?: unknown
  readonly exports?: unknown
}

function inspect(name: string, baseDir: string): Installed | undefined {
  try {
    const file = join(baseDir, 'package.json')
    const pkg = JSON.parse(readFileSync(file, 'utf8')) as PackageJson
    if (typeof pkg.version !== 'string') return undefined
    let found: string | undefined
    return { version: pkg.version, main: () => (found ??= mainOf(name, file, pkg)) }
  } catch {
    return undefined
  }
}

function mainOf(name: string, file: string, { main, exports }: PackageJson): string {
  const named = typeof main === 'string' ? main : 'index.js'
  // To resolve a name takes 1.3 million instructions, of the 90 that tracing adds to the start of an application (Node 24).
  if (exports !== undefined || !named.endsWith('.js')) {
    try {
      return Module.createRequire(file).resolve(name)
    } catch {}
  }
  return join(dirname(file), named)
}
