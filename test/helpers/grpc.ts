/** The server's side of a gRPC call: reads the message, writes an answer or breaks. */
import assert from 'node:assert/strict'
import type { IncomingHttpHeaders, ServerHttp2Stream } from 'node:http2'
import { buffer } from 'node:stream/consumers'

/** The protobuf of what OTLP servers answer, written by hand: this is not the encoder under test. */
export const bytesField = (number: number, content: Uint8Array | string): Buffer => {
  const bytes = Buffer.from(content)
  return Buffer.concat([Buffer.from([(number << 3) | 2]), varint(bytes.length), bytes])
}
export const varintField = (number: number, value: number): Buffer =>
  Buffer.concat([Buffer.from([number << 3]), varint(value)])

function varint(value: number): Buffer {
  const bytes = []
  let rest = value
  for (; rest > 127; rest = Math.floor(rest / 128)) bytes.push((rest & 0x7f) | 0x80)
  return Buffer.from([...bytes, rest])
}

/** ExportTraceServiceResponse { partial_success { rejected_spans, error_message } }. */
export const partialSuccess = (rejected: number, message: string): Buffer =>
  bytesField(1, Buffer.concat([varintField(1, rejected), bytesField(2, message)]))

/** google.rpc.Status, with a RetryInfo if there is a delay. */
export function rpcStatus(message: string, retryMs?: number): Buffer {
  if (retryMs === undefined) return bytesField(2, message)
  const delay = Buffer.concat([varintField(1, Math.floor(retryMs / 1000)), varintField(2, (retryMs % 1000) * 1e6)])
  const info = Buffer.concat([
    bytesField(1, 'type.googleapis.com/google.rpc.RetryInfo'),
    bytesField(2, bytesField(1, delay)),
  ])
  return Buffer.concat([bytesField(2, message), bytesField(3, info)])
}

/** The one message of a call, as it was sent, and whether it is compressed. */
export async function readMessage(
  stream: ServerHttp2Stream,
  headers: IncomingHttpHeaders,
): Promise<{ wire: Buffer; isCompressed: boolean }> {
  assert.equal(headers['content-type'], 'application/grpc')
  assert.equal(headers.te, 'trailers')
  const bytes = await buffer(stream)
  const length = bytes.readUInt32BE(1)
  assert.equal(bytes.length, length + 5, 'one message, and nothing after it')
  return { wire: bytes.subarray(5), isCompressed: bytes[0] === 1 }
}

export interface GrpcAnswer {
  code?: number
  message?: string
  /** `grpc-status-details-bin`. */
  details?: Uint8Array
  /** The message of the response; with an error there is none. */
  body?: Uint8Array
}

export function answer(stream: ServerHttp2Stream, { code = 0, message = '', details, body }: GrpcAnswer): void {
  const trailers = {
    'grpc-status': String(code),
    'grpc-message': encodeURIComponent(message),
    ...(details && { 'grpc-status-details-bin': Buffer.from(details).toString('base64').replace(/=+$/, '') }),
  }
  const headers = { ':status': 200, 'content-type': 'application/grpc' }
  if (code !== 0) {
    stream.respond({ ...headers, ...trailers }, { endStream: true })
    return
  }
  stream.respond(headers, { waitForTrailers: true })
  stream.on('wantTrailers', () => stream.sendTrailers(trailers))
  const prefix = Buffer.alloc(5)
  prefix.writeUInt32BE(body?.length ?? 0, 1)
  stream.end(Buffer.concat([prefix, body ?? Buffer.alloc(0)]))
}
