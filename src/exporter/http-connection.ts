/** Requests of HTTP/1.1 on one connection, one after the other. */
import type { Duplex } from 'node:stream'
import { type Answer, type ReadAnswer, readAnswer } from './http-answer.js'
import { MAX_ANSWER_BYTES } from './send.js'

export interface HttpConnection {
  /**
   * Sends `head` and `body`; `onWritten` is called when the operating system has them. Gives the answer as far as it came
   * once there was a status, rejects where there was none. Only when the last one is answered.
   */
  ask(head: string, body: Uint8Array, onWritten: () => void): Promise<Answer>
  /** True while another request may be sent. */
  isOpen(): boolean
  /** Ends it, and with that what is asked. */
  destroy(why?: Error): void
}

interface Asked {
  readonly resolve: (answer: Answer) => void
  readonly reject: (error: Error) => void
}

const NOTHING = Buffer.alloc(0)

/**
 * On a socket that is being opened. Not by Node's client, which shares so much code with its server that four requests a second
 * cost each that the server answers 0.66 of 12 microseconds (Node 24); those of a bare socket cost nothing that can be told.
 */
export function createHttpConnection(opening: Promise<Duplex>): HttpConnection {
  let open = true
  let socket: Duplex | undefined
  let received: Buffer = NOTHING
  let answer: ReadAnswer | undefined
  let asked: Asked | undefined

  function settle(error?: Error): void {
    const waiting = asked
    const answered = answer
    asked = undefined
    answer = undefined
    received = NOTHING
    if (answered === undefined) waiting?.reject(error ?? hangUp())
    else waiting?.resolve(answered)
  }

  function destroy(why?: Error): void {
    open = false
    settle(why)
    socket?.destroy()
  }

  function take(chunk: Buffer): void {
    try {
      // Nobody may have asked for it: a collector says why it closes the connection.
      if (asked === undefined) throw hangUp()
      received = received.length === 0 ? chunk : Buffer.concat([received, chunk])
      answer = readAnswer(received)
      const isWhole = answer?.isWhole === true
      if (received.length > MAX_ANSWER_BYTES || (isWhole && answer?.isKept === false)) throw hangUp()
      if (isWhole) settle()
    } catch (error) {
      destroy(error as Error)
    }
  }

  opening.then(opened => {
    socket = opened
    socket
      .on('data', take)
      .on('error', destroy)
      .once('end', () => destroy())
      .once('close', () => destroy())
    if (!open) socket.destroy()
  }, destroy)

  function write(head: string, body: Uint8Array, onWritten: () => void): void {
    if (!open || socket === undefined) return
    // As one write.
    socket.cork()
    socket.write(head, 'latin1')
    socket.write(body, error => {
      if (!error) onWritten()
    })
    socket.uncork()
  }

  return {
    ask: (head, body, onWritten) =>
      new Promise((resolve, reject) => {
        if (!open) return reject(hangUp())
        asked = { resolve, reject }
        opening.then(() => write(head, body, onWritten), destroy)
      }),
    isOpen: () => open,
    destroy,
  }
}

const hangUp = (): Error => Object.assign(new Error('the connection was closed'), { code: 'ECONNRESET' })
