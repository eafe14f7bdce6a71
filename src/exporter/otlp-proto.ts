/** Ended spans as OTLP protobuf, encoded as they end (opentelemetry-proto, trace/v1/trace.proto). */
import type { Attributes } from '../semconv.js'
import type { Limits } from '../trace/limits.js'
import type { EndedSpan, Scope, SpanEvent, SpanLink } from '../trace/span.js'
import {
  close,
  continueAt,
  encoded,
  FEW,
  fieldSize,
  MANY,
  open,
  type Sink,
  saveTo,
  TWO_32,
  writeBytes,
  writeDouble,
  writeFixed32,
  writeFixed64,
  writeHeader,
  writeHex,
  writeId,
  writeInt64,
  writeShort,
  writeShortUint,
  writeString,
  writeText,
  writeUint,
} from './proto-writer.js'
import { withResource } from './resource.js'

type EncodedLimits = Pick<Limits, 'attributeCount' | 'attributeValueLength'>

/** The encoded spans of one scope, which itself is `head` and `tail`. */
interface Chunk extends Sink {
  readonly head: Uint8Array
  readonly tail: Uint8Array
}

const MIN_CHUNK_BYTES = 4096
const MAX_IDLE_BYTES = 1 << 20

/**
 * Keeps spans as the bytes that will be sent, not as objects: the encoder of pipeline/batch.ts, whose bodies are each a whole
 * ExportTraceServiceRequest in memory of its own.
 * Attributes beyond `attributeCount` of a span are dropped and counted, strings are cut to `attributeValueLength`
 * UTF-16 code units (specification/common/README.md#attribute-limits). The resource has no limits.
 */
export function createProtoEncoder(resource: Attributes, limits: EncodedLimits, schemaUrl?: string) {
  let resourceHead = encoded(() => writeResource(resource))
  const resourceTail = encoded(() => writeText(0x1a, schemaUrl))
  const byScope = new Map<Scope, Chunk>()
  const byContent = new Map<string, Chunk>()
  let spans = 0
  let bytes = 0

  function chunkOf(scope: Scope): Chunk {
    const content = JSON.stringify([scope.name, scope.version, scope.schemaUrl, scope.attributes])
    let chunk = byContent.get(content)
    if (chunk === undefined) {
      const head = encoded(() => writeScope(scope))
      const tail = encoded(() => writeText(0x1a, scope.schemaUrl))
      chunk = { head, tail, bytes: Buffer.allocUnsafeSlow(MIN_CHUNK_BYTES), length: 0 }
      byContent.set(content, chunk)
    }
    byScope.set(scope, chunk)
    return chunk
  }

  /** Keeps the buffers of the scopes that are in use, for the next batch. */
  function empty(): void {
    for (const [scope, chunk] of byScope) if (chunk.length === 0) byScope.delete(scope)
    for (const [content, chunk] of byContent) {
      if (chunk.length === 0) byContent.delete(content)
      if (chunk.bytes.length > MAX_IDLE_BYTES) chunk.bytes = Buffer.allocUnsafeSlow(MIN_CHUNK_BYTES)
      chunk.length = 0
    }
    spans = 0
    bytes = 0
  }

  return {
    append(span: EndedSpan): void {
      const chunk = byScope.get(span.scope) ?? chunkOf(span.scope)
      const { length } = chunk
      continueAt(chunk)
      writeSpan(span, limits.attributeCount, limits.attributeValueLength)
      saveTo(chunk)
      bytes += chunk.length - length
      spans++
    },

    /** A span that another thread has encoded. */
    appendEncoded(scope: Scope, span: Uint8Array): void {
      const chunk = byScope.get(scope) ?? chunkOf(scope)
      continueAt(chunk)
      writeBytes(span)
      saveTo(chunk)
      bytes += span.length
      spans++
    },

    take() {
      if (spans === 0) return undefined
      const chunks = [...byContent.values()].filter(chunk => chunk.length > 0)
      const sizes = chunks.map(({ head, length, tail }) => head.length + length + tail.length)
      const size = sizes.reduce((sum, part) => sum + fieldSize(part), resourceHead.length + resourceTail.length)
      const request: Sink = { bytes: Buffer.allocUnsafeSlow(fieldSize(size)), length: 0 }
      continueAt(request)
      writeHeader(0x0a, size)
      writeBytes(resourceHead)
      chunks.forEach(({ head, bytes, length, tail }, index) => {
        writeHeader(0x12, sizes[index] as number)
        writeBytes(head)
        writeBytes(bytes.subarray(0, length))
        writeBytes(tail)
      })
      writeBytes(resourceTail)
      saveTo(request)
      const batch = { body: request.bytes, spans }
      empty()
      return batch
    },

    /** From now on this is the resource. Returns what gives it to bodies that were taken before. */
    describe(better: Attributes): (body: Uint8Array) => Uint8Array {
      const before = resourceHead
      resourceHead = encoded(() => writeResource(better))
      return body => withResource(body, before, resourceHead)
    },

    // Of the repeated field in each of them, protobuf makes one list (protobuf.dev, encoding, "Last One Wins").
    join: (bodies: readonly Uint8Array[]): Uint8Array =>
      bodies.length === 1 ? (bodies[0] as Uint8Array) : Buffer.concat(bodies),

    get spans() {
      return spans
    },
    get bytes() {
      return bytes
    },
  }
}

