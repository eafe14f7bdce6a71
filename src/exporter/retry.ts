/** A transport round a transport: what may succeed later is sent again (specification/protocol/otlp, "Failures"). */
import type { Later, Send } from './send.js'

const FIRST_BACKOFF_MS = 1000
const MAX_BACKOFF_MS = 5000
const FACTOR = 1.5
const JITTER = 0.2
// Node fires a timer with a longer delay after 1 ms.
const MAX_TIMER_MS = 2 ** 31 - 1

export interface RetryingSend {
  send: Send
  /** From now on nothing waits: a batch that sleeps between two tries has its last one at once. */
  hurry(): void
}

/**
 * Tries until the batch is sent or refused for good, or until `timeoutMs` (0: for ever) from the first try are over.
 * Waits as long as the collector asked for, also with the next batch; else 1 to 5 seconds, growing, give or take a fifth.
 */
export function retrying(send: Send, timeoutMs: number): RetryingSend {
  let wake: (() => void) | undefined
  let hurried = false
  // Until when the collector asked to be left alone, and in which words.
  let throttled: { untilMs: number; result: Later } | undefined

  const sleep = (ms: number): Promise<void> =>
    new Promise(resolve => {
      wake = resolve
      setTimeout(resolve, Math.min(ms, MAX_TIMER_MS)).unref()
    })

  /** Sleeps for so long, but not beyond the deadline: false if that leaves no time to send. */
  async function waited(ms: number, deadline: number): Promise<boolean> {
    const leftMs = deadline - performance.now()
    if (ms > 0) await sleep(Math.min(ms, leftMs))
    return ms < leftMs || hurried
  }

  return {
    async send(body, onWritten) {
      const deadline = timeoutMs === 0 ? Number.POSITIVE_INFINITY : performance.now() + timeoutMs
      if (throttled !== undefined && !hurried) {
        const { untilMs, result } = throttled
        if (!(await waited(untilMs - performance.now(), deadline))) return result
      }
      throttled = undefined
      let backoffMs = FIRST_BACKOFF_MS
      for (;;) {
        const withinMs = timeoutMs === 0 ? 0 : Math.max(1, deadline - performance.now())
        const result = await send(body, onWritten, withinMs)
        if (typeof result === 'string' || hurried) return result
        const { retryAfterMs } = result
        if (retryAfterMs !== undefined) throttled = { untilMs: performance.now() + retryAfterMs, result }
        const waitMs = retryAfterMs ?? backoffMs * (1 + JITTER * (2 * Math.random() - 1))
        if (performance.now() + waitMs >= deadline) return result
        await sleep(waitMs)
        throttled = undefined
        backoffMs = Math.min(backoffMs * FACTOR, MAX_BACKOFF_MS)
      }
    },
    hurry() {
      hurried = true
      wake?.()
    },
  }
}
