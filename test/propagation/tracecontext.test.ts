/** The official W3C trace-context test suite (w3c/trace-context, test/test.py) in our words, at Level 2, and what it leaves open. */
import assert from 'node:assert/strict'
import { createServer, request } from 'node:http'
import type { AddressInfo } from 'node:net'
import { after, before, describe, it } from 'node:test'
import * as api from '@opentelemetry/api'
import { suppressTracing, W3CTraceContextPropagator } from '@opentelemetry/core'
import { ROOT, spanOf, withSpan } from '../../src/context/context.js'
import { NonRecordingSpan } from '../../src/context/span-identity.js'
import { headerGetter, headerSetter } from '../../src/propagation/headers.js'
import { createPropagator } from '../../src/propagation/index.js'
import { createTracerProvider } from '../../src/trace/tracer.js'
import { random } from './random.js'

const TRACE_ID = '12345678901234567890123456789012'
const SPAN_ID = '1234567890123456'
const SAMPLED = `00-${TRACE_ID}-${SPAN_ID}-01`

const propagator = createPropagator(['tracecontext'])
const limits = {
  attributeCount: 128,
  attributeValueLength: Number.POSITIVE_INFINITY,
  eventCount: 128,
  linkCount: 128,
  eventAttributeCount: 128,
  linkAttributeCount: 128,
}
const tracer = createTracerProvider({
  host: { limits, started: 0, onEnd() {} },
  sampler: () => true,
  isLinked: () => false,
  propagator,
}).getTracer('test')

type Outgoing = { traceparent?: string; tracestate?: string }

/** What a service does with a request: continue its trace, and call on. */
function serve(incoming: Record<string, unknown>): Outgoing {
  const span = tracer.startSpan('callback', {}, propagator.extract(ROOT, incoming, headerGetter))
  const outgoing: Record<string, string> = {}
  propagator.inject(withSpan(ROOT, span), outgoing, headerSetter)
  return outgoing
}

/** What of the incoming identity comes out again, without a tracer between. */
function relay(carrier: unknown, getter: api.TextMapGetter = headerGetter): Outgoing {
  const outgoing: Record<string, string> = {}
  propagator.inject(propagator.extract(ROOT, carrier, getter), outgoing, headerSetter)
  return outgoing
}

type Lines = readonly (readonly [name: string, value: string])[]

const parent = (value: string, continues: boolean, what: string) => ({
  what,
  lines: [['traceparent', value]],
  continues,
})
const state = (tracestate: string | undefined, what: string, ...values: string[]) => ({
  what,
  lines: [['traceparent', SAMPLED], ...values.map(value => ['tracestate', value] as const)] as Lines,
  continues: true,
  tracestate,
})
const members = (count: number, prefix = 'bar') => Array.from({ length: count }, (_, i) => `${prefix}${i}=${i}`).join()

const keyChars = 'abcdefghijklmnopqrstuvwxyz0123456789_-*/'
const valueChars = Array.from({ length: 0x7f - 0x20 }, (_, i) => String.fromCharCode(0x20 + i))
  .filter(char => char !== ',' && char !== '=')
  .join('')

