/** The API's TraceState; what a header may hold is told by the tests of its propagator. */
import assert from 'node:assert/strict'
import { it } from 'node:test'
import { createTraceState } from '@opentelemetry/api'
import { TraceState } from '../../src/context/trace-state.js'

const parse = (text: string): TraceState => {
  const state = TraceState.parse(text)
  assert.ok(state, text)
  return state
}
const full = Array.from({ length: 32 }, (_, i) => `k${i}=${i}`)

it('gets what it parsed', () => {
  const state = parse('foo=1, \t bar= 2 ,')
  assert.equal(state.get('foo'), '1')
  assert.equal(state.get('bar'), ' 2')
  for (const key of ['baz', '', 'toString', '__proto__']) assert.equal(state.get(key), undefined)
  assert.equal(state.serialize(), 'foo=1,bar= 2')
  assert.equal(parse('').serialize(), '')
})

it('puts what is set first and keeps the order of the rest, as the API does', () => {
  for (const text of ['bar=0', 'foo=1,bar=2', 'bar=2,foo=1', 'baz=3,foo=1,bar=2']) {
    const ours = parse(text).set('foo', '1').set('bar', '2').set('baz', '3')
    const theirs = createTraceState(text).set('foo', '1').set('bar', '2').set('baz', '3')
    assert.equal(ours.serialize(), 'baz=3,bar=2,foo=1')
    assert.equal(theirs.serialize(), ours.serialize())
  }
})

it('leaves out the last of 33', () => {
  const state = parse(full.join())
  assert.equal(state.set('new', '1').serialize(), ['new=1', ...full.slice(0, 31)].join())
  assert.equal(state.set('k31', 'x').serialize(), ['k31=x', ...full.slice(0, 31)].join())
  assert.equal(TraceState.parse([...full, 'k32=32'].join()), undefined)
})

it('is immutable', () => {
  const state = parse('foo=1,bar=2')
  assert.equal(state.set('baz', '3').serialize(), 'baz=3,foo=1,bar=2')
  assert.equal(state.unset('foo').serialize(), 'bar=2')
  assert.equal(state.unset('nothing').serialize(), 'foo=1,bar=2')
  assert.equal(state.serialize(), 'foo=1,bar=2')
})

const KEYS: [key: string, valid: boolean][] = [
  ['special@vendor', true],
  ['special@', true],
  ['special@@vendor', true],
  ['special@vendor@tenant', true],
  ['1special', true],
  ['a_-*/', true],
  ['z'.repeat(256), true],
  ['z'.repeat(257), false],
  ['', false],
  ['@vendor', false],
  ['special.vendor', false],
  ['FOO', false],
  ['foo ', false],
  ['foo\n', false],
]
const VALUES: [value: string, valid: boolean][] = [
  ['x'.repeat(256), true],
  ['x'.repeat(257), false],
  [' x', true],
  ['x ', false],
  ['', false],
  ['bar=baz', false],
  ['a,b', false],
  ['a\tb', false],
  ['a\n', false],
  ['\x7f', false],
  ['é', false],
]

it('takes keys and values of the grammar, and no others', () => {
  for (const [key, valid] of KEYS) assert.equal(parse('').set(key, 'v').serialize(), valid ? `${key}=v` : '', key)
  for (const [value, valid] of VALUES)
    assert.equal(parse('').set('k', value).serialize(), valid ? `k=${value}` : '', value)
})
