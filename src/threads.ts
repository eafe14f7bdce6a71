/** In the main thread: takes over what the threads that it makes hand to it, and what they leave when they are ended. */
import type { Worker } from 'node:worker_threads'
import { ROOT, suppressed } from './context/context.js'
import { run } from './context/storage.js'
import type { Box } from './exporter/box.js'
import { createReader } from './exporter/mailbox.js'
import type { Scope } from './trace/span.js'

export interface Receiver {
  receive(scope: Scope, span: Uint8Array): void
  hasRoom(): boolean
  /** So many spans ended in a thread, and never came. */
  missing(spans: number): void
  flush(): Promise<unknown>
  /** How many spans were lost so far. */
  lost(): number
}

/** The kind of a record that says what a scope is; the others are spans of the scope with that number. */
export const SCOPE = -1

const READ_MS = 100
// While there is more than room for it.
const READ_ON_MS = 10
// By then a thread that is traced has begun to write.
const UNUSED_MS = 30_000

export interface Threads {
  /** Of a worker that was made, and the boxes that were offered until then. */
  watch(worker: Worker, boxes: Box[]): void
  /** Reads what there is, and room for; true if that was all. */
  collect(): boolean
  /** The process ends: counts what has not come, as it never will. */
  end(): void
}

export function createThreads({ receive, hasRoom, missing, flush, lost }: Receiver): Threads {
  const open = new Set<ReturnType<typeof follow>>()
  const workers = new Map<number, Worker>()
  let timer: NodeJS.Timeout | undefined

  function follow(box: Box) {
    const reader = createReader(box)
    const sinceMs = performance.now()
    const scopes: Scope[] = []
    let spans = 0
    let flushing = 0

    function take(kind: number, record: Uint8Array): void {
      if (kind === SCOPE) scopes.push(JSON.parse(Buffer.from(record).toString()))
      else {
        spans++
        receive(scopes[kind] as Scope, record)
      }
    }

    function read(): boolean {
      const asked = reader.asked()
      if (!reader.read(take, hasRoom)) return false
      if (asked !== undefined && asked > flushing) flushFor(asked)
      return true
    }

    function flushFor(asked: number): void {
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
        return workers.get(owner)?.threadId === -1
      },
      countMissing(): void {
        const left = reader.ended() - spans
        spans += left
        if (left > 0) missing(left)
      },
    }
  }

  function collect(): boolean {
    let all = true
    for (const each of open) {
      // In this order: what it has written before its end is there.
      const isOver = each.isOver()
      if (!each.read()) all = false
      else if (isOver) {
        each.countMissing()
        open.delete(each)
      }
    }
    return all
  }

  function schedule(ms: number): void {
    timer = run(suppressed(ROOT), setTimeout, undefined, [onTime, ms]).unref()
  }

  function onTime(): void {
    timer = undefined
    const all = collect()
    if (open.size > 0) schedule(all ? READ_MS : READ_ON_MS)
    else workers.clear()
  }

  return {
    watch(worker, boxes) {
      for (const box of boxes) open.add(follow(box))
      workers.set(worker.threadId, worker)
      if (timer === undefined) schedule(READ_MS)
    },
    collect,
    end() {
      for (const each of open) each.countMissing()
    },
  }
}
