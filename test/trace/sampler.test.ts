/** The standard samplers that decide by parent and trace id alone. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { draw, page } from '../../src/trace/ids.js'
import { createSampler, rootStateOf, type SamplerName } from '../../src/trace/sampler.js'
import { DEFERRED, type SpanIdentity } from '../../src/trace/span.js'

const newTraceId = (): Buffer => {
  const at = draw(16)
  return page.subarray(at, at + 16)
}

const parent = (traceFlags: number): SpanIdentity => ({
  traceId: newTraceId().toString('hex'),
  spanId: 'b7ad6b7169203331',
  traceFlags,
  traceState: undefined,
  isRemote: true,
})

/** Without a parent, below a sampled one, and below one that is not. */
const decisions = (name: SamplerName, ratio: number): boolean[] => {
  const sampler = createSampler({ name, ratio })
  return [undefined, parent(0x01), parent(0x03), parent(0x00), parent(0x02)].map(p => sampler(p, newTraceId(), 0))
}

const always = [true, true, true, true, true]
const never = [false, false, false, false, false]

for (const [name, ratio, expected] of [
  ['always_on', 0, always],
  ['always_off', 1, never],
  ['parentbased_always_on', 0, [true, true, true, false, false]],
  ['parentbased_always_off', 1, [false, true, true, false, false]],
  ['parentbased_traceidratio', 1, [true, true, true, false, false]],
  ['parentbased_traceidratio', 0, [false, true, true, false, false]],
] as const) {
  test(`${name}, ratio ${ratio}`, () => assert.deepEqual(decisions(name, ratio), expected))
}

test('where the decision is left to us, it is made as for a root', () => {
  for (const [name, ratio, expected] of [
    ['parentbased_always_on', 0, true],
    ['parentbased_always_off', 1, false],
    ['parentbased_traceidratio', 1, true],
    ['parentbased_traceidratio', 0, false],
  ] as const)
    assert.equal(createSampler({ name, ratio })(parent(DEFERRED), newTraceId(), 0), expected, name)
})

test('a ratio keeps about that share of traces', () => {
  const sampler = createSampler({ name: 'parentbased_traceidratio', ratio: 0.25 })
  const ids = Array.from({ length: 20_000 }, newTraceId)
  const kept = ids.filter(id => sampler(undefined, id, 0)).length
  // Six standard deviations: fails once in half a billion runs.
  assert.ok(Math.abs(kept - 5000) < 6 * Math.sqrt(20_000 * 0.25 * 0.75), `${kept} of 20000`)
})

test('a trace that is kept at a ratio is kept at every higher one, in every service', () => {
  const ratios = [0.01, 0.1, 0.5, 0.9, 1].map(ratio => createSampler({ name: 'parentbased_traceidratio', ratio }))
  for (let i = 0; i < 2000; i++) {
    const id = newTraceId()
    const kept = ratios.map(sampler => sampler(undefined, id, 0))
    assert.deepEqual(kept, [...kept].sort(), id.toString('hex'))
  }
})

test('the decision is made by the random part of the id', () => {
  const sampler = createSampler({ name: 'parentbased_traceidratio', ratio: 0.5 })
  const id = (random: string, rest = 'f') => Buffer.from(`${rest.repeat(18)}${random}`, 'hex')
  assert.equal(sampler(undefined, id('7fffffffffffff'), 0), false)
  assert.equal(sampler(undefined, id('80000000000000'), 0), true)
  assert.equal(sampler(undefined, id('80000000000000', '0'), 0), true)
})

test('more bits decide than a number holds', () => {
  const id = (random: string) => Buffer.from(`${'0'.repeat(18)}${random}`, 'hex')
  const sampler = createSampler({ name: 'parentbased_traceidratio', ratio: 2 ** -56 })
  assert.equal(sampler(undefined, id('fffffffffffffe'), 0), false)
  assert.equal(sampler(undefined, id('ffffffffffffff'), 0), true)
})

test('roots carry the threshold that they are kept by, where there is one', () => {
  assert.equal(rootStateOf({ name: 'parentbased_traceidratio', ratio: 0.25 }), 'ot=th:c')
  assert.equal(rootStateOf({ name: 'parentbased_traceidratio', ratio: 1 }), 'ot=th:0')
  assert.equal(rootStateOf({ name: 'parentbased_traceidratio', ratio: 0 }), undefined)
  assert.equal(rootStateOf({ name: 'parentbased_always_on', ratio: 0.25 }), undefined)
})
