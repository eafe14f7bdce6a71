/** What becomes of a traced call: its span, its context, and the headers that go with it. */
import assert from 'node:assert/strict'
import { EventEmitter } from 'node:events'
import { test } from 'node:test'
import { ROOT, spanOf, suppressed } from '../../src/context/context.js'
import { active, run } from '../../src/context/storage.js'
import { log } from '../../src/diagnostics/log.js'
import { begin, createGuard } from '../../src/trace/begin.js'
import type { OpenCall, Operation } from '../../src/trace/operation.js'
import { type EndedSpan, identityOf, STATUS_ERROR, STATUS_UNSET } from '../../src/trace/span.js'
import { createTestTracer, draft, scope } from '../helpers/tracer.js'

const TRACE_ID = '0af7651916cd43dd8448eb211c80319c'
const SPAN_ID = 'b7ad6b7169203331'
const remote = (flags: string, state?: string) => ({
  traceparent: `00-${TRACE_ID}-${SPAN_ID}-${flags}`,
  ...(state === undefined ? {} : { tracestate: state }),
})

const only = (ended: EndedSpan[]): EndedSpan => {
  assert.equal(ended.length, 1)
  return ended[0] as EndedSpan
}

const exceptions = (span: EndedSpan): unknown[] =>
  (span.events ?? []).map(event => event.attributes?.['exception.message'])

test('a call that returns makes a span that began before it ended', () => {
  const { trace, ended } = createTestTracer()
  const before = Date.now()
  trace(() => undefined)()
  const span = only(ended)
  assert.equal(span.name, 'call')
  assert.equal(span.scope, scope)
  assert.equal(span.statusCode, STATUS_UNSET)
  assert.equal(span.parentSpanId, undefined)
  assert.match(span.traceId, /^[0-9a-f]{32}$/)
  assert.match(span.spanId, /^[0-9a-f]{16}$/)
  // The monotonic clock may be two milliseconds off the wall clock before it is set, and is compared every 100.
  assert.ok(span.startMs >= before - 10 && span.startMs <= span.endMs && span.endMs <= Date.now() + 10)
})

test('finish is given the call with its this, arguments and result, and sets attributes', () => {
  const { trace, ended } = createTestTracer()
  const self = {}
  const seen: unknown[] = []
  const method = trace((a: number, b: number) => a + b, {
    finish(span, { self: own, args, result, error }) {
      seen.push(own === self, args, result, error)
      span.set({ 'db.response.returned_rows': result })
    },
  })
  method.call(self, 1, 2)
  assert.deepEqual(seen, [true, [1, 2], 3, undefined])
  assert.deepEqual(only(ended).attributes, { 'db.response.returned_rows': 3 })
})

/** Each makes a function that fails with the error in one of the ways in which functions fail. */
const failures: Record<string, (error: unknown, trace: (fn: any, verbs?: object) => any) => unknown> = {
  'a throw': (error, trace) =>
    assert.throws(
      trace(() => {
        throw error
      }),
    ),
  'a rejection': async (error, trace) => assert.rejects(trace(() => Promise.reject(error))),
  'a rejection of a promise with extras': (error, trace) =>
    assert.rejects(trace(() => Object.assign(Promise.reject(error), { cancel() {} }))),
  'a callback': (error, trace) =>
    new Promise(resolve => trace((callback: (error: unknown) => void) => setImmediate(callback, error))(resolve)),
  'an emitter': (error, trace) =>
    trace(() => new EventEmitter())()
      .on('error', () => {})
      .emit('error', error),
}

for (const [way, fail] of Object.entries(failures)) {
  test(`${way} ends the span with the error`, async () => {
    const { trace, ended } = createTestTracer()
    await fail(Object.assign(new Error('no such table'), { code: '42P01' }), trace)
    await new Promise(setImmediate)
    const span = only(ended)
    assert.equal(span.statusCode, STATUS_ERROR)
    assert.equal(span.statusMessage, 'no such table')
    assert.equal(span.attributes['error.type'], '42P01')
    assert.deepEqual(exceptions(span), ['no such table'])
  })
}

