/** An ended span as the pipeline gets it. */
import { createProtoEncoder } from '../../src/exporter/otlp-proto.js'
import type { Attributes } from '../../src/semconv.js'
import type { EndedSpan } from '../../src/trace/span.js'

export const RESOURCE: Attributes = {
  'service.name': 'test',
  'service.instance.id': 'one',
  'telemetry.sdk.name': '@org/trace',
  'telemetry.sdk.language': 'nodejs',
  'telemetry.sdk.version': '0.0.0',
}

const scope = { name: 'test', version: '1.0.0' }
let spans = 0

/** A root span of its own trace, of 5 ms that end now. */
export function endedSpan(more: Partial<EndedSpan> = {}): EndedSpan {
  const id = (++spans).toString(16).padStart(16, '0')
  const endMs = Date.now()
  return {
    traceId: `${'f'.repeat(16)}${id}`,
    spanId: id,
    parentSpanId: undefined,
    parentIsRemote: false,
    traceFlags: 1,
    traceState: undefined,
    scope,
    kind: 0,
    name: `span ${spans}`,
    startMs: endMs - 5,
    endMs,
    statusCode: 0,
    statusMessage: undefined,
    attributes: {},
    droppedAttributes: 0,
    events: undefined,
    droppedEvents: 0,
    links: undefined,
    droppedLinks: 0,
    ...more,
  }
}

const LIMITS = { attributeCount: 128, attributeValueLength: Number.POSITIVE_INFINITY }

/** So many such spans, as one request in protobuf. */
export function requestOf(count: number): Uint8Array {
  const encoder = createProtoEncoder(RESOURCE, LIMITS)
  for (let i = 0; i < count; i++) encoder.append(endedSpan())
  return (encoder.take() as { body: Uint8Array }).body
}
