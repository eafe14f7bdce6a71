/** OTLP protobuf: everything that is encoded comes back from a strict decoder that was written from the official schema. */
import assert from 'node:assert/strict'
import { before, test } from 'node:test'
import { createProtoEncoder } from '../../src/exporter/otlp-proto.js'
import type { Encoder } from '../../src/pipeline/batch.js'
import type { Attributes } from '../../src/semconv.js'
import type { EndedSpan, Scope, SpanEvent, SpanKind, SpanLink, StatusCode } from '../../src/trace/span.js'
import { type AnyValueModel, createCheckers, createDecoder, type RequestModel } from '../helpers/checkers.js'
import { endedSpan } from '../helpers/ended-span.js'

const NO_LIMITS = { attributeCount: 128, attributeValueLength: Number.POSITIVE_INFINITY }
const SCOPE: Scope = { name: 'http', version: '1.2.3' }

let decode: (body: Uint8Array) => RequestModel
before(async () => {
  decode = await createDecoder()
})

const span = (fields: Partial<EndedSpan> = {}): EndedSpan =>
  endedSpan({ scope: SCOPE, name: 'work', traceFlags: 3, ...fields })

const wellFormed = (text: string): string => new TextDecoder().decode(new TextEncoder().encode(text))

function expectedValue(value: unknown, maxLength: number): AnyValueModel {
  if (typeof value === 'string') {
    const kept = value.slice(0, maxLength)
    const pairCut = kept.length < value.length && /[\ud800-\udbff]$/.test(kept)
    return { stringValue: wellFormed(pairCut ? kept.slice(0, -1) : kept) }
  }
  if (typeof value === 'boolean') return { boolValue: value }
  if (typeof value === 'number') {
    return Number.isSafeInteger(value) && !Object.is(value, -0)
      ? { intValue: String(BigInt(value)) }
      : { doubleValue: value }
  }
  if (!Array.isArray(value)) return {}
  // Array.from makes holes visible.
  const values = Array.from(value, item => (Array.isArray(item) ? {} : expectedValue(item, maxLength)))
  return { arrayValue: values.length === 0 ? {} : { values } }
}

function expectedAttributes(attributes: Attributes | undefined, maxCount: number, maxLength: number) {
  const all = Object.entries(attributes ?? {})
    .filter(([key, value]) => key !== '' && (/^(string|number|boolean)$/.test(typeof value) || Array.isArray(value)))
    .map(([key, value]) => ({ key: wellFormed(key), value: expectedValue(value, maxLength) }))
  const kept = all.slice(0, maxCount)
  return { list: kept.length === 0 ? undefined : kept, dropped: all.length - kept.length }
}

/** In units of 1/4096 ms, as doubles of this epoch are, rounded to nanoseconds. */
const nanos = (ms: number): string => String((BigInt(ms * 4096) * 2_000_000n + 4096n) / 8192n)

const clean = (model: object): object => JSON.parse(JSON.stringify(model))
const some = (value: string | number | undefined) =>
  value === undefined || value === '' || value === 0 ? undefined : value
const flags = (traceFlags: number, isRemote: boolean): number => (traceFlags % 256) + 256 + (isRemote ? 512 : 0)