for (const way of ['a throw', 'a rejection', 'a rejection of a promise with extras']) {
  test(`${way} of nothing is a failure all the same`, async () => {
    const { trace, ended } = createTestTracer()
    // node:assert cannot tell a rejection with undefined from none.
    await Promise.resolve()
      .then(() => failures[way]?.(undefined, trace))
      .catch(() => {})
    await new Promise(setImmediate)
    assert.equal(only(ended).statusCode, STATUS_ERROR)
  })
}

test('an error that cannot be read still fails the span', () => {
  const { trace, ended } = createTestTracer()
  const error = { message: Object.create(null) }
  assert.throws(
    trace(() => {
      throw error
    }),
    caught => caught === error,
  )
  assert.equal(only(ended).statusCode, STATUS_ERROR)
})

test('an error that climbs through several spans is recorded once, by the innermost', () => {
  const { trace, ended } = createTestTracer()
  const inner = trace(() => {
    throw new Error('deep')
  })
  const outer = trace(() => inner())
  assert.throws(outer)
  assert.deepEqual(ended.map(exceptions), [['deep'], []])
  assert.deepEqual(
    ended.map(span => span.statusCode),
    [STATUS_ERROR, STATUS_ERROR],
  )
})

test('describe removes what may not be told, from message, stack and status', () => {
  const { trace, ended } = createTestTracer()
  const method = trace(
    (secret: string) => {
      throw new Error(`bad value ${secret}`)
    },
    { describe: (text: string, { args }: { args: string[] }) => text.replaceAll(args[0] as string, '?') },
  )
  assert.throws(() => method('hunter2'), /hunter2/)
  const span = only(ended)
  assert.equal(span.statusMessage, 'bad value ?')
  assert.doesNotMatch(JSON.stringify(span.events), /hunter2/)
  assert.match(JSON.stringify(span.events), /bad value \?/)
})

test('where describe throws, nothing of the error’s text is told', () => {
  const { trace, ended } = createTestTracer()
  const method = trace(
    () => {
      throw new Error('hunter2')
    },
    {
      describe() {
        throw new Error('mistake')
      },
    },
  )
  assert.throws(method, /hunter2/)
  const span = only(ended)
  assert.equal(span.statusCode, STATUS_ERROR)
  assert.doesNotMatch(JSON.stringify([span.events, span.statusMessage]), /hunter2/)
})

test('the span of a promise ends when the promise settles', async () => {
  const { trace, ended } = createTestTracer()
  let resolve: (value: string) => void = () => {}
  const results: unknown[] = []
  const promise = trace(
    () =>
      new Promise<string>(r => {
        resolve = r
      }),
    { finish: (_span, { result }) => results.push(result) },
  )()
  assert.equal(ended.length, 0)
  resolve('rows')
  assert.equal(await promise, 'rows')
  assert.equal(ended.length, 1)
  assert.deepEqual(results, ['rows'])
})

for (const event of ['end', 'close']) {
  test(`the span of an emitter ends at '${event}', once`, () => {
    const { trace, ended } = createTestTracer()
    const emitter = trace(() => new EventEmitter())()
    emitter.emit('data')
    assert.equal(ended.length, 0)
    emitter.emit(event)
    emitter.emit('close')
    assert.equal(only(ended).statusCode, STATUS_UNSET)
  })
}

test('a callback that runs twice ends the span once, with what it said first', () => {
  const { trace, ended } = createTestTracer()
  let calls = 0
  trace((callback: (error?: unknown) => void) => {
    callback()
    callback(new Error('late'))
  })(() => calls++)
  assert.equal(calls, 2)
  assert.equal(only(ended).statusCode, STATUS_UNSET)
})

test('spans inside a call are its children; what the callback does belongs to the caller', async () => {
  const { trace, ended } = createTestTracer()
  const query = trace(() => undefined, { start: () => draft('query') })
  const connect = trace(
    (callback: () => void) => {
      query()
      setImmediate(callback)
    },
    { start: () => draft('connect') },
  )
  const request = trace(
    () =>
      new Promise<void>(resolve =>
        connect(() => {
          query()
          resolve()
        }),
      ),
    { start: () => draft('request') },
  )
  await request()
  const [inner, connected, later, outer] = ended as [EndedSpan, EndedSpan, EndedSpan, EndedSpan]
  assert.deepEqual(
    ended.map(span => span.name),
    ['query', 'connect', 'query', 'request'],
  )
  assert.equal(inner.parentSpanId, connected.spanId)
  assert.equal(connected.parentSpanId, outer.spanId)
  assert.equal(later.parentSpanId, outer.spanId)
  assert.equal(new Set(ended.map(span => span.traceId)).size, 1)
})

