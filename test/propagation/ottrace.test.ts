/** The headers of OpenTracing's basic tracers, with their baggage. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import * as api from '@opentelemetry/api'
import { ROOT } from '../../src/context/context.js'
import { headerSetter } from '../../src/propagation/headers.js'
import { createPropagator } from '../../src/propagation/index.js'
import { LOW, relayed, SPAN, TRACE, told } from './told.js'

const propagator = createPropagator(['ottrace'])

const of = (traceId: string, sampled?: unknown, spanId = SPAN) => ({
  'ot-tracer-traceid': traceId,
  'ot-tracer-spanid': spanId,
  ...(sampled !== undefined && { 'ot-tracer-sampled': sampled }),
})
const PADDED = LOW.padStart(32, '0')

describe('extract', () => {
  const cases: [what: string, headers: Record<string, unknown>, expected: string | undefined][] = [
    ['a sampled span', of(LOW, 'true'), `${PADDED} ${SPAN} sampled`],
    ['one that is not', of(LOW, 'false'), `${PADDED} ${SPAN} dropped`],
    ['capitals', of(LOW.toUpperCase(), 'True'), `${PADDED} ${SPAN} sampled`],
    ['numbers for words', of(LOW, '1'), `${PADDED} ${SPAN} sampled`],
    ['an undecided one', of(LOW), `${PADDED} ${SPAN} deferred`],
    ['a decision that is none', of(LOW, 'toString'), `${PADDED} ${SPAN} deferred`],
    ['128 bits', of(TRACE, 'true'), `${TRACE} ${SPAN} sampled`],
    ['few digits', of('1', 'true', '2'), `${'1'.padStart(32, '0')} ${'2'.padStart(16, '0')} sampled`],
    ['zeros', of('0', 'true'), undefined],
    ['a long id', of(`${TRACE}0`, 'true'), undefined],
    ['what is no id', of('x', 'true'), undefined],
    ['no span', { 'ot-tracer-traceid': LOW }, undefined],
  ]
  for (const [what, headers, expected] of cases)
    it(`takes ${what}`, () => assert.equal(told(propagator, headers), expected))
})

it('writes the low half of the trace id', () => {
  assert.deepEqual(relayed(propagator, of(TRACE, 'true')), of(LOW, 'true'))
  assert.deepEqual(relayed(propagator, of(TRACE, 'false')), of(LOW, 'false'))
  assert.deepEqual(relayed(propagator, of(TRACE)), of(LOW))
  assert.deepEqual(relayed(createPropagator(['b3']), { b3: `${TRACE}-${SPAN}-d` }, propagator), of(LOW, 'true'))
  assert.deepEqual(propagator.fields(), Object.keys(of(LOW, 'true')))
})

it('writes baggage as it is, and leaves out what no header can have', () => {
  const carrier: Record<string, string> = {}
  const values = { ok: 'a b;c=%20', empty: '', 'a b': '1', line: 'a\r\nb', blank: ' a', letters: 'ä' }
  const baggage = api.propagation.createBaggage(
    Object.fromEntries(Object.entries(values).map(([key, value]) => [key, { value }])),
  )
  propagator.inject(api.propagation.setBaggage(ROOT, baggage), carrier, headerSetter)
  assert.deepEqual(carrier, { 'ot-baggage-ok': 'a b;c=%20', 'ot-baggage-empty': '' })
  assert.deepEqual(relayed(propagator, carrier), carrier)
})
