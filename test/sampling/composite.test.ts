/** CompositeSampler and the composable samplers. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { alwaysOff, alwaysOn } from '../../src/sampling/always.js'
import { createAnnotating } from '../../src/sampling/annotating.js'
import type { ComposableSampler, SamplingIntent, SpanToBe } from '../../src/sampling/composable.js'
import { createComposite } from '../../src/sampling/composite.js'
import { createParentThreshold } from '../../src/sampling/parent-threshold.js'
import { createProbability } from '../../src/sampling/probability.js'
import { createRuleBased, type SamplingRule } from '../../src/sampling/rule-based.js'
import { DROP, RECORD_AND_SAMPLE } from '../../src/sampling/sampler.js'
import { type Asked, ask, stateAfter, traceIdOf } from '../helpers/sampling.js'

/** What becomes of a span: its tracestate if it is sampled. */
function outcome(composable: ComposableSampler, asked: Asked = {}): string | undefined {
  const result = ask(createComposite(composable), asked)
  return result.decision === RECORD_AND_SAMPLE ? stateAfter(result, asked) : undefined
}

const intending = (intent: SamplingIntent, seen: SpanToBe[] = []): ComposableSampler => ({
  getSamplingIntent(span) {
    seen.push(span)
    return intent
  },
})

test('always on says 0, always off erases', () => {
  assert.equal(outcome(alwaysOn), 'ot=th:0')
  assert.equal(outcome(alwaysOn, { parent: { state: 'a=1,ot=th:c;x:1' } }), 'ot=th:0;x:1,a=1')
  assert.equal(outcome(alwaysOff), undefined)
  const asked = { parent: { state: 'a=1,ot=th:c' } }
  assert.equal(stateAfter(ask(createComposite(alwaysOff), asked), asked), 'a=1')
})

test('by themselves these two say nothing of a threshold', () => {
  assert.deepEqual(ask(alwaysOn), { decision: RECORD_AND_SAMPLE })
  assert.deepEqual(ask(alwaysOff), { decision: DROP })
  assert.deepEqual([String(alwaysOn), String(alwaysOff)], ['AlwaysOnSampler', 'AlwaysOffSampler'])
})

test('a threshold rejects what is less', () => {
  assert.equal(outcome(createProbability(0.25), { traceId: traceIdOf('c') }), 'ot=th:c')
  assert.equal(outcome(createProbability(0.25), { traceId: traceIdOf('bfffffffffffff') }), undefined)
  assert.equal(outcome(createProbability(0), { traceId: traceIdOf('ffffffffffffff') }), undefined)
})

test("a parent's threshold goes on, if its flag is what comes of it", () => {
  const sampler = createParentThreshold(createProbability(0.25))
  const below = (state: string | undefined, flags: number, randomness: string): string | undefined =>
    outcome(sampler, { traceId: traceIdOf(randomness), parent: { flags, ...(state === undefined ? {} : { state }) } })
  assert.equal(below('ot=th:8', 0x03, '9'), 'ot=th:8')
  assert.equal(below('ot=th:80', 0x03, '9'), 'ot=th:8')
  // Sampled by something else: kept, and counted for nothing.
  assert.equal(below('ot=th:8', 0x03, '7'), '')
  assert.equal(below('ot=x:1', 0x03, '7'), 'ot=x:1')
  assert.equal(below(undefined, 0x03, '0'), '')
  assert.equal(below('ot=th:8', 0x02, '7'), undefined)
  // Dropped by something else.
  assert.equal(below('ot=th:8', 0x02, '9'), undefined)
  assert.equal(below(undefined, 0x02, 'f'), undefined)
  assert.equal(below('ot=th:8;rv:90000000000000', 0x03, '0'), 'ot=th:8;rv:90000000000000')
})

test('without a parent the root decides', () => {
  const sampler = createParentThreshold(createProbability(0.25))
  assert.equal(outcome(sampler, { traceId: traceIdOf('c') }), 'ot=th:c')
  assert.equal(outcome(sampler, { traceId: traceIdOf('b') }), undefined)
})

