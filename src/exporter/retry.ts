/** A transport round a transport: what may succeed later is sent again (specification/protocol/otlp, "Failures"). */
import type { Send } from './http.js'

const FIRST_BACKOFF_MS = 1000
const MAX_BACKOFF_MS = 5000
const FACTOR = 1.5
const JITTER = 0.2

export interface RetryingSend {
  send: Send
  /** From now on nothing waits: a batch that sleeps between two tries has its last one at once. */
  hurry(): void
}

/**
 * Tries until the batch is sent or refused for good, or until `timeoutMs` (0: for ever) from the first try are over.
 * Waits as long as the collector asked for, else 1 to 5 seconds, growing, give or take a fifth.
 */
export function retrying(send: Send, timeoutMs: number): RetryingSend {
  let wake: (() => void) | undefined
  let hurried = false

  const sleep = (ms: number): Promise<void> =>
    new Promise(resolve => {
      wake = resolve
      setTimeout(resolve, ms).unref()
    })

  return {
    async send(body, onWritten) {
      const deadline = timeoutMs === 0 ? Number.POSITIVE_INFINITY : performance.now() + timeoutMs
      let backoffMs = FIRST_BACKOFF_MS
      for (;;) {
        const result = await send(body, onWritten)
        if (typeof result === 'string' || hurried) return result
        const waitMs = result.retryAfterMs ?? backoffMs * (1 + JITTER * (2 * Math.random() - 1))
        if (performance.now() + waitMs >= deadline) return result
        await sleep(waitMs)
        backoffMs = Math.min(backoffMs * FACTOR, MAX_BACKOFF_MS)
      }
    },
    hurry() {
      hurried = true
      wake?.()
    },
  }
}