test('200 calls at once keep to their own traces', async () => {
  const { trace, ended } = createTestTracer()
  const pause = (n: number) => new Promise(resolve => setTimeout(resolve, n % 7))
  const query = trace(pause, { start: ({ args }) => draft(`query ${args[0]}`) })
  const request = trace(
    async (n: number) => {
      await pause(n)
      await query(n)
      await Promise.all([query(n), query(n)])
    },
    { start: ({ args }) => draft(`request ${args[0]}`) },
  )
  await Promise.all(Array.from({ length: 200 }, (_, n) => request(n)))
  assert.equal(ended.length, 800)
  const requests = new Map(ended.filter(span => span.name.startsWith('request')).map(span => [span.spanId, span]))
  assert.equal(new Set([...requests.values()].map(span => span.traceId)).size, 200)
  for (const span of ended.filter(span => span.name.startsWith('query'))) {
    const parent = requests.get(span.parentSpanId as string)
    assert.equal(parent?.name, span.name.replace('query', 'request'))
    assert.equal(parent?.traceId, span.traceId)
  }
})

test("inside 'none': the context is not entered", () => {
  const { trace, ended } = createTestTracer()
  const inside = trace(() => active(), { inside: 'none' })()
  assert.equal(inside, ROOT)
  assert.equal(ended.length, 1)
})

test("inside 'hidden': a call's own business makes no spans, its callback does", async () => {
  const { trace, ended } = createTestTracer()
  const dns = trace(() => undefined, { start: () => draft('dns') })
  const request = trace(
    (callback: () => void) => {
      dns()
      setImmediate(() => {
        dns()
        callback()
      })
    },
    { start: () => draft('request'), inside: 'hidden' },
  )
  await new Promise<void>(resolve =>
    request(() => {
      dns()
      resolve()
    }),
  )
  assert.deepEqual(
    ended.map(span => span.name),
    ['request', 'dns'],
  )
})

test('where spans are suppressed, no verb of an operation runs', () => {
  const { trace, ended } = createTestTracer()
  const verbs: string[] = []
  const spy =
    (verb: string): any =>
    () => {
      verbs.push(verb)
    }
  const method = trace(() => active(), { start: spy('start'), inject: spy('inject'), extract: spy('extract') })
  const context = suppressed(ROOT)
  assert.equal(run(context, method, undefined, []), context)
  assert.deepEqual(verbs, [])
  assert.equal(ended.length, 0)
})

test('start may leave a call alone', () => {
  const { trace, ended } = createTestTracer()
  const injected: unknown[] = []
  const method = trace((n: number) => [n, active()], {
    start: ({ args }) => (args[0] === 1 ? undefined : draft('call')),
    inject: (_call, headers) => injected.push(headers),
  })
  assert.deepEqual(method(1), [1, ROOT])
  assert.deepEqual([ended.length, injected.length], [0, 0])
  method(2)
  assert.deepEqual([ended.length, injected.length], [1, 1])
})

test('inject is given headers that name the span', () => {
  const { trace, ended } = createTestTracer()
  let sent: Record<string, string> = {}
  trace(() => undefined, { inject: (_call, headers) => (sent = headers) })()
  const { traceId, spanId } = only(ended)
  assert.equal(sent.traceparent, `00-${traceId}-${spanId}-03`)
  assert.equal(sent.tracestate, undefined)
})

test('the arguments that inject puts onto the call are those that the original gets', () => {
  const { trace } = createTestTracer()
  const given = { headers: {} }
  const method = trace((options: { headers: object }) => options, {
    inject(call, headers) {
      call.args = [{ headers: { ...call.args[0].headers, ...headers } }]
    },
  })
  assert.deepEqual(Object.keys(method(given).headers), ['traceparent'])
  assert.deepEqual(given, { headers: {} })
})

