/** The specification's compliance matrix, section "Traces": each test has the name of its row. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { type Attributes, context, ROOT_CONTEXT, type SpanContext, SpanKind, trace } from '@opentelemetry/api'
import { TraceState } from '@opentelemetry/core'
import { ended, heard, last, running, sampling } from './memory.js'

const tracer = trace.getTracer('compliance', '1.2.3')
const remote: SpanContext = {
  traceId: '0af7651916cd43dd8448eb211c80319c',
  spanId: 'b7ad6b7169203331',
  traceFlags: 1,
  isRemote: true,
}

describe('TracerProvider', () => {
  test('Create TracerProvider', () => {
    assert.equal(typeof trace.getTracerProvider().getTracer, 'function')
    tracer.startSpan('made').end()
    assert.equal(last().name, 'made')
  })
  test('Get a Tracer', () => {
    trace.getTracer('a tracer').startSpan('x').end()
    assert.equal(last().instrumentationScope.name, 'a tracer')
    trace.getTracer('').startSpan('nameless').end()
    assert.equal(last().name, 'nameless')
  })
  test('Get a Tracer with schema_url', () => {
    trace
      .getTracerProvider()
      .getTracer('t', '1', { schemaUrl: 'https://opentelemetry.io/schemas/1.37.0' })
      .startSpan('x')
      .end()
    assert.equal(last().instrumentationScope.schemaUrl, 'https://opentelemetry.io/schemas/1.37.0')
  })
  test('Get a Tracer with scope attributes', () => {
    trace
      .getTracerProvider()
      .getTracer('t', '1', { attributes: { tier: 'gold' } } as object)
      .startSpan('x')
      .end()
    assert.deepEqual(last().instrumentationScope.attributes, { tier: 'gold' })
  })
  test('Associate Tracer with InstrumentationScope', () => {
    tracer.startSpan('x').end()
    const { name, version } = last().instrumentationScope
    assert.deepEqual([name, version], ['compliance', '1.2.3'])
  })
  test('Safe for concurrent calls', async () => {
    const before = ended.length
    const make = async (n: number) =>
      trace
        .getTracer(`t${n % 3}`)
        .startSpan(`${n}`)
        .end()
    await Promise.all(Array.from({ length: 100 }, (_, n) => make(n)))
    assert.equal(ended.length, before + 100)
  })
  test('ForceFlush (SDK only required)', async () => {
    const before = heard.flushes
    assert.equal(await running.flush(), 'delivered')
    assert.equal(heard.flushes, before + 1)
  })
})

describe('Trace / Context interaction', () => {
  test('Get active Span', () => {
    assert.equal(trace.getActiveSpan(), undefined)
    tracer.startActiveSpan('active', span => {
      assert.equal(trace.getActiveSpan(), span)
      assert.equal(trace.getSpan(context.active()), span)
    })
  })
  test('Set active Span', () => {
    const span = tracer.startSpan('x')
    context.with(trace.setSpan(ROOT_CONTEXT, span), () => assert.equal(trace.getActiveSpan(), span))
    assert.equal(trace.getSpan(trace.deleteSpan(trace.setSpan(ROOT_CONTEXT, span))), undefined)
  })
})

describe('Tracer', () => {
  test('Create a new Span', () => {
    const options = { kind: SpanKind.PRODUCER, attributes: { a: 1 }, links: [{ context: remote }] }
    tracer.startSpan('all', options).end()
    assert.deepEqual([last().name, last().kind, last().attributes], ['all', SpanKind.PRODUCER, { a: 1 }])
    assert.deepEqual(last().links[0]?.context, remote)
  })
  test('Get active Span', () => {
    tracer.startActiveSpan('x', span => assert.equal(trace.getActiveSpan(), span))
  })
  test('Mark Span active', () => {
    const result = tracer.startActiveSpan('x', { kind: SpanKind.CLIENT }, ROOT_CONTEXT, span => {
      assert.equal(trace.getActiveSpan(), span)
      return 'returned'
    })
    assert.equal(result, 'returned')
  })
  test('Safe for concurrent calls', async () => {
    const parents = await Promise.all(
      Array.from({ length: 50 }, (_, n) =>
        tracer.startActiveSpan(`request ${n}`, async span => {
          await new Promise(resolve => setTimeout(resolve, n % 5))
          const child = tracer.startSpan('child')
          child.end()
          return [span.spanContext().traceId, child.spanContext().traceId]
        }),
      ),
    )
    for (const [own, childs] of parents) assert.equal(own, childs)
    assert.equal(new Set(parents.map(([own]) => own)).size, 50)
  })
})

describe('SpanContext', () => {
  test('IsValid', () => {
    assert.equal(trace.isSpanContextValid(tracer.startSpan('x').spanContext()), true)
    const invalid = trace.wrapSpanContext({ ...remote, spanId: '0'.repeat(16) })
    const child = tracer.startSpan('child', {}, trace.setSpan(ROOT_CONTEXT, invalid))
    assert.notEqual(child.spanContext().traceId, remote.traceId)
  })
  test('IsRemote', () => {
    assert.equal(tracer.startSpan('x').spanContext().isRemote ?? false, false)
    const parent = trace.setSpanContext(ROOT_CONTEXT, remote)
    assert.equal(trace.getSpanContext(parent)?.isRemote, true)
    const child = tracer.startSpan('child', {}, parent)
    assert.equal(child.spanContext().isRemote ?? false, false)
  })
  test('Conforms to the W3C TraceContext spec', () => {
    const { traceId, spanId, traceFlags } = tracer.startSpan('x').spanContext()
    assert.match(traceId, /^(?!0{32})[0-9a-f]{32}$/)
    assert.match(spanId, /^(?!0{16})[0-9a-f]{16}$/)
    assert.equal(traceFlags & 1, 1)
  })
  test('Support W3C Trace Context Level 2 randomness', () => {
    assert.equal(tracer.startSpan('x').spanContext().traceFlags, 3)
    for (const traceFlags of [1, 3]) {
      const child = tracer.startSpan('child', {}, trace.setSpanContext(ROOT_CONTEXT, { ...remote, traceFlags }))
      assert.equal(child.spanContext().traceFlags, traceFlags)
    }
  })
})

describe('Span', () => {
  test('Create root span', () => {
    tracer.startActiveSpan('outer', () => tracer.startSpan('root', { root: true }).end())
    assert.equal(last().parentSpanId, undefined)
  })
  test('Create with default parent (active span)', () => {
    tracer.startActiveSpan('outer', outer => {
      tracer.startSpan('inner').end()
      assert.equal(last().parentSpanId, outer.spanContext().spanId)
    })
  })
  test('Create with parent from Context', () => {
    tracer.startSpan('x', {}, trace.setSpanContext(ROOT_CONTEXT, remote)).end()
    assert.deepEqual([last().parentSpanId, last().spanContext().traceId], [remote.spanId, remote.traceId])
  })
  test('No explicit parent Span/SpanContext allowed', () => {
    tracer.startSpan('x', { parent: remote } as object, ROOT_CONTEXT).end()
    assert.equal(last().parentSpanId, undefined)
  })
  test('SpanProcessor.OnStart receives parent Context', () => {
    const key = Symbol('own')
    const parent = ROOT_CONTEXT.setValue(key, 'value')
    const span = tracer.startSpan('x', {}, parent)
    assert.equal(heard.start.at(-1)?.parent.getValue(key), 'value')
    assert.deepEqual(heard.start.at(-1)?.span.spanContext(), span.spanContext())
  })
  test('UpdateName', () => {
    tracer.startSpan('before').updateName('after').end()
    assert.equal(last().name, 'after')
  })
  test('User-defined start timestamp', () => {
    tracer.startSpan('x', { startTime: [1_700_000_000, 250_000_000] }).end()
    assert.deepEqual(last().startTime, [1_700_000_000, 250_000_000])
  })
  test('End', () => {
    const span = tracer.startSpan('x')
    const before = ended.length
    span.end()
    span.end()
    span.setAttribute('late', 1).updateName('late')
    assert.deepEqual([ended.length, last().name, last().attributes], [before + 1, 'x', {}])
  })
  test('End with timestamp', () => {
    tracer.startSpan('x', { startTime: [1_700_000_000, 0] }).end([1_700_000_001, 500_000_000])
    assert.deepEqual(last().endTime, [1_700_000_001, 500_000_000])
  })
  test('IsRecording', () => {
    assert.equal(tracer.startSpan('x').isRecording(), true)
    decided(0, () => assert.equal(tracer.startSpan('x').isRecording(), false))
    decided(1, () => {
      const span = tracer.startSpan('recorded only')
      assert.deepEqual([span.isRecording(), span.spanContext().traceFlags & 1], [true, 0])
      span.end()
      assert.equal(last().name, 'recorded only')
    })
  })
  test('IsRecording becomes false after End', () => {
    const span = tracer.startSpan('x')
    span.end()
    assert.equal(span.isRecording(), false)
  })
  test('Set status with StatusCode (Unset, Ok, Error)', () => {
    const statusAfter = (...codes: number[]) => {
      const span = tracer.startSpan('x')
      for (const code of codes) span.setStatus({ code, message: `message ${code}` })
      span.end()
      return last().status
    }
    assert.deepEqual(statusAfter(), { code: 0 })
    assert.deepEqual(statusAfter(2), { code: 2, message: 'message 2' })
    assert.deepEqual(statusAfter(2, 0), { code: 2, message: 'message 2' })
    assert.deepEqual(statusAfter(2, 1), { code: 1 })
    assert.deepEqual(statusAfter(1, 2), { code: 1 })
  })
  test('Safe for concurrent calls', async () => {
    const span = tracer.startSpan('x')
    await Promise.all([1, 2, 3].map(async n => span.setAttribute(`k${n}`, n).addEvent(`e${n}`)))
    span.end()
    assert.deepEqual([last().attributes, last().events.length], [{ k1: 1, k2: 2, k3: 3 }, 3])
  })
  test('events collection size limit', () => {
    const span = tracer.startSpan('x')
    for (let n = 0; n < 6; n++) span.addEvent(`e${n}`)
    span.end()
    assert.deepEqual([last().events.length, last().droppedEventsCount], [4, 2])
  })
  test('attribute collection size limit', () => {
    const span = tracer.startSpan('x')
    for (let n = 0; n < 10; n++) span.setAttribute(`k${n}`, n)
    span.end()
    assert.deepEqual([Object.keys(last().attributes).length, last().droppedAttributesCount], [8, 2])
  })
  test('links collection size limit', () => {
    const span = tracer.startSpan('x', { links: Array.from({ length: 5 }, () => ({ context: remote })) })
    span.addLink({ context: remote }).end()
    assert.deepEqual([last().links.length, last().droppedLinksCount], [4, 2])
  })
  test('SpanProcessor.OnEnding', () => {
    const span = tracer.startSpan('x')
    const before = heard.ending.length
    span.end()
    assert.equal(heard.ending.length, before + 1)
    assert.deepEqual(heard.ending.at(-1).spanContext(), span.spanContext())
  })
})

describe('Span attributes', () => {
  const set = (attributes: Attributes) => {
    const span = tracer.startSpan('x')
    for (const [key, value] of Object.entries(attributes)) span.setAttribute(key, value as never)
    span.end()
    return last().attributes
  }
  for (const [row, attributes] of Object.entries<Attributes>({
    SetAttribute: { key: 'value' },
    'String type': { text: 'text', empty: '' },
    'Boolean type': { yes: true, no: false },
    'Double floating-point type': { half: 0.5, tiny: 5e-324, huge: 1.7e308 },
    'Signed int64 type': { minus: -1, max: Number.MAX_SAFE_INTEGER, min: Number.MIN_SAFE_INTEGER },
    'Array of primitives (homogeneous)': { texts: ['a', 'b'], numbers: [1, 2.5], flags: [true, false], none: [] },
    'Unicode support for keys and string values': { 'schlüssel 🔑': 'Wert 値 🌍', ключ: '\u0000\ud83d' },
  })) {
    test(row, () => assert.deepEqual(set(attributes), attributes))
  }
  test('`null` values documented as invalid/undefined', () => {
    assert.deepEqual(set({ kept: 1, gone: null as never, absent: undefined }), { kept: 1 })
    assert.deepEqual(set({ mixed: [1, 'a'] as never, object: {} as never }), {})
  })
})

describe('Span linking', () => {
  const other = { ...remote, spanId: '00f067aa0ba902b7' }
  test('Links can be recorded on span creation', () => {
    tracer.startSpan('x', { links: [{ context: remote, attributes: { why: 'batch' } }] }).end()
    assert.deepEqual(last().links, [{ context: remote, attributes: { why: 'batch' }, droppedAttributesCount: 0 }])
  })
  test('Links can be recorded after span creation', () => {
    tracer
      .startSpan('x')
      .addLink({ context: remote })
      .addLinks([{ context: other }])
      .end()
    assert.deepEqual(
      last().links.map(({ context }) => context.spanId),
      [remote.spanId, other.spanId],
    )
  })
  test('Links order is preserved', () => {
    tracer
      .startSpan('x', { links: [{ context: other }, { context: remote }] })
      .addLink({ context: other })
      .end()
    const ids = last().links.map(({ context }) => context.spanId)
    assert.deepEqual(ids, [other.spanId, remote.spanId, other.spanId])
  })
})

describe('Span events', () => {
  test('AddEvent', () => {
    tracer.startSpan('x').addEvent('with all', { a: 1 }, [1_700_000_000, 0]).addEvent('alone').end()
    const [first, second] = last().events
    assert.deepEqual([first?.name, first?.attributes, first?.time], ['with all', { a: 1 }, [1_700_000_000, 0]])
    assert.equal(second?.name, 'alone')
  })
  test('Add order preserved', () => {
    tracer.startSpan('x').addEvent('b', {}, [2, 0]).addEvent('a', {}, [1, 0]).end()
    assert.deepEqual(
      last().events.map(({ name }) => name),
      ['b', 'a'],
    )
  })
  test('Safe for concurrent calls', async () => {
    const span = tracer.startSpan('x')
    await Promise.all([1, 2, 3, 4].map(async n => span.addEvent(`e${n}`)))
    span.end()
    assert.equal(last().events.length, 4)
  })
})

describe('Span exceptions', () => {
  test('RecordException', () => {
    const span = tracer.startSpan('x')
    span.recordException(new TypeError('no'))
    span.end()
    const [event] = last().events
    const attributes = event?.attributes as Record<string, string>
    assert.equal(event?.name, 'exception')
    assert.deepEqual([attributes['exception.type'], attributes['exception.message']], ['TypeError', 'no'])
    assert.match(attributes['exception.stacktrace'] ?? '', /^TypeError: no\n {4}at /)
  })
  test('RecordException with extra parameters', () => {
    const span = tracer.startSpan('x')
    span.recordException(new Error('no'), [1_700_000_000, 0])
    span.end()
    assert.deepEqual(last().events[0]?.time, [1_700_000_000, 0])
  })
})

describe('Sampling', () => {
  test('Allow samplers to modify tracestate', () => {
    sampling.sampler = () => ({ decision: 2, traceState: new TraceState('own=1') })
    const span = tracer.startSpan('x')
    sampling.sampler = () => ({ decision: 2 })
    assert.equal(span.spanContext().traceState?.serialize(), 'own=1')
    const child = tracer.startSpan('child', {}, trace.setSpan(ROOT_CONTEXT, span))
    assert.equal(child.spanContext().traceState?.get('own'), '1')
  })
  test('attributes of a sampler that throw when they are read do not reach the application', () => {
    const hostile = Object.defineProperty({}, 'a', {
      enumerable: true,
      get() {
        throw new Error('trap')
      },
    })
    sampling.sampler = () => ({ decision: 2, attributes: hostile })
    tracer.startSpan('x').end()
    sampling.sampler = () => ({ decision: 2 })
    assert.equal(last().name, 'x')
  })
  test('ShouldSample gets full parent Context', () => {
    const key = Symbol('own')
    let seen: unknown[] = []
    sampling.sampler = (parent, traceId, name, kind, attributes, links) => {
      seen = [parent.getValue(key), trace.getSpanContext(parent)?.spanId, traceId, name, kind, attributes, links]
      return { decision: 2, attributes: { sampled: true } }
    }
    const parent = trace.setSpanContext(ROOT_CONTEXT.setValue(key, 'value'), remote)
    const links = [{ context: remote }]
    tracer.startSpan('x', { kind: SpanKind.SERVER, attributes: { a: 1 }, links }, parent).end()
    sampling.sampler = () => ({ decision: 2 })
    assert.deepEqual(seen, ['value', remote.spanId, remote.traceId, 'x', SpanKind.SERVER, { a: 1 }, links])
    assert.deepEqual(last().attributes, { a: 1, sampled: true })
  })
  test('New Span ID created also for non-recording Spans', () => {
    decided(0, () => {
      const root = tracer.startSpan('x')
      const child = tracer.startSpan('x', {}, trace.setSpan(ROOT_CONTEXT, root))
      assert.match(root.spanContext().spanId, /^(?!0{16})[0-9a-f]{16}$/)
      assert.equal(child.spanContext().traceId, root.spanContext().traceId)
      assert.notEqual(child.spanContext().spanId, root.spanContext().spanId)
      assert.deepEqual([child.isRecording(), child.spanContext().traceFlags & 1], [false, 0])
    })
  })
  test('SpanLimits', () => {
    const attributes = { a: 1, b: 2, c: 3, d: 4 }
    tracer
      .startSpan('x', { links: [{ context: remote, attributes }] })
      .addEvent('e', attributes)
      .end()
    assert.deepEqual(last().events[0]?.attributes, { a: 1, b: 2, c: 3 })
    assert.deepEqual([last().events[0]?.droppedAttributesCount, last().links[0]?.droppedAttributesCount], [1, 2])
  })
  test('Fetch InstrumentationScope from ReadableSpan', () => {
    tracer.startSpan('x').end()
    assert.equal(last().instrumentationScope.name, 'compliance')
  })
})

describe('the end', () => {
  test('Shutdown (SDK only required)', async () => {
    assert.equal(await running.shutdown(), 'delivered')
    assert.equal(heard.shutdowns, 1)
    const before = ended.length
    tracer.startSpan('after').end()
    assert.equal(ended.length, before)
  })
})

/** Runs `work` while all spans are decided on that way. */
function decided(decision: 0 | 1, work: () => void): void {
  sampling.sampler = () => ({ decision })
  try {
    work()
  } finally {
    sampling.sampler = () => ({ decision: 2 })
  }
}
