/** The sampler of a configuration file: one of those that have a name among our options, or one to be made. */
import type { Given, Wanted } from './given.js'
import { type Component, nameAndValue } from './model.js'

/** What a parent-based sampler does without being told. */
const DELEGATES: Readonly<Record<string, string>> = {
  remote_parent_sampled: 'always_on',
  remote_parent_not_sampled: 'always_off',
  local_parent_sampled: 'always_on',
  local_parent_not_sampled: 'always_off',
}

export function samplerOf(sampler: Component, path: string): { given: readonly Given[]; wanted?: Wanted } {
  const own = `${path}.${nameAndValue(sampler)[0]}`
  const named = nameOf(sampler)
  if (named === undefined) return { given: [], wanted: { kind: 'Sampler', sampler, from: own } }
  const { name, ratio, at } = named
  const option = { option: 'sampler.name', value: name, from: own }
  return {
    given: ratio === undefined ? [option] : [option, { option: 'sampler.ratio', value: ratio, from: `${path}.${at}` }],
  }
}

interface Named {
  readonly name: string
  readonly ratio?: unknown
  /** Where the ratio stands. */
  readonly at?: string
}

/** Undefined if there is no such name, or if more is said than it stands for. */
function nameOf(sampler: Component): Named | undefined {
  const [name, value] = nameAndValue(sampler)
  if (name === 'always_on' || name === 'always_off') return { name }
  if (name === 'trace_id_ratio_based' || name === 'probability/development')
    return { name: 'traceidratio', ratio: value.ratio ?? 1, at: `${name}.ratio` }
  if (name !== 'parent_based') return undefined
  const isUsual = ([key, usual]: readonly [string, string]): boolean =>
    value[key] === undefined || nameAndValue(value[key] as Component)[0] === usual
  if (!Object.entries(DELEGATES).every(isUsual)) return undefined
  const root = nameOf((value.root ?? { always_on: null }) as Component)
  if (root === undefined || root.name.startsWith('parentbased')) return undefined
  return { ...root, name: `parentbased_${root.name}`, at: `parent_based.root.${root.at}` }
}