function expectedSpan(ended: EndedSpan, limits = NO_LIMITS): object {
  const length = limits.attributeValueLength
  const attributes = expectedAttributes(ended.attributes, limits.attributeCount, length)
  const status = { message: some(wellFormed(ended.statusMessage ?? '')), code: ended.statusCode }
  return keepDoubles({
    traceId: ended.traceId,
    spanId: ended.spanId,
    traceState: some(ended.traceState),
    parentSpanId: ended.parentSpanId,
    flags: flags(ended.traceFlags, ended.parentIsRemote),
    name: some(wellFormed(ended.name)),
    kind: ended.kind + 1,
    startTimeUnixNano: nanos(ended.startMs),
    endTimeUnixNano: nanos(ended.endMs),
    attributes: attributes.list,
    droppedAttributesCount: some(attributes.dropped + ended.droppedAttributes),
    events: ended.events?.map(event => ({
      timeUnixNano: nanos(event.timeMs),
      name: some(wellFormed(event.name)),
      attributes: expectedAttributes(event.attributes, 1e9, length).list,
      droppedAttributesCount: some(event.droppedAttributes),
    })),
    droppedEventsCount: some(ended.droppedEvents),
    links: ended.links?.map(link => ({
      traceId: link.traceId,
      spanId: link.spanId,
      traceState: some(link.traceState),
      flags: flags(link.traceFlags, link.isRemote),
      attributes: expectedAttributes(link.attributes, 1e9, length).list,
      droppedAttributesCount: some(link.droppedAttributes),
    })),
    droppedLinksCount: some(ended.droppedLinks),
    status: ended.statusCode === 0 ? undefined : status,
  })
}

/** JSON has no NaN, no infinities and no -0: as text they can be compared after it. */
const keepDoubles = (model: object): object =>
  clean(
    JSON.parse(
      JSON.stringify(model, (key, value) =>
        key === 'doubleValue' ? `double ${Object.is(value, -0) ? '-0' : value}` : value,
      ),
    ),
  )

const take = (encoder: Encoder): RequestModel => {
  const batch = encoder.take()
  assert.ok(batch !== undefined)
  return decode(batch.body)
}

const scopesOf = (model: RequestModel) => {
  assert.equal(model.resourceSpans?.length, 1)
  return model.resourceSpans?.[0]?.scopeSpans ?? []
}
const spansOf = (model: RequestModel) => scopesOf(model).flatMap(scope => scope.spans ?? [])

function roundTrip(ended: EndedSpan, limits = NO_LIMITS) {
  const encoder = createProtoEncoder({}, limits)
  encoder.append(ended)
  const [decoded] = spansOf(take(encoder))
  assert.ok(decoded !== undefined)
  return decoded
}

const EVENT: SpanEvent = { name: 'e', timeMs: 1_700_000_000_000.5, attributes: undefined, droppedAttributes: 0 }
const LINK: SpanLink = {
  traceId: '11111111111111111111111111111111',
  spanId: '2222222222222222',
  traceFlags: 1,
  traceState: undefined,
  isRemote: false,
  attributes: undefined,
  droppedAttributes: 0,
}

const CASES: Record<string, Partial<EndedSpan>> = {
  'nothing but what is needed': {},
  'an empty name': { name: '' },
  'each kind: server': { kind: 1 },
  'each kind: client': { kind: 2 },
  'each kind: producer': { kind: 3 },
  'each kind: consumer': { kind: 4 },
  'a local parent': { parentSpanId: '00f067aa0ba902b7' },
  'a remote parent with state': { parentSpanId: '00f067aa0ba902b7', parentIsRemote: true, traceState: 'a=1,b@c=2' },
  'flags of a later version': { traceFlags: 0xff },
  'no flag': { traceFlags: 0 },
  'status ok': { statusCode: 1 },
  'status error without a message': { statusCode: 2 },
  'status error with a message': { statusCode: 2, statusMessage: 'no such tâble \u{1f600}' },
  'status error with a long message': { statusCode: 2, statusMessage: 'x'.repeat(40_000) },
  integers: {
    attributes: Object.fromEntries(
      [0, 1, 127, 128, 16_383, 16_384, 2 ** 31 - 1, 2 ** 31, 2 ** 32 - 1, 2 ** 32, 2 ** 35, 2 ** 53 - 1]
        .flatMap(value => [value, -value])
        .map((value, index) => [`n${index}`, value]),
    ),
  },
  'other numbers': {
    attributes: {
      a: 0.1,
      b: -1.5,
      c: Number.NaN,
      d: Infinity,
      e: -Infinity,
      f: -0,
      g: 2 ** 53,
      h: -(2 ** 53),
      i: 1e300,
    },
  },
  booleans: { attributes: { yes: true, no: false } },
  strings: { attributes: { empty: '', ascii: 'GET', latin: 'é', wide: '日本', astral: '\u{1f600}', nul: 'a\0b' } },
  'lone surrogates': { attributes: { high: 'a\ud83d', low: '\ude00b', swapped: '\ude00\ud83d', '\ud800key': 1 } },
  arrays: { attributes: { s: ['a', '', 'é'], n: [1, -1, 2.5], b: [true, false], none: [] } },
  'undefined and empty keys': { attributes: { a: undefined, '': 'x', b: 1 } },
  'a whole event': { events: [{ ...EVENT, attributes: { k: 'v', n: [1] }, droppedAttributes: 7 }], droppedEvents: 2 },
  'an exception with a long stack': {
    events: [{ ...EVENT, attributes: { 'exception.stacktrace': 'at f\n'.repeat(5000) } }],
  },
  'a whole link': {
    links: [
      LINK,
      { ...LINK, isRemote: true, traceFlags: 3, traceState: 'k=v', attributes: { k: 'v' }, droppedAttributes: 300 },
    ],
    droppedLinks: 70_000,
  },
  'dropped attributes': { attributes: { k: 'v' }, droppedAttributes: 4_000_000_000 },
}

