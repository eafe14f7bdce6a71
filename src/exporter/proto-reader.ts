/** A reader of protobuf: varints, and the fields of a message one after another (protobuf.dev, encoding). */

/** Bytes from `at` to `end`, of which reading moves `at`. */
export interface Source {
  readonly bytes: Buffer
  at: number
  readonly end: number
}

export const VARINT = 0
export const FIXED64 = 1
export const BYTES = 2
export const FIXED32 = 5

export const sourceOf = (bytes: Uint8Array): Source => ({
  bytes: Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength),
  at: 0,
  end: bytes.byteLength,
})

/** A varint of up to 32 bits, as tags and lengths are; of more, what they have beyond 2^53 is lost. */
export function readVarint(from: Source): number {
  let value = 0
  for (let factor = 1; ; factor *= 128) {
    const byte = byteOf(from)
    value += (byte & 0x7f) * factor
    if (byte < 0x80) return value
  }
}

/** An int64, negative ones in two's complement. */
export function readInt64(from: Source): bigint {
  let value = 0n
  for (let shift = 0n; ; shift += 7n) {
    const byte = byteOf(from)
    value |= BigInt(byte & 0x7f) << shift
    if (byte < 0x80) return BigInt.asIntN(64, value)
  }
}

function byteOf(from: Source): number {
  if (from.at >= from.end) throw new RangeError('the message ends within a number')
  return from.bytes[from.at++] as number
}

/** The next `length` bytes, in the same memory. */
export function readBytes(from: Source, length: number): Buffer {
  const start = from.at
  if (!(start + length <= from.end)) throw new RangeError('the message ends within a field')
  from.at += length
  return from.bytes.subarray(start, from.at)
}

/** A field of bytes, of text or of a nested message. */
export const readField = (from: Source): Buffer => readBytes(from, readVarint(from))

export function skip(from: Source, wire: number): void {
  if (wire === VARINT) readVarint(from)
  else if (wire === FIXED64) readBytes(from, 8)
  else if (wire === BYTES) readField(from)
  else if (wire === FIXED32) readBytes(from, 4)
  else throw new RangeError(`wire type ${wire}`)
}

/** Calls `take` with the number and the wire type of each field; what it does not read and says so by false is skipped. */
export function readFields(bytes: Uint8Array, take: (field: number, wire: number, from: Source) => boolean): void {
  const from = sourceOf(bytes)
  while (from.at < from.end) {
    const tag = readVarint(from)
    if (!take(Math.floor(tag / 8), tag % 8, from)) skip(from, tag % 8)
  }
}
