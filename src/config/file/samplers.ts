/** The sampler of a configuration file, as there is one here: by its name, or as a component of the application. */
import type { Given, Remark, Wanted } from './given.js'
import { type Component, nameAndValue } from './model.js'

const DELEGATES = {
  remote_parent_sampled: 'always_on',
  remote_parent_not_sampled: 'always_off',
  local_parent_sampled: 'always_on',
  local_parent_not_sampled: 'always_off',
}

interface Chosen {
  readonly name: 'always_on' | 'always_off' | 'traceidratio'
  readonly isParentBased: boolean
  readonly ratio?: Given
}

/** Of what there is none of here the nearest is used, and that is said. */
export function samplerOf(
  component: Component,
  path: string,
): { given: readonly Given[]; wanted?: Wanted; remarks: readonly Remark[] } {
  const remarks: Remark[] = []
  const [name, { properties }] = nameAndValue(component)
  const isOwn = properties !== undefined
  if (isOwn) {
    const wanted: Wanted = {
      kind: 'Sampler',
      name,
      properties: properties as Wanted['properties'],
      from: `${path}.${name}`,
    }
    return { given: [], wanted, remarks }
  }
  const { name: chosen, isParentBased, ratio } = nearest(component, path, remarks)
  const option = { option: 'sampler.name', value: isParentBased ? `parentbased_${chosen}` : chosen, from: path }
  return { given: ratio === undefined ? [option] : [option, ratio], remarks }
}

function nearest(component: Component, path: string, remarks: Remark[]): Chosen {
  const [name, value] = nameAndValue(component)
  const own = `${path}.${name}`
  const missing = (): void => {
    remarks.push({ level: 'warn', path: own, text: 'there is no such sampler here; the nearest is used' })
  }
  const below = (key: string): Chosen => nearest(value[key] as Component, `${own}.${key}`, remarks)
  switch (name) {
    case 'always_on':
    case 'always_off':
      return { name, isParentBased: false }
    case 'trace_id_ratio_based':
    case 'probability':
    case 'probability/development':
      return {
        name: 'traceidratio',
        isParentBased: false,
        ratio: { option: 'sampler.ratio', value: value.ratio ?? 1, from: `${own}.ratio` },
      }
    case 'parent_based':
    case 'parent_threshold': {
      if (Object.entries(DELEGATES).some(([key, usual]) => isOther(value[key] as Component | undefined, usual)))
        missing()
      return { ...(value.root === undefined ? ALWAYS_ON : below('root')), isParentBased: true }
    }
    case 'composite/development':
      return nearest(value as Component, own, remarks)
    case 'jaeger_remote':
    case 'jaeger_remote/development':
      missing()
      return below('initial_sampler')
    default:
      missing()
      return { ...ALWAYS_ON, isParentBased: true }
  }
}

const ALWAYS_ON: Chosen = { name: 'always_on', isParentBased: false }

const isOther = (component: Component | undefined, usual: string): boolean =>
  component !== undefined && nameAndValue(component)[0] !== usual
