/** A span as OTLP protobuf (opentelemetry-proto, trace/v1/trace.proto). */
import type { Attributes } from '../semconv.js'
import type { Limits } from '../trace/limits.js'
import type { EndedSpan, SpanEvent, SpanLink } from '../trace/span.js'
import {
  close,
  continueAt,
  createSink,
  encoded,
  FEW,
  type Head,
  headOf,
  MANY,
  open,
  saveTo,
  TWO_32,
  writeBytes,
  writeDouble,
  writeFixed32,
  writeFixed64,
  writeHex,
  writeId,
  writeInt64,
  writeShort,
  writeShortUint,
  writeString,
  writeText,
  writeUint,
} from './proto-writer.js'

export type SpanLimits = Pick<Limits, 'attributeCount' | 'attributeValueLength'>

const FIRST_BYTES = 4096
const NOTHING = new Uint8Array()

/** The bytes of a span as the encoder of otlp-proto.ts takes them, valid until the next one. Throws if it cannot be read. */
export function createSpanEncoder({ attributeCount, attributeValueLength }: SpanLimits) {
  const sink = createSink(FIRST_BYTES)
  return (span: EndedSpan): Uint8Array => {
    sink.length = 0
    continueAt(sink)
    writeSpan(span, attributeCount, attributeValueLength)
    saveTo(sink)
    return sink.bytes.subarray(0, sink.length)
  }
}

/** Span as field 2 of ScopeSpans. */
export function writeSpan(span: EndedSpan, attributeCount: number, maxLength: number): void {
  const start = open(0x12, MANY)
  const { traceIdBytes, idBytes, parentIdBytes } = span
  if (traceIdBytes !== undefined) writeId(0x0a, traceIdBytes, span.traceIdAt as number, 16)
  else writeHex(0x0a, span.traceId, 32)
  if (idBytes !== undefined) writeId(0x12, idBytes, span.idAt as number, 8)
  else writeHex(0x12, span.spanId, 16)
  if (span.traceState !== undefined) writeText(0x1a, span.traceState)
  if (parentIdBytes !== undefined) writeId(0x22, parentIdBytes, span.parentIdAt as number, 8)
  else if (span.parentSpanId !== undefined) writeHex(0x22, span.parentSpanId, 16)
  writeText(0x2a, span.name)
  writeUint(0x30, span.kind + 1)
  writeTime(0x39, span.startMs)
  writeTime(0x41, span.endMs)
  const dropped = writeAttributes(0x4a, span.attributes, attributeCount, maxLength) + span.droppedAttributes
  if (dropped > 0) writeUint(0x50, dropped)
  if (span.events !== undefined) for (const event of span.events) writeEvent(event, maxLength)
  if (span.droppedEvents > 0) writeUint(0x60, span.droppedEvents)
  if (span.links !== undefined) for (const link of span.links) writeLink(link, maxLength)
  if (span.droppedLinks > 0) writeUint(0x70, span.droppedLinks)
  if (span.statusCode !== 0) writeStatus(span)
  writeFlags(0x85, span.traceFlags, span.parentIsRemote)
  close(start, MANY)
}

/** Span.Event as field 11 of Span. */
function writeEvent(event: SpanEvent, maxLength: number): void {
  const start = open(0x5a, MANY)
  writeTime(0x09, event.timeMs)
  writeText(0x12, event.name)
  if (event.attributes !== undefined) writeAttributes(0x1a, event.attributes, Infinity, maxLength)
  if (event.droppedAttributes > 0) writeUint(0x20, event.droppedAttributes)
  close(start, MANY)
}

/** Span.Link as field 13 of Span. */
function writeLink(link: SpanLink, maxLength: number): void {
  const start = open(0x6a, FEW)
  writeHex(0x0a, link.traceId, 32)
  writeHex(0x12, link.spanId, 16)
  if (link.traceState !== undefined) writeText(0x1a, link.traceState)
  if (link.attributes !== undefined) writeAttributes(0x22, link.attributes, Infinity, maxLength)
  if (link.droppedAttributes > 0) writeUint(0x28, link.droppedAttributes)
  writeFlags(0x35, link.traceFlags, link.isRemote)
  close(start, FEW)
}

/** Status { message = 2, code = 3 } as field 15 of Span. */
function writeStatus(span: EndedSpan): void {
  const start = open(0x7a, FEW)
  writeText(0x12, span.statusMessage)
  writeUint(0x18, span.statusCode)
  close(start, FEW)
}

/** fixed64 nanoseconds, exact to the last bit of the double. Times that it cannot hold become 0. */
function writeTime(tag: number, ms: number): void {
  const whole = Math.floor(ms)
  const valid = ms >= 0 && ms < MAX_MS
  // 2^32 ms x 10^6 and a fraction stay below 2^53.
  const high = valid ? Math.floor(whole / TWO_32) : 0
  const low = valid ? (whole - high * TWO_32) * 1e6 + Math.round((ms - whole) * 1e6) : 0
  writeFixed64(tag, high * 1e6 + Math.floor(low / TWO_32), low >>> 0)
}

