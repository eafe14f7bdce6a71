/** Trace and span ids: drawn as random bytes, and made into lower-case hexadecimal text only where somebody reads it. */
import type * as Crypto from 'node:crypto'
import { RANDOM } from '../context/span-identity.js'

export const TRACE_ID_BYTES = 16
export const SPAN_ID_BYTES = 8

// One page serves 340 root spans, at 19 to 25 ns each; with 4096 bytes it was 28 to 41 (Node 24). It is never written again, as
// spans refer to it; for new ids there is a new one.
const PAGE_BYTES = 8192
let end = PAGE_BYTES

/** Where the ids of the last `draw` lie. */
export let page: Buffer = Buffer.alloc(0)

/**
 * Draws random bytes from `page` and returns where they begin. Neither a trace id nor a span id may be all zero (W3C Trace
 * Context, sections 3.2.2.3 and 3.2.2.4): ids that begin with three zero bytes are drawn again.
 */
export function draw(bytes: number): number {
  if (drawOther !== undefined) {
    page = drawOther(bytes)
    return 0
  }
  if (end + bytes > PAGE_BYTES) {
    // Loaded with the first id: it was a tenth of what a start added (Node 24). A slow buffer, as a pooled one would keep 8 KiB of others.
    const { randomFillSync } = require('node:crypto') as typeof Crypto
    page = randomFillSync(Buffer.allocUnsafeSlow(PAGE_BYTES))
    end = 0
  }
  const at = end
  end += bytes
  return isZero(at) || isZero(end - SPAN_ID_BYTES) ? draw(bytes) : at
}

let drawOther: ((bytes: number) => Buffer) | undefined

/** The flags that say how the trace ids of this process are made (W3C Trace Context Level 2, section 3.2.2.5). */
export let idFlags: number = RANDOM

/** From now on ids are what `generate` returns, which nobody knows to be random. */
export function setIds(generate: (bytes: number) => Buffer): void {
  drawOther = generate
  idFlags = 0
}

const isZero = (at: number): boolean =>
  ((page[at] as number) | (page[at + 1] as number) | (page[at + 2] as number)) === 0

// 180 ns each with its first use, which most spans that have neither parent nor children are spared.
export const traceIdText = (bytes: Buffer, at: number): string => bytes.toString('hex', at, at + TRACE_ID_BYTES)
export const spanIdText = (bytes: Buffer, at: number): string => bytes.toString('hex', at, at + SPAN_ID_BYTES)
