/** Strategies of Jaeger as samplers. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { strategyOf } from '../../src/sampling/jaeger-strategy.js'
import { RECORD_AND_SAMPLE, type Sampler } from '../../src/sampling/sampler.js'
import { type Asked, ask, seededTraceIds, stateAfter, traceIdOf } from '../helpers/sampling.js'

const samplerOf = (answer: unknown): Sampler => {
  const sampler = strategyOf(answer)
  assert.ok(sampler !== undefined, JSON.stringify(answer))
  return sampler
}
const isKept = (sampler: Sampler, asked: Asked = {}): boolean => ask(sampler, asked).decision === RECORD_AND_SAMPLE

const FULL = traceIdOf('ffffffffffffff')

test('a share of the traces', () => {
  for (const strategyType of ['PROBABILISTIC', 0, undefined]) {
    const sampler = samplerOf({ strategyType, probabilisticSampling: { samplingRate: 0.25 } })
    assert.equal(isKept(sampler, { traceId: traceIdOf('b') }), false)
    assert.equal(stateAfter(ask(sampler, { traceId: traceIdOf('c') })), 'ot=th:c')
  }
})

test('so many a second, which tell no threshold', () => {
  for (const answer of [
    { strategyType: 'RATE_LIMITING', rateLimitingSampling: { maxTracesPerSecond: 2 } },
    { strategyType: 1, rateLimitingSampling: { maxTracesPerSecond: 2 }, probabilisticSampling: { samplingRate: 1 } },
    { rateLimitingSampling: { maxTracesPerSecond: 2 } },
  ]) {
    const sampler = samplerOf(answer)
    const asked = { parent: { state: 'ot=th:8;x:1' } }
    assert.equal(stateAfter(ask(sampler, asked)), 'ot=x:1')
    assert.deepEqual([isKept(sampler), isKept(sampler)], [true, false])
    assert.equal(String(sampler), 'RateLimitingSampler{2}')
  }
})

test('a share for each operation, and one for all others', () => {
  const sampler = samplerOf({
    strategyType: 'PROBABILISTIC',
    probabilisticSampling: { samplingRate: 1 },
    operationSampling: {
      defaultSamplingProbability: 0.5,
      defaultLowerBoundTracesPerSecond: 0,
      perOperationStrategies: [
        { operation: 'all', probabilisticSampling: { samplingRate: 1 } },
        { operation: 'none', probabilisticSampling: { samplingRate: 0 } },
      ],
    },
  })
  assert.equal(stateAfter(ask(sampler, { name: 'all' })), 'ot=th:0')
  assert.equal(isKept(sampler, { name: 'none', traceId: FULL }), false)
  assert.equal(stateAfter(ask(sampler, { name: 'else', traceId: FULL })), 'ot=th:8')
  assert.equal(isKept(sampler, { name: 'else', traceId: traceIdOf('7') }), false)
})

test('each operation has its own lower bound, to which counts what is kept anyway', () => {
  const sampler = samplerOf({
    operationSampling: {
      defaultSamplingProbability: 0,
      defaultLowerBoundTracesPerSecond: 2,
      perOperationStrategies: [{ operation: 'half', probabilisticSampling: { samplingRate: 0.5 } }],
    },
  })
  const kept = (name: string): boolean[] => [1, 2, 3].map(() => isKept(sampler, { name }))
  assert.deepEqual(kept('one'), [true, true, false])
  assert.deepEqual(kept('two'), [true, true, false])
  assert.equal(stateAfter(ask(sampler, { name: 'three', parent: { state: 'ot=th:8' } })), '')
  assert.equal(stateAfter(ask(sampler, { name: 'half', traceId: FULL })), 'ot=th:8')
  assert.deepEqual(kept('half'), [true, false, false])
  assert.equal(isKept(sampler, { name: 'half', traceId: FULL }), true)
})

test('names without end share the default and no lower bound', () => {
  const sampler = samplerOf({
    operationSampling: { defaultSamplingProbability: 0.5, defaultLowerBoundTracesPerSecond: 1 },
  })
  const kept = seededTraceIds(3000, 1).map((traceId, at) => isKept(sampler, { name: `GET /${at}`, traceId }))
  assert.ok(kept.slice(0, 2000).every(Boolean))
  const share = kept.slice(2000).filter(Boolean).length
  assert.ok(share > 420 && share < 580, `${share} of 1000`)
})

test('a number that is 0 may be left out', () => {
  assert.equal(isKept(samplerOf({ probabilisticSampling: {} }), { traceId: FULL }), false)
  assert.equal(isKept(samplerOf({ rateLimitingSampling: {} })), false)
  const operations = { perOperationStrategies: [{ operation: 'a', probabilisticSampling: {} }] }
  assert.equal(isKept(samplerOf({ operationSampling: operations }), { name: 'a', traceId: FULL }), false)
})

test('what has another shape is none', () => {
  const rate = (samplingRate: unknown) => ({ probabilisticSampling: { samplingRate } })
  const operation = (strategy: unknown) => ({ operationSampling: { perOperationStrategies: [strategy] } })
  for (const answer of [
    null,
    undefined,
    [],
    'text',
    7,
    {},
    { strategyType: 'PROBABILISTIC' },
    { probabilisticSampling: [] },
    rate('0.5'),
    rate(-0.1),
    rate(1.1),
    rate(null),
    { rateLimitingSampling: { maxTracesPerSecond: -1 } },
    { rateLimitingSampling: { maxTracesPerSecond: '2' } },
    { operationSampling: { defaultSamplingProbability: 2 } },
    { operationSampling: { defaultLowerBoundTracesPerSecond: -1 } },
    { operationSampling: { perOperationStrategies: {} } },
    operation(null),
    operation({ probabilisticSampling: { samplingRate: 1 } }),
    operation({ operation: 'a' }),
    operation({ operation: 'a', ...rate(2) }),
  ])
    assert.equal(strategyOf(answer), undefined, JSON.stringify(answer))
})
