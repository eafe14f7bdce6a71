/** The member `ot` of a tracestate: parsed, changed and written again. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { formatOt, isThreshold, parseOt } from '../../src/sampling/ot-state.js'

test('the examples of the specification', () => {
  assert.deepEqual(parseOt('p:8;r:62'), { threshold: undefined, randomness: undefined, others: ['p:8', 'r:62'] })
  assert.deepEqual(parseOt('th:0').threshold, '0')
  assert.deepEqual(parseOt('rv:6e6d1a75832a2f').randomness, '6e6d1a75832a2f')
  assert.equal(formatOt({ ...parseOt('p:8;r:62'), threshold: 'fd70a4' }), 'th:fd70a4;p:8;r:62')
  assert.equal(formatOt({ ...parseOt('p:8;th:7;r:62'), threshold: 'c' }), 'th:c;p:8;r:62')
})

test('no member is nothing to say', () => {
  assert.deepEqual(parseOt(undefined), { threshold: undefined, randomness: undefined, others: [] })
  assert.equal(formatOt(parseOt(undefined)), undefined)
  assert.equal(formatOt(parseOt('th:xyz')), undefined)
})

test('what is malformed is left out', () => {
  const text = 'th:g;rv:6E6D1A75832A2F;;a;:b;A:1;1a:2;k1:13;_x:1;v:a b;w:%;u:Az09._-;k1:14;e:'
  assert.deepEqual(parseOt(text), { threshold: undefined, randomness: undefined, others: ['k1:13', 'u:Az09._-', 'e:'] })
  for (const th of ['', '012345678901234', 'C', '0x1', '-1', ' 1'])
    assert.equal(parseOt(`th:${th}`).threshold, undefined)
  for (const rv of ['', '0123456789012', '012345678901234', 'ABCDEFABCDEFAB'])
    assert.equal(parseOt(`rv:${rv}`).randomness, undefined)
  assert.deepEqual(parseOt('th:1;th:2'), { threshold: '1', randomness: undefined, others: [] })
  assert.deepEqual(parseOt(`a:${'1'.repeat(255)}`).others, [])
})

test('zeros at the end of a threshold say nothing', () => {
  for (const [text, threshold] of [
    ['c00', 'c'],
    ['0', '0'],
    ['00000000000000', '0'],
    ['0010', '001'],
  ] as const)
    assert.equal(parseOt(`th:${text}`).threshold, threshold)
})

test('a member is no longer than 256 characters: the threshold finds no room', () => {
  const others = [`a:${'1'.repeat(249)}`]
  assert.equal(formatOt({ threshold: '0', randomness: undefined, others })?.length, 256)
  assert.equal(formatOt({ threshold: '01', randomness: undefined, others }), others[0])
})

const hex = (length: number) => fc.string({ unit: fc.constantFrom(...'0123456789abcdef'), ...lengths(length) })
const lengths = (length: number) => ({ minLength: length, maxLength: length })
const thresholds = fc.integer({ min: 1, max: 14 }).chain(hex)
const others = fc.uniqueArray(
  fc
    .tuple(fc.stringMatching(/^[a-z][a-z0-9]{0,3}$/), fc.stringMatching(/^[\w.-]{0,8}$/))
    .filter(([key]) => key !== 'th' && key !== 'rv'),
  { selector: ([key]) => key, maxLength: 5 },
)

test('what is written is read again', () => {
  fc.assert(
    fc.property(fc.option(thresholds), fc.option(hex(14)), others, (th, rv, pairs) => {
      const state = {
        threshold: th === null ? undefined : th.replace(/0+$/, '') || '0',
        randomness: rv ?? undefined,
        others: pairs.map(([key, value]) => `${key}:${value}`),
      }
      assert.deepEqual(parseOt(formatOt(state)), state)
    }),
  )
})

test('no text is too odd', () => {
  fc.assert(
    fc.property(fc.string(), text => {
      const written = formatOt(parseOt(text))
      assert.equal(formatOt(parseOt(written)), written)
    }),
  )
})

test('thresholds are known by their shape', () => {
  for (const good of ['0', 'c', 'f'.repeat(14)]) assert.equal(isThreshold(good), true)
  for (const bad of ['', 'g', 'C', 'f'.repeat(15), 0, undefined, null]) assert.equal(isThreshold(bad), false)
})
