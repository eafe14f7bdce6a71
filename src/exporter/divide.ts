/** A request that is too large, in two: whole spans, each half with resource and scopes of its own. */
import { BYTES, readField, readFields, type Source } from './proto-reader.js'
import { encoded, writeBytes, writeHeader } from './proto-writer.js'
import type { Later, Send } from './send.js'

/** A span, with what stands around it in its ScopeSpans and ResourceSpans. */
interface Placed {
  readonly span: Uint8Array
  readonly scope: Uint8Array
  readonly resource: Uint8Array
}

// ResourceSpans in the request, ScopeSpans in those, Span in those.
const RESOURCE_SPANS = 1
const SCOPE_SPANS = 2
const SPANS = 2

/** The messages in field `number`, and the bytes of all other fields. */
function parted(bytes: Uint8Array, number: number): { children: Buffer[]; rest: Uint8Array } {
  const children: Buffer[] = []
  const others: Uint8Array[] = []
  let last: Source | undefined
  let from = 0
  const keep = (until: number): void => {
    if (until > from) others.push(bytes.subarray(from, until))
  }
  readFields(bytes, (field, wire, source) => {
    last = source
    if (field !== number || wire !== BYTES) return false
    // The tag of any of these is one byte.
    keep(source.at - 1)
    children.push(readField(source))
    from = source.at
    return true
  })
  if (last !== undefined) keep(last.at)
  return { children, rest: Buffer.concat(others) }
}

/** None in bytes that are no request. */
function placedSpans(body: Uint8Array): Placed[] {
  try {
    return spansOf(body)
  } catch {
    return []
  }
}

function spansOf(body: Uint8Array): Placed[] {
  return parted(body, RESOURCE_SPANS).children.flatMap(ofResource => {
    const { children, rest: resource } = parted(ofResource, SCOPE_SPANS)
    return children.flatMap(ofScope => {
      const { children: spans, rest: scope } = parted(ofScope, SPANS)
      return spans.map(span => ({ span, scope, resource }))
    })
  })
}

export const countSpans = (body: Uint8Array): number => placedSpans(body).length

function field(tag: number, parts: readonly Uint8Array[]): Uint8Array {
  const length = parts.reduce((sum, part) => sum + part.length, 0)
  return encoded(() => {
    writeHeader(tag, length)
    for (const part of parts) writeBytes(part)
  })
}

function requestOf(spans: readonly Placed[]): Uint8Array {
  const resources = grouped(spans, ({ resource }) => resource).map(ofResource => {
    const scopes = grouped(ofResource, ({ scope }) => scope).map(ofScope =>
      field(0x12, [...ofScope.map(({ span }) => field(0x12, [span])), (ofScope[0] as Placed).scope]),
    )
    return field(0x0a, [(ofResource[0] as Placed).resource, ...scopes])
  })
  return Buffer.concat(resources)
}

/** Neighbours with the same key together. */
function grouped(spans: readonly Placed[], keyOf: (span: Placed) => Uint8Array): Placed[][] {
  const groups: Placed[][] = []
  for (const span of spans) {
    const last = groups.at(-1)
    if (last !== undefined && keyOf(last[0] as Placed) === keyOf(span)) last.push(span)
    else groups.push([span])
  }
  return groups
}

/** Two requests of about half of the bytes each; undefined where there is only one span. */
export function divide(body: Uint8Array): [Uint8Array, Uint8Array] | undefined {
  const spans = placedSpans(body)
  if (spans.length < 2) return undefined
  const half = spans.reduce((sum, { span }) => sum + span.length, 0) / 2
  let at = 0
  for (let bytes = 0; at < spans.length - 1 && bytes < half; at++) bytes += (spans[at] as Placed).span.length
  return [requestOf(spans.slice(0, at)), requestOf(spans.slice(at))]
}

// A collector that calls even such a span too large means something else.
const SMALL_BYTES = 4 * 1024

/** A batch of which the collector has not taken all in time; without `left` it has taken nothing. */
export interface Unsent extends Later {
  readonly left?: { readonly body: Uint8Array; readonly spans: number }
}

export interface Division {
  /** Of what is given up as too large: one span, or more where it would be of no use to divide them. */
  onTooLarge(bytes: number): void
  /** Of a batch that is 'sent', or has something `left`, so many spans were not taken and never will be. */
  onRejected(spans: number): void
}

export type Deliver = (body: Uint8Array, onWritten?: () => void) => Promise<'sent' | 'refused' | Unsent>

/** Sends what is too large for the collector, or as large as something that was, in parts. */
export function dividing(send: Send, { onTooLarge, onRejected }: Division): Deliver {
  // What the collector did not take is not tried in this size again.
  let tooLarge = Number.POSITIVE_INFINITY

  return async (body, onWritten) => {
    const waiting = [body]
    let sent = 0
    let refused = 0
    let hopeless = false
    for (let part = waiting.pop(); part !== undefined; part = waiting.pop()) {
      const known = part.byteLength >= tooLarge ? divide(part) : undefined
      const isLast = waiting.length === 0
      const result = known === undefined ? await send(part, isLast ? onWritten : undefined) : 'too large'
      if (typeof result === 'object') {
        if (part === body) return result
        // Requests, one after another, are one request.
        const left = Buffer.concat([part, ...waiting.reverse()])
        if (refused > 0) onRejected(refused)
        return { ...result, left: { body: left, spans: countSpans(left) } }
      }
      const halves = result === 'too large' && !hopeless ? (known ?? divide(part)) : undefined
      if (halves !== undefined) {
        tooLarge = Math.min(tooLarge, part.byteLength)
        waiting.push(halves[1], halves[0])
      } else if (result === 'sent') sent++
      else {
        refused += countSpans(part)
        if (result === 'refused') continue
        onTooLarge(part.byteLength)
        if (part.byteLength >= SMALL_BYTES) continue
        hopeless = true
        tooLarge = Number.POSITIVE_INFINITY
      }
    }
    if (sent === 0) return 'refused'
    if (refused > 0) onRejected(refused)
    return 'sent'
  }
}
