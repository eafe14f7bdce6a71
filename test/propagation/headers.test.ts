/** Headers as libraries keep them. */
import assert from 'node:assert/strict'
import { it } from 'node:test'
import { headerGetter, headerSetter } from '../../src/propagation/headers.js'

it('gets a header in any case, the exact one first', () => {
  assert.equal(headerGetter.get({ traceparent: 'a' }, 'traceparent'), 'a')
  assert.equal(headerGetter.get({ host: 'x', TraceParent: 'a' }, 'traceparent'), 'a')
  assert.equal(headerGetter.get({ TRACEPARENT: 'b', traceparent: 'a' }, 'traceparent'), 'a')
  assert.equal(headerGetter.get({ 'trace-parent': 'a', traceparen: 'b' }, 'traceparent'), undefined)
})

it('gets text from what values are', () => {
  const get = (value: unknown) => headerGetter.get({ baggage: value }, 'baggage')
  assert.equal(get(''), '')
  assert.equal(get(Buffer.from('a\xe9', 'latin1')), 'a\xe9')
  assert.equal(get(new Uint8Array([120, 97, 98, 120]).subarray(1, 3)), 'ab')
  assert.equal(get(['a', Buffer.from('b'), 1, undefined, ['c'], 'd']), 'a,b,d')
  for (const value of [undefined, null, 1, true, {}, new Date(), Symbol('x'), () => 'x'])
    assert.equal(get(value), undefined)
})

it('lists and sets', () => {
  const carrier: Record<string, string> = { b: '1' }
  headerSetter.set(carrier, 'a', '2')
  assert.deepEqual(carrier, { b: '1', a: '2' })
  assert.deepEqual(headerGetter.keys(carrier), ['b', 'a'])
})