const CASES = [
  { what: 'neither header', lines: [], continues: false },
  parent(SAMPLED, true, 'traceparent without tracestate'),
  {
    what: 'two traceparents',
    lines: [
      ['traceparent', SAMPLED],
      ['traceparent', SAMPLED.replace('9012-', '9011-')],
    ],
    continues: false,
  },
  {
    what: 'the same traceparent twice',
    lines: [
      ['traceparent', SAMPLED],
      ['traceparent', SAMPLED],
    ],
    continues: false,
  },
  {
    what: 'two traceparents of a later version',
    lines: [
      ['traceparent', SAMPLED.replace('00', 'cc')],
      ['traceparent', SAMPLED],
    ],
    continues: false,
  },
  { what: 'header name trace-parent', lines: [['trace-parent', SAMPLED]], continues: false },
  { what: 'header name trace.parent', lines: [['trace.parent', SAMPLED]], continues: false },
  { what: 'header name TraceParent', lines: [['TraceParent', SAMPLED]], continues: true },
  { what: 'header name TrAcEpArEnT', lines: [['TrAcEpArEnT', SAMPLED]], continues: true },
  { what: 'header name TRACEPARENT', lines: [['TRACEPARENT', SAMPLED]], continues: true },

  parent(`${SAMPLED}.`, false, 'version 00 with more behind it'),
  parent(`${SAMPLED}-what-the-future-will-be-like`, false, 'version 00 with another field'),
  parent(SAMPLED.replace('00', 'cc'), true, 'version cc'),
  parent(`${SAMPLED.replace('00', 'cc')}-what-the-future-will-be-like`, true, 'version cc with another field'),
  parent(`${SAMPLED.replace('00', 'cc')}-`, true, 'version cc with an empty field'),
  parent(`${SAMPLED.replace('00', 'cc')}.what-the-future-will-be-like`, false, 'version cc with more behind it'),
  parent(`cc-${TRACE_ID}-${SPAN_ID}-0`, false, 'version cc, too short'),
  parent(SAMPLED.replace('00', 'ff'), false, 'version ff'),
  parent(`${SAMPLED.replace('00', 'ff')}-x`, false, 'version ff with another field'),
  parent(SAMPLED.replace('00', '.0'), false, 'illegal first character of the version'),
  parent(SAMPLED.replace('00', '0.'), false, 'illegal last character of the version'),
  parent(SAMPLED.replace('00', 'CC'), false, 'upper-case version'),
  parent(SAMPLED.replace('00', '000'), false, 'version of 3 digits'),
  parent(SAMPLED.replace('00', '0000'), false, 'version of 4 digits'),
  parent(SAMPLED.replace('00', '0'), false, 'version of 1 digit'),
  parent(SAMPLED.slice(2), false, 'no version'),
  parent(SAMPLED.replace('00-', '00_'), false, 'no dash after the version'),

  parent(`00-${'0'.repeat(32)}-${SPAN_ID}-01`, false, 'trace id of zeros'),
  parent(`00-.${TRACE_ID.slice(1)}-${SPAN_ID}-01`, false, 'illegal first character of the trace id'),
  parent(`00-${TRACE_ID.slice(1)}.-${SPAN_ID}-01`, false, 'illegal last character of the trace id'),
  parent(`00-${'g'.repeat(32)}-${SPAN_ID}-01`, false, 'trace id beyond hexadecimal'),
  parent(`00-${'A'.repeat(32)}-${SPAN_ID}-01`, false, 'upper-case trace id'),
  parent(`00-${TRACE_ID}3-${SPAN_ID}-01`, false, 'trace id of 33 digits'),
  parent(`00-${TRACE_ID.slice(1)}-${SPAN_ID}-01`, false, 'trace id of 31 digits'),
  parent(`00-${TRACE_ID}_${SPAN_ID}-01`, false, 'no dash after the trace id'),

  parent(`00-${TRACE_ID}-${'0'.repeat(16)}-01`, false, 'parent id of zeros'),
  parent(`00-${TRACE_ID}-.${SPAN_ID.slice(1)}-01`, false, 'illegal first character of the parent id'),
  parent(`00-${TRACE_ID}-${SPAN_ID.slice(1)}.-01`, false, 'illegal last character of the parent id'),
  parent(`00-${TRACE_ID}-${'B'.repeat(16)}-01`, false, 'upper-case parent id'),
  parent(`00-${TRACE_ID}-${SPAN_ID}7-01`, false, 'parent id of 17 digits'),
  parent(`00-${TRACE_ID}-${SPAN_ID.slice(1)}-01`, false, 'parent id of 15 digits'),
  parent(`00-${TRACE_ID}-${SPAN_ID}_01`, false, 'no dash after the parent id'),

  parent(`00-${TRACE_ID}-${SPAN_ID}-.0`, false, 'illegal first character of the flags'),
  parent(`00-${TRACE_ID}-${SPAN_ID}-0.`, false, 'illegal last character of the flags'),
  parent(`00-${TRACE_ID}-${SPAN_ID}-0A`, false, 'upper-case flags'),
  parent(`00-${TRACE_ID}-${SPAN_ID}-001`, false, 'flags of 3 digits'),
  parent(`00-${TRACE_ID}-${SPAN_ID}-1`, false, 'flags of 1 digit'),
  parent(`00-${TRACE_ID}-${SPAN_ID}`, false, 'no flags'),

  parent(` ${SAMPLED}`, true, 'a space before it'),
  parent(`\t${SAMPLED}`, true, 'a tab before it'),
  parent(`${SAMPLED} `, true, 'a space behind it'),
  parent(`${SAMPLED}\t`, true, 'a tab behind it'),
  parent(`\t ${SAMPLED} \t`, true, 'blanks at both ends'),
  parent('', false, 'an empty traceparent'),
  parent('-'.repeat(8000), false, 'an absurdly long traceparent'),
  parent(`\xa0${SAMPLED}`, false, 'a no-break space before it'),

  { what: 'tracestate without traceparent', lines: [['tracestate', 'foo=1']], continues: false },
  { what: 'two members without traceparent', lines: [['tracestate', 'foo=1,bar=2']], continues: false },
  {
    what: 'tracestate with an invalid traceparent',
    lines: [
      ['traceparent', SAMPLED.replace('00', 'ff')],
      ['tracestate', 'foo=1'],
    ],
    continues: false,
  },
  {
    what: 'tracestate with a traceparent of a later version',
    lines: [
      ['traceparent', SAMPLED.replace('00', 'cc')],
      ['tracestate', 'foo=1'],
    ],
    continues: true,
    tracestate: 'foo=1',
  },
  state('foo=1,bar=2', 'both headers', 'foo=1,bar=2'),
  {
    what: 'header name trace-state',
    lines: [
      ['traceparent', SAMPLED],
      ['trace-state', 'foo=1'],
    ],
    continues: true,
  },
  {
    what: 'header name trace.state',
    lines: [
      ['traceparent', SAMPLED],
      ['trace.state', 'foo=1'],
    ],
    continues: true,
  },
  {
    what: 'header name TraceState',
    lines: [
      ['traceparent', SAMPLED],
      ['TraceState', 'foo=1'],
    ],
    continues: true,
    tracestate: 'foo=1',
  },
  {
    what: 'header name TrAcEsTaTe',
    lines: [
      ['traceparent', SAMPLED],
      ['TrAcEsTaTe', 'foo=1'],
    ],
    continues: true,
    tracestate: 'foo=1',
  },
  {
    what: 'header name TRACESTATE',
    lines: [
      ['traceparent', SAMPLED],
      ['TRACESTATE', 'foo=1'],
    ],
    continues: true,
    tracestate: 'foo=1',
  },
  state(undefined, 'an empty tracestate', ''),
  state('foo=1', 'an empty tracestate behind another', 'foo=1', ''),
  state('foo=1', 'an empty tracestate before another', '', 'foo=1'),
  state('foo=1,bar=2,rojo=1,congo=2,baz=3', 'three tracestates', 'foo=1,bar=2', 'rojo=1,congo=2', 'baz=3'),
  state('foo=1,bar=2', 'empty members', ',foo=1,, \t ,bar=2,'),
  state('foo=1', 'a key twice with one value', 'foo=1,foo=1'),
  state('foo=1', 'a key twice with two values: the newest, which is the first', 'foo=1,foo=2'),
  state('foo=1', 'a key and value in two headers', 'foo=1', 'foo=1'),
  state('foo=1', 'a key in two headers', 'foo=1', 'foo=2'),
  state(`${keyChars}=${valueChars}`, 'all characters of a key and of a value', `${keyChars}=${valueChars}`),
  state(
    `${keyChars}@a-z0-9_-*/=${valueChars}`,
    'all characters of a key with a vendor',
    `${keyChars}@a-z0-9_-*/=${valueChars}`,
  ),
  state('foo=1,bar=2,baz=3', 'blanks around members', 'foo=1 \t , \t bar=2, \t baz=3'),
  state('foo=1,bar=2,baz=3', 'tabs around members', 'foo=1\t \t,\t \tbar=2,\t \tbaz=3'),
  state('foo=1', 'a space before tracestate', ' foo=1'),
  state('foo=1', 'a tab before tracestate', '\tfoo=1'),
  state('foo=1', 'a space behind tracestate', 'foo=1 '),
  state('foo=1', 'a tab behind tracestate', 'foo=1\t'),
  state('foo=1', 'blanks at both ends of tracestate', '\t foo=1 \t'),
  state('foo= 1', 'a space at the start of a value, which is part of it', 'foo= 1'),
  state(undefined, 'a space behind a key', 'foo =1'),
  state(undefined, 'an upper-case key', 'FOO=1'),
  state(undefined, 'a dot in a key', 'foo.bar=1'),
  state(undefined, 'no key', '=1'),
  state(undefined, 'no equals sign', 'foo'),
  // Level 1 allowed one at sign, between tenant and vendor; Level 2 any but at the start.
  state('foo@=1,bar=2', 'a key that ends with an at sign', 'foo@=1,bar=2'),
  state(undefined, 'a key that starts with an at sign', '@foo=1,bar=2'),
  state('foo@@bar=1,bar=2', 'a key with two at signs', 'foo@@bar=1,bar=2'),
  state('foo@bar@baz=1,bar=2', 'a key with two vendors', 'foo@bar@baz=1,bar=2'),
  state('1foo=1', 'a key that starts with a digit', '1foo=1'),
  state(undefined, 'a key that starts with an underscore', '_foo=1'),
  state(members(32), '32 members', members(32)),
  state(`${members(20)},${members(12, 'baz')}`, '32 members in two headers', members(20), members(12, 'baz')),
  state(undefined, '33 members', members(33)),
  state(undefined, '33 members in two headers', members(20), members(13, 'baz')),
  state(`foo=1,${'z'.repeat(256)}=1`, 'a key of 256 characters', 'foo=1', `${'z'.repeat(256)}=1`),
  state(undefined, 'a key of 257 characters', 'foo=1', `${'z'.repeat(257)}=1`),
  state(
    `foo=1,${'t'.repeat(241)}@${'v'.repeat(14)}=1`,
    'a key of tenant and vendor',
    'foo=1',
    `${'t'.repeat(241)}@${'v'.repeat(14)}=1`,
  ),
  state(`foo=1,${'t'.repeat(242)}@v=1`, 'a tenant of 242 characters', 'foo=1', `${'t'.repeat(242)}@v=1`),
  state(`foo=1,t@${'v'.repeat(15)}=1`, 'a vendor of 15 characters', 'foo=1', `t@${'v'.repeat(15)}=1`),
  state(`foo=${'v'.repeat(256)}`, 'a value of 256 characters', `foo=${'v'.repeat(256)}`),
  state(undefined, 'a value of 257 characters', `foo=${'v'.repeat(257)}`),
  state(undefined, 'an equals sign in a value', 'foo=bar=baz'),
  state(undefined, 'an empty value', 'foo=,bar=3'),
  state(undefined, 'a value of a space', 'foo= ,bar=3'),
  state(undefined, 'a tab in a value', 'foo=a\tb'),
  state(undefined, 'a character above ASCII', 'foo=\xe9'),
  state(undefined, 'a no-break space behind a value', 'foo=1\xa0'),
  state(`a=${'x'.repeat(254)},b=${'y'.repeat(253)}`, '512 characters', `a=${'x'.repeat(254)},b=${'y'.repeat(253)}`),
  state(`a=1${','.repeat(8189)}`.slice(0, 3), '8,192 characters', `a=1${','.repeat(8189)}`),
  state(undefined, '8,193 characters', `a=1${','.repeat(8190)}`),
] as { what: string; lines: Lines; continues: boolean; tracestate?: string }[]