test('an array of the customer’s that inject puts onto the call stays as it is', () => {
  const { trace } = createTestTracer()
  const callback = () => {}
  const own = [callback]
  const method = trace((...args: any[]) => args[0](), {
    inject(call) {
      call.args = own
    },
  })
  method(callback)
  assert.deepEqual(own, [callback])
})

test('a call may outlive its method: whoever was given it ends it', () => {
  const { trace, ended } = createTestTracer()
  let open: OpenCall<any> | undefined
  const send = trace((message: string) => message, {
    outlives(call, given) {
      open = given
      return call.args[0] === 'later'
    },
  })
  assert.equal(send('later'), 'later')
  assert.equal(ended.length, 0)
  open?.end({})
  open?.end({})
  assert.equal(ended.length, 1)
  assert.equal(send('now'), 'now')
  assert.equal(ended.length, 2)
})

test('a promise or an error ends a call that may outlive its method', async () => {
  const { trace, ended } = createTestTracer()
  const verbs = { outlives: () => true }
  await trace(async () => {}, verbs)()
  assert.equal(only(ended).statusCode, STATUS_UNSET)
  assert.throws(trace(() => assert.fail('no'), verbs))
  assert.equal(ended[1]?.statusCode, STATUS_ERROR)
})

test('a promise that may never settle can be ended before it does, once', async () => {
  const { trace, ended } = createTestTracer()
  let open: OpenCall<any> | undefined
  const verbs = {
    pends(_call: unknown, given: OpenCall<any>) {
      open = given
    },
  }
  let resolve = (_value: number): void => {}
  const pending = trace(() => new Promise<number>(done => (resolve = done)), verbs)()
  assert.equal(ended.length, 0)
  open?.end({})
  assert.equal(ended.length, 1)
  resolve(5)
  assert.equal(await pending, 5)
  open = undefined
  assert.equal(trace(() => 5, verbs)(), 5)
  assert.deepEqual([open, ended.length], [undefined, 2])
})

test('an emitter that is returned is left alone where a call may outlive its method', () => {
  const { trace, ended } = createTestTracer()
  const emitter = new EventEmitter()
  assert.equal(trace(() => emitter, { outlives: () => false })(), emitter)
  assert.deepEqual(emitter.eventNames(), [])
  assert.equal(ended.length, 1)
})

test('a call that turns out to be nothing is no span', async () => {
  const { trace, ended } = createTestTracer()
  const poll = trace(async (found: number) => found, { discard: ({ result }) => result === 0 })
  assert.equal(await poll(0), 0)
  assert.equal(ended.length, 0)
  assert.equal(await poll(1), 1)
  assert.equal(ended.length, 1)
})

test('links are made of what is known at the end', async () => {
  const { trace, ended } = createTestTracer()
  await trace(async () => [remote('01')], { links: ({ result }) => result })()
  assert.equal(only(ended).links?.[0]?.spanId, SPAN_ID)
})

test('extract makes the span a child of the remote caller, whatever context delivers the call', () => {
  const { trace, ended } = createTestTracer()
  const receive = trace(() => undefined, {
    start: () => draft('receive'),
    extract: () => remote('01', 'vendor=value'),
  })
  trace(() => receive(), { start: () => draft('connection') })()
  const [span] = ended as [EndedSpan]
  assert.equal(span.traceId, TRACE_ID)
  assert.equal(span.parentSpanId, SPAN_ID)
  assert.equal(span.parentIsRemote, true)
  assert.equal(span.traceState, 'vendor=value')
  assert.equal(span.traceFlags, 0x01)
})

for (const [what, headers] of Object.entries({
  'no headers': undefined,
  'empty headers': {},
  'malformed headers': { traceparent: `00-${'0'.repeat(32)}-${SPAN_ID}-01` },
})) {
  test(`extract of ${what} starts a new trace`, () => {
    const { trace, ended } = createTestTracer()
    const receive = trace(() => undefined, { start: () => draft('receive'), extract: () => headers })
    trace(() => receive(), { start: () => draft('connection') })()
    const [span, connection] = ended as [EndedSpan, EndedSpan]
    assert.equal(span.parentSpanId, undefined)
    assert.notEqual(span.traceId, connection.traceId)
  })
}

