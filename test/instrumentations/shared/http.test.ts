/** What all HTTP instrumentations share: methods, hosts, URLs, secrets, and whose trace headers are sent. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  bracketed,
  headersToSend,
  knownMethod,
  mayReplace,
  methodName,
  originalMethod,
  pathOf,
  redactQuery,
  splitHost,
  wholeUrl,
} from '../../../src/instrumentations/shared/http.js'

const OURS = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01'
const SAME_TRACE = '00-0af7651916cd43dd8448eb211c80319c-1111111111111111-00'
const OTHER_TRACE = '00-11111111111111111111111111111111-b7ad6b7169203331-01'

test('unknown methods are one method', () => {
  assert.deepEqual(
    ['GET', 'QUERY', 'get', 'PROPFIND', ''].map(method => [
      knownMethod(method),
      originalMethod(method),
      methodName(method),
    ]),
    [
      ['GET', undefined, 'GET'],
      ['QUERY', undefined, 'QUERY'],
      ['_OTHER', 'get', 'HTTP'],
      ['_OTHER', 'PROPFIND', 'HTTP'],
      ['_OTHER', '', 'HTTP'],
    ],
  )
})

test('the values of secret parameters are replaced, and nothing else', () => {
  const cases: [string, string][] = [
    ['/a?sig=1&b=2', '/a?sig=REDACTED&b=2'],
    ['?b=2&X-Amz-Signature=a%20b', '?b=2&X-Amz-Signature=REDACTED'],
    ['?Signature=&sig=2#end', '?Signature=REDACTED&sig=REDACTED#end'],
    ['?design=1&SIG=2&mysig=3&x=sig=4', '?design=1&SIG=2&mysig=3&x=sig=4'],
    ['/sig=1', '/sig=1'],
    ['', ''],
  ]
  for (const [text, expected] of cases) assert.equal(redactQuery(text), expected)
})

test('a host is split from its port, whatever it is', () => {
  const cases: [string, string, number | undefined][] = [
    ['a.test', 'a.test', undefined],
    ['a.test:8080', 'a.test', 8080],
    ['a.test:', 'a.test', undefined],
    ['a.test:x', 'a.test', undefined],
    ['[::1]', '::1', undefined],
    ['[::1]:80', '::1', 80],
    ['a:-1', 'a', undefined],
    ['', '', undefined],
  ]
  for (const [host, address, port] of cases) assert.deepEqual(splitHost(host), { address, port })
  assert.deepEqual(['::1', '[::1]', 'a.test'].map(bracketed), ['[::1]', '[::1]', 'a.test'])
})

test('a request target has a path in each of its forms', () => {
  const cases = {
    '/a?b': '/a?b',
    '//a': '//a',
    '*': '*',
    'http://h/a?b': '/a?b',
    'http://h': '/',
    'h:443': 'h:443',
    '': '',
  }
  for (const [target, path] of Object.entries(cases)) assert.equal(pathOf(target), path)
})

test('a whole URL is told without its credentials; anything else is none', () => {
  assert.deepEqual(wholeUrl('http://me:secret@a.test/b?c'), {
    url: 'http://REDACTED:REDACTED@a.test/b?c',
    address: 'a.test',
    port: 80,
  })
  assert.deepEqual(wholeUrl('https://[::1]:8443/'), { url: 'https://[::1]:8443/', address: '::1', port: 8443 })
  for (const text of ['a.test:443', '*', '', 'x', 'http://', 'http://%%%/']) assert.equal(wholeUrl(text), undefined)
})

test('a traceparent of the same trace is replaced, one of another trace is left', () => {
  assert.deepEqual(
    [undefined, SAME_TRACE, OTHER_TRACE, 'junk', ['list']].map(own => mayReplace(own, OURS)),
    [true, true, false, false, true],
  )
})

test('which trace headers are sent', () => {
  const ours = { traceparent: OURS, baggage: 'ours' }
  const sent = (own: Record<string, string>) => headersToSend(ours, name => own[name])
  assert.deepEqual(sent({}), ['traceparent', 'baggage'])
  assert.deepEqual(sent({ baggage: 'theirs' }), ['traceparent'])
  assert.deepEqual(sent({ traceparent: SAME_TRACE, baggage: 'theirs' }), ['traceparent', 'baggage'])
  assert.deepEqual(sent({ traceparent: OTHER_TRACE }), [])
  assert.deepEqual(
    headersToSend({}, () => undefined),
    [],
  )
})
