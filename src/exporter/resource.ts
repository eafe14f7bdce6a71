/** A request that was encoded before all was known of its resource. */
import { readField, readFields } from './proto-reader.js'
import { encoded, writeHeader } from './proto-writer.js'

/** With the resource `after` wherever it had `before`, both as field 1 of ResourceSpans; others, as of earlier processes, stay. */
export function withResource(body: Uint8Array, before: Uint8Array, after: Uint8Array): Uint8Array {
  const parts: Uint8Array[] = []
  readFields(body, (_, __, from) => {
    const spans = readField(from)
    const isOurs = spans.subarray(0, before.length).equals(before)
    const [head, rest] = isOurs ? [after, spans.subarray(before.length)] : [new Uint8Array(), spans]
    parts.push(
      encoded(() => writeHeader(0x0a, head.length + rest.length)),
      head,
      rest,
    )
    return true
  })
  return Buffer.concat(parts)
}