/** The bytes of a span as `appendEncoded` takes them, valid until the next one. Throws as `append` does. */
export function createSpanEncoder({ attributeCount, attributeValueLength }: EncodedLimits) {
  const sink: Sink = { bytes: Buffer.allocUnsafeSlow(MIN_CHUNK_BYTES), length: 0 }
  return (span: EndedSpan): Uint8Array => {
    sink.length = 0
    continueAt(sink)
    writeSpan(span, attributeCount, attributeValueLength)
    saveTo(sink)
    return sink.bytes.subarray(0, sink.length)
  }
}

/** Resource { attributes = 1 } as field 1 of ResourceSpans. */
function writeResource(attributes: Attributes): void {
  const start = open(0x0a, MANY)
  writeAttributes(0x0a, attributes, Infinity, Infinity)
  close(start, MANY)
}

/** InstrumentationScope { name = 1, version = 2, attributes = 3 } as field 1 of ScopeSpans. */
function writeScope(scope: Scope): void {
  const start = open(0x0a, FEW)
  writeText(0x0a, scope.name)
  writeText(0x12, scope.version)
  if (scope.attributes !== undefined) writeAttributes(0x1a, scope.attributes, Infinity, Infinity)
  close(start, FEW)
}

/** Span as field 2 of ScopeSpans. */
function writeSpan(span: EndedSpan, attributeCount: number, maxLength: number): void {
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
function writeAttributes(tag: number, attributes: Readonly<Attributes>, maxCount: number, maxLength: number): number {
  let count = 0
  // With ten attributes 100 ns a span less than Object.keys, 60 less than Object.hasOwn.
  for (const key in attributes) {
    const value = isOwn.call(attributes, key) ? attributes[key] : undefined
    if (value === undefined || key === '' || !isCarried(value)) continue
    if (count++ < maxCount) writeAttribute(tag, keyBytes(key), value, maxLength)
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

function writeAttribute(tag: number, key: Uint8Array, value: unknown, maxLength: number): void {
  if (isSmall(value) && key.length < SHORT_KEY) {
    writeShortUint(tag, key, 0x12, 0x18, value)
    return
  }
  const text = typeof value === 'string' ? cut(value, maxLength) : undefined
  if (text !== undefined && writeShort(tag, key, 0x12, 0x0a, text)) return
  const expected = text === undefined ? FEW : key.length + text.length + 8
  const start = open(tag, expected)
  writeBytes(key)
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

// Attribute keys repeat for the life of a process, but an application may make them up.
const keys = new Map<string, Uint8Array>()
const MAX_KEYS = 2048

/** The key as field 1 of KeyValue. */
const keyBytes = (key: string): Uint8Array => keys.get(key) ?? newKey(key)

// Apart, as every call of a function that has a closure allocates for it: 100 ns a span.
function newKey(key: string): Uint8Array {
  const bytes = encoded(() => writeString(0x0a, key))
  if (keys.size === MAX_KEYS) keys.clear()
  keys.set(key, bytes)
  return bytes
}
