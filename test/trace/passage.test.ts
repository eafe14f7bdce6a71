/** The policy for asynchronous work: which messages are handled as children of their senders, which are linked. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Operation } from '../../src/trace/operation.js'
import { createPolicy, type Passage } from '../../src/trace/passage.js'
import { createTestTracer } from '../helpers/tracer.js'

const TRACE_ID = '0af7651916cd43dd8448eb211c80319c'
const SPAN_ID = 'b7ad6b7169203331'
const headers = { traceparent: `00-${TRACE_ID}-${SPAN_ID}-01`, baggage: 'tenant=7' }
const HOUR_MS = 3_600_000

test('auto links batches, schedules and what is older than the limit; the others are children', () => {
  const isLinked = createPolicy({ relation: 'auto', maxAgeMs: HOUR_MS })
  const cases: [Passage | undefined, boolean][] = [
    [undefined, false],
    [{}, false],
    [{ sentAtMs: Date.now() }, false],
    [{ sentAtMs: Date.now() - HOUR_MS + 60_000 }, false],
    [{ sentAtMs: Date.now() - HOUR_MS - 1 }, true],
    [{ sentAtMs: Date.now() + HOUR_MS }, false],
    [{ batch: true }, true],
    [{ scheduled: true }, true],
    [{ batch: false, scheduled: false, sentAtMs: undefined }, false],
  ]
  for (const [passage, linked] of cases) assert.equal(isLinked(passage), linked, JSON.stringify(passage))
})

test('parent and link hold for every message', () => {
  for (const passage of [undefined, {}, { batch: true }, { scheduled: true }, { sentAtMs: 0 }]) {
    assert.equal(createPolicy({ relation: 'parent', maxAgeMs: 0 })(passage), false)
    assert.equal(createPolicy({ relation: 'link', maxAgeMs: 0 })(passage), true)
  }
})

function handled(verbs: Partial<Operation<any>>) {
  const { trace, ended } = createTestTracer()
  trace(() => undefined, { extract: () => headers, ...verbs })()
  const [span] = ended
  assert.ok(span !== undefined && ended.length === 1)
  return { span, links: (span.links ?? []).map(({ traceId, spanId }) => ({ traceId, spanId })) }
}

test('a message of now is handled as a child of its sender, without a link', () => {
  const { span, links } = handled({ message: () => ({ sentAtMs: Date.now() }) })
  assert.equal(span.traceId, TRACE_ID)
  assert.equal(span.parentSpanId, SPAN_ID)
  assert.deepEqual(links, [])
})

test('an old message begins a trace that is linked to its sender', () => {
  const { span, links } = handled({ message: () => ({ sentAtMs: Date.now() - 2 * HOUR_MS }) })
  assert.notEqual(span.traceId, TRACE_ID)
  assert.equal(span.parentSpanId, undefined)
  assert.deepEqual(links, [{ traceId: TRACE_ID, spanId: SPAN_ID }])
})

test('a message without headers begins a trace without a link, whatever its age', () => {
  const { span, links } = handled({ extract: () => undefined, message: () => ({ scheduled: true }) })
  assert.equal(span.parentSpanId, undefined)
  assert.deepEqual(links, [])
})

test('where what is known of a message cannot be read, it is a child', () => {
  const { span, links } = handled({
    message() {
      throw new Error('a getter of the application')
    },
  })
  assert.equal(span.traceId, TRACE_ID)
  assert.deepEqual(links, [])
})
