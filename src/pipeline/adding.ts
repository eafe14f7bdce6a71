/** What queues of encoded spans have in common: how a span gets into them. */
import type { Health } from '../diagnostics/health.js'
import { log } from '../diagnostics/log.js'
import type { EndedSpan, Scope } from '../trace/span.js'
import type { Body, Encoder } from './batch.js'

/** How a queue hears of its spans, and what it says once, when one has no room and is dropped. */
export interface Adds {
  /** So many spans that have ended are encoded in one go. */
  readonly together: number
  readonly fullWords: string
  isFull(): boolean
  /** One waits to be encoded. */
  onWaiting(): void
  /** One is encoded. */
  onEncoded(): void
}

export function adding<B extends Body>(
  encoder: Pick<Encoder<B>, 'append' | 'appendEncoded'>,
  health: Health,
  { together, fullWords, isFull, onWaiting, onEncoded }: Adds,
) {
  let waiting: EndedSpan[] = []

  function hasRoom(): boolean {
    if (!isFull()) return true
    health.dropped.full++
    log.once('full', fullWords)
    return false
  }

  function encode(): void {
    const spans = waiting
    waiting = []
    for (const span of spans) {
      try {
        encoder.append(span)
      } catch {
        health.dropped.failed++
        continue
      }
      onEncoded()
    }
  }

  return {
    /** Those that are to be encoded yet. */
    get waiting() {
      return waiting.length
    },

    encode,

    add(span: EndedSpan): void {
      if (!hasRoom()) return
      if (waiting.push(span) >= together) encode()
      else onWaiting()
    },

    addEncoded(scope: Scope, span: Uint8Array): void {
      if (!hasRoom()) return
      encoder.appendEncoded?.(scope, span)
      onEncoded()
    },
  }
}