const server = createServer((incoming, response) => {
  // Node joins most repeated headers, as the specification asks, and so it does with these.
  response.end(JSON.stringify(serve(incoming.headers)))
})
before(() => new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve)))
after(() => server.close())

const post = (lines: Lines): Promise<Outgoing> =>
  new Promise((resolve, reject) => {
    const { port } = server.address() as AddressInfo
    const sent = request(
      { host: '127.0.0.1', port, headers: ['host', 'localhost', ...lines.flat()] as never },
      response => {
        let body = ''
        response.on('data', chunk => (body += chunk)).on('end', () => resolve(JSON.parse(body)))
      },
    )
    sent.on('error', reject).end()
  })

function check(outgoing: Outgoing, { continues, tracestate }: (typeof CASES)[number]): void {
  const [version, traceId, spanId, flags, ...rest] = (outgoing.traceparent ?? '').split('-')
  assert.match(traceId ?? '', /^(?!0{32})[0-9a-f]{32}$/)
  assert.match(spanId ?? '', /^(?!0{16})[0-9a-f]{16}$/)
  assert.notEqual(spanId, SPAN_ID)
  assert.equal(traceId === TRACE_ID, continues)
  assert.deepEqual([version, flags, rest], ['00', continues ? '01' : '03', []])
  assert.equal(outgoing.tracestate, tracestate)
}