test('a batch is linked to every message that has headers', () => {
  const { trace, ended } = createTestTracer()
  trace(() => undefined, { links: () => [remote('01', 'a=1'), undefined, {}, remote('00')] })()
  assert.deepEqual(
    only(ended).links?.map(({ traceId, spanId, traceFlags, traceState, isRemote }) => [
      traceId,
      spanId,
      traceFlags,
      traceState,
      isRemote,
    ]),
    [
      [TRACE_ID, SPAN_ID, 1, 'a=1', true],
      [TRACE_ID, SPAN_ID, 0, undefined, true],
    ],
  )
})

test('in a trace that is not sampled, start is skipped and inject tells the parent’s identity', () => {
  const { trace, ended } = createTestTracer('parentbased_always_on')
  let starts = 0
  let sent: Record<string, string> = {}
  const call = trace(() => active(), {
    start() {
      starts++
      return draft('call')
    },
    inject: (_call, headers) => (sent = headers),
  })
  const receive = trace(call, { extract: () => remote('00', 'vendor=value') })
  const context = receive()
  assert.deepEqual(sent, remote('00', 'vendor=value'))
  assert.deepEqual(identityOf(spanOf(context))?.traceId, TRACE_ID)
  assert.deepEqual([starts, ended.length], [0, 0])
})

test('a trace that starts here and is not sampled has one id for all that is called', () => {
  const { trace, ended } = createTestTracer('parentbased_always_off')
  const sent: string[] = []
  const call = trace(() => undefined, { inject: (_call, headers) => sent.push(headers.traceparent as string) })
  trace(() => {
    call()
    call()
  })()
  assert.equal(ended.length, 0)
  assert.equal(sent.length, 2)
  assert.equal(sent[0], sent[1])
  assert.match(sent[0] as string, /^00-[0-9a-f]{32}-[0-9a-f]{16}-0[02]$/)
})

test('an unsampled call calls back in the context of the caller', () => {
  const { trace } = createTestTracer('always_off')
  const contexts: unknown[] = []
  trace((callback: () => void) => callback())(() => contexts.push(active()))
  assert.deepEqual(contexts, [ROOT])
})

test('a verb that throws costs at most its own part of the span', () => {
  log.setLevel('none')
  const mistake = () => {
    throw new Error('mistake')
  }
  for (const verb of ['inject', 'extract', 'outlives', 'discard', 'links', 'finish'] as const) {
    const { trace, ended } = createTestTracer()
    assert.equal(trace(() => 1, { [verb]: mistake })(), 1)
    assert.equal(only(ended).statusCode, STATUS_UNSET, verb)
  }
  const { trace, ended } = createTestTracer()
  assert.equal(trace(() => 1, { start: mistake })(), 1)
  assert.deepEqual(ended, [])
})

test('ten throws switch off one operation, and no other', () => {
  log.setLevel('none')
  const { trace, ended } = createTestTracer()
  let finishes = 0
  const broken = trace(() => 1, {
    finish() {
      finishes++
      throw new Error('mistake')
    },
  })
  for (let i = 0; i < 15; i++) assert.equal(broken(), 1)
  assert.equal(finishes, 10)
  assert.equal(ended.length, 10)
  trace(() => 1)()
  assert.equal(ended.length, 11)
})

test('an operation whose end is not a return: begin, run, end once', () => {
  const { core, ended } = createTestTracer()
  const finished: unknown[] = []
  const operation: Operation<{ error?: unknown }> = {
    start: () => draft('stream'),
    finish: (_span, call) => finished.push(call.error),
  }
  const open = begin(core, scope, operation, {}, createGuard('test'))
  assert.ok(open !== undefined)
  assert.equal(
    open.run(() => spanOf(active()), undefined, []),
    open.span as unknown,
  )
  assert.equal(active(), ROOT)
  open.end({ error: new Error('cut') })
  open.end({})
  assert.equal(only(ended).statusMessage, 'cut')
  assert.equal(finished.length, 1)
})

test('a last argument that is a function and no callback is handed on as it is', () => {
  const { trace, ended } = createTestTracer()
  const task = () => undefined
  const given = trace((fn: () => void) => fn, { callsBack: false })(task)
  assert.equal(given, task)
  only(ended)
})
