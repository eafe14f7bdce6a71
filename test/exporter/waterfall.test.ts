/** The waterfall: what it draws, and that nothing a span holds breaks its layout. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type WaterfallSpan, waterfall } from '../../src/exporter/waterfall.js'

const TRACE = '0af7651916cd43dd8448eb211c80319c'
const T0 = 1_700_000_000_000

/** A span from `from` to `to` milliseconds after the start of the trace. */
const span = (
  spanId: string,
  parentSpanId: string | undefined,
  name: string,
  from: number,
  to: number,
  fields: Partial<WaterfallSpan> = {},
): WaterfallSpan => ({
  traceId: TRACE,
  spanId,
  parentSpanId,
  name,
  kind: 0,
  startMs: T0 + from,
  endMs: T0 + to,
  error: false,
  attributes: {},
  ...fields,
})

const draw = (spans: readonly WaterfallSpan[], width = 80): string =>
  waterfall(spans, { width, colour: false }).join('\n')
/** Without the header. */
const rows = (spans: readonly WaterfallSpan[], width = 80): string[] => draw(spans, width).split('\n').slice(1)
const label = (line: string): string => line.slice(0, 44).trimEnd()
const barOf = (line: string): string => line.slice(56)

const ORDER: readonly WaterfallSpan[] = [
  span('8', '7', 'UPDATE stock', 130, 131.02, {
    service: 'worker',
    kind: 2,
    error: true,
    errorMessage: 'relation "stock" does not exist',
    attributes: { 'error.type': '42P01', 'db.query.text': 'update stock set n = ?' },
  }),
  span('1', undefined, 'POST /orders', 0, 240, {
    service: 'gateway',
    kind: 1,
    attributes: { 'http.route': '/orders', 'url.path': '/orders', 'http.response.status_code': 201 },
  }),
  span('2', '1', 'POST', 2, 84.4, {
    service: 'gateway',
    kind: 2,
    attributes: {
      'url.full': 'http://u:p@orders:3001/orders?token=x',
      'http.response.status_code': 500,
      'error.type': '500',
    },
    error: true,
  }),
  span('3', '2', 'POST /orders', 5, 83, { service: 'orders', kind: 1 }),
  span('6', '3', 'send orders', 60, 70.1, {
    service: 'orders',
    kind: 3,
    attributes: { 'messaging.batch.message_count': 2 },
  }),
  span('7', '6', 'process orders', 120, 200, { service: 'worker', kind: 4, links: [{ traceId: '1'.repeat(32) }] }),
  span('4', '1', 'tail', 200.5, 240, { service: 'gateway' }),
]

test('a trace of three processes, whole', () => {
  assert.equal(
    `\n${draw(ORDER, 100)}\n`,
    `
trace 0af7651916cd43dd8448eb211c80319c  gateway, orders, worker  7 spans, 2 errors  240 ms
  gateway ← POST /orders  201                                 240 ms  ██████████████████████████████
✗ ├ → POST  orders:3001/orders  500                          82.4 ms  ▐█████████▌
  │ └ orders ← POST /orders                                  78.0 ms  ▐█████████▌
  │   └ ⇒ send orders  2 messages                            10.1 ms         ▐█
  │     └ worker ⇐ process orders                            80.0 ms                 ██████████
  │       │   ↳ linked to 1 span of trace 11111111111111111111111111111111
✗ │       └ → UPDATE stock  update stock set n = ?           1.02 ms                  ▐
  │             42P01: relation "stock" does not exist
  └ · tail                                                   39.5 ms                           █████
`,
  )
})

