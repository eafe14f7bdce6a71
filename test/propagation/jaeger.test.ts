/** The headers of Jaeger, with its baggage. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import * as api from '@opentelemetry/api'
import { ROOT } from '../../src/context/context.js'
import { headerGetter, headerSetter } from '../../src/propagation/headers.js'
import { createPropagator } from '../../src/propagation/index.js'
import { LOW, relayed, SPAN, TRACE, told } from './told.js'

const propagator = createPropagator(['jaeger'])

describe('extract', () => {
  const cases: [what: string, header: unknown, expected: string | undefined][] = [
    ['a sampled span', `${TRACE}:${SPAN}:0:1`, `${TRACE} ${SPAN} sampled`],
    ['one that is not', `${TRACE}:${SPAN}:0:0`, `${TRACE} ${SPAN} dropped`],
    ['debug', `${TRACE}:${SPAN}:0:3`, `${TRACE} ${SPAN} debug`],
    ['debug alone', `${TRACE}:${SPAN}:0:2`, `${TRACE} ${SPAN} debug`],
    ['other flags', `${TRACE}:${SPAN}:0:8`, `${TRACE} ${SPAN} dropped`],
    ['two digits of flags', `${TRACE}:${SPAN}:0:0f`, `${TRACE} ${SPAN} debug`],
    ['a parent', `${TRACE}:${SPAN}:${LOW}:01`, `${TRACE} ${SPAN} sampled`],
    ['no parent', `${TRACE}:${SPAN}::01`, `${TRACE} ${SPAN} sampled`],
    ['64 bits', `${LOW}:${SPAN}:0:1`, `${LOW.padStart(32, '0')} ${SPAN} sampled`],
    ['few digits', `1f:2:0:1`, `${'1f'.padStart(32, '0')} ${'2'.padStart(16, '0')} sampled`],
    ['encoded colons', `${TRACE}%3A${SPAN}%3a0%3A1`, `${TRACE} ${SPAN} sampled`],
    ['capitals', `${TRACE.toUpperCase()}:${SPAN}:0:1`, `${TRACE} ${SPAN} sampled`],
    ['the first of two', [`${TRACE}:${SPAN}:0:1`, `${LOW}:${SPAN}:0:0`], `${TRACE} ${SPAN} sampled`],
    ['zeros', `0:${SPAN}:0:1`, undefined],
    ['a span of zeros', `${TRACE}:0:0:1`, undefined],
    ['a long trace id', `0${TRACE}:${SPAN}:0:1`, undefined],
    ['a long span id', `${TRACE}:0${SPAN}:0:1`, undefined],
    ['three parts', `${TRACE}:${SPAN}:1`, undefined],
    ['five parts', `${TRACE}:${SPAN}:0:1:1`, undefined],
    ['long flags', `${TRACE}:${SPAN}:0:001`, undefined],
    ['flags that are none', `${TRACE}:${SPAN}:0:x`, undefined],
    ['percent signs that encode nothing', '%:%%:%1:%zz', undefined],
  ]
  for (const [what, header, expected] of cases) {
    it(`takes ${what}`, () => assert.equal(told(propagator, { 'Uber-Trace-Id': header }), expected))
  }
})

it('writes its header, with what is decided', () => {
  for (const [flags, written] of Object.entries({ 0: '00', 1: '01', 3: '03', 2: '03' }))
    assert.deepEqual(relayed(propagator, { 'uber-trace-id': `${LOW}:1:5:${flags}` }), {
      'uber-trace-id': `${LOW.padStart(32, '0')}:${'1'.padStart(16, '0')}:0:${written}`,
    })
  assert.deepEqual(relayed(createPropagator(['b3']), { b3: `${TRACE}-${SPAN}` }, propagator), {
    'uber-trace-id': `${TRACE}:${SPAN}:0:00`,
  })
  assert.deepEqual(propagator.fields(), ['uber-trace-id'])
})

describe('baggage', () => {
  const baggageOf = (headers: Record<string, unknown>, context: api.Context = ROOT): [string, string][] =>
    (api.propagation.getBaggage(propagator.extract(context, headers, headerGetter))?.getAllEntries() ?? []).map(
      ([key, { value }]) => [key, value],
    )
  const written = (entries: Record<string, string>): Record<string, string> => {
    const carrier = {}
    const baggage = api.propagation.createBaggage(
      Object.fromEntries(Object.entries(entries).map(([key, value]) => [key, { value }])),
    )
    propagator.inject(api.propagation.setBaggage(ROOT, baggage), carrier, headerSetter)
    return carrier
  }

  it('has a header for each entry, encoded', () => {
    const headers = written({ 'user-id': 'ä b%', tier: '1', empty: '' })
    assert.deepEqual(headers, { 'uberctx-user-id': '%C3%A4%20b%25', 'uberctx-tier': '1', 'uberctx-empty': '' })
    assert.deepEqual(baggageOf(headers), [
      ['user-id', 'ä b%'],
      ['tier', '1'],
      ['empty', ''],
    ])
  })

  it('is read from headers of any case, malformed encoding as it is', () => {
    assert.deepEqual(baggageOf({ 'UberCtx-A': '%', 'uberctx-b': Buffer.from('x'), 'uberctx-': 'y', uberctx: 'z' }), [
      ['A', '%'],
      ['b', 'x'],
    ])
    assert.deepEqual(baggageOf({ 'uberctx-__proto__': '1', 'uberctx-n': 1, 'uberctx-o': {} }), [['__proto__', '1']])
  })

  it('is added to the baggage that is there', () => {
    const context = createPropagator(['baggage']).extract(ROOT, { baggage: 'a=1,b=2' }, headerGetter)
    assert.deepEqual(baggageOf({ 'uberctx-b': '3', 'uberctx-c': '4' }, context), [
      ['a', '1'],
      ['b', '3'],
      ['c', '4'],
    ])
    assert.equal(propagator.extract(context, { 'x-uberctx-b': '3' }, headerGetter), context)
  })

  it('leaves out keys that no header can have, and what does not fit', () => {
    assert.deepEqual(written({ 'a b': '1', ä: '1', '': '1', 'a:': '1', 'a\r\nb': '1', ok: '\r\n' }), {
      'uberctx-ok': '%0D%0A',
    })
    assert.deepEqual(Object.keys(written({ ['k'.repeat(300)]: '1', long: 'x'.repeat(9000), ok: '1' })), ['uberctx-ok'])
    const many = Object.fromEntries(Array.from({ length: 100 }, (_, i) => [`k${i}`, 'v']))
    assert.equal(Object.keys(written(many)).length, 64)
    const big = Object.fromEntries(Array.from({ length: 20 }, (_, i) => [`k${i}`, 'v'.repeat(1000)]))
    assert.equal(Object.keys(written(big)).length, 8)
    const headers = (of: Record<string, string>) =>
      Object.fromEntries(Object.entries(of).map(([key, value]) => [`uberctx-${key}`, value]))
    assert.equal(baggageOf(headers(many)).length, 64)
    assert.equal(baggageOf(headers(big)).length, 8)
  })

  it('goes without a trace, and a trace without it', () => {
    assert.deepEqual(relayed(propagator, { 'uberctx-a': '1' }), { 'uberctx-a': '1' })
  })
})
