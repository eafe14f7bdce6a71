/** A request in protobuf as Zipkin's V2 JSON (specification/trace/sdk_exporters/zipkin.md, common/mapping-to-non-otlp.md). */
import { isIP } from 'node:net'
import { type AnyValue, type KeyValue, readRequest, type SpanModel } from './otlp-json.js'

type Tags = Record<string, string>

// OTLP's numbers; Zipkin has no word for what is internal.
const KINDS: Readonly<Record<number, string>> = { 2: 'SERVER', 3: 'CLIENT', 4: 'PRODUCER', 5: 'CONSUMER' }
const STATUS_ERROR = 2
const STATUSES: Readonly<Record<number, string>> = { 1: 'OK', [STATUS_ERROR]: 'ERROR' }

/** The attributes that name the other side, by their rank, some with the one that has its port. */
const PEERS: readonly (readonly [name: string, port?: string])[] = [
  ['peer.service'],
  ['server.address'],
  ['net.peer.name'],
  ['network.peer.address', 'network.peer.port'],
  ['server.socket.domain'],
  ['server.socket.address', 'server.socket.port'],
  ['net.sock.peer.name'],
  ['net.sock.peer.addr', 'net.sock.peer.port'],
  ['peer.hostname'],
  ['peer.address'],
  ['db.name'],
]

/** The spans of the request, in one line. */
export function toZipkin(body: Uint8Array): string {
  const spans = readRequest(body).flatMap(({ resource, scopeSpans = [] }) => {
    const { 'service.name': serviceName = 'unknown_service', ...shared } = tagsOf(resource?.attributes)
    return scopeSpans.flatMap(({ scope, spans = [] }) => {
      const { name, version } = scope ?? {}
      const ofScope = {
        ...shared,
        ...tagsOf(scope?.attributes),
        ...filled({
          'otel.scope.name': name,
          'otel.scope.version': version,
          'otel.library.name': name,
          'otel.library.version': version,
        }),
      }
      return spans.map(span => zipkinSpan(span, serviceName, ofScope))
    })
  })
  return JSON.stringify(spans)
}

function zipkinSpan(span: SpanModel, serviceName: string, ofScope: Tags): object {
  const kind = KINDS[span.kind ?? 0]
  const own = tagsOf(span.attributes)
  const tags = { ...ofScope, ...withoutError(own), ...statusOf(span), ...droppedOf(span) }
  const durationNs = BigInt(span.endTimeUnixNano ?? 0) - BigInt(span.startTimeUnixNano ?? 0)
  return {
    traceId: span.traceId,
    id: span.spanId,
    parentId: span.parentSpanId,
    name: span.name,
    kind,
    timestamp: micros(span.startTimeUnixNano),
    // One that is shorter than a microsecond is one (zipkin-api, zipkin2-api.yaml).
    duration: Math.max(1, Number(durationNs / 1000n)),
    localEndpoint: { serviceName },
    remoteEndpoint: kind === 'CLIENT' || kind === 'PRODUCER' ? endpointOf(own) : undefined,
    annotations: span.events?.map(event => ({
      timestamp: micros(event.timeUnixNano),
      value: annotationOf(event.name ?? '', event.attributes, event.droppedAttributesCount),
    })),
    tags: Object.keys(tags).length > 0 ? tags : undefined,
  }
}

const micros = (unixNano = '0'): number => Number(BigInt(unixNano) / 1000n)

/** Zipkin takes any span with the tag for a failed one, whatever it says. */
const withoutError = ({ error: _, ...tags }: Tags): Tags => tags

function statusOf({ status }: SpanModel): Tags {
  const code = STATUSES[status?.code ?? 0]
  if (code === undefined) return {}
  const failed = status?.code === STATUS_ERROR
  return filled({ 'otel.status_code': code, error: failed ? (status?.message ?? '') : undefined })
}

const DROPPED_ATTRIBUTES = 'otel.dropped_attributes_count'

const droppedOf = (span: SpanModel): Tags =>
  filled({
    [DROPPED_ATTRIBUTES]: counted(span.droppedAttributesCount),
    'otel.dropped_events_count': counted(span.droppedEventsCount),
    'otel.dropped_links_count': counted(span.droppedLinksCount),
  })

const counted = (count = 0): string | undefined => (count > 0 ? String(count) : undefined)

function endpointOf(tags: Tags): object | undefined {
  const [name = '', portName = ''] = PEERS.find(([name]) => tags[name]) ?? []
  const address = tags[name]
  if (address === undefined) return undefined
  const port = Number(tags[portName])
  const family = isIP(address)
  return {
    serviceName: address,
    ...(family === 0 ? undefined : { [family === 4 ? 'ipv4' : 'ipv6']: address }),
    ...(Number.isInteger(port) ? { port } : undefined),
  }
}

/** The name alone, or with the attributes in JSON: `"name": {"key": value}`. */
function annotationOf(name: string, attributes: readonly KeyValue[] = [], dropped = 0): string {
  const pairs = attributes.map(({ key, value }) => `${JSON.stringify(key)}:${jsonOf(value)}`)
  if (dropped > 0) pairs.push(`${JSON.stringify(DROPPED_ATTRIBUTES)}:${dropped}`)
  return pairs.length === 0 ? name : `${JSON.stringify(name)}:{${pairs.join()}}`
}

const tagsOf = (attributes: readonly KeyValue[] = []): Tags =>
  Object.fromEntries(attributes.map(({ key, value }) => [key, textOf(value)]))

const textOf = (value: AnyValue = {}): string =>
  value.stringValue ?? (value.arrayValue === undefined ? plain(value) : jsonOf(value))

const plain = ({ boolValue, intValue, doubleValue }: AnyValue): string =>
  String(boolValue ?? intValue ?? doubleValue ?? '')

function jsonOf(value: AnyValue = {}): string {
  const { stringValue, doubleValue, arrayValue } = value
  if (arrayValue !== undefined) return `[${(arrayValue.values ?? []).map(jsonOf).join()}]`
  // JSON has no number for what is text already.
  const text = stringValue ?? (typeof doubleValue === 'string' ? doubleValue : undefined)
  return text === undefined ? plain(value) || 'null' : JSON.stringify(text)
}

const filled = (tags: Record<string, string | undefined>): Tags =>
  Object.fromEntries(Object.entries(tags).filter(([, text]) => text !== undefined)) as Tags
