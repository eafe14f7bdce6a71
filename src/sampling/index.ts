/** Makes the samplers from what callers pass: what is wrong is said, and a default stands in for it. */
import { log } from '../diagnostics/log.js'
import { alwaysOff, alwaysOn } from './always.js'
import { createAlwaysRecord } from './always-record.js'
import { createAnnotating } from './annotating.js'
import type { ComposableSampler } from './composable.js'
import { createComposite } from './composite.js'
import { createParentBased, type ParentBasedSamplers } from './parent-based.js'
import { createParentThreshold } from './parent-threshold.js'
import { createProbability, createTraceIdRatio } from './probability.js'
import { createRuleBased, KIND_NAMES, type SamplingRule } from './rule-based.js'
import type { Sampler, SamplerAttributes } from './sampler.js'

/** Composable, and so also a sampler by itself. */
export type ComposedSampler = Sampler & ComposableSampler

export { alwaysOff, alwaysOn, createParentBased, createTraceIdRatio }

export const traceIdRatio = (ratio: number): Sampler =>
  createTraceIdRatio(given('traceIdRatio', ratio, isRatio, RATIO, 1))

export function parentBased(samplers: Partial<ParentBasedSamplers>): Sampler {
  const where = 'parentBased'
  const delegates: Partial<ParentBasedSamplers> = given(where, samplers, isReadable, 'an object of samplers', {})
  const { root, remoteParentSampled, remoteParentNotSampled, localParentSampled, localParentNotSampled } = delegates
  const on = (key: string, sampler: unknown): Sampler => optional(`${where}.${key}`, sampler, alwaysOn)
  const off = (key: string, sampler: unknown): Sampler => optional(`${where}.${key}`, sampler, alwaysOff)
  return createParentBased({
    root: on('root', root),
    remoteParentSampled: on('remoteParentSampled', remoteParentSampled),
    remoteParentNotSampled: off('remoteParentNotSampled', remoteParentNotSampled),
    localParentSampled: on('localParentSampled', localParentSampled),
    localParentNotSampled: off('localParentNotSampled', localParentNotSampled),
  })
}

export const alwaysRecord = (root: Sampler): Sampler =>
  createAlwaysRecord(given('alwaysRecord', root, isSampler, SAMPLER, alwaysOn))

export const composite = (delegate: ComposableSampler): Sampler => createComposite(delegateOf('composite', delegate))

export const probability = (ratio: number): ComposedSampler =>
  composed(createProbability(given('probability', ratio, isRatio, RATIO, 1)))

export const parentThreshold = (root: ComposableSampler): ComposedSampler =>
  composed(createParentThreshold(delegateOf('parentThreshold', root)))

export const ruleBased = (rules: readonly SamplingRule[]): ComposedSampler =>
  composed(
    createRuleBased(
      given('ruleBased', rules, Array.isArray, 'a list of rules', []).filter(
        (rule, at) => given<unknown>(`ruleBased[${at}]`, rule, isRule, RULE, undefined) !== undefined,
      ),
    ),
  )

export const annotating = (attributes: SamplerAttributes, delegate: ComposableSampler): ComposedSampler =>
  composed(
    createAnnotating(
      { ...given('annotating', attributes, isReadable, 'an object of attributes', {}) },
      delegateOf('annotating', delegate),
    ),
  )

const composed = (composable: ComposableSampler): ComposedSampler => ({
  shouldSample: createComposite(composable).shouldSample,
  getSamplingIntent: span => composable.getSamplingIntent(span),
  toString: () => String(composable),
})

const delegateOf = (where: string, delegate: unknown): ComposableSampler =>
  given(where, delegate, isComposable, 'a composable sampler', alwaysOn)

const optional = (where: string, sampler: unknown, byDefault: Sampler): Sampler =>
  sampler === undefined ? byDefault : given(where, sampler, isSampler, SAMPLER, byDefault)

/** The value, if it is what is expected. An object of the caller may throw from whatever is read of it. */
function given<T>(where: string, value: unknown, isIt: (value: unknown) => unknown, expected: string, byDefault: T): T {
  try {
    if (isIt(value) === true) return value as T
  } catch {
    // As unacceptable as a wrong type.
  }
  log.warn('samplers.%s: ignored %s, expected %s; using %s', where, shown(value), expected, used(byDefault))
  return byDefault
}

const RATIO = 'a number from 0 to 1'
const RULE = 'known conditions, and a composable sampler as `sampler`'
const SAMPLER = 'an object with `shouldSample`'

const isRatio = (value: unknown): boolean => typeof value === 'number' && value >= 0 && value <= 1
const isObject = (value: unknown): value is Record<string, unknown> => typeof value === 'object' && value !== null
const isReadable = (value: unknown): boolean => isObject(value) && Object.values(value).length >= 0
const isSampler = (value: unknown): boolean => isObject(value) && typeof value.shouldSample === 'function'
const isComposable = (value: unknown): boolean => isObject(value) && typeof value.getSamplingIntent === 'function'

function isRule(rule: unknown): boolean {
  if (!isObject(rule) || !isComposable(rule.sampler)) return false
  const { attributeValues, attributePatterns, spanKinds, parent, matches } = rule
  return (
    (attributeValues === undefined || isAttribute(attributeValues, true)) &&
    (attributePatterns === undefined || isAttribute(attributePatterns, false)) &&
    isListOf(spanKinds, KIND_NAMES) &&
    isListOf(parent, ['none', 'local', 'remote']) &&
    (matches === undefined || typeof matches === 'function')
  )
}

function isAttribute(condition: unknown, needsValues: boolean): boolean {
  if (!isObject(condition) || typeof condition.key !== 'string') return false
  const { values, included, excluded } = condition
  if (needsValues) return Array.isArray(values)
  return [included, excluded].every(patterns => patterns === undefined || areTexts(patterns))
}

const areTexts = (list: unknown): boolean => Array.isArray(list) && list.every(item => typeof item === 'string')

const isListOf = (list: unknown, words: readonly string[]): boolean =>
  list === undefined || (Array.isArray(list) && list.every(word => words.includes(word)))

const shown = (value: unknown): string =>
  typeof value === 'number' || value === undefined ? String(value) : `a value of type ${typeof value}`

function used(byDefault: unknown): string {
  if (isSampler(byDefault) || typeof byDefault === 'number') return String(byDefault)
  return 'none'
}
