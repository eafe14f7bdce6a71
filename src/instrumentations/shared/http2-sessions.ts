/** Sessions of HTTP/2: one that never connects, and those that undici has made. */
import type { ClientHttp2Session } from 'node:http2'
import { createStamp } from './stamp.js'

/** A session whose class has no other way to it. It has no connection, no handle and no timer. */
export function unconnected({ connect }: typeof import('node:http2')): ClientHttp2Session {
  const socket = { _handle: { isStreamBase: true }, connecting: true, on() {}, once() {} }
  return connect('http://localhost', { createConnection: () => socket as never })
}

const ofUndici = createStamp<boolean>()

/** undici tells of its requests itself, whatever they are sent by: it leaves a mark on its sessions. */
export function isOfUndici(session: ClientHttp2Session): boolean {
  let its = ofUndici.get(session)
  if (its === undefined) {
    its = Object.getOwnPropertySymbols(session).some(({ description }) => description === 'open streams')
    ofUndici.set(session, its)
  }
  return its
}