for (const [what, fields] of Object.entries(CASES)) {
  test(`comes back: ${what}`, () => {
    const ended = span(fields)
    assert.deepEqual(keepDoubles(roundTrip(ended)), expectedSpan(ended))
  })
}

test('lengths at every size of their varint come back', () => {
  for (const size of [...Array(300).keys(), 16_378, 16_379, 16_380, 16_384, 2_097_140, 2_097_152, 2_100_000]) {
    const ended = span({ name: 'n'.repeat(size), attributes: { ascii: 'x'.repeat(size), wide: 'é'.repeat(size) } })
    assert.deepEqual(keepDoubles(roundTrip(ended)), expectedSpan(ended), `size ${size}`)
  }
})

test('times are exact to the last bit of the double', () => {
  const cases: [number, string][] = [
    [0, '0'],
    [1, '1000000'],
    [0.000001, '1'],
    [1_700_000_000_000, '1700000000000000000'],
    [1_700_000_000_000.25, '1700000000000250000'],
    [1_700_000_000_000.9998, '1700000000000999756'],
    [4_294_967_295, '4294967295000000'],
    [4_294_967_296, '4294967296000000'],
    [1_700_000_000_000 + 4095 / 4096, '1700000000000999756'],
    [18_446_744_073_000, '18446744073000000000'],
    [-1, '0'],
    [Number.NaN, '0'],
    [Infinity, '0'],
    [2e13, '0'],
  ]
  for (const [ms, expected] of cases) {
    const { startTimeUnixNano, endTimeUnixNano, events } = roundTrip(
      span({ startMs: ms, endMs: ms, events: [{ ...EVENT, timeMs: ms }] }),
    )
    const got = [startTimeUnixNano, endTimeUnixNano, events?.[0]?.timeUnixNano]
    assert.deepEqual(got, [expected, expected, expected], `${ms} ms`)
  }
})

test('values that OTLP cannot carry are left out, and gaps of arrays stay gaps', () => {
  const hostile = {
    fn: () => 1,
    object: { a: 1 },
    nothing: null,
    symbol: Symbol('s'),
    bigint: 1n,
    date: new Date(0),
    mixed: ['a', null, undefined, 1, {}, ['nested'], Symbol('s'), 2n, () => 1],
    // biome-ignore lint/suspicious/noSparseArray: the hole is the case
    holes: [1, , 3],
    kept: 'yes',
  } as unknown as Attributes
  assert.deepEqual(roundTrip(span({ attributes: hostile })).attributes, [
    {
      key: 'mixed',
      value: { arrayValue: { values: [{ stringValue: 'a' }, {}, {}, { intValue: '1' }, {}, {}, {}, {}, {}] } },
    },
    { key: 'holes', value: { arrayValue: { values: [{ intValue: '1' }, {}, { intValue: '3' }] } } },
    { key: 'kept', value: { stringValue: 'yes' } },
  ])
})

