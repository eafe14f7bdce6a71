/** What queues of encoded spans have in common: how a span gets into them. */
import type { Health } from '../diagnostics/health.js'
import { log } from '../diagnostics/log.js'
import type { EndedSpan, Scope } from '../trace/span.js'
import type { Body, Encoder } from './batch.js'

/** `fullWords`: what is said once, when a span has no room and is dropped; `onAdded`: one waits. */
export function adding<B extends Body>(
  encoder: Pick<Encoder<B>, 'append' | 'appendEncoded'>,
  health: Health,
  isFull: () => boolean,
  fullWords: string,
  onAdded: () => void,
) {
  const drop = (): void => {
    health.dropped.full++
    log.once('full', fullWords)
  }
  return {
    add(span: EndedSpan): void {
      if (isFull()) {
        drop()
        return
      }
      try {
        encoder.append(span)
      } catch {
        health.dropped.failed++
        return
      }
      onAdded()
    },

    addEncoded(scope: Scope, span: Uint8Array): void {
      if (isFull()) {
        drop()
        return
      }
      encoder.appendEncoded?.(scope, span)
      onAdded()
    },
  }
}