describe('the W3C test suite over HTTP', () => {
  for (const one of CASES) it(one.what, async () => check(await post(one.lines), one))
})

describe('the W3C test suite over message headers, each a list of Buffers', () => {
  for (const one of CASES) {
    it(one.what, () => {
      const carrier: Record<string, Buffer[]> = {}
      for (const [name, value] of one.lines) (carrier[name] ??= []).push(Buffer.from(value, 'latin1'))
      check(serve(carrier), one)
    })
  }
})

describe('several calls', () => {
  const ids = (incoming: Record<string, string>) =>
    [1, 2, 3].map(() => serve(incoming).traceparent?.split('-') as [string, string, string])

  it('stay in the trace that they are part of, each with an id of its own', () => {
    const calls = ids({ traceparent: SAMPLED })
    assert.deepEqual(new Set(calls.map(([, traceId]) => traceId)), new Set([TRACE_ID]))
    assert.equal(new Set(calls.map(([, , spanId]) => spanId)).size, 3)
  })
  it('have ids of their own without a traceparent', () => {
    assert.equal(new Set(ids({}).map(([, , spanId]) => spanId)).size, 3)
  })
  it('start traces where the traceparent is illegal', () => {
    const calls = ids({ traceparent: `00-${'0'.repeat(32)}-${SPAN_ID}-01` })
    assert.equal(calls.filter(([, traceId]) => /^0+$/.test(traceId)).length, 0)
    assert.equal(new Set(calls.map(([, , spanId]) => spanId)).size, 3)
  })
})