test('what is enumerable on the prototype of every object is no attribute', () => {
  const polluted = Object.prototype as Record<string, unknown>
  polluted.leaked = 'oops'
  try {
    assert.deepEqual(roundTrip(span({ attributes: { k: 1 } })).attributes, [{ key: 'k', value: { intValue: '1' } }])
  } finally {
    delete polluted.leaked
  }
})

test('ids that are not hexadecimal or not of their length are left out', () => {
  const bad = ['', 'xyz', 'g'.repeat(32), 'é'.repeat(32), '\u0130'.repeat(32), '1'.repeat(31), '1'.repeat(33)]
  for (const traceId of bad) {
    const { links } = roundTrip(span({ links: [{ ...LINK, traceId }] }))
    assert.deepEqual(links, [{ spanId: LINK.spanId, flags: 0x101 }], JSON.stringify(traceId))
  }
  const rope = ['0af7', '6519', '16cd', '43dd', '8448', 'eb21', '1c80', '319c'].reduce((sum, part) => sum + part)
  assert.equal(roundTrip(span({ traceId: rope })).traceId, '0af7651916cd43dd8448eb211c80319c')
  assert.equal(roundTrip(span({ traceId: rope.toUpperCase() })).traceId, rope)
})

test('attributes over the count are dropped and counted; undefined ones do not count', () => {
  const attributes: Attributes = { a: 1, gone: undefined, b: 2, c: 3, '': 4, d: 5 }
  const decoded = roundTrip(span({ attributes, droppedAttributes: 10 }), { ...NO_LIMITS, attributeCount: 2 })
  assert.deepEqual(
    decoded.attributes?.map(({ key }) => key),
    ['a', 'b'],
  )
  assert.equal(decoded.droppedAttributesCount, 12)
  assert.equal(roundTrip(span({ attributes }), { ...NO_LIMITS, attributeCount: 0 }).attributes, undefined)
  assert.equal(roundTrip(span({ attributes }), { ...NO_LIMITS, attributeCount: 4 }).droppedAttributesCount, undefined)
})

test('strings over the length are cut in spans, events and links, never inside a surrogate pair, and never in the resource', () => {
  const text = 'ab\u{1f600}cd'
  const attributes: Attributes = { text, list: [text, 'ab'], short: 'abc', n: 123_456 }
  for (const [attributeValueLength, kept] of [
    [0, ''],
    [2, 'ab'],
    [3, 'ab'],
    [4, 'ab\u{1f600}'],
    [6, text],
  ] as const) {
    const encoder = createProtoEncoder({ text }, { attributeCount: 9, attributeValueLength })
    const ended = span({ name: text, attributes, events: [{ ...EVENT, attributes }], links: [{ ...LINK, attributes }] })
    encoder.append(ended)
    const model = take(encoder)
    const decoded = spansOf(model)[0]
    const expected = [
      { key: 'text', value: { stringValue: kept } },
      {
        key: 'list',
        value: {
          arrayValue: { values: [{ stringValue: kept }, { stringValue: 'ab'.slice(0, attributeValueLength) }] },
        },
      },
      { key: 'short', value: { stringValue: 'abc'.slice(0, attributeValueLength) } },
      { key: 'n', value: { intValue: '123456' } },
    ]
    assert.deepEqual(decoded?.attributes, expected)
    assert.deepEqual(decoded?.events?.[0]?.attributes, expected)
    assert.deepEqual(decoded?.links?.[0]?.attributes, expected)
    assert.equal(decoded?.name, text)
    assert.deepEqual(model.resourceSpans?.[0]?.resource?.attributes, [{ key: 'text', value: { stringValue: text } }])
  }
})

