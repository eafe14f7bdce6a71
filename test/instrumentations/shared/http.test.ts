/** What all HTTP instrumentations share: methods, hosts, URLs, secrets, and whose trace headers are sent. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { inspect } from 'node:util'
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
  tellsTrace,
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
    [undefined, SAME_TRACE, OTHER_TRACE, 'junk', ''].map(own => mayReplace('traceparent', own, OURS)),
    [true, true, false, false, false],
  )
  // Of messages.
  for (const own of [Buffer.from(SAME_TRACE), [SAME_TRACE], [Buffer.from(SAME_TRACE)]]) {
    assert.equal(mayReplace('traceparent', own, OURS), true, String(own))
  }
  for (const own of [
    Buffer.from(OTHER_TRACE),
    [OTHER_TRACE],
    [SAME_TRACE, SAME_TRACE],
    [],
    5,
    null,
    false,
    { __proto__: null },
  ]) {
    assert.equal(mayReplace('traceparent', own, OURS), false, inspect(own))
  }
  assert.equal(mayReplace('baggage', 'theirs', 'ours'), true)
})

const LOW = 'dd8448eb211c8031'
const TRACE = `0af7651916cd43${'00'}${LOW}`
const OTHER_LOW = '1111111111111111'

/** Of each format: ours, the same trace as others may write it, and another. */
const FORMATS: [name: string, ours: string, same: string[], others: string[]][] = [
  ['b3', `${TRACE}-2222222222222222-1`, [`${TRACE}-3`, `${LOW}-3333333333333333`], [`${OTHER_LOW}-2`, '0', 'd', '']],
  ['x-b3-traceid', TRACE, [TRACE.toUpperCase(), LOW], [OTHER_LOW, '']],
  ['uber-trace-id', `${TRACE}:2:0:01`, [`${TRACE.slice(1)}:3:0:1`, `${LOW}%3A3%3A0%3A1`], [`${OTHER_LOW}:2:0:1`, 'x']],
  [
    'x-amzn-trace-id',
    `Root=1-${TRACE.slice(0, 8)}-${TRACE.slice(8)};Parent=2222222222222222;Sampled=1`,
    [`Sampled=0;Root=1-${TRACE.slice(0, 8)}-${TRACE.slice(8)}`],
    [`Root=1-${TRACE.slice(0, 8)}-12345678${OTHER_LOW};Parent=${LOW}`, `Self=1-${TRACE}`],
  ],
  ['ot-tracer-traceid', LOW, [TRACE, LOW], [OTHER_LOW]],
]

for (const [name, ours, same, others] of FORMATS) {
  test(`a trace is known again in the header ${name}`, () => {
    for (const own of same) assert.equal(mayReplace(name, own, ours), true, own)
    for (const own of others) assert.equal(mayReplace(name, own, ours), false, own)
    const headers = { baggage: 'ours', [name]: ours, other: 'ours' }
    const sent = (own: Record<string, string>) => headersToSend(headers, key => own[key])
    assert.deepEqual(sent({}), ['baggage', name, 'other'])
    assert.deepEqual(sent({ other: 'theirs' }), ['baggage', name])
    assert.deepEqual(sent({ other: 'theirs', [name]: same[0] as string }), ['baggage', name, 'other'])
    assert.deepEqual(sent({ [name]: others[0] as string }), [])
    assert.equal(
      tellsTrace(headers, key => (key === name ? '' : undefined)),
      true,
    )
    assert.equal(
      tellsTrace(headers, key => (key === 'baggage' ? 'theirs' : undefined)),
      false,
    )
  })
}

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
