/** Encoded batches in memory that threads share: what a worker thread has not sent when it ends is there for its parent. */

/** One batch, of one or more bodies. */
export interface Letter {
  id: number
  spans: number
  bytes: number
}

// Int32: who writes to it, whether the parent has taken it over, and where the records begin and end, as running totals modulo 2^32.
const OWNER = 0
const CLAIMED = 1
const HEAD = 2
const TAIL = 3
const START = 16

// A record: bytes, spans and batch, or no batch once it is not needed any more; then the bytes, to a multiple of four.
const RECORD = 12
const GONE = 0

export type Box = SharedArrayBuffer

const RING_BYTES = 1 << 20

export const createBox = (): Box => new SharedArrayBuffer(START + RING_BYTES)

/** Makes it the box of a thread; false if it is another's, as where a thread that is not traced passes on its own. */
export const takeBox = (box: Box, threadId: number): boolean =>
  Atomics.compareExchange(new Int32Array(box, 0, 4), OWNER, 0, threadId) === 0

/** The thread that writes to it; 0 as long as there is none. */
export const ownerOf = (box: Box): number => Atomics.load(new Int32Array(box, 0, 4), OWNER)

/** The numbers and bytes of a box, by running totals. */
function ringOf(box: Box) {
  const state = new Int32Array(box, 0, 4)
  const bytes = new Uint8Array(box, START)
  const numbers = new Int32Array(box, START)
  const place = (total: number): number => total & (RING_BYTES - 1)
  const numberAt = (total: number): number => numbers[place(total) / 4] as number
  return {
    state,
    bytes,
    place,
    numberAt,
    setNumber(total: number, value: number): void {
      numbers[place(total) / 4] = value
    },
    nextOf: (total: number): number => (total + RECORD + ((numberAt(total) + 3) & ~3)) | 0,
  }
}

/** For the thread that the box belongs to: the files of pipeline/spooled.ts, in memory. */
export function createMailbox(box: Box) {
  const { state, bytes, place, numberAt, setNumber, nextOf } = ringOf(box)
  let letters = 0
  const head = (): number => state[HEAD] as number
  const tail = (): number => state[TAIL] as number

  /** The records that are there still, from the oldest on. */
  function* records(): Iterable<number> {
    for (let at = head(); at !== tail(); at = nextOf(at)) yield at
  }

  return {
    parent: true,
    /** True once the parent has taken over, as the process ends. */
    closed: (): boolean => Atomics.load(state, CLAIMED) !== 0,
    create: (): Letter => ({ id: ++letters, spans: 0, bytes: 0 }),
    // What has no room is not dropped: it waits in memory of the thread's own.
    hasRoom: (): boolean => true,

    append(letter: Letter, body: Uint8Array, spans: number): boolean {
      const start = tail()
      const size = RECORD + ((body.length + 3) & ~3)
      if (((start - head()) | 0) + size > RING_BYTES || Atomics.load(state, CLAIMED) !== 0) return false
      setNumber(start, body.length)
      setNumber(start + 4, spans)
      setNumber(start + 8, letter.id)
      const at = place(start + RECORD)
      const first = Math.min(body.length, RING_BYTES - at)
      bytes.set(body.subarray(0, first), at)
      bytes.set(body.subarray(first), 0)
      letter.spans += spans
      letter.bytes += size
      // Only now is it there: a thread may be terminated anywhere.
      Atomics.store(state, TAIL, (start + size) | 0)
      return true
    },

    read(letter: Letter) {
      const own = [...records()].filter(at => numberAt(at + 8) === letter.id)
      return { bodies: own.map(at => bodyAt(box, at)), spans: letter.spans }
    },

    touch: (): boolean => true,
    adopt: (): Letter[] => [],

    remove(letter: Letter): void {
      for (const at of records()) if (numberAt(at + 8) === letter.id) setNumber(at + 8, GONE)
      let at = head()
      while (at !== tail() && numberAt(at + 8) === GONE) at = nextOf(at)
      Atomics.store(state, HEAD, at)
    },
  }
}

function bodyAt(box: Box, record: number): Uint8Array {
  const { bytes, place, numberAt } = ringOf(box)
  const body = new Uint8Array(numberAt(record))
  const at = place(record + RECORD)
  const first = Math.min(body.length, RING_BYTES - at)
  body.set(bytes.subarray(at, at + first))
  body.set(bytes.subarray(0, body.length - first), first)
  return body
}

/** Takes all that is left in a box, whose thread has ended or will see that it is closed. */
export function emptyBox(box: Box): { body: Uint8Array; spans: number }[] {
  const { state, numberAt, nextOf } = ringOf(box)
  const found = []
  if (Atomics.exchange(state, CLAIMED, 1) !== 0) return []
  const end = Atomics.load(state, TAIL)
  for (let at = Atomics.load(state, HEAD); at !== end; at = nextOf(at)) {
    if (numberAt(at + 8) !== GONE) found.push({ body: bodyAt(box, at), spans: numberAt(at + 4) })
  }
  return found
}
