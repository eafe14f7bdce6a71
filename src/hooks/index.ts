/** Calls each target once per loaded copy of its module, however that copy was loaded. */
import { isLoaded, whenLoaded } from './builtins.js'
import type * as Import from './import.js'
import { installedOf, mainIsModule } from './installed.js'
import { createMatcher, type Matcher } from './match.js'
import { Module } from './module.js'
import { hookRequire, loadedBefore } from './require.js'

/** One file of one library, in one range of versions. */
export interface Target {
  readonly name: string
  readonly versions: string
  readonly file?: string | undefined
  /** Of a file that is an ES module: what `apply` may replace, by the names in that file. */
  readonly replaces?: readonly string[] | undefined
  /** Functions of a built-in module: `apply` waits for the first call of one of them. */
  readonly calls?: readonly string[] | undefined
  apply(exports: any, version: string): void
}

export type Report = (
  event: 'patched' | 'unsupported' | 'failed',
  target: Target,
  version: string,
  error?: unknown,
) => void

/** Returns the names of packages that were loaded before and so cannot be met. */
export function install(targets: readonly Target[], report: Report): string[] {
  const matcher = createMatcher(targets, report)
  const early = loadedBefore(matcher)
  hookRequire(matcher)
  meetModules(matcher, targets)
  const builtins = new Set(targets.map(({ name }) => name).filter(Module.isBuiltin))
  const isLate = [...builtins].some(isLoaded)
  let starting = true
  whenLoaded(builtins, name => matcher.builtin(name, require(name), starting))
  starting = false
  if (isLate) Module.syncBuiltinESMExports()
  return early
}

/**
 * What runs off-thread, as is all there is before Node 22.15, costs an application of 500 ES modules 170 ms and more; a hook
 * costs an application of 330 CommonJS files as much as all the rest of us (70 million instructions, Node 24), so that those that import nothing have none.
 */
function meetModules(matcher: Matcher, targets: readonly Target[]): void {
  if (Module.registerHooks === undefined) return
  const modules = targets.filter(({ replaces }) => replaces !== undefined)
  if (modules.length === 0 || !mainIsModule()) return
  const installed = installedOf(new Set(modules.map(({ name }) => name)))
  if (installed.size === 0) return
  // A file of its own, that few applications load.
  const { hookImport } = require('./import.js') as typeof Import
  hookImport(matcher, modules, installed)
}
