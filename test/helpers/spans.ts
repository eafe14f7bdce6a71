/** Received spans as trees, and what a test may say about them. */
import assert from 'node:assert/strict'
import type { Kind, ReceivedSpan, Status } from './collector.js'

/** A span and the spans below it, in the order of their start. */
export interface SpanTree {
  name: string
  kind: Kind
  status: Status
  service: unknown
  attributes: Record<string, unknown>
  children: SpanTree[]
}

export interface ExpectedSpan {
  name: string
  kind: Kind
  /** By default 'unset'. */
  status?: Status
  /** By default any. */
  service?: string
  /** These have to be there, others may. A regular expression matches strings; undefined means that it is absent. */
  attributes?: Record<string, unknown>
  /** By default none. */
  children?: readonly ExpectedSpan[]
}

/** Spans whose parent is not among them stand at the top. */
export function tree(spans: readonly ReceivedSpan[]): SpanTree[] {
  const ordered = [...spans].sort((a, b) => Number(a.start - b.start))
  const nodes = new Map(ordered.map(span => [span.spanId, nodeOf(span)]))
  const roots: SpanTree[] = []
  for (const span of ordered) {
    const siblings = nodes.get(span.parentSpanId ?? '')?.children ?? roots
    siblings.push(nodes.get(span.spanId) as SpanTree)
  }
  return roots
}

const nodeOf = ({ name, kind, status, service, attributes }: ReceivedSpan): SpanTree => ({
  name,
  kind,
  status,
  service,
  attributes,
  children: [],
})

/** Names, kinds, statuses, order and children exactly; attributes as a subset. */
export function assertTree(spans: readonly ReceivedSpan[], expected: readonly ExpectedSpan[]): void {
  const actual = tree(spans)
  assert.deepEqual(
    actual.map((node, i) => seen(node, expected[i])),
    expected.map(complete),
  )
}

/** The node reduced to what is expected of it, so that a difference shows just that. */
const seen = (node: SpanTree, expected: ExpectedSpan | undefined): unknown => ({
  name: node.name,
  kind: node.kind,
  status: node.status,
  service: expected?.service === undefined ? undefined : node.service,
  attributes: Object.fromEntries(
    Object.entries(expected?.attributes ?? {}).map(([key, want]) => [key, matched(node.attributes[key], want)]),
  ),
  children: node.children.map((child, i) => seen(child, expected?.children?.[i])),
})

const matched = (value: unknown, want: unknown): unknown =>
  want instanceof RegExp && typeof value === 'string' && want.test(value) ? want : value

const complete = (expected: ExpectedSpan): unknown => ({
  name: expected.name,
  kind: expected.kind,
  status: expected.status ?? 'unset',
  service: expected.service,
  attributes: expected.attributes ?? {},
  children: (expected.children ?? []).map(complete),
})

/** All spans are of one trace, each is there once, and only one has its parent elsewhere or none. */
export function oneTrace(spans: readonly ReceivedSpan[]): void {
  assert.notEqual(spans.length, 0, 'there are no spans')
  assert.equal(new Set(spans.map(span => span.traceId)).size, 1, 'the spans are of several traces')
  const ids = new Set(spans.map(span => span.spanId))
  assert.equal(ids.size, spans.length, 'a span arrived twice')
  const roots = spans.filter(span => span.parentSpanId === undefined || !ids.has(span.parentSpanId))
  assert.deepEqual(
    roots.map(span => span.name),
    [roots[0]?.name],
    'the trace is in pieces',
  )
}