const MAX_MS = 2 ** 64 / 1e6 - 1

/** The W3C flags, bit 8 for "whether it is remote is known" and bit 9 for "it is remote" (trace.proto, SpanFlags). */
const writeFlags = (tag: number, traceFlags: number, isRemote: boolean): void =>
  writeFixed32(tag, (traceFlags & 0xff) | (isRemote ? 0x300 : 0x100))

/** KeyValue each; returns how many were over `maxCount`. What OTLP cannot carry is left out and not counted. */
export function writeAttributes(
  tag: number,
  attributes: Readonly<Attributes>,
  maxCount: number,
  maxLength: number,
): number {
  let count = 0
  let last = FIRST
  // With ten attributes 100 ns a span less than Object.keys, 60 less than Object.hasOwn.
  for (const key in attributes) {
    const value = isOwn.call(attributes, key) ? attributes[key] : undefined
    if (value === undefined || key === '' || !isCarried(value)) continue
    last = last.next.text === key ? last.next : follow(last, key)
    if (count++ < maxCount) writeAttribute(tag, last, value, maxLength)
  }
  return count > maxCount ? count - maxCount : 0
}

const isOwn = Object.prototype.hasOwnProperty

const isCarried = (value: unknown): boolean => {
  const type = typeof value
  return type === 'string' || type === 'number' || type === 'boolean' || Array.isArray(value)
}

// What fits, with the rest of the attribute, into a length of one byte.
const SHORT_KEY = 120

/** A whole number from 0 to 2^31 - 1, as ports and status codes are. */
const isSmall = (value: unknown): value is number =>
  typeof value === 'number' && (value | 0) === value && (value > 0 || Object.is(value, 0))

function writeAttribute(tag: number, key: Key, value: unknown, maxLength: number): void {
  if (isSmall(value) && key.bytes.length < SHORT_KEY) {
    writeShortUint(tag, key.head, 0x12, 0x18, value)
    return
  }
  const text = typeof value === 'string' ? cut(value, maxLength) : undefined
  if (text !== undefined && writeShort(tag, key.head, 0x12, 0x0a, text)) return
  const expected = text === undefined ? FEW : key.bytes.length + text.length + 8
  const start = open(tag, expected)
  writeBytes(key.bytes)
  writeAnyValue(0x12, text ?? value, maxLength)
  close(start, expected)
}

/** AnyValue { string_value = 1, bool_value = 2, int_value = 3, double_value = 4, array_value = 5 }; empty for what it cannot carry. */
function writeAnyValue(tag: number, value: unknown, maxLength: number): void {
  if (typeof value === 'string') {
    const text = cut(value, maxLength)
    const start = open(tag, text.length + 4)
    writeString(0x0a, text)
    close(start, text.length + 4)
    return
  }
  const start = open(tag, FEW)
  if (typeof value === 'number') writeNumber(value)
  else if (typeof value === 'boolean') writeUint(0x10, value ? 1 : 0)
  else if (Array.isArray(value)) {
    const values = open(0x2a, FEW)
    for (let i = 0; i < value.length; i++)
      writeAnyValue(0x0a, Array.isArray(value[i]) ? undefined : value[i], maxLength)
    close(values, FEW)
  }
  close(start, FEW)
}

function writeNumber(value: number): void {
  if (Number.isSafeInteger(value) && !Object.is(value, -0)) writeInt64(0x18, value)
  else writeDouble(0x21, value)
}

/** The text without the half of a surrogate pair that the limit would leave. */
function cut(text: string, maxLength: number): string {
  if (text.length <= maxLength) return text
  const last = text.charCodeAt(maxLength - 1)
  const splits = last >= 0xd800 && last <= 0xdbff
  return text.slice(0, splits ? maxLength - 1 : maxLength)
}

interface Key {
  readonly text: string
  /** Field 1 of KeyValue. */
  readonly bytes: Uint8Array
  readonly head: Head
  /** The one that came after it last time: as most spans are alike it saves 4 to 6 ns of looking it up (Node 24). */
  next: Key
}

// Attribute keys repeat for the life of a process, but an application may make them up.
const keys = new Map<string, Key>()
const MAX_KEYS = 2048

/** Before all others; its text is nobody's. */
const FIRST = { text: '', bytes: NOTHING, head: headOf(NOTHING) } as Key
FIRST.next = FIRST

/** The key that comes after `last` this time. */
function follow(last: Key, text: string): Key {
  const key = keys.get(text) ?? newKey(text)
  last.next = key
  return key
}

// Apart, as every call of a function that has a closure allocates for it: 100 ns a span.
function newKey(text: string): Key {
  const bytes = encoded(() => writeString(0x0a, text))
  if (keys.size === MAX_KEYS) keys.clear()
  const key = { text, bytes, head: headOf(bytes), next: FIRST }
  keys.set(text, key)
  return key
}