test('colours change nothing but the colours, and errors are red', () => {
  const plain = waterfall(ORDER, { width: 100, colour: false })
  const coloured = waterfall(ORDER, { width: 100, colour: true })
  // biome-ignore lint/suspicious/noControlCharactersInRegex: escape sequences are the case
  const stripped = coloured.map(line => line.replace(/\x1b\[\d+m/g, ''))
  assert.deepEqual(stripped, plain)
  assert.ok(coloured.find(line => line.includes('UPDATE stock'))?.includes('\x1b[31mUPDATE stock\x1b[0m'))
  assert.ok(!plain.join().includes('\x1b'))
})

test('nothing is nothing', () => assert.deepEqual(waterfall([], { width: 80, colour: true }), []))

test('durations have three digits and their unit', () => {
  const cases: [number, string][] = [
    [0, '0 µs'],
    [0.0004, '0 µs'],
    [0.42, '420 µs'],
    [0.9996, '1.00 ms'],
    [4.123, '4.12 ms'],
    [99.96, '100 ms'],
    [999.4, '999 ms'],
    [999.6, '1.00 s'],
    [1254, '1.25 s'],
    [59_960, '1m 00s'],
    [125_000, '2m 05s'],
    [3_599_900, '1h 00m'],
    [12_000_000, '3h 20m'],
    [1e9, '12 d'],
    [-5, '0 µs'],
  ]
  for (const [ms, text] of cases) {
    assert.equal(
      rows([span('1', undefined, 'a', 0, ms)])[0]
        ?.slice(44, 54)
        .trim(),
      text,
      `${ms} ms`,
    )
  }
})

test('a bar lies where its span ran, to half a column, and is never empty', () => {
  const bars = rows([
    span('1', undefined, 'all', 0, 48),
    span('2', '1', 'first half', 0, 24),
    span('3', '1', 'half a column', 3, 4),
    span('4', '1', 'the other half', 4, 5),
    span('5', '1', 'across', 5, 8),
    span('6', '1', 'nothing', 10, 10),
    span('7', '1', 'the end', 48, 48),
  ]).map(barOf)
  assert.deepEqual(bars, ['█'.repeat(24), '█'.repeat(12), ' ▐', '  ▌', '  ▐█', '     ▌', `${' '.repeat(23)}▐`])
})

test('an orphan stands at the top, marked; a root is not marked', () => {
  const lines = rows([
    span('1', undefined, 'root', 0, 10),
    span('2', 'gone', 'orphan', 1, 2),
    span('3', '2', 'its child', 1, 2),
  ])
  assert.deepEqual(lines.map(label), ['  · root', '  ⋯ · orphan', '  └ · its child'])
})

test('siblings stand in the order of their start, whatever the order they ended in', () => {
  const lines = rows([span('3', '1', 'c', 3, 4), span('1', undefined, 'a', 0, 9), span('2', '1', 'b', 2, 5)])
  assert.deepEqual(lines.map(label), ['  · a', '  ├ · b', '  └ · c'])
})

test('many siblings alike are told as two and the rest; those that differ or failed are not among them', () => {
  const queries = Array.from({ length: 100 }, (_, i) =>
    span(`q${i}`, '1', 'SELECT items', i, i + 0.5, { kind: 2, error: i === 50, errorMessage: 'timeout' }),
  )
  const lines = rows([span('1', undefined, 'root', 0, 200), ...queries, span('z', '1', 'other', 150, 160)])
  assert.deepEqual(lines.map(label), [
    '  · root',
    '  ├ → SELECT items',
    '  ├ → SELECT items',
    '  ├ ⋯ 48 more → SELECT items',
    '✗ ├ → SELECT items',
    '  │     timeout',
    '  ├ → SELECT items',
    '  ├ → SELECT items',
    '  ├ ⋯ 47 more → SELECT items',
    '  └ · other',
  ])
  assert.match(lines[3] as string, /24\.0 ms/)
  assert.equal(barOf(lines[3] as string), '██████')
})

test('circles, spans that are their own parent and spans that came twice are drawn once each', () => {
  const lines = rows([
    span('1', '2', 'a', 0, 4),
    span('2', '1', 'b', 1, 3),
    span('3', '3', 'self', 5, 6),
    span('4', undefined, 'twice', 7, 9),
    span('4', undefined, 'twice', 7, 9),
    span('5', '4', 'child', 8, 9),
  ])
  assert.deepEqual(lines.map(label), ['  · twice', '  └ · child', '  · twice', '  ⋯ · a', '  └ · b', '  ⋯ · self'])
})

test('a clock that is a day off shifts bars and nothing else', () => {
  const lines = waterfall([span('1', undefined, 'here', 0, 10), span('2', '1', 'there', -86_400_000, -86_399_995)], {
    width: 80,
    colour: false,
  })
  assert.match(lines[0] as string, /24h 00m$/)
  assert.deepEqual(lines.slice(1).map(label), ['  · here', '  └ · there'])
  assert.deepEqual(lines.slice(1).map(barOf), [`${' '.repeat(23)}▐`, '▌'])
})

const HOSTILE = '\x1b[2J\x1b]0;owned\x07\x9b31m\r\n\t\u202e\u200b\0\x7f\ud800'

test('control characters reach the terminal from no field', () => {
  const hostile = span(HOSTILE, `${HOSTILE}2`, `name ${HOSTILE}`, 0, 1, {
    traceId: HOSTILE,
    service: HOSTILE,
    kind: 2,
    error: true,
    errorMessage: HOSTILE,
    links: [{ traceId: HOSTILE }],
    attributes: {
      'url.full': HOSTILE,
      'http.response.status_code': HOSTILE,
      'db.query.text': HOSTILE,
      'error.type': HOSTILE,
    },
  })
  const text = draw([hostile], 160)
  assert.doesNotMatch(text.replaceAll('\n', ''), /[\p{Cc}\p{Cf}\p{Cs}\u2028\u2029]/u)
  assert.equal(text.split('\n').length, 4)
  assert.match(text, /name �\[2J�\]0;owned�/)
})

/** Columns as a terminal counts them, for the characters of these tests. */
const columns = (line: string): number =>
  [...line.normalize('NFC')].reduce(
    (sum, c) => sum + (/[\u3000-\u9fff\uac00-\ud7a3\u{1f300}-\u{1faff}]/u.test(c) ? 2 : /\p{M}/u.test(c) ? 0 : 1),
    0,
  )

test('no line is wider than the terminal, and the columns stay in line', () => {
  const names = [
    'short',
    'n'.repeat(5000),
    '日本語'.repeat(50),
    '\u{1f600}'.repeat(50),
    'e\u0301'.repeat(100),
    HOSTILE.repeat(20),
    '',
  ]
  for (const width of [60, 79, 80, 100, 120, 121, 300]) {
    const spans = names.flatMap((name, i) => [
      span(`${i}`, i === 0 ? undefined : `${i - 1}`, name, i, 100, { service: i % 2 === 0 ? 'a' : name, kind: 3 }),
      span(`${i}e`, `${i}`, name, i, i, {
        error: true,
        errorMessage: name,
        links: [{ traceId: name }, { traceId: 'x' }],
      }),
    ])
    const lines = waterfall(spans, { width, colour: false })
    for (const line of lines) assert.ok(columns(line) <= width, `${columns(line)} of ${width}: ${line}`)
    const barWidth = Math.min(40, Math.floor(width * 0.3))
    const withDuration = lines.slice(1).filter(line => /(?:ms|µs) {2} *[▐█▌]+$/.test(line))
    assert.equal(withDuration.length, spans.length)
    for (const line of withDuration) {
      assert.equal(columns(line.slice(0, /(?<=(?:ms|µs) {2}) *[▐█▌]+$/.exec(line)?.index)), width - barWidth, line)
    }
  }
  assert.equal(draw(ORDER, 10), draw(ORDER, 60))
})

test('a tree deeper than the stack, and a trace of 100,000 siblings, are drawn', () => {
  const deep = Array.from({ length: 20_000 }, (_, i) =>
    span(`${i}`, i === 0 ? undefined : `${i - 1}`, `level ${i}`, i, 20_000),
  )
  const lines = rows(deep)
  assert.equal(lines.length, 20_000)
  for (const line of lines) assert.ok(line.length <= 80)
  assert.match(lines[19_999] as string, /^ {2}… +└ · level 19999 /)

  const wide = Array.from({ length: 100_000 }, (_, i) => span(`${i}`, 'root', `call ${i % 2}`, i, i))
  assert.equal(rows([span('root', undefined, 'root', 0, 100_000), ...wide]).length, 100_001)
})

test('services that do not fit into the header are counted', () => {
  const spans = Array.from({ length: 9 }, (_, i) =>
    span(`${i}`, undefined, 'a', i, i + 1, { service: `a-long-service-name-${i}` }),
  )
  assert.match(draw(spans, 100), /^trace \w{32} {2}9 services {2}9 spans {2}9\.00 ms\n/)
})

test('an error says its class and message, each once', () => {
  const reason = (errorMessage: string | undefined, attributes: Record<string, unknown>): string | undefined =>
    rows([span('1', undefined, 'a', 0, 1, { error: true, errorMessage, attributes })])[1]?.trim()
  assert.equal(reason('boom', { 'error.type': 'TypeError' }), 'TypeError: boom')
  assert.equal(reason('TypeError: boom', { 'error.type': 'TypeError' }), 'TypeError: boom')
  assert.equal(reason(undefined, { 'error.type': 'ECONNREFUSED' }), 'ECONNREFUSED')
  assert.equal(reason('boom', {}), 'boom')
  assert.equal(reason(undefined, { 'error.type': '503', 'http.response.status_code': 503 }), undefined)
})

test('an error that climbs through many spans is told by the innermost', () => {
  const failed = { error: true, errorMessage: 'no stock' }
  const lines = rows([
    span('1', undefined, 'a', 0, 9, failed),
    span('2', '1', 'b', 1, 8, failed),
    span('3', '2', 'c', 2, 7, failed),
  ])
  assert.deepEqual(
    lines.map(line => line.includes('no stock')),
    [false, false, false, true],
  )
})
