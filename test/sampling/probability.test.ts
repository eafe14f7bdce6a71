/** TraceIdRatioBased: its decisions, what it says in the tracestate, and that the hot path decides the same. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { createTraceIdRatio } from '../../src/sampling/probability.js'
import { DROP, RECORD_AND_SAMPLE } from '../../src/sampling/sampler.js'
import { createSampler, rootStateOf } from '../../src/trace/sampler.js'
import { thresholdOf } from '../../src/trace/threshold.js'
import { runApp } from '../helpers/child.js'
import { ask, seededTraceIds, stateAfter, traceIdOf } from '../helpers/sampling.js'

const ratios = fc.oneof(
  fc.double({ min: 0, max: 1, noNaN: true }),
  fc.double({ min: 0, max: 57, noNaN: true }).map(exponent => 2 ** -exponent),
)
const digits = fc.bigInt({ min: 0n, max: 2n ** 56n - 1n }).map(value => value.toString(16).padStart(14, '0'))

/** The randomness at a threshold, just below and just above it. */
function around(threshold: string | undefined): string[] {
  const at = BigInt(`0x${(threshold ?? '').padEnd(14, '0')}`)
  return [at - 1n, at, at + 1n]
    .filter(value => value >= 0n && value < 2n ** 56n)
    .map(value => value.toString(16).padStart(14, '0'))
}

test('the hot path decides the same, bit for bit, and says the same of it', () => {
  fc.assert(
    fc.property(ratios, fc.array(digits), (ratio, some) => {
      const full = createTraceIdRatio(ratio)
      const fast = createSampler({ name: 'parentbased_traceidratio', ratio })
      for (const randomness of [...some, ...around(thresholdOf(ratio))]) {
        const traceId = traceIdOf(randomness)
        const result = ask(full, { traceId })
        assert.equal(fast(undefined, Buffer.from(traceId, 'hex'), 0), result.decision === RECORD_AND_SAMPLE, randomness)
        if (result.decision === RECORD_AND_SAMPLE)
          assert.equal(stateAfter(result), rootStateOf({ name: 'parentbased_traceidratio', ratio }))
      }
    }),
  )
})

test('a trace that is kept at a ratio is kept at every higher one', () => {
  fc.assert(
    fc.property(ratios, ratios, digits, (a, b, randomness) => {
      const decided = [Math.min(a, b), Math.max(a, b)].map(
        ratio => ask(createTraceIdRatio(ratio), { traceId: traceIdOf(randomness) }).decision,
      )
      assert.ok((decided[0] as number) <= (decided[1] as number))
    }),
  )
})

test('a ratio keeps about that share of traces', () => {
  const ids = seededTraceIds(20_000, 42)
  for (const ratio of [0.5, 0.25, 0.1, 0.01]) {
    const sampler = createTraceIdRatio(ratio)
    const kept = ids.filter(traceId => ask(sampler, { traceId }).decision === RECORD_AND_SAMPLE).length
    assert.ok(
      Math.abs(kept - ids.length * ratio) < 4 * Math.sqrt(ids.length * ratio * (1 - ratio)),
      `${ratio}: ${kept}`,
    )
  }
})

test('the threshold is told where a span is kept, and erased where it is not', () => {
  const sampler = createTraceIdRatio(0.25)
  const kept = { traceId: traceIdOf('c'), parent: { state: 'a=1,ot=x:1;th:8,b=2' } }
  assert.equal(ask(sampler, kept).decision, RECORD_AND_SAMPLE)
  assert.equal(stateAfter(ask(sampler, kept)), 'ot=th:c;x:1,a=1,b=2')
  const dropped = { ...kept, traceId: traceIdOf('b') }
  assert.equal(ask(sampler, dropped).decision, DROP)
  assert.equal(stateAfter(ask(sampler, dropped)), 'ot=x:1,a=1,b=2')
  const only = { traceId: traceIdOf('b'), parent: { state: 'ot=th:8' } }
  assert.equal(stateAfter(ask(sampler, only)), '')
})

test('nothing is said of a tracestate that stays as it is', () => {
  const sampler = createTraceIdRatio(0.25)
  assert.equal(ask(sampler, { traceId: traceIdOf('0') }).traceState, undefined)
  assert.equal(ask(sampler, { traceId: traceIdOf('c'), parent: { state: 'ot=th:c' } }).traceState, undefined)
})

test("the parent's flag does not count", () => {
  for (const flags of [0x00, 0x01, 0x02, 0x03]) {
    const sampler = createTraceIdRatio(0.25)
    assert.equal(ask(sampler, { traceId: traceIdOf('c'), parent: { flags } }).decision, RECORD_AND_SAMPLE)
    assert.equal(ask(sampler, { traceId: traceIdOf('b'), parent: { flags } }).decision, DROP)
  }
})

test('explicit randomness takes the place of the trace id, and goes on', () => {
  const sampler = createTraceIdRatio(0.25)
  const high = { traceId: traceIdOf('0'), parent: { state: 'ot=rv:c0000000000000' } }
  assert.equal(ask(sampler, high).decision, RECORD_AND_SAMPLE)
  assert.equal(stateAfter(ask(sampler, high)), 'ot=th:c;rv:c0000000000000')
  const low = { traceId: traceIdOf('f'), parent: { state: 'ot=rv:bfffffffffffff' } }
  assert.equal(ask(sampler, low).decision, DROP)
  assert.equal(stateAfter(ask(sampler, low), low), 'ot=rv:bfffffffffffff')
})

test('41.1 % is where the example of the specification begins to be sampled', () => {
  const asked = { parent: { state: 'ot=rv:6e6d1a75832a2f' } }
  for (const ratio of [0.57, 0.6, 1]) assert.equal(ask(createTraceIdRatio(ratio), asked).decision, RECORD_AND_SAMPLE)
  for (const ratio of [0, 0.4, 0.56]) assert.equal(ask(createTraceIdRatio(ratio), asked).decision, DROP)
})

test('ratio 0 keeps nothing, 1 keeps all', () => {
  for (const traceId of [traceIdOf('0'), traceIdOf('ffffffffffffff')]) {
    assert.equal(ask(createTraceIdRatio(0), { traceId }).decision, DROP)
    assert.equal(stateAfter(ask(createTraceIdRatio(1), { traceId })), 'ot=th:0')
  }
})

test('it is described by its ratio', () => {
  assert.equal(String(createTraceIdRatio(0.0001)), 'TraceIdRatioBased{0.0001}')
})

const WARNED = /^\[@org\/trace\] warn: the sampler takes trace ids for random/gm
const asking = (parents: string): string => `
  const { createTraceIdRatio } = require('../src/sampling/probability.js')
  const { ask } = require('../test/helpers/sampling.js')
  const sampler = createTraceIdRatio(0.5)
  for (const parent of ${parents}) ask(sampler, { parent })`

test('trace ids that nobody says are random are warned of once', async () => {
  const warned = async (parents: string): Promise<number> => {
    const { stderr } = await runApp({ code: asking(parents), preload: 'none' })
    return stderr.match(WARNED)?.length ?? 0
  }
  assert.equal(await warned('[{ flags: 0x01 }, { flags: 0x00 }, { flags: 0x01 }]'), 1)
  assert.equal(await warned('[undefined, { flags: 0x02 }, { flags: 0x00, state: "ot=rv:0123456789abcd" }]'), 0)
})
