/** From configuration to where spans go: retries around a transport that says when the collector goes and comes back. */
import { log } from '../diagnostics/log.js'
import { countSpans, type Deliver, dividing } from './divide.js'
import { postAndWait } from './farewell.js'
import type * as File from './file.js'
import { retrying } from './retry.js'
import type { Send, TransportOptions } from './send.js'
import { createTransport } from './transport.js'

export interface OtlpOptions extends TransportOptions {
  /** For one batch, retries included; 0 is no limit. */
  readonly timeoutMs: number
  /** Of a batch that is told to be sent, so many spans were not taken. */
  onRejected(spans: number): void
}

export interface OtlpExporter {
  /** Never rejects; `onWritten` is called when the operating system has all of the body. */
  send: Deliver
  /** From now on nothing waits: a batch that sleeps between two tries has its last one at once. */
  hurry(): void
  /** For the last batches of a process: blocks, at most `timeoutMs`. Returns how many were taken, from the first on. */
  sendNow(bodies: readonly Uint8Array[], timeoutMs: number): number
}

export function createOtlpExporter({ timeoutMs, onRejected, ...options }: OtlpOptions): OtlpExporter {
  const where = `the collector at ${shown(options.endpoint)}`
  const transport = createTransport(options, {
    onRefused(reason, message) {
      const why = message === '' ? reason : `${reason}: ${message}`
      log.once(`refused ${reason}`, '%s refuses spans (%s): they are dropped', where, why)
    },
    onPartial(told, message, body) {
      const rejected = told === 0 ? 0 : Math.min(told, countSpans(body))
      if (rejected > 0) onRejected(rejected)
      if (rejected === 0) log.once('advice', '%s takes the spans and says: %s', where, message)
      else log.once('partial', '%s refuses %d spans of a batch: %s', where, rejected, message || 'it does not say why')
    },
  })
  const { send, hurry } = retrying(noticing(transport, where, 'trying again'), timeoutMs)
  return {
    send: dividing(send, {
      onTooLarge: bytes => log.once('too large', '%s refuses %d bytes as too large: they are dropped', where, bytes),
      onRejected,
    }),
    hurry,
    sendNow: (bodies, withinMs) => postAndWait(options, bodies, withinMs),
  }
}

/** To the file of that name, or to standard output: what cannot be written is not tried again. */
export function createFileExporter(file: string | undefined): OtlpExporter {
  const { createFileWrite, createStdoutWrite } = require('./file.js') as typeof File
  const write = file === undefined ? createStdoutWrite() : createFileWrite(file)
  return {
    send: noticing(async body => write(body), file ?? 'standard output', 'they are dropped') as Deliver,
    hurry() {},
    sendNow(bodies) {
      const failed = bodies.findIndex(body => write(body) !== 'sent')
      return failed < 0 ? bodies.length : failed
    },
  }
}

/** Says once that spans are not taken, and once more when they are again. */
function noticing(send: Send, where: string, consequence: string): Send {
  let down = false
  return async (body, onWritten, withinMs) => {
    const result = await send(body, onWritten, withinMs)
    if (typeof result === 'object') {
      if (!down) log.warn('%s does not take spans (%s); %s', where, result.reason, consequence)
      down = true
    } else if (down) {
      if (result === 'sent') log.warn('%s takes spans again', where)
      down = false
    }
    return result
  }
}

/** Without what may be a password or a key. */
export const shown = (endpoint: string): string => {
  const { protocol, host, pathname } = new URL(endpoint)
  return `${protocol}//${host}${pathname}`
}