describe('flags', () => {
  it('that are known, sampled and random, are kept, and no others', () => {
    for (let flags = 0; flags < 256; flags++) {
      for (const version of ['00', '01', 'fe']) {
        const text = flags.toString(16).padStart(2, '0')
        const incoming = { traceparent: `${version}-${TRACE_ID}-${SPAN_ID}-${text}` }
        const context = propagator.extract(ROOT, incoming, headerGetter)
        assert.equal(api.trace.getSpanContext(context)?.traceFlags, flags & 3)
        assert.equal(relay(incoming).traceparent, `00-${TRACE_ID}-${SPAN_ID}-0${flags & 3}`)
      }
    }
  })
})

describe('extract', () => {
  it('makes a remote span of the API', () => {
    const context = propagator.extract(ROOT, { traceparent: SAMPLED, tracestate: 'a=1,b=2' }, headerGetter)
    const span = api.trace.getSpan(context)
    assert.ok(span)
    assert.equal(span.isRecording(), false)
    const { traceState, ...rest } = span.spanContext()
    assert.deepEqual(rest, { traceId: TRACE_ID, spanId: SPAN_ID, traceFlags: 1, isRemote: true })
    assert.equal(traceState?.get('b'), '2')
    assert.equal(
      span.setAttribute('a', 1).addEvent('b').setStatus({ code: 2 }).updateName('c').addLink({ context: rest }),
      span,
    )
  })

  it('leaves the very context if there is nothing in the headers', () => {
    const context = withSpan(ROOT, new NonRecordingSpan(TRACE_ID, SPAN_ID, 1, undefined, false))
    for (const traceparent of [undefined, '', 'x', `00-${'0'.repeat(32)}-${SPAN_ID}-01`])
      assert.equal(propagator.extract(context, { traceparent, tracestate: 'a=1' }, headerGetter), context)
  })

  it('takes what the getter of an application gives', () => {
    const get = api.defaultTextMapGetter
    assert.deepEqual(relay({ traceparent: [SAMPLED], tracestate: ['a=1', 'b=2'] }, get), {
      traceparent: SAMPLED,
      tracestate: 'a=1,b=2',
    })
    assert.deepEqual(relay({ traceparent: [SAMPLED, SAMPLED] }, get), {})
    for (const value of [1, null, {}, [], [[SAMPLED]], true, Symbol('x')]) {
      assert.deepEqual(relay({ traceparent: value }, get), {})
      assert.deepEqual(relay({ traceparent: SAMPLED, tracestate: value }, get), { traceparent: SAMPLED })
    }
    assert.deepEqual(relay(null, get), {})
  })

  it("works in an application's own context", () => {
    const context = propagator.extract(api.ROOT_CONTEXT, { traceparent: SAMPLED }, headerGetter)
    assert.equal(spanOf(context)?.spanContext().traceId, TRACE_ID)
  })
})