test('attributes are added where a span is kept, those further out winning', () => {
  const sampler = createAnnotating({ a: 1, b: 1 }, createAnnotating({ b: 2, c: 2 }, createProbability(0.5)))
  const kept = ask(createComposite(sampler), { traceId: traceIdOf('8') })
  assert.deepEqual(kept.attributes, { a: 1, b: 1, c: 2 })
  assert.equal(stateAfter(kept), 'ot=th:8')
  assert.equal('attributes' in ask(createComposite(sampler), { traceId: traceIdOf('7') }), false)
})

test('a threshold that counts nothing is not compared with the randomness of the trace', () => {
  const sampler = createComposite(intending({ threshold: '8', thresholdReliable: false }))
  const results = Array.from({ length: 200 }, () => ask(sampler, { traceId: traceIdOf('0') }).decision)
  assert.deepEqual([...new Set(results)].sort(), [DROP, RECORD_AND_SAMPLE])
  assert.equal(outcome(intending({ threshold: '0', thresholdReliable: false }), { parent: { state: 'ot=th:8' } }), '')
})

test('a threshold of a wrong shape rejects', () => {
  for (const threshold of ['', 'x', 'F', 8, null, '0'.repeat(15)])
    assert.equal(outcome(intending({ threshold: threshold as string, thresholdReliable: true })), undefined)
})

test('the tracestate of a kept span may be changed, but for the member ot', () => {
  const intent: SamplingIntent = {
    threshold: '0',
    thresholdReliable: true,
    traceState: before => before.set('vendor', '1').set('ot', 'th:c;y:1'),
  }
  assert.equal(outcome(intending(intent), { parent: { state: 'a=1,ot=x:1' } }), 'ot=th:0;x:1,vendor=1,a=1')
})

test('a composable sampler is told of the span and of its parent', () => {
  const seen: SpanToBe[] = []
  const sampler = createComposite(intending({ threshold: '0', thresholdReliable: true }, seen))
  ask(sampler, { name: 'n', kind: 3, attributes: { a: 1 } })
  ask(sampler, { traceId: traceIdOf('9'), parent: { flags: 0x01, state: 'ot=th:8', remote: false } })
  ask(sampler, { parent: { flags: 0x02, state: 'ot=rv:123456789abcde' } })
  const facts = seen.map(({ parent, parentIsSampled, parentThreshold, randomness, isRandom }) => [
    parent,
    parentIsSampled,
    parentThreshold,
    randomness,
    isRandom,
  ])
  assert.deepEqual(facts, [
    ['none', false, undefined, '00000000000000', true],
    ['local', true, '8', '90000000000000', false],
    ['remote', false, undefined, '123456789abcde', true],
  ])
  assert.deepEqual([seen[0]?.name, seen[0]?.kind, seen[0]?.attributes], ['n', 3, { a: 1 }])
})

test('a member ot that is full keeps the span and loses the threshold', () => {
  const state = `ot=a:${'1'.repeat(254)}`
  assert.equal(outcome(alwaysOn, { parent: { state } }), state)
})

/** The index of the rule that a span meets. */
function met(rules: Omit<SamplingRule, 'sampler'>[], asked: Asked): number | undefined {
  const sampler = createRuleBased(
    rules.map((rule, at) => ({ ...rule, sampler: createAnnotating({ at }, alwaysOn) }) as SamplingRule),
  )
  return ask(createComposite(sampler), asked).attributes?.at as number | undefined
}

test('the first rule that a span meets decides, and without any it is dropped', () => {
  const rules = [{ spanKinds: ['client'] }, { spanKinds: ['server', 'consumer'] }, { spanKinds: ['server'] }] as const
  assert.equal(met([...rules], { kind: 2 }), 0)
  assert.equal(met([...rules], { kind: 1 }), 1)
  assert.equal(met([...rules], { kind: 4 }), 1)
  assert.equal(met([...rules], { kind: 0 }), undefined)
  assert.equal(met([...rules, {}], { kind: 0 }), 3)
  assert.equal(met([], {}), undefined)
})

test('rules know where the parent is', () => {
  const rules: Omit<SamplingRule, 'sampler'>[] = [{ parent: ['none'] }, { parent: ['local', 'remote'] }]
  assert.equal(met(rules, {}), 0)
  assert.equal(met(rules, { parent: { remote: true } }), 1)
  assert.equal(met(rules.slice(1), { parent: { remote: false } }), 0)
})

