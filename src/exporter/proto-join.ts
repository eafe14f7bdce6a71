/** Several requests as one (opentelemetry-proto, collector/trace/v1/trace_service.proto). */
import { encoded, writeBytes, writeHeader } from './proto-writer.js'

/** What is of the resource with these bytes is put together below it. */
export function joinRequests(bodies: readonly Uint8Array[], resource: Uint8Array): Uint8Array {
  if (bodies.length === 1) return bodies[0] as Uint8Array
  const scopes: Uint8Array[] = []
  for (const body of bodies) {
    const found = scopesOf(body, resource)
    // Of a repeated field in each of several messages protobuf makes one list (protobuf.dev, encoding, "Last One Wins").
    if (found === undefined) return Buffer.concat(bodies)
    scopes.push(found)
  }
  const size = scopes.reduce((sum, { length }) => sum + length, resource.length)
  return encoded(() => {
    writeHeader(0x0a, size)
    writeBytes(resource)
    for (const each of scopes) writeBytes(each)
  })
}

/** The ScopeSpans of a request of nothing but that resource. */
function scopesOf(body: Uint8Array, resource: Uint8Array): Uint8Array | undefined {
  let length = 0
  let at = 1
  for (let shift = 0; ; shift += 7) {
    const byte = body[at++] ?? 0
    length += (byte & 0x7f) * 2 ** shift
    if (byte < 128) break
  }
  const end = at + resource.length
  const same = at + length === body.length && Buffer.compare(body.subarray(at, end), resource) === 0
  return same ? body.subarray(end) : undefined
}
