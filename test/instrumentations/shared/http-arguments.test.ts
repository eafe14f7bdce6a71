/** The arguments of http.request: trace headers go into a copy of them, and only where there is no later time for it. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { withHeaders } from '../../../src/instrumentations/shared/http-arguments.js'

const ours = { traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01', tracestate: 'a=b' }
const forwarded = ours.traceparent.replace('b7ad6b7169203331', '1111111111111111')
const other = ours.traceparent.replace('0af7651916cd43dd8448eb211c80319c', '11111111111111111111111111111111')
const added = Object.entries(ours)

const headersOf = (headers: unknown): unknown => {
  const options = Object.freeze({ path: '/', headers })
  const args = withHeaders([options, 'callback'], ours)
  if (args[0] === options) return 'as they are'
  assert.deepEqual({ ...(args[0] as object), headers }, options)
  assert.equal(args[1], 'callback')
  return (args[0] as { headers: unknown }).headers
}

test('lists and headers with Expect get them in a copy', () => {
  assert.deepEqual(headersOf(Object.freeze(['A', '1'])), ['A', '1', ...added.flat()])
  assert.deepEqual(headersOf([]), added.flat())
  assert.deepEqual(headersOf(Object.freeze([['A', '1']])), [['A', '1'], ...added])
  assert.deepEqual(headersOf(Object.freeze({ eXpect: '1', A: '2' })), { eXpect: '1', A: '2', ...ours })
})

test('what was forwarded is replaced, what is of another trace is left', () => {
  assert.deepEqual(headersOf(['TraceParent', forwarded, 'A', '1', 'TraceState', 'c=d']), ['A', '1', ...added.flat()])
  assert.deepEqual(headersOf([['TraceParent', forwarded]]), added)
  assert.deepEqual(headersOf({ TraceParent: forwarded, expect: '1' }), { expect: '1', ...ours })
  assert.deepEqual(headersOf(['TraceParent', other]), ['TraceParent', other])
  assert.deepEqual(headersOf([['TraceParent', other]]), [['TraceParent', other]])
  assert.deepEqual(headersOf({ TraceParent: other, expect: '1' }), { TraceParent: other, expect: '1' })
})

test('elsewhere the arguments stay as they are, mistakes too', () => {
  for (const headers of [undefined, null, 'text', 5, {}, { a: '1' }, ['odd'], [['a', '1'], null], new Map()]) {
    assert.equal(headersOf(headers), 'as they are')
  }
  for (const args of [[], [undefined], [null, null], ['http://a'], [new URL('http://a'), () => {}], [5, 6], [{}]]) {
    assert.equal(withHeaders(args, ours), args)
  }
  // Node sees only what is their own.
  const inherits = [Object.create({ headers: ['A', '1'] })]
  assert.equal(withHeaders(inherits, ours), inherits)
})

test('options are found where Node looks for them', () => {
  const options = { headers: ['A', '1'] }
  for (const first of ['http://a', new URL('http://a')]) {
    const [same, copy] = withHeaders([first, options], ours)
    assert.equal(same, first)
    assert.deepEqual(copy, { headers: ['A', '1', ...added.flat()] })
  }
  // Of url.parse and of follow-redirects: looks like a URL, but is options.
  const like = { href: 'http://a/', protocol: 'http:', path: '/', headers: ['A', '1'] }
  assert.deepEqual(withHeaders([like], ours), [{ ...like, headers: ['A', '1', ...added.flat()] }])
})
