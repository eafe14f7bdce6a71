/** The transport of a protocol. */
import type * as Grpc from './grpc.js'
import { createHttpSend } from './http.js'
import type { Listener, Send, TransportOptions } from './send.js'

export function createTransport(options: TransportOptions, listener: Listener): Send {
  if (options.protocol !== 'grpc') return createHttpSend(options, listener)
  // A file of its own, as HTTP/2 costs what few need.
  const { createGrpcSend } = require('./grpc.js') as typeof Grpc
  return createGrpcSend(options, listener)
}
