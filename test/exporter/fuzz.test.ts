/** Any span, in protobuf and in JSON: the strict decoders of the official schema read from both what the span has. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { divide } from '../../src/exporter/divide.js'
import { toJson } from '../../src/exporter/otlp-json.js'
import { createProtoEncoder } from '../../src/exporter/otlp-proto.js'
import type { EndedSpan, SpanEvent, SpanLink } from '../../src/trace/span.js'
import {
  type AnyValueModel,
  createDecoder,
  createJsonDecoder,
  type KeyValueModel,
  type RequestModel,
  type SpanModel,
} from '../helpers/checkers.js'

const RUNS = 150
const LIMITS = { attributeCount: Number.POSITIVE_INFINITY, attributeValueLength: Number.POSITIVE_INFINITY }

/** Any sequence of UTF-16 code units: lone surrogates, NUL and the empty text too. */
const text = (maxLength = 300): fc.Arbitrary<string> =>
  fc.oneof(
    fc.string({ unit: 'grapheme', maxLength }),
    fc.array(fc.integer({ min: 0, max: 0xffff }), { maxLength }).map(units => String.fromCharCode(...units)),
    fc.constantFrom(
      '',
      '\ud800',
      '\udfff\ud800',
      'a\u0000b',
      '__proto__',
      'x'.repeat(20_000),
      '\u{1f600}'.repeat(5000),
    ),
  )

const number = fc.oneof(
  fc.double(),
  fc.maxSafeInteger(),
  fc.integer(),
  fc.nat(200),
  fc.constantFrom(-0, 2 ** 31, 2 ** 31 - 1, -(2 ** 31), 2 ** 32, 2 ** 53, -(2 ** 53), 1e308, 5e-324, NaN, Infinity),
)
const scalar = fc.oneof(text(), number, fc.boolean())
/** What TypeScript forbids and JavaScript does. */
const foreign = fc.constantFrom(undefined, null, 10n, Symbol('s'), () => 1, {}, new Date(0), new Map())
const value: fc.Arbitrary<unknown> = fc.oneof(
  { weight: 6, arbitrary: scalar },
  { weight: 2, arbitrary: fc.array(fc.oneof(scalar, foreign), { maxLength: 20 }) },
  { weight: 1, arbitrary: foreign },
)
const attributes = fc.dictionary(text(60), value, { maxKeys: 30, noNullPrototype: true }) as fc.Arbitrary<
  EndedSpan['attributes']
>

const hex = (length: number) =>
  fc.uint8Array({ minLength: length, maxLength: length }).map(bytes => Buffer.from(bytes).toString('hex'))
const count = fc.oneof(fc.constant(0), fc.nat())
const time = fc.double({ min: 0, max: 4e12, noNaN: true })
const flags = fc.nat(255)
const optional = <T>(of: fc.Arbitrary<T>): fc.Arbitrary<T | undefined> => fc.option(of, { nil: undefined })

const event: fc.Arbitrary<SpanEvent> = fc.record({
  name: text(),
  timeMs: time,
  attributes: optional(attributes),
  droppedAttributes: count,
})
const link: fc.Arbitrary<SpanLink> = fc.record({
  traceId: hex(16),
  spanId: hex(8),
  traceFlags: flags,
  traceState: optional(text()),
  isRemote: fc.boolean(),
  attributes: optional(attributes),
  droppedAttributes: count,
})
const scope = fc.record({ name: text(30), version: optional(text(10)), schemaUrl: optional(text(30)) })
const span: fc.Arbitrary<EndedSpan> = fc.record({
  traceId: hex(16),
  spanId: hex(8),
  parentSpanId: optional(hex(8)),
  parentIsRemote: fc.boolean(),
  traceFlags: flags,
  traceState: optional(text()),
  scope,
  kind: fc.constantFrom(0, 1, 2, 3, 4),
  name: text(),
  startMs: time,
  endMs: time,
  statusCode: fc.constantFrom(0, 1, 2),
  statusMessage: optional(text()),
  attributes,
  droppedAttributes: count,
  events: optional(fc.array(event, { maxLength: 3 })),
  droppedEvents: count,
  links: optional(fc.array(link, { maxLength: 3 })),
  droppedLinks: count,
})

/** Without what protobuf does not write: the defaults of its types, and what was not there. */
const present = <T extends object>(model: T): T =>
  Object.fromEntries(
    Object.entries(model).filter(([, item]) => item !== undefined && item !== '' && item !== 0 && !isEmptyList(item)),
  ) as T
const isEmptyList = (item: unknown): boolean => Array.isArray(item) && item.length === 0

const wellFormed = (given: string): string => Buffer.from(given).toString()

function anyValue(given: unknown): AnyValueModel {
  if (typeof given === 'string') return { stringValue: wellFormed(given) }
  if (typeof given === 'boolean') return { boolValue: given }
  if (typeof given === 'number')
    return Number.isSafeInteger(given) && !Object.is(given, -0) ? { intValue: String(given) } : { doubleValue: given }
  if (!Array.isArray(given)) return {}
  return { arrayValue: present({ values: given.map(item => (Array.isArray(item) ? {} : anyValue(item))) }) }
}

