/** What queues of encoded spans have in common: how a span gets into them. */
import type { Health } from '../diagnostics/health.js'
import type { EndedSpan, Scope } from '../trace/span.js'
import type { Body, Encoder } from './batch.js'

/** `isFull`: a span has no room and is counted as dropped; `onAdded`: one waits. */
export function adding<B extends Body>(
  encoder: Pick<Encoder<B>, 'append' | 'appendEncoded'>,
  health: Health,
  isFull: () => boolean,
  onAdded: () => void,
) {
  return {
    add(span: EndedSpan): void {
      if (isFull()) {
        health.dropped.full++
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
        health.dropped.full++
        return
      }
      encoder.appendEncoded?.(scope, span)
      onAdded()
    },
  }
}
