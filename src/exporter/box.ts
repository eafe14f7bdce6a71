/** The memory of a mailbox (mailbox.ts), apart from what writes and reads it. */

/** Who writes and how far it is, and the ring of records. */
export interface Box {
  readonly state: SharedArrayBuffer
  readonly ring: SharedArrayBuffer
}

export const STATE_WORDS = 8
/** The number of the thread that writes; 0 as long as there is none. */
export const OWNER = 0
/** A power of two. Pages that nobody has written to yet take no memory. */
export const RING_BYTES = 1 << 20

export const createBox = (): Box => ({
  state: new SharedArrayBuffer(STATE_WORDS * 4),
  ring: new SharedArrayBuffer(RING_BYTES),
})

/** Makes it the box of a thread; false if it is another's, or is not read any more. */
export const claimBox = ({ state }: Box, threadId: number): boolean =>
  Atomics.compareExchange(new Int32Array(state), OWNER, 0, threadId) === 0