const keyValues = (given: object = {}): KeyValueModel[] =>
  Object.entries(given)
    .filter(([key, item]) => key !== '' && (Array.isArray(item) || /string|number|boolean/.test(typeof item)))
    .map(([key, item]) => ({ key: wellFormed(key), value: anyValue(item) }))

/** To the last bit of the double. */
function nanoseconds(ms: number): string {
  const whole = Math.floor(ms)
  return String(BigInt(whole) * 1_000_000n + BigInt(Math.round((ms - whole) * 1e6)))
}

const flagsOf = (traceFlags: number, isRemote: boolean): number => traceFlags | (isRemote ? 0x300 : 0x100)

const modelOf = (given: EndedSpan): SpanModel => ({
  startTimeUnixNano: nanoseconds(given.startMs),
  endTimeUnixNano: nanoseconds(given.endMs),
  ...present({
    traceId: given.traceId,
    spanId: given.spanId,
    traceState: wellFormed(given.traceState ?? ''),
    parentSpanId: given.parentSpanId,
    flags: flagsOf(given.traceFlags, given.parentIsRemote),
    name: wellFormed(given.name),
    kind: given.kind + 1,
    attributes: keyValues(given.attributes),
    droppedAttributesCount: given.droppedAttributes,
    events: (given.events ?? []).map(({ name, timeMs, attributes: own, droppedAttributes }) => ({
      timeUnixNano: nanoseconds(timeMs),
      ...present({
        name: wellFormed(name),
        attributes: keyValues(own),
        droppedAttributesCount: droppedAttributes,
      }),
    })),
    droppedEventsCount: given.droppedEvents,
    links: (given.links ?? []).map(({ traceId, spanId, traceState, traceFlags, isRemote, ...rest }) =>
      present({
        traceId,
        spanId,
        traceState: wellFormed(traceState ?? ''),
        attributes: keyValues(rest.attributes),
        droppedAttributesCount: rest.droppedAttributes,
        flags: flagsOf(traceFlags, isRemote),
      }),
    ),
    droppedLinksCount: given.droppedLinks,
    status:
      given.statusCode === 0
        ? undefined
        : present({ message: wellFormed(given.statusMessage ?? ''), code: given.statusCode }),
  }),
})

const spansOf = (model: RequestModel): SpanModel[] =>
  (model.resourceSpans ?? []).flatMap(({ scopeSpans = [] }) => scopeSpans.flatMap(({ spans = [] }) => spans))

/** In the order of their ids, as the order of scopes is nobody's business. */
const sorted = (spans: readonly SpanModel[]): SpanModel[] =>
  [...spans].sort((a, b) => (a.traceId + a.spanId < b.traceId + b.spanId ? -1 : 1))

function encode(resource: EndedSpan['attributes'], spans: readonly EndedSpan[]): Uint8Array {
  const encoder = createProtoEncoder(resource, LIMITS)
  for (const each of spans) encoder.append(each)
  return (encoder.take() as { body: Uint8Array }).body
}

test('any span is read as it is, from protobuf and from JSON', async () => {
  const decode = await createDecoder()
  const decodeJson = await createJsonDecoder()
  fc.assert(
    fc.property(attributes, fc.array(span, { minLength: 1, maxLength: 4 }), (resource, spans) => {
      const body = encode(resource, spans)
      const model = decode(body)
      assert.deepEqual(sorted(spansOf(model)), sorted(spans.map(modelOf)))
      assert.deepEqual(model.resourceSpans?.[0]?.resource?.attributes ?? [], keyValues(resource))
      const line = toJson(body)
      assert.ok(!line.includes('\n') && line === wellFormed(line))
      assert.deepEqual(decodeJson(line), model)
    }),
    { numRuns: RUNS },
  )
})

test('any request that is divided, down to single spans, keeps its spans, their scopes and the resource', async () => {
  const decode = await createDecoder()
  const parts = (body: Uint8Array): Uint8Array[] => divide(body)?.flatMap(parts) ?? [body]
  const placed = (model: RequestModel): string[] =>
    (model.resourceSpans ?? []).flatMap(({ resource, scopeSpans = [] }) =>
      scopeSpans.flatMap(({ scope, schemaUrl, spans = [] }) =>
        spans.map(each => JSON.stringify([resource, scope, schemaUrl, each])),
      ),
    )
  fc.assert(
    fc.property(attributes, fc.array(span, { minLength: 1, maxLength: 8 }), (resource, spans) => {
      const body = encode(resource, spans)
      const divided = parts(body)
      assert.equal(divided.length, spans.length)
      assert.deepEqual(divided.flatMap(part => placed(decode(part))).sort(), placed(decode(body)).sort())
      // One after another they are one request again.
      assert.deepEqual(placed(decode(Buffer.concat(divided))).sort(), placed(decode(body)).sort())
    }),
    { numRuns: RUNS / 3 },
  )
})

test('what is no request is not divided, and harms nobody', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), bytes => {
      const halves = divide(bytes)
      assert.ok(halves === undefined || halves.length === 2)
    }),
    { numRuns: RUNS },
  )
})
