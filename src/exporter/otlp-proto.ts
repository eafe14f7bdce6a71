/** Ended spans as OTLP protobuf, encoded as they end (opentelemetry-proto, trace/v1/trace.proto). */
import type { Attributes } from '../semconv.js'
import type { EndedSpan, Scope } from '../trace/span.js'
import { type SpanLimits, writeAttributes, writeSpan } from './otlp-span.js'
import {
  close,
  continueAt,
  createSink,
  encoded,
  FEW,
  fieldSize,
  MANY,
  open,
  type Sink,
  saveTo,
  writeBytes,
  writeHeader,
  writeText,
} from './proto-writer.js'
import { withResource } from './resource.js'

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
export function createProtoEncoder(resource: Attributes, limits: SpanLimits, schemaUrl?: string) {
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
      chunk = { head, tail, ...createSink(MIN_CHUNK_BYTES) }
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
      if (chunk.bytes.length > MAX_IDLE_BYTES) Object.assign(chunk, createSink(MIN_CHUNK_BYTES))
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
      const request = createSink(fieldSize(size))
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
