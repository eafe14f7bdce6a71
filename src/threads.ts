/** In the main thread: takes over what the threads that it makes hand to it, and what they leave when they are ended. */
import type { Worker } from 'node:worker_threads'
import { ROOT, suppressed } from './context/context.js'
import { run } from './context/storage.js'
import type { Box } from './exporter/box.js'
import { createReader } from './exporter/mailbox.js'
import type { Scope } from './trace/span.js'

export interface Receiver {
  receive(scope: Scope, span: Uint8Array): void
  /** So many spans ended in a thread, and never came. */
  missing(spans: number): void
  flush(): Promise<unknown>
  /** How many spans were lost so far. */
  lost(): number
}

/** The kind of a record that says what a scope is; the others are spans of the scope with that number. */
export const SCOPE = -1

const READ_MS = 100
// By then a thread that is traced has begun to write.
const UNUSED_MS = 30_000

export interface Threads {
  /** Of a worker that was made, and the boxes that were offered until then. */
  watch(worker: Worker, boxes: Box[]): void
  /** Reads what there is. */
  collect(): void
  /** The process ends: counts what has not come, as it never will. */
  end(): void
}

export function createThreads({ receive, missing, flush, lost }: Receiver): Threads {
  const open = new Set<ReturnType<typeof follow>>()
  const workers = new Map<number, Worker>()
  let timer: NodeJS.Timeout | undefined

  function follow(box: Box) {
    const reader = createReader(box)
    const sinceMs = performance.now()
    const scopes: Scope[] = []
    let spans = 0
    let flushing = 0

    function read(): void {
      reader.read((kind, record) => {
        if (kind === SCOPE) scopes.push(JSON.parse(Buffer.from(record).toString()))
        else {
          spans++
          receive(scopes[kind] as Scope, record)
        }
      })
      const asked = reader.asked()
      if (asked === undefined || asked <= flushing) return
      flushing = asked
      flush().then(() => {
        reader.setLost(lost())
        reader.setFlushed(asked)
      })
    }

    return {
      read,
      /** True once nothing will come any more. */
      isOver(): boolean {
        const owner = reader.owner()
        if (owner === 0) return performance.now() - sinceMs > UNUSED_MS && reader.close()
        // A worker that has ended says so by this number.
        if (workers.get(owner)?.threadId !== -1) return false
        workers.delete(owner)
        return true
      },
      countMissing(): void {
        const left = reader.ended() - spans
        spans += left
        if (left > 0) missing(left)
      },
    }
  }

  function collect(): void {
    for (const each of open) {
      // In this order: what it has written before its end is there.
      const isOver = each.isOver()
      each.read()
      if (!isOver) continue
      each.countMissing()
      open.delete(each)
    }
    if (open.size > 0) return
    clearInterval(timer)
    timer = undefined
    workers.clear()
  }

  return {
    watch(worker, boxes) {
      for (const box of boxes) open.add(follow(box))
      workers.set(worker.threadId, worker)
      timer ??= run(suppressed(ROOT), setInterval, undefined, [collect, READ_MS]).unref()
    },
    collect,
    end() {
      for (const each of open) each.countMissing()
    },
  }
}