describe('inject', () => {
  const inject = (context: api.Context) => {
    const carrier: Record<string, string> = {}
    propagator.inject(context, carrier, headerSetter)
    return carrier
  }
  const foreign = (traceId: string, spanId: string, traceFlags: number, traceState?: api.TraceState) =>
    api.trace.setSpan(
      ROOT,
      api.trace.wrapSpanContext({ traceId, spanId, traceFlags, ...(traceState && { traceState }) }),
    )

  it('writes spans of other implementations', () => {
    assert.deepEqual(inject(foreign(TRACE_ID, SPAN_ID, 1, api.createTraceState('a=1,b=2'))), {
      traceparent: SAMPLED,
      tracestate: 'a=1,b=2',
    })
    assert.deepEqual(inject(foreign(TRACE_ID, SPAN_ID, 0xff, api.createTraceState(''))), {
      traceparent: `00-${TRACE_ID}-${SPAN_ID}-03`,
    })
  })

  it('writes nothing for no span or an invalid one', () => {
    assert.deepEqual(inject(ROOT), {})
    assert.deepEqual(inject(api.ROOT_CONTEXT), {})
    for (const [traceId, spanId] of [
      ['0'.repeat(32), SPAN_ID],
      [TRACE_ID, '0'.repeat(16)],
      ['', ''],
      [`${TRACE_ID}\r\nx: y`, SPAN_ID],
      [undefined as never, undefined as never],
    ] as const)
      assert.deepEqual(inject(foreign(traceId, spanId, 1)), {})
  })

  it('writes nothing where tracing is suppressed', () => {
    const context = propagator.extract(ROOT, { traceparent: SAMPLED }, headerGetter)
    assert.deepEqual(inject(suppressTracing(context)), {})
    assert.deepEqual(inject(context), { traceparent: SAMPLED })
  })

  it('agrees with @opentelemetry/core', () => {
    const core = new W3CTraceContextPropagator()
    for (const flags of [0, 1]) {
      const carrier = {}
      const context = foreign(TRACE_ID, SPAN_ID, flags, api.createTraceState('a=1,b=2'))
      core.inject(context, carrier, api.defaultTextMapSetter)
      assert.deepEqual(inject(context), carrier)
      const theirs = api.trace.getSpanContext(core.extract(api.ROOT_CONTEXT, carrier, api.defaultTextMapGetter))
      const ours = api.trace.getSpanContext(propagator.extract(api.ROOT_CONTEXT, carrier, api.defaultTextMapGetter))
      assert.equal(ours?.traceState?.serialize(), theirs?.traceState?.serialize())
      assert.deepEqual({ ...ours, traceState: undefined }, { ...theirs, traceState: undefined })
    }
  })
})

describe('hostile input', () => {
  const VALID = /^00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-0[0-3]$/

  it('never throws, and what is carried on is valid and stays the same', () => {
    const { pick, int } = random(2)
    let continued = 0
    let withState = 0
    for (let i = 0; i < 20_000; i++) {
      let traceparent = pick([SAMPLED, SAMPLED, SAMPLED.replace('00', 'cc'), `${SAMPLED.replace('00', '01')}-x`])
      let tracestate = pick(['a=1,b=2', `${members(31)},x@y=z`, ' a=1 , ,b= 2', ''])
      for (let n = int(2); n > 0; n--) traceparent = mutate(traceparent, pick, int)
      for (let n = int(3); n > 0; n--) tracestate = mutate(tracestate, pick, int)
      const outgoing = relay({ traceparent, tracestate })
      if (outgoing.traceparent === undefined) {
        assert.deepEqual(outgoing, {})
        continue
      }
      continued++
      assert.match(outgoing.traceparent, VALID)
      assert.deepEqual(relay(outgoing), outgoing)
      if (outgoing.tracestate !== undefined) {
        withState++
        assert.match(outgoing.tracestate, /^[\x20-\x7e]+$/)
      }
    }
    assert.ok(continued > 1000 && withState > 1000, `${continued} continued, ${withState} with tracestate`)
  })

  it('takes time in proportion to its length', () => {
    const lengths = [
      '\t'.repeat(1e6),
      'a=1,'.repeat(250_000),
      `a=1${' '.repeat(1e6)}b`,
      `${SAMPLED}${' '.repeat(1e6)}x`,
    ]
    const start = performance.now()
    for (const text of lengths) relay({ traceparent: text, tracestate: text })
    for (const text of lengths) relay({ traceparent: SAMPLED, tracestate: text.slice(0, 8192) })
    assert.ok(performance.now() - start < 1000)
  })
})

function mutate(text: string, pick: <T>(from: readonly T[]) => T, int: (max: number) => number): string {
  const at = int(text.length)
  const char = pick([',', '=', ' ', '\t', '-', '0', 'f', 'A', '@', '\0', '\u00e9', '\ud800', '.'])
  return pick([
    text.slice(0, at) + char + text.slice(at),
    text.slice(0, at) + char + text.slice(at + 1),
    text.slice(0, at) + text.slice(at + 1),
    text + text.slice(at),
  ])
}
