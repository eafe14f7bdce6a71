/** Asks the sampler of the first rule that a span meets (specification/trace/sdk.md#composablerulebased). */
import { log } from '../diagnostics/log.js'
import { type ComposableSampler, NO_INTENT, type ParentPlace, type SpanToBe } from './composable.js'
import { wildcard } from './wildcard.js'

/** Conditions, all of which a span has to meet; without any, every span meets the rule. */
export interface SamplingRule {
  /** The attribute has one of these values. Of a list one item is enough; what is no text is compared as text. */
  readonly attributeValues?: { readonly key: string; readonly values: readonly string[] }
  /** As text the attribute, or one item of it, is like one of `included`, by default anything, and like none of `excluded`. */
  readonly attributePatterns?: {
    readonly key: string
    /** `*` stands for any characters or none, `?` for one. Upper and lower case differ. */
    readonly included?: readonly string[]
    readonly excluded?: readonly string[]
  }
  readonly spanKinds?: readonly KindName[]
  /** Where the parent is: in this process, in another, or nowhere. */
  readonly parent?: readonly ParentPlace[]
  /** Any other condition. If it throws, the span does not meet the rule, and that is said once. */
  matches?(span: SpanToBe): boolean
  readonly sampler: ComposableSampler
}

export type KindName = 'internal' | 'server' | 'client' | 'producer' | 'consumer'
/** In the order of the API's numbers. */
export const KIND_NAMES: readonly KindName[] = ['internal', 'server', 'client', 'producer', 'consumer']

type Condition = (span: SpanToBe) => boolean

/** A span that meets no rule is not sampled. */
export function createRuleBased(rules: readonly SamplingRule[]): ComposableSampler {
  const compiled = rules.map(rule => ({ conditions: conditionsOf(rule), sampler: rule.sampler }))
  return {
    getSamplingIntent(span) {
      for (const { conditions, sampler } of compiled)
        if (conditions.every(meets => meets(span))) return sampler.getSamplingIntent(span)
      return NO_INTENT
    },
    toString: () => `ComposableRuleBased{${rules.map(({ sampler }) => sampler).join(',')}}`,
  }
}

function conditionsOf(rule: SamplingRule): Condition[] {
  const { attributeValues, attributePatterns, spanKinds, parent } = rule
  const conditions: Condition[] = []
  if (spanKinds !== undefined) {
    const kinds = new Set(spanKinds.map(name => KIND_NAMES.indexOf(name)))
    conditions.push(span => kinds.has(span.kind))
  }
  if (parent !== undefined) {
    const places = new Set(parent)
    conditions.push(span => places.has(span.parent))
  }
  if (attributeValues !== undefined) {
    const { key } = attributeValues
    const values = new Set(attributeValues.values.map(String))
    conditions.push(span => textsOf(span.attributes[key]).some(text => values.has(text)))
  }
  if (attributePatterns !== undefined) {
    const { key } = attributePatterns
    const included = (attributePatterns.included ?? ['*']).map(wildcard)
    const excluded = (attributePatterns.excluded ?? []).map(wildcard)
    conditions.push(span =>
      textsOf(span.attributes[key]).some(
        text => included.some(like => like(text)) && !excluded.some(like => like(text)),
      ),
    )
  }
  if (rule.matches !== undefined) conditions.push(span => guarded(rule, span))
  return conditions
}

function guarded(rule: SamplingRule, span: SpanToBe): boolean {
  try {
    return rule.matches?.(span) === true
  } catch (error) {
    log.once('sampling rule', 'a rule of the sampler threw, and is not met by the span: %s', error)
    return false
  }
}

/** None if the attribute is not there. */
const textsOf = (value: unknown): string[] => {
  const items = Array.isArray(value) ? value : [value]
  return items.filter(item => item !== undefined && item !== null).map(String)
}