test('spans are grouped by the content of their scope', () => {
  const encoder = createProtoEncoder({ 'service.name': 'shop' }, NO_LIMITS)
  const schemaUrl = 'https://opentelemetry.io/schemas/1.40.0'
  const scopes: Scope[] = [
    { name: 'a' },
    { name: 'a', version: undefined },
    { name: 'a', version: '1' },
    { name: 'a', version: '1', schemaUrl },
    { name: 'a' },
    { name: '日本', version: '1' },
    { name: 'a\n1' },
    { name: '' },
  ]
  for (const [index, scope] of scopes.entries()) encoder.append(span({ scope, name: `s${index}` }))
  const model = take(encoder)
  assert.deepEqual(
    scopesOf(model).map(({ scope, schemaUrl, spans }) => [scope, schemaUrl, spans?.map(({ name }) => name)]),
    [
      [{ name: 'a' }, undefined, ['s0', 's1', 's4']],
      [{ name: 'a', version: '1' }, undefined, ['s2']],
      [{ name: 'a', version: '1' }, schemaUrl, ['s3']],
      [{ name: '日本', version: '1' }, undefined, ['s5']],
      [{ name: 'a\n1' }, undefined, ['s6']],
      [{}, undefined, ['s7']],
    ],
  )
})

test('the schema of the resource is told, and a resource that is known better later takes the place of the first', () => {
  const encoder = createProtoEncoder({ 'service.name': 'shop' }, NO_LIMITS, 'https://opentelemetry.io/schemas/1.44.0')
  const batch = (name: string): Uint8Array => {
    encoder.append(endedSpan({ name }))
    return (encoder.take() as { body: Uint8Array }).body
  }
  const [early, other] = [batch('early'), encodedElsewhere()]
  const better = { 'service.name': 'shop', 'host.id': 'i-1', long: 'x'.repeat(200) }
  const describe = encoder.describe(better)
  const resources = (body: Uint8Array) =>
    (decode(body).resourceSpans ?? []).map(({ resource, schemaUrl }: any) => [
      resource.attributes.map(({ key }: any) => key),
      schemaUrl,
    ])
  const schemaUrl = 'https://opentelemetry.io/schemas/1.44.0'
  assert.deepEqual(resources(early), [[['service.name'], schemaUrl]])
  assert.deepEqual(resources(batch('late')), [[Object.keys(better), schemaUrl]])
  // What an earlier process has left in a spool is not ours.
  assert.deepEqual(resources(describe(encoder.join([early, other]))), [
    [Object.keys(better), schemaUrl],
    [['service.name', 'a'], undefined],
  ])
  const late = batch('late')
  assert.deepEqual(Buffer.from(describe(late)), Buffer.from(late))
})

/** Of a process whose resource begins like ours. */
function encodedElsewhere(): Uint8Array {
  const encoder = createProtoEncoder({ 'service.name': 'shop', a: 'b' }, NO_LIMITS)
  encoder.append(endedSpan({ name: 'other' }))
  return (encoder.take() as { body: Uint8Array }).body
}

test('each batch is complete, has memory of its own and is not touched again', () => {
  const encoder = createProtoEncoder({ 'service.name': 'shop' }, NO_LIMITS)
  assert.equal(encoder.take(), undefined)
  const bodies: Uint8Array[] = []
  const copies: Buffer[] = []
  let before = 0
  for (let round = 0; round < 5; round++) {
    for (let i = 0; i < 20; i++) {
      const scope = { name: `scope ${(round + i) % 3}` }
      encoder.append(span({ scope, name: `${round}/${i}`, attributes: { text: 'x'.repeat(i * 50) } }))
      assert.ok(encoder.bytes > before)
      before = encoder.bytes
    }
    assert.equal(encoder.spans, 20)
    const batch = encoder.take()
    assert.ok(batch !== undefined)
    assert.equal(batch.spans, 20)
    assert.ok(batch.body.length > before && batch.body.length < before + 200)
    assert.deepEqual([encoder.spans, encoder.bytes, encoder.take()], [0, 0, undefined])
    bodies.push(batch.body)
    copies.push(Buffer.from(batch.body))
    before = 0
  }
  bodies.forEach((body, round) => {
    assert.deepEqual(Buffer.from(body), copies[round])
    assert.equal(body.byteLength, body.buffer.byteLength)
    const model = decode(body)
    assert.deepEqual(model.resourceSpans?.[0]?.resource, {
      attributes: [{ key: 'service.name', value: { stringValue: 'shop' } }],
    })
    const names = spansOf(model).map(({ name }) => name)
    assert.deepEqual(names.sort(), Array.from({ length: 20 }, (_, i) => `${round}/${i}`).sort())
  })
})

