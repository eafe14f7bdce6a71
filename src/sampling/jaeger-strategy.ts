/** The strategies of Jaeger's remote sampling as samplers (api_v2/sampling.proto of jaeger-idl, as JSON). */
import { type ComposableSampler, NO_INTENT, type SamplingIntent, UNCOUNTED } from './composable.js'
import { createComposite } from './composite.js'
import { createProbability, createTraceIdRatio } from './probability.js'
import type { Sampler } from './sampler.js'
import { createTokenBucket, type TokenBucket } from './token-bucket.js'

// An application may put an id into the names of its spans: from here on they share the default ratio, without a lower bound.
const MAX_OPERATIONS = 2000

/** Undefined if the answer is not of the shape that is expected. In protobuf's JSON a number that is 0 may be left out. */
export function strategyOf(answer: unknown): Sampler | undefined {
  if (!isObject(answer)) return undefined
  const { strategyType, probabilisticSampling, rateLimitingSampling, operationSampling } = answer
  if (isObject(operationSampling)) return perOperation(operationSampling)
  if (isObject(rateLimitingSampling) && (isRateLimiting(strategyType) || !isObject(probabilisticSampling))) {
    const perSecond = numberOf(rateLimitingSampling.maxTracesPerSecond, Number.MAX_VALUE)
    return perSecond === undefined ? undefined : rateLimited(perSecond)
  }
  const rate = rateOf(probabilisticSampling)
  return rate === undefined ? undefined : createTraceIdRatio(rate)
}

const isRateLimiting = (type: unknown): boolean => type === 'RATE_LIMITING' || type === 1

function rateLimited(perSecond: number): Sampler {
  const bucket = createTokenBucket(perSecond)
  return createComposite(
    { getSamplingIntent: () => (bucket.take() ? UNCOUNTED : NO_INTENT) },
    () => `RateLimitingSampler{${perSecond}}`,
  )
}

function perOperation(strategies: Record<string, unknown>): Sampler | undefined {
  const defaultRate = numberOf(strategies.defaultSamplingProbability, 1)
  const lowerBound = numberOf(strategies.defaultLowerBoundTracesPerSecond, Number.MAX_VALUE)
  const listed = strategies.perOperationStrategies ?? []
  if (defaultRate === undefined || lowerBound === undefined || !Array.isArray(listed)) return undefined
  const operations = new Map<string, ComposableSampler>()
  for (const strategy of listed) {
    const rate = isObject(strategy) ? rateOf(strategy.probabilisticSampling) : undefined
    if (rate === undefined || typeof strategy.operation !== 'string') return undefined
    operations.set(strategy.operation, guaranteed(rate, lowerBound))
  }
  const byDefault = createProbability(defaultRate)
  return createComposite(
    {
      getSamplingIntent(span) {
        let operation = operations.get(span.name)
        if (operation === undefined && operations.size < MAX_OPERATIONS)
          operations.set(span.name, (operation = guaranteed(defaultRate, lowerBound)))
        return (operation ?? byDefault).getSamplingIntent(span)
      },
    },
    () => `PerOperationSampler{default=${defaultRate}, lowerBound=${lowerBound}, operations=${listed.length}}`,
  )
}

/** A share of the traces, and at least so many a second. */
function guaranteed(rate: number, perSecond: number): ComposableSampler {
  const probability = createProbability(rate)
  const bucket: TokenBucket = createTokenBucket(perSecond)
  return {
    getSamplingIntent(span): SamplingIntent {
      const intent = probability.getSamplingIntent(span)
      const isKept = intent.threshold !== undefined && span.randomness >= intent.threshold
      // What is kept anyway counts as well.
      const isOwed = bucket.take()
      return isOwed && !isKept ? UNCOUNTED : intent
    },
  }
}

const rateOf = (strategy: unknown): number | undefined =>
  isObject(strategy) ? numberOf(strategy.samplingRate, 1) : undefined

const numberOf = (value: unknown = 0, max: number): number | undefined =>
  typeof value === 'number' && value >= 0 && value <= max ? value : undefined

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)
