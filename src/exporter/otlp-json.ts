/** A request in protobuf as OTLP JSON (opentelemetry-proto, docs/specification.md#json-protobuf-encoding). */
import { readBytes, readField, readFields, readInt64, readVarint, type Source } from './proto-reader.js'

/** Reads the value of a field. */
type Reader = (from: Source) => unknown

interface Field {
  readonly name: string
  readonly read: Reader
  readonly repeated?: boolean
}

/** The fields of a message by their numbers. */
type Message = Readonly<Record<number, Field>>

const text: Reader = from => readField(from).toString('utf8')
const hex: Reader = from => readField(from).toString('hex')
const int64: Reader = from => String(readInt64(from))
const fixed64: Reader = from => String(readBytes(from, 8).readBigUInt64LE())
const fixed32: Reader = from => readBytes(from, 4).readUInt32LE()
const bool: Reader = from => readVarint(from) !== 0
const uint: Reader = readVarint

/** As text where JSON has no such number. */
const double: Reader = from => {
  const value = readBytes(from, 8).readDoubleLE()
  if (Object.is(value, -0)) return '-0'
  return Number.isFinite(value) ? value : String(value)
}

const message =
  (fields: Message): Reader =>
  from => {
    const value: Record<string, unknown> = {}
    readFields(readField(from), (number, _, inner) => {
      const field = fields[number]
      if (field === undefined) return false
      const { name, read, repeated } = field
      if (repeated !== true) value[name] = read(inner)
      else {
        const list = (value[name] ??= []) as unknown[]
        list.push(read(inner))
      }
      return true
    })
    return value
  }

const one = (name: string, read: Reader): Field => ({ name, read })
const many = (name: string, read: Reader): Field => ({ name, read, repeated: true })

const anyValue: Reader = from => readAny(from)
const readAny = message({
  1: one('stringValue', text),
  2: one('boolValue', bool),
  3: one('intValue', int64),
  4: one('doubleValue', double),
  5: one('arrayValue', message({ 1: many('values', anyValue) })),
})
const attributes = many('attributes', message({ 1: one('key', text), 2: one('value', anyValue) }))

const event = message({
  1: one('timeUnixNano', fixed64),
  2: one('name', text),
  3: attributes,
  4: one('droppedAttributesCount', uint),
})
const link = message({
  1: one('traceId', hex),
  2: one('spanId', hex),
  3: one('traceState', text),
  4: attributes,
  5: one('droppedAttributesCount', uint),
  6: one('flags', fixed32),
})
const span = message({
  1: one('traceId', hex),
  2: one('spanId', hex),
  3: one('traceState', text),
  4: one('parentSpanId', hex),
  5: one('name', text),
  6: one('kind', uint),
  7: one('startTimeUnixNano', fixed64),
  8: one('endTimeUnixNano', fixed64),
  9: attributes,
  10: one('droppedAttributesCount', uint),
  11: many('events', event),
  12: one('droppedEventsCount', uint),
  13: many('links', link),
  14: one('droppedLinksCount', uint),
  15: one('status', message({ 2: one('message', text), 3: one('code', uint) })),
  16: one('flags', fixed32),
})
const scopeSpans = message({
  1: one('scope', message({ 1: one('name', text), 2: one('version', text), 3: attributes })),
  2: many('spans', span),
  3: one('schemaUrl', text),
})
const resourceSpans = message({
  1: one('resource', message({ 1: attributes })),
  2: many('scopeSpans', scopeSpans),
  3: one('schemaUrl', text),
})

/** What is not there was empty, zero or false. */
export interface ResourceSpansModel {
  readonly resource?: { readonly attributes?: readonly KeyValue[] }
  readonly scopeSpans?: readonly {
    readonly scope?: { readonly name?: string; readonly version?: string; readonly attributes?: readonly KeyValue[] }
    readonly spans?: readonly SpanModel[]
  }[]
}

/** Ids in hexadecimal, 64-bit numbers as decimal text. */
export interface SpanModel {
  readonly traceId?: string
  readonly spanId?: string
  readonly parentSpanId?: string
  readonly name?: string
  readonly kind?: number
  readonly startTimeUnixNano?: string
  readonly endTimeUnixNano?: string
  readonly attributes?: readonly KeyValue[]
  readonly droppedAttributesCount?: number
  readonly events?: readonly {
    readonly timeUnixNano?: string
    readonly name?: string
    readonly attributes?: readonly KeyValue[]
    readonly droppedAttributesCount?: number
  }[]
  readonly droppedEventsCount?: number
  readonly droppedLinksCount?: number
  readonly status?: { readonly code?: number; readonly message?: string }
}

export interface KeyValue {
  readonly key: string
  readonly value?: AnyValue
}

export interface AnyValue {
  readonly stringValue?: string
  readonly boolValue?: boolean
  readonly intValue?: string
  /** Text where JSON has no such number. */
  readonly doubleValue?: number | string
  readonly arrayValue?: { readonly values?: readonly AnyValue[] }
}

/** The request as JSON has it. */
export function readRequest(body: Uint8Array): ResourceSpansModel[] {
  const list: ResourceSpansModel[] = []
  readFields(body, (number, _, from) => {
    if (number !== 1) return false
    list.push(resourceSpans(from) as ResourceSpansModel)
    return true
  })
  return list
}

/** The same request, in one line. */
export const toJson = (body: Uint8Array): string => JSON.stringify({ resourceSpans: readRequest(body) })