test('rules compare values, as text', () => {
  const rule = (...values: string[]) => [{ attributeValues: { key: 'k', values } }]
  assert.equal(met(rule('/health', '/ready'), { attributes: { k: '/ready' } }), 0)
  assert.equal(met(rule('404'), { attributes: { k: 404 } }), 0)
  assert.equal(met(rule('true'), { attributes: { k: true } }), 0)
  assert.equal(met(rule('b'), { attributes: { k: ['a', null, 'b'] } }), 0)
  for (const attributes of [{}, { k: 'c' }, { other: '/ready' }, { k: '' }, { k: ['a'] }, { k: undefined }])
    assert.equal(met(rule('/ready', 'undefined', 'null', 'a,b'), { attributes }), undefined)
})

test('rules compare patterns, as text', () => {
  const rule = (included?: string[], excluded?: string[]) =>
    [{ attributePatterns: { key: 'k', included, excluded } }] as Omit<SamplingRule, 'sampler'>[]
  assert.equal(met(rule(['4*']), { attributes: { k: 404 } }), 0)
  assert.equal(met(rule(['/a/*', '/b?']), { attributes: { k: '/bc' } }), 0)
  assert.equal(met(rule(['/a/*'], ['/a/x*']), { attributes: { k: '/a/xy' } }), undefined)
  assert.equal(met(rule(['/a/*'], ['/a/x*']), { attributes: { k: '/a/y' } }), 0)
  assert.equal(met(rule(undefined, ['/a']), { attributes: { k: '/b' } }), 0)
  assert.equal(met(rule(undefined, ['/a']), { attributes: { k: '/a' } }), undefined)
  assert.equal(met(rule(undefined, ['/a']), { attributes: {} }), undefined)
  assert.equal(met(rule(['b']), { attributes: { k: ['a', 'b'] } }), 0)
})

test('all conditions of a rule have to be met, its own as well', () => {
  const rule: Omit<SamplingRule, 'sampler'> = {
    spanKinds: ['server'],
    attributeValues: { key: 'k', values: ['1'] },
    matches: ({ name }) => name.startsWith('GET'),
  }
  assert.equal(met([rule], { kind: 1, name: 'GET /', attributes: { k: 1 } }), 0)
  assert.equal(met([rule], { kind: 1, name: 'PUT /', attributes: { k: 1 } }), undefined)
  assert.equal(met([rule], { kind: 2, name: 'GET /', attributes: { k: 1 } }), undefined)
  assert.equal(met([rule], { kind: 1, name: 'GET /', attributes: { k: 2 } }), undefined)
})

test('a condition that throws is not met', () => {
  const throws = (): boolean => {
    throw new Error('from a condition')
  }
  assert.equal(met([{ matches: throws }, {}], {}), 1)
  assert.equal(met([{ matches: () => 'yes' as never }, {}], {}), 1)
})

test('the example of the specification', () => {
  const path = (...values: string[]) => ({ attributeValues: { key: 'url.path', values } })
  const sampler = createParentThreshold(
    createRuleBased([
      { ...path('/health'), sampler: alwaysOff },
      { ...path('/checkout'), sampler: alwaysOn },
      { sampler: createProbability(0.1) },
    ]),
  )
  const root = (path: string, randomness: string): string | undefined =>
    outcome(sampler, { traceId: traceIdOf(randomness), attributes: { 'url.path': path } })
  assert.equal(root('/health', 'ffffffffffffff'), undefined)
  assert.equal(root('/checkout', '0'), 'ot=th:0')
  assert.equal(root('/', 'e666'), 'ot=th:e666')
  assert.equal(root('/', 'e665ffffffffff'), undefined)
  assert.equal(outcome(sampler, { parent: { state: 'ot=th:0' }, attributes: { 'url.path': '/health' } }), 'ot=th:0')
  assert.equal(
    String(createComposite(sampler)),
    'CompositeSampler{ComposableParentThreshold{root=ComposableRuleBased{AlwaysOffSampler,AlwaysOnSampler,ComposableProbability{0.1}}}}',
  )
})