test('a span that cannot be read is skipped, and the others are unharmed', () => {
  const encoder = createProtoEncoder({}, NO_LIMITS)
  encoder.append(span({ name: 'before' }))
  const bytes = encoder.bytes
  const hostile = Object.defineProperty({ a: 'x'.repeat(9000) } as Attributes, 'b', {
    enumerable: true,
    get() {
      throw new Error('hostile')
    },
  })
  assert.throws(() => encoder.append(span({ attributes: hostile })), /hostile/)
  assert.throws(() => encoder.append(span({ scope: { name: 'new' }, name: {} as string })))
  assert.deepEqual([encoder.spans, encoder.bytes], [1, bytes])
  encoder.append(span({ name: 'after' }))
  assert.deepEqual(
    spansOf(take(encoder)).map(({ name }) => name),
    ['before', 'after'],
  )
})

test('10,000 spans make one request', () => {
  const encoder = createProtoEncoder({}, NO_LIMITS)
  for (let i = 0; i < 10_000; i++) {
    encoder.append(span({ spanId: (i + 1).toString(16).padStart(16, '0'), name: `span ${i}`, attributes: { i } }))
  }
  const decoded = spansOf(take(encoder))
  assert.equal(decoded.length, 10_000)
  decoded.forEach(({ name, attributes }, i) => {
    assert.equal(name, `span ${i}`)
    assert.deepEqual(attributes, [{ key: 'i', value: { intValue: String(i) } }])
  })
})

test('more attribute keys than the cache holds, and long ones, come back', () => {
  const encoder = createProtoEncoder({}, { ...NO_LIMITS, attributeCount: 10_000 })
  const attributes: Attributes = {}
  for (let i = 0; i < 5000; i++) attributes[`key ${i}${i % 50 === 0 ? 'é'.repeat(i) : ''}`] = i
  encoder.append(span({ attributes }))
  assert.deepEqual(
    spansOf(take(encoder))[0]?.attributes?.map(({ key, value }) => [key, Number(value?.intValue)]),
    Object.entries(attributes),
  )
})

test('the OTLP and semantic-conventions checkers accept a request, and say what is wrong with another', async () => {
  const resource = {
    'service.name': 'shop',
    'service.instance.id': '1',
    'telemetry.sdk.name': 'x',
    'telemetry.sdk.language': 'nodejs',
    'telemetry.sdk.version': '1',
  }
  const now = Date.now()
  const good = span({ startMs: now, endMs: now + 1, attributes: { 'app.order': 1 } })
  const encode = (ended: EndedSpan): Uint8Array => {
    const encoder = createProtoEncoder(resource, NO_LIMITS)
    encoder.append(ended)
    return encoder.take()?.body as Uint8Array
  }
  const pleased = await createCheckers({ allow: ['app.'] })
  assert.equal(spansOf(pleased.request(encode(good)))[0]?.name, 'work')
  assert.deepEqual(pleased.finish(), [])

  const warned = await createCheckers()
  warned.request(encode(good))
  assert.match(warned.finish().join('\n'), /unknown-attribute x1: app\.order/)

  const angry = await createCheckers()
  angry.request(encode(span({ ...good, name: '', attributes: { 'http.method': 'GET' } })))
  assert.throws(() => angry.finish(), /span-name[\s\S]*deprecated-attribute x1: http\.method/)
})

/** A seeded generator (mulberry32), so that a failing run can be run again. */
function createRandom(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let t = Math.imul(state ^ (state >>> 15), 1 | state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296
  }
}

