/** In a worker thread: ended spans are written into memory that the main thread reads, which delivers them with its own. */
import type { Health } from './diagnostics/health.js'
import { log } from './diagnostics/log.js'
import type { Box } from './exporter/box.js'
import { createWriter, MAX_RECORD_BYTES } from './exporter/mailbox.js'
import { createSpanEncoder } from './exporter/otlp-span.js'
import type { SpanSink } from './otlp.js'
import { SCOPE } from './threads.js'
import type { Limits } from './trace/limits.js'
import type { Scope } from './trace/span.js'

interface Record {
  readonly kind: number
  readonly bytes: Uint8Array
}

export interface Mailing extends SpanSink {
  /** How many spans the main thread had lost when it last flushed. */
  lost(): number
}

const POLL_MS = 20
const MAX_WAITING_BYTES = 32 * 1024 * 1024

/** What has no room, as the main thread is busy, waits here, up to `maxQueueSize`. `onHandedOver`: the span is counted there. */
export function createMailing(
  box: Box,
  limits: Limits,
  maxQueueSize: number,
  { dropped }: Health,
  onHandedOver: () => void,
): Mailing {
  const writer = createWriter(box)
  const encode = createSpanEncoder(limits)
  const numbers = new Map<Scope, number>()
  let waiting: Record[] = []
  let waitingBytes = 0
  let timer: NodeJS.Timeout | undefined

  function put(kind: number, bytes: Uint8Array): void {
    if (waiting.length === 0 && writer.write(kind, bytes)) return
    if (bytes.length > MAX_RECORD_BYTES) {
      dropped.failed++
      log.once('too large', 'a span of %d bytes is too large for a worker thread: it is dropped', bytes.length)
      return
    }
    if (kind !== SCOPE && (waiting.length >= maxQueueSize || waitingBytes >= MAX_WAITING_BYTES)) {
      dropped.full++
      log.once('full', 'the main thread takes no spans, and the queue is full: those that end now are dropped')
      return
    }
    waiting.push({ kind, bytes: Uint8Array.from(bytes) })
    waitingBytes += bytes.length
    timer ??= setInterval(writeWaiting, POLL_MS).unref()
  }

  function writeWaiting(): void {
    const at = waiting.findIndex(({ kind, bytes }) => !writer.write(kind, bytes))
    waiting = at < 0 ? [] : waiting.slice(at)
    waitingBytes = waiting.reduce((sum, { bytes }) => sum + bytes.length, 0)
    if (waiting.length > 0) return
    clearInterval(timer)
    timer = undefined
  }

  function numberOf(scope: Scope): number {
    const number = numbers.size
    numbers.set(scope, number)
    put(SCOPE, Buffer.from(JSON.stringify(scope)))
    return number
  }

  const until = async (done: () => boolean): Promise<void> => {
    // Only who waits for it keeps the thread alive.
    while (!done()) await new Promise<void>(resolve => setTimeout(resolve, POLL_MS).unref())
  }
  const isWritten = (): boolean => {
    writeWaiting()
    return waiting.length === 0
  }

  return {
    add(span) {
      writer.count()
      onHandedOver()
      try {
        const bytes = encode(span)
        put(numbers.get(span.scope) ?? numberOf(span.scope), bytes)
      } catch {
        // The main thread counts it too, as all that never comes.
        dropped.failed++
      }
    },
    pending: () => waiting.length > 0,
    async flush() {
      await until(isWritten)
      const request = writer.askToFlush()
      await until(() => writer.hasFlushed(request))
    },
    deliver: () => until(isWritten),
    deliverNow(timeoutMs) {
      const giveUp = performance.now() + timeoutMs
      while (!isWritten() && performance.now() < giveUp) writer.waitForRoom(giveUp - performance.now())
    },
    state: () => ({ size: waiting.length, inFlight: 0 }),
    lastWords() {},
    lost: writer.lost,
  }
}
