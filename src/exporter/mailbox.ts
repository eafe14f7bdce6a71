/** Memory that two threads share: one writes records, the other reads them, also after the first was ended within a record. */
import { type Box, OWNER, RING_BYTES, STATE_WORDS } from './box.js'

// Int32: beside the thread that writes, how many records it had, where they begin and end as running totals modulo 2^32, which
// request to flush was made last, which one the reader has done, and what was lost of all that it has.
const ENDED = 1
const HEAD = 2
const TAIL = 3
const ASKED = 4
const FLUSHED = 5
const LOST = 6

// A record: its length and its kind, then the bytes, to a multiple of four.
const RECORD = 8
const PAGE = RING_BYTES - 1
const CLOSED = -1

const padded = (length: number): number => (length + 3) & ~3

/** What is longer is not taken. */
export const MAX_RECORD_BYTES = RING_BYTES - RECORD

function viewsOf(box: Box) {
  const state = new Int32Array(box.state, 0, STATE_WORDS)
  return { state, bytes: new Uint8Array(box.ring), numbers: new Int32Array(box.ring) }
}

/** For the thread whose box it is. */
export function createWriter(box: Box) {
  const { state, bytes, numbers } = viewsOf(box)
  let tail = 0

  return {
    /** Counts a record that is to be written. */
    count(): void {
      Atomics.add(state, ENDED, 1)
    },

    /** False if there is no room: the reader has to read first. */
    write(kind: number, record: Uint8Array): boolean {
      const size = RECORD + padded(record.length)
      if (size > RING_BYTES - ((tail - Atomics.load(state, HEAD)) | 0)) return false
      numbers[(tail & PAGE) >> 2] = record.length
      numbers[((tail + 4) & PAGE) >> 2] = kind
      const at = (tail + RECORD) & PAGE
      const first = Math.min(record.length, RING_BYTES - at)
      if (first === record.length) bytes.set(record, at)
      else {
        bytes.set(record.subarray(0, first), at)
        bytes.set(record.subarray(first), 0)
      }
      tail = (tail + size) | 0
      // Only now it is there: a thread may be ended anywhere.
      Atomics.store(state, TAIL, tail)
      return true
    },

    /** Waits, at most so long, until the reader has read something. */
    waitForRoom(ms: number): void {
      Atomics.wait(state, HEAD, Atomics.load(state, HEAD), ms)
    },

    askToFlush: (): number => Atomics.add(state, ASKED, 1) + 1,
    hasFlushed: (request: number): boolean => Atomics.load(state, FLUSHED) >= request,
    lost: (): number => Atomics.load(state, LOST),
  }
}

/** For the thread that reads. */
export function createReader(box: Box) {
  const { state, bytes, numbers } = viewsOf(box)
  let head = 0

  return {
    /** 0 as long as nobody writes. */
    owner: (): number => Atomics.load(state, OWNER),
    /** Nobody is to write who has not begun yet; false if somebody has. */
    close: (): boolean => Atomics.compareExchange(state, OWNER, 0, CLOSED) === 0,
    /** How many records there were, with those that were never written. */
    ended: (): number => Atomics.load(state, ENDED),

    /** Reads as long as there is `hasRoom`; true if there was for all. */
    read(take: (kind: number, record: Uint8Array) => void, hasRoom: () => boolean): boolean {
      const tail = Atomics.load(state, TAIL)
      if (head === tail) return true
      while (head !== tail && hasRoom()) {
        const length = numbers[(head & PAGE) >> 2] as number
        const kind = numbers[((head + 4) & PAGE) >> 2] as number
        const at = (head + RECORD) & PAGE
        const record = new Uint8Array(length)
        const first = Math.min(length, RING_BYTES - at)
        record.set(bytes.subarray(at, at + first))
        record.set(bytes.subarray(0, length - first), first)
        head = (head + RECORD + padded(length)) | 0
        take(kind, record)
      }
      Atomics.store(state, HEAD, head)
      Atomics.notify(state, HEAD)
      return head === tail
    },

    /** The number of the last request to flush, if it has not been done. */
    asked(): number | undefined {
      const asked = Atomics.load(state, ASKED)
      return asked > Atomics.load(state, FLUSHED) ? asked : undefined
    },
    setFlushed(request: number): void {
      Atomics.store(state, FLUSHED, request)
    },
    setLost(spans: number): void {
      Atomics.store(state, LOST, spans)
    },
  }
}
