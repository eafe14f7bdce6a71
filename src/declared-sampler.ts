/** The samplers that a configuration file describes, made. */
import { type Component, nameAndValue, type Properties } from './config/file/model.js'
import { samplers } from './samplers.js'
import type { ComposableSampler } from './sampling/composable.js'
import type { ComposedSampler } from './sampling/index.js'
import type { SamplingRule } from './sampling/rule-based.js'
import type { Sampler } from './sampling/sampler.js'

/** A sampler of the application; throws if it has none of the name. */
type CreateOwn = (name: string, properties: Properties) => unknown

export function createDeclaredSampler(component: Component, own: CreateOwn): Sampler {
  const [name, value] = nameAndValue(component)
  const optional = (key: string): Sampler | undefined =>
    value[key] === undefined ? undefined : createDeclaredSampler(value[key] as Component, own)
  switch (name) {
    case 'always_on':
      return samplers.alwaysOn()
    case 'always_off':
      return samplers.alwaysOff()
    case 'trace_id_ratio_based':
      return samplers.traceIdRatio(ratioOf(value))
    case 'probability/development':
      return samplers.probability(ratioOf(value))
    case 'composite/development':
      return samplers.composite(composableOf(value as Component, own))
    case 'parent_based':
      return samplers.parentBased({
        root: optional('root'),
        remoteParentSampled: optional('remote_parent_sampled'),
        remoteParentNotSampled: optional('remote_parent_not_sampled'),
        localParentSampled: optional('local_parent_sampled'),
        localParentNotSampled: optional('local_parent_not_sampled'),
      } as Parameters<typeof samplers.parentBased>[0])
    case 'jaeger_remote':
    case 'jaeger_remote/development':
      return remote(value)
    default:
      return own(name, value.properties as Properties) as Sampler
  }
}

function composableOf(component: Component, own: CreateOwn): ComposableSampler {
  const [name, value] = nameAndValue(component)
  switch (name) {
    case 'always_on':
      return samplers.alwaysOn()
    case 'always_off':
      return samplers.alwaysOff()
    case 'probability':
      return samplers.probability(ratioOf(value))
    case 'parent_threshold':
      return samplers.parentThreshold(composableOf(value.root as Component, own))
    case 'parent_based':
      return byParent(value, own)
    case 'rule_based':
      return samplers.ruleBased(((value.rules ?? []) as readonly Properties[]).map(rule => ruleOf(rule, own)))
    default:
      return own(name, value.properties as Properties) as ComposableSampler
  }
}

const ratioOf = ({ ratio }: Properties): number => (ratio ?? 1) as number

function ruleOf(rule: Properties, own: CreateOwn): SamplingRule {
  return {
    attributeValues: rule.attribute_values,
    attributePatterns: rule.attribute_patterns,
    spanKinds: rule.span_kinds,
    parent: rule.parent,
    sampler: composableOf(rule.sampler as Component, own),
  } as SamplingRule
}

/** A parent that nothing is said about has decided already. */
function byParent(value: Properties, own: CreateOwn): ComposedSampler {
  const rule = (key: string, parent: 'local' | 'remote', sampled: boolean): SamplingRule[] => {
    if (value[key] === undefined) return []
    const matches: SamplingRule['matches'] = span => span.parentIsSampled === sampled
    return [{ parent: [parent], matches, sampler: composableOf(value[key] as Component, own) }]
  }
  const root = value.root === undefined ? samplers.alwaysOn() : composableOf(value.root as Component, own)
  return samplers.ruleBased([
    ...rule('remote_parent_sampled', 'remote', true),
    ...rule('remote_parent_not_sampled', 'remote', false),
    ...rule('local_parent_sampled', 'local', true),
    ...rule('local_parent_not_sampled', 'local', false),
    { sampler: samplers.parentThreshold(root) },
  ])
}

/** Until the first answer a share of the traces is kept: that of the initial sampler, where it has one. */
function remote(value: Properties): Sampler {
  const options: Record<string, unknown> = { endpoint: value.endpoint }
  if (typeof value.interval === 'number') options.pollingIntervalMs = value.interval
  const rate = rateOf(value.initial_sampler as Component)
  if (rate !== undefined) options.initialSamplingRate = rate
  return samplers.jaegerRemote(options)
}

function rateOf(component: Component): number | undefined {
  const [name, value] = nameAndValue(component)
  if (name === 'always_on') return 1
  if (name === 'always_off') return 0
  if (name === 'parent_based') return value.root === undefined ? 1 : rateOf(value.root as Component)
  return typeof value.ratio === 'number' ? value.ratio : undefined
}
