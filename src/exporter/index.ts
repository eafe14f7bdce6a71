/** From configuration to a sender: retries around a transport that says when the collector goes and comes back. */
import { log } from '../diagnostics/log.js'
import { type Address, postAndWait } from './farewell.js'
import { createHttpSend, type Send } from './http.js'
import { type RetryingSend, retrying } from './retry.js'

export interface OtlpOptions extends Address {
  /** For one batch, retries included; 0 is no limit. */
  readonly timeoutMs: number
}

export interface OtlpExporter extends RetryingSend {
  /** For the last batches of a process: blocks, at most `timeoutMs`. Returns how many were taken, from the first on. */
  sendNow(bodies: readonly Uint8Array[], timeoutMs: number): number
}

export function createOtlpExporter(options: OtlpOptions): OtlpExporter {
  const { endpoint, timeoutMs } = options
  const onRefused = (reason: string): void =>
    log.once(`refused ${reason}`, 'the collector at %s refuses spans (%s): they are dropped', endpoint, reason)
  return {
    ...retrying(noticing(createHttpSend({ ...options, onRefused }), endpoint), timeoutMs),
    sendNow: (bodies, withinMs) => postAndWait(options, bodies, withinMs),
  }
}

/** Says once that the collector is down, and once more when it is back. */
function noticing(send: Send, endpoint: string): Send {
  let down = false
  return async (body, onWritten) => {
    const result = await send(body, onWritten)
    if (typeof result === 'object') {
      if (!down) log.warn('the collector at %s does not take spans (%s); trying again', endpoint, result.reason)
      down = true
    } else if (down) {
      log.warn('the collector at %s takes spans again', endpoint)
      down = false
    }
    return result
  }
}
