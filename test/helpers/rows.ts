/** Fixtures that print a row for each thing they try: what the row has to give, and that it is the same without us. */
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { type AppOptions, runApp } from './child.js'
import { type Collector, createCollector, type ReceivedSpan } from './collector.js'
import { assertTree, type ExpectedSpan } from './spans.js'

/** What a row of the fixture printed. */
export interface Row {
  name: string
  /** What the application saw. */
  seen: unknown[]
  /** The span that code ran in: the row's, one below it, one of another trace, or none. */
  contexts: Record<string, string>
  traceId: string
}

/** What a row has to give. */
export interface Expected {
  spans: ExpectedSpan[]
  contexts?: Record<string, string>
  /** They began at once, each on a clock of its own. */
  unordered?: true
  /** Spans of traces that the row's requests did not begin. */
  elsewhere?: (string | RegExp)[]
}

export type Attributes = Record<string, unknown>

/** A span of the kind; of the status that `error.type` makes it. */
export const span = (kind: 'client' | 'server', name: string, attributes: Attributes, children?: ExpectedSpan[]) => ({
  name,
  kind,
  status: attributes['error.type'] === undefined ? ('unset' as const) : ('error' as const),
  attributes: { 'error.type': undefined, ...attributes },
  children: children ?? [],
})

export const STATUS = 'http.response.status_code'

/** The span of a request that came in. */
export const received = (path: string, { method = 'GET', ...attributes }: Attributes & { method?: string } = {}) =>
  span('server', method, { 'url.path': path, [STATUS]: 200, ...attributes })

/** The span of a request that went out to a server of ours. */
export const asked = (
  path: string,
  { method = 'GET', ...attributes }: Attributes & { method?: string } = {},
  server = {},
) =>
  span('client', method, { 'url.full': new RegExp(`^http://[^/]+:\\d+${path}$`), [STATUS]: 200, ...attributes }, [
    received(path, { method, ...server }),
  ])

/** The same, without a span of the server in the same trace. */
export const askedElsewhere = (path: string, attributes: Attributes = {}) => ({
  ...asked(path, attributes),
  children: [],
})

export const LEFT = { 'error.type': 'client_disconnect' }
export const UNANSWERED = { [STATUS]: undefined }

export const read = (stdout: string): Map<string, Row> =>
  new Map(
    stdout
      .trim()
      .split('\n')
      .map(line => JSON.parse(line) as Row)
      .map(row => [row.name, row]),
  )

/** The spans below the row's own. */
function below(spans: readonly ReceivedSpan[], { name, traceId }: Row): ReceivedSpan[] {
  const own = spans.filter(span => span.traceId === traceId)
  const top = own.find(span => span.name === name)
  assert.ok(top !== undefined && top.parentSpanId === undefined, 'the span of the row is the root')
  assert.ok(
    own.every(span => span === top || span.parentSpanId !== undefined),
    'a span has lost its parent',
  )
  return own.filter(span => span !== top)
}

/** Runs the fixture with and without us, and holds each of its rows against what is expected. */
export function testRows(title: string, app: AppOptions, rows: Record<string, Expected>): void {
  describe(title, () => {
    let collector: Collector
    let withUs: Map<string, Row>
    let without: Map<string, Row>
    before(async () => {
      collector = await createCollector()
      const [traced, plain] = await Promise.all([runApp({ ...app, collector }), runApp({ ...app, preload: 'none' })])
      assert.equal(traced.code, 0, traced.stderr)
      assert.equal(traced.stderr, plain.stderr)
      withUs = read(traced.stdout)
      without = read(plain.stdout)
    })
    after(() => collector.close())

    for (const [name, { spans, contexts = {}, unordered }] of Object.entries(rows)) {
      test(name, () => {
        const row = withUs.get(name)
        assert.ok(row !== undefined, 'the fixture has no such row')
        assert.deepEqual(row.seen, without.get(name)?.seen, 'the application sees something else than without us')
        assert.doesNotMatch(JSON.stringify(row.seen), /failed:/)
        const own = below(collector.spans(), row)
        if (unordered) assertTrees(own, spans)
        else assertTree(own, spans)
        assert.deepEqual(row.contexts, contexts)
      })
    }

    test('there are no other rows, and no other spans', () => {
      assert.deepEqual([...withUs.keys()], Object.keys(rows))
      const traces = new Set([...withUs.values()].map(row => row.traceId))
      const others = collector.spans().filter(span => !traces.has(span.traceId))
      const paths = others.map(span => String(span.attributes['url.path']))
      const expected = Object.values(rows).flatMap(row => row.elsewhere ?? [])
      assert.deepEqual(
        paths.map((path, i) => (new RegExp(expected[i] ?? '^$').test(path) ? expected[i] : path)),
        expected,
      )
    })
  })
}

/** Each span by itself, found by its path. */
function assertTrees(spans: readonly ReceivedSpan[], expected: readonly ExpectedSpan[]): void {
  assert.equal(spans.length, expected.length)
  for (const one of expected) {
    const path = one.attributes?.['url.path']
    assertTree(
      spans.filter(span => span.attributes['url.path'] === path),
      [one],
    )
  }
}

/** By trace. */
export function grouped(spans: readonly ReceivedSpan[]): Map<string, ReceivedSpan[]> {
  const traces = new Map<string, ReceivedSpan[]>()
  for (const span of spans) traces.set(span.traceId, [...(traces.get(span.traceId) ?? []), span])
  return traces
}
