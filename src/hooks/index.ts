/** Calls each target once per loaded copy of its module, however that copy was loaded. */
import { isBuiltin, syncBuiltinESMExports } from 'node:module'
import { hookConnections } from './late.js'
import { createMatcher } from './match.js'
import { hookRequire, loadedBefore } from './require.js'

/** One file of one library, in one range of versions. */
export interface Target {
  readonly name: string
  readonly versions: string
  readonly file?: string | undefined
  /** Of built-in modules: see `ModuleTarget` of the instrumentations. */
  readonly late?: boolean | undefined
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
  const namesOf = (late: boolean) =>
    new Set(targets.filter(target => isBuiltin(target.name) && (target.late ?? false) === late).map(({ name }) => name))
  const builtins = namesOf(false)
  // `require`, as importing a built-in from an ES module reads every export: 27 ms for node:http on Node 24.
  for (const name of builtins) matcher.builtin(name, require(name))
  if (builtins.size > 0) syncBuiltinESMExports()
  hookConnections(namesOf(true), name => matcher.builtin(name, require(name)))
  return early
}
