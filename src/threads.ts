/** What worker threads have not sent when they end, the thread that made them sends. */
import { threadId, type Worker } from 'node:worker_threads'
import { ROOT, suppressed } from './context/context.js'
import { run } from './context/storage.js'
import { type Box, createBox, emptyBox, ownerOf, takeBox } from './exporter/mailbox.js'

const SWEEP_MS = 250
// By then a thread that is traced has said so.
const UNUSED_MS = 10_000

/** Of the threads that this one makes. `receive` is given what is left. */
export function createThreads(receive: (body: Uint8Array, spans: number) => void) {
  const boxes = new Map<Box, number>()
  const workers = new Map<number, Worker>()
  let timer: NodeJS.Timeout | undefined

  /** Takes what the threads that have ended have left, or all of them if the process ends. */
  function collect(all: boolean): void {
    for (const [box, sinceMs] of boxes) {
      const owner = ownerOf(box)
      // A worker that has ended says so by this number.
      const ended = workers.get(owner)?.threadId === -1
      if (!all && !ended && (owner !== 0 || performance.now() - sinceMs < UNUSED_MS)) continue
      boxes.delete(box)
      workers.delete(owner)
      for (const { body, spans } of emptyBox(box)) receive(body, spans)
    }
    if (boxes.size > 0) return
    clearInterval(timer)
    timer = undefined
    workers.clear()
  }

  return {
    /** A box for a thread that is being made. */
    open(): Box {
      const box = createBox()
      boxes.set(box, performance.now())
      timer ??= run(suppressed(ROOT), setInterval, undefined, [() => collect(false), SWEEP_MS]).unref()
      return box
    },
    /** The process tells of a thread that this one has made. */
    made(worker: Worker): void {
      if (boxes.size > 0) workers.set(worker.threadId, worker)
    },
    collect,
  }
}

/** The box, if this thread is the first to take it: one that is not traced passes on its own to those that it makes. */
export const claimBox = (box: Box): Box | undefined => (takeBox(box, threadId) ? box : undefined)
