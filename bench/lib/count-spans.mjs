/** How many spans a request body holds, in the protocols that the measured tracers export by. */

/** Spans of an OTLP ExportTraceServiceRequest: resource_spans = 1, scope_spans = 2, spans = 2. */
export const ofOtlp = body => countFields(body, [1, 2, 2])

/** How many fields lie at that path of field numbers in a protobuf message. */
function countFields(bytes, [wanted, ...deeper]) {
  let at = 0
  let count = 0
  function varint() {
    let value = 0
    for (let factor = 1; ; factor *= 128) {
      const byte = bytes[at++]
      if (byte === undefined) throw new Error('no protobuf: it ends within a number')
      value += (byte & 0x7f) * factor
      if (byte < 0x80) return value
    }
  }
  while (at < bytes.length) {
    const tag = varint()
    if ((tag & 7) === 0) varint()
    else if ((tag & 7) === 1) at += 8
    else if ((tag & 7) === 5) at += 4
    else {
      const length = varint()
      if (tag >>> 3 === wanted) count += deeper.length === 0 ? 1 : countFields(bytes.subarray(at, at + length), deeper)
      at += length
    }
  }
  return count
}

/** Transactions and spans of Elastic's newline-delimited intake. */
export const ofElastic = body =>
  body
    .toString('latin1')
    .split('\n')
    .filter(line => line.startsWith('{"transaction"') || line.startsWith('{"span"')).length

/** Spans of Datadog's v0.4: a MessagePack array of traces, each an array of spans. */
export function ofDatadog(body) {
  let at = 0
  const unsigned = bytes => {
    const value = body.readUIntBE(at, bytes)
    at += bytes
    return value
  }
  function skip(values) {
    for (let left = values; left > 0; left--) left += valuesInside(unsigned(1))
  }
  /** Moves over one value and returns how many follow inside it. */
  function valuesInside(type) {
    if (type <= 0x7f || type >= 0xe0 || (type >= 0xc0 && type <= 0xc3)) return 0
    if (type <= 0x8f) return 2 * (type & 0x0f)
    if (type <= 0x9f) return type & 0x0f
    if (type <= 0xbf) return over(type & 0x1f)
    if (type <= 0xc6) return over(unsigned(2 ** (type - 0xc4)))
    if (type <= 0xc9) return over(unsigned(2 ** (type - 0xc7)) + 1)
    if (type <= 0xcb) return over(type === 0xca ? 4 : 8)
    if (type <= 0xd3) return over(2 ** (type & 3))
    if (type <= 0xd8) return over(2 ** (type - 0xd4) + 1)
    if (type <= 0xdb) return over(unsigned(2 ** (type - 0xd9)))
    return (type <= 0xdd ? 1 : 2) * unsigned(type % 2 === 0 ? 2 : 4)
  }
  function over(bytes) {
    at += bytes
    return 0
  }
  const length = () => valuesInside(unsigned(1))
  let spans = 0
  for (let traces = length(); traces > 0; traces--) {
    const inTrace = length()
    spans += inTrace
    skip(inTrace)
  }
  return spans
}
