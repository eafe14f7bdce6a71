/** Headers of http.request that are a list: trace headers go into a copy of it. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { withListed } from '../../../src/instrumentations/shared/http-requests.js'

const ours = { traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01', tracestate: 'a=b' }
const forwarded = ours.traceparent.replace('b7ad6b7169203331', '1111111111111111')
const other = ours.traceparent.replace('0af7651916cd43dd8448eb211c80319c', '11111111111111111111111111111111')
const added = Object.entries(ours)

test('lists get them in a copy', () => {
  assert.deepEqual(withListed(Object.freeze(['A', '1']), ours), ['A', '1', ...added.flat()])
  assert.deepEqual(withListed(Object.freeze([]), ours), added.flat())
  assert.deepEqual(withListed(Object.freeze([Object.freeze(['A', '1'])]), ours), [['A', '1'], ...added])
})

test('what was forwarded is replaced, what is of another trace is left', () => {
  const flat = ['TraceParent', forwarded, 'A', '1', 'TraceState', 'c=d']
  assert.deepEqual(withListed(flat, ours), ['A', '1', ...added.flat()])
  assert.deepEqual(withListed([['TraceParent', forwarded]], ours), added)
  assert.deepEqual(withListed(['TraceParent', other], ours), ['TraceParent', other])
  assert.deepEqual(withListed([['TraceParent', other]], ours), [['TraceParent', other]])
})

test('mistakes, which Node reports, stay as they are', () => {
  for (const headers of [['odd'], [['a', '1'], null]]) assert.equal(withListed(headers, ours), headers)
})