test('5,000 random spans come back', () => {
  const random = createRandom(20_240_817)
  const below = (limit: number): number => Math.floor(random() * limit)
  const pick = <T>(items: readonly T[]): T => items[below(items.length)] as T
  const maybe = <T>(make: () => T): T | undefined => (random() < 0.5 ? make() : undefined)
  const list = <T>(max: number, make: () => T): T[] => Array.from({ length: below(max + 1) }, make)
  const hex = (digits: number): string => Array.from({ length: digits }, () => pick([...'0123456789abcdef'])).join('')
  const unit = (): string => String.fromCharCode(pick([below(128), below(256), below(65_536), 0xd800 + below(2048)]))
  const ascii = (max: number): string => 'The quick brown fox. '.repeat(Math.ceil(max / 20)).slice(0, below(max))
  const text = (): string =>
    pick([
      () => ascii(20),
      () => ascii(200),
      () => ascii(20_000),
      () => list(20, unit).join(''),
      () => list(200, unit).join(''),
    ])()
  const number = (): number =>
    pick([
      () => below(1000),
      () => below(2 ** 53),
      () => -below(2 ** 53),
      () => random() * 1e6,
      () => 10 ** below(300),
      () => pick([NaN, Infinity, -Infinity, -0, 2 ** 53, 2 ** 32, -(2 ** 31)]),
    ])()
  const item = (): unknown => pick([text, number, () => random() < 0.5, () => null, () => undefined, () => ({})])()
  const value = (): unknown => pick([text, text, number, item, () => list(5, item), () => Symbol('s'), () => 1n])()
  const attributes = (): Attributes =>
    Object.fromEntries(list(12, () => [pick([text, () => `key.${below(50)}`])(), value()])) as Attributes
  const time = (): number => 1_600_000_000_000 + below(2 ** 39) + below(4096) / 4096
  const event = (): SpanEvent => ({
    name: text(),
    timeMs: time(),
    attributes: maybe(attributes),
    droppedAttributes: below(3),
  })
  const link = (): SpanLink => ({
    traceId: hex(32),
    spanId: hex(16),
    traceFlags: below(256),
    traceState: maybe(() => 'a=b'),
    isRemote: random() < 0.5,
    attributes: maybe(attributes),
    droppedAttributes: below(3),
  })
  const scopes: Scope[] = list(40, () => ({ name: wellFormed(text()), version: maybe(() => ascii(9)) }))
  const randomSpan = (): EndedSpan => ({
    traceId: hex(32),
    spanId: hex(16),
    parentSpanId: maybe(() => hex(16)),
    parentIsRemote: random() < 0.5,
    traceFlags: below(256),
    traceState: maybe(() => `k=${'v'.repeat(below(200))}`),
    scope: pick(scopes),
    kind: below(5) as SpanKind,
    name: text(),
    startMs: time(),
    endMs: time(),
    statusCode: below(3) as StatusCode,
    statusMessage: maybe(text),
    attributes: attributes(),
    droppedAttributes: below(200),
    events: maybe(() => list(3, event)),
    droppedEvents: below(200),
    links: maybe(() => list(3, link)),
    droppedLinks: below(200),
  })

  let left = 5000
  while (left > 0) {
    const limits = { attributeCount: pick([0, 3, 128]), attributeValueLength: pick([0, 1, 7, 100, Infinity]) }
    const encoder = createProtoEncoder({ 'service.name': text() }, limits)
    for (const size of list(3, () => below(200))) {
      const given = Array.from({ length: size }, randomSpan)
      for (const ended of given) encoder.append(ended)
      left -= size
      if (size === 0) continue
      const decoded = new Map(spansOf(take(encoder)).map(got => [got.spanId, got]))
      for (const ended of given) {
        const got = decoded.get(ended.spanId)
        assert.ok(got !== undefined)
        assert.deepEqual(keepDoubles(got), dropEmptyLists(expectedSpan(ended, limits)))
      }
    }
  }
})

/** A repeated field without elements cannot be told from one that is absent. */
const dropEmptyLists = (model: object): object =>
  Object.fromEntries(Object.entries(model).filter(([, value]) => !Array.isArray(value) || value.length > 0))
