/** B3 in one header and in several: what is read, what is written, and what is decided. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { createPropagator } from '../../src/propagation/index.js'
import { LOW, relayed, SPAN, TRACE, told } from './told.js'

const single = createPropagator(['b3'])
const multi = createPropagator(['b3multi'])

const PADDED = `${'0'.repeat(16)}${LOW}`
const of = (sampled?: string, flags?: string): Record<string, string> => ({
  'x-b3-traceid': TRACE,
  'x-b3-spanid': SPAN,
  ...(sampled !== undefined && { 'x-b3-sampled': sampled }),
  ...(flags !== undefined && { 'x-b3-flags': flags }),
})

describe('extract', () => {
  const cases: [what: string, headers: Record<string, unknown>, expected: string | undefined][] = [
    ['one header, sampled', { b3: `${TRACE}-${SPAN}-1` }, `${TRACE} ${SPAN} sampled`],
    ['one header, not sampled', { b3: `${TRACE}-${SPAN}-0` }, `${TRACE} ${SPAN} dropped`],
    ['one header, debug', { b3: `${TRACE}-${SPAN}-d` }, `${TRACE} ${SPAN} debug`],
    ['one header, undecided', { b3: `${TRACE}-${SPAN}` }, `${TRACE} ${SPAN} deferred`],
    ['one header with a parent', { b3: `${TRACE}-${SPAN}-1-1111111111111111` }, `${TRACE} ${SPAN} sampled`],
    ['one header with a parent, undecided', { b3: `${TRACE}-${SPAN}-1111111111111111` }, `${TRACE} ${SPAN} deferred`],
    ['64 bits', { b3: `${LOW}-${SPAN}-1` }, `${PADDED} ${SPAN} sampled`],
    ['capitals', { B3: `${TRACE.toUpperCase()}-${SPAN.toUpperCase()}-D` }, `${TRACE} ${SPAN} debug`],
    ['the first of two', { b3: [`${TRACE}-${SPAN}-1`, `${LOW}-${SPAN}-0`] }, `${TRACE} ${SPAN} sampled`],
    ['several headers, sampled', of('1'), `${TRACE} ${SPAN} sampled`],
    ['several headers, not sampled', of('0'), `${TRACE} ${SPAN} dropped`],
    ['several headers, undecided', of(), `${TRACE} ${SPAN} deferred`],
    ['several headers, debug', of(undefined, '1'), `${TRACE} ${SPAN} debug`],
    ['debug before a decision', of('0', '1'), `${TRACE} ${SPAN} debug`],
    ['flags that are none', of('1', '0'), `${TRACE} ${SPAN} sampled`],
    ['decisions in words', of('True'), `${TRACE} ${SPAN} sampled`],
    ['decisions in words, no', of('false'), `${TRACE} ${SPAN} dropped`],
    ['a decision that is none', of('yes'), `${TRACE} ${SPAN} deferred`],
    ['a decision that is a name of objects', of('constructor'), `${TRACE} ${SPAN} deferred`],
    ['several, 64 bits', { ...of('1'), 'x-b3-traceid': LOW }, `${PADDED} ${SPAN} sampled`],
    [
      'several, any case',
      { 'X-B3-TraceId': TRACE, 'X-B3-SpanId': SPAN, 'X-B3-Sampled': '1' },
      `${TRACE} ${SPAN} sampled`,
    ],
    ['the one before the several', { ...of('1'), b3: `${LOW}-${SPAN}-0` }, `${PADDED} ${SPAN} dropped`],
    ['the several where the one is malformed', { ...of('1'), b3: `${TRACE}-${SPAN}-x` }, `${TRACE} ${SPAN} sampled`],
    ['a decision alone', { b3: '0' }, undefined],
    ['no span id', { 'x-b3-traceid': TRACE, 'x-b3-sampled': '1' }, undefined],
    ['an id of zeros', { b3: `${'0'.repeat(32)}-${SPAN}-1` }, undefined],
    ['a span id of zeros', { b3: `${TRACE}-${'0'.repeat(16)}-1` }, undefined],
    ['a trace id of another length', { ...of('1'), 'x-b3-traceid': TRACE.slice(1) }, undefined],
    ['a span id of another length', { ...of('1'), 'x-b3-spanid': SPAN.slice(1) }, undefined],
    ['something after the end', { b3: `${TRACE}-${SPAN}-1-${SPAN}-1` }, undefined],
    ['something before the start', { b3: `x${TRACE}-${SPAN}-1` }, undefined],
    ['numbers', { b3: 1, 'x-b3-traceid': 2 }, undefined],
  ]
  for (const [what, headers, expected] of cases) {
    it(`takes ${what}`, () => {
      assert.equal(told(single, headers), expected)
      assert.equal(told(multi, headers), expected)
    })
  }
})

describe('inject', () => {
  it('writes one header, without the parent', () => {
    assert.deepEqual(relayed(single, of('1')), { b3: `${TRACE}-${SPAN}-1` })
    assert.deepEqual(relayed(single, of('0')), { b3: `${TRACE}-${SPAN}-0` })
    assert.deepEqual(relayed(single, of('0', '1')), { b3: `${TRACE}-${SPAN}-d` })
    assert.deepEqual(relayed(single, of()), { b3: `${TRACE}-${SPAN}` })
    assert.deepEqual(relayed(single, { b3: `${LOW}-${SPAN}-1-${SPAN}` }), { b3: `${PADDED}-${SPAN}-1` })
    assert.deepEqual(relayed(single, {}), {})
  })

  it('writes several, without the parent', () => {
    assert.deepEqual(relayed(multi, { b3: `${TRACE}-${SPAN}-1-${SPAN}` }), of('1'))
    assert.deepEqual(relayed(multi, { b3: `${TRACE}-${SPAN}-0` }), of('0'))
    assert.deepEqual(relayed(multi, { b3: `${TRACE}-${SPAN}-d` }), of(undefined, '1'))
    assert.deepEqual(relayed(multi, { b3: `${TRACE}-${SPAN}` }), of())
  })

  it('writes what it names', () => {
    assert.deepEqual(single.fields(), ['b3'])
    assert.deepEqual(multi.fields(), ['x-b3-traceid', 'x-b3-spanid', 'x-b3-sampled', 'x-b3-flags'])
  })
})
