/** Calls Export of an OTLP/gRPC endpoint over HTTP/2 (specification/protocol/otlp, "OTLP/gRPC"; gRPC's PROTOCOL-HTTP2). */
import http2 from 'node:http2'
import { version } from '../version.js'
import { partialOf, statusOf } from './answer.js'
import { compressed } from './compress.js'
import { createConnector } from './connect.js'
import { mayLinger } from './lingering.js'
import {
  type Listener,
  later,
  MAX_ANSWER_BYTES,
  MAX_CONNECTION_MS,
  type Send,
  type SendResult,
  type TransportOptions,
} from './send.js'

const PATH = '/opentelemetry.proto.collector.trace.v1.TraceService/Export'

// The status codes of gRPC by their numbers.
const NAMES = [
  'OK',
  'CANCELLED',
  'UNKNOWN',
  'INVALID_ARGUMENT',
  'DEADLINE_EXCEEDED',
  'NOT_FOUND',
  'ALREADY_EXISTS',
  'PERMISSION_DENIED',
  'RESOURCE_EXHAUSTED',
  'FAILED_PRECONDITION',
  'ABORTED',
  'OUT_OF_RANGE',
  'UNIMPLEMENTED',
  'INTERNAL',
  'UNAVAILABLE',
  'DATA_LOSS',
  'UNAUTHENTICATED',
]
const OK = 0
const RESOURCE_EXHAUSTED = 8
const RETRYABLE = new Set(['CANCELLED', 'DEADLINE_EXCEEDED', 'ABORTED', 'OUT_OF_RANGE', 'UNAVAILABLE', 'DATA_LOSS'])
/** Of whatever stands before the collector and knows HTTP only. */
const RETRYABLE_HTTP = new Set([429, 502, 503, 504])

// What the protocol's specification recommends, before compression: what most servers take.
const MAX_REQUEST_BYTES = 4 * 1024 * 1024
const PREFIX_BYTES = 5

/** A sender on one connection, replaced after `connectionMs`, that never holds the process open. */
export function createGrpcSend(
  options: TransportOptions,
  listener: Listener,
  connectionMs: number = MAX_CONNECTION_MS,
): Send {
  const { endpoint, compression } = options
  const connector = createConnector(options, false)
  const { protocol, host } = new URL(endpoint)
  const authority = connector.socketPath === undefined ? host : 'localhost'
  const scheme = protocol === 'https:' ? 'https' : 'http'
  let session: http2.ClientHttp2Session | undefined
  let since = 0

  async function freshSession(): Promise<http2.ClientHttp2Session> {
    const now = performance.now()
    const isUsable = session !== undefined && !session.closed && !session.destroyed && now - since < connectionMs
    if (session !== undefined && isUsable) return session
    session?.close()
    session = undefined
    const socket = await connector.open('h2')
    const opened = http2.connect(`${scheme}://${authority}`, { createConnection: () => socket })
    const gone = (): void => {
      if (session === opened) session = undefined
    }
    // An error is heard of by the call that it ends.
    opened.on('error', gone).once('close', gone).once('goaway', gone)
    opened.unref()
    since = now
    session = opened
    return opened
  }

  const headers = (withinMs: number): http2.OutgoingHttpHeaders => ({
    'user-agent': `org-trace/${version}`,
    ...options.headers,
    ':method': 'POST',
    ':scheme': scheme,
    ':authority': authority,
    ':path': PATH,
    'content-type': 'application/grpc',
    te: 'trailers',
    'grpc-accept-encoding': 'identity',
    ...(compression === 'none' ? undefined : { 'grpc-encoding': compression }),
    // Eight digits at most.
    ...(withinMs === 0 ? undefined : { 'grpc-timeout': `${Math.min(Math.ceil(withinMs), 99_999_999)}m` }),
  })

  async function call(message: Uint8Array, onWritten?: () => void, withinMs = 0): Promise<Answer> {
    let end: (why: Error) => void = () => {}
    const ended = new Promise<never>((_, reject) => (end = reject))
    ended.catch(() => {})
    const isWritten = mayLinger(options.lingerMs, end)
    const late = new Error(`no answer in ${Math.round(withinMs)} ms`)
    const timer = withinMs === 0 ? undefined : setTimeout(end, withinMs, late).unref()
    try {
      const on = await Promise.race([freshSession(), ended])
      // It may be dead, without a sign of it for as long as TCP tries.
      ended.catch(() => on.destroy())
      const stream = on.request(headers(withinMs))
      const onAllWritten = (): void => {
        isWritten()
        onWritten?.()
      }
      return await Promise.race([answerOf(on, stream, message, onAllWritten), ended])
    } finally {
      isWritten()
      clearTimeout(timer)
    }
  }

  async function send(body: Uint8Array, onWritten?: () => void, withinMs?: number): Promise<SendResult> {
    if (body.byteLength > MAX_REQUEST_BYTES) return 'too large'
    const payload = await compressed(body, compression)
    const prefix = Buffer.alloc(PREFIX_BYTES)
    prefix[0] = compression === 'none' ? 0 : 1
    prefix.writeUInt32BE(payload.byteLength, 1)
    return judge(await call(Buffer.concat([prefix, payload]), onWritten, withinMs), body, listener)
  }
  return (body, onWritten, withinMs) => send(body, onWritten, withinMs).catch(error => later(error))
}

interface Answer {
  readonly httpStatus: number
  readonly tooLong: boolean
  /** The trailers, which are the headers where there is no body. */
  readonly trailers: http2.IncomingHttpHeaders
  /** The first message. */
  readonly message: Buffer
}

/** What came once there was a status; rejects if there was none. */
function answerOf(
  session: http2.ClientHttp2Session,
  stream: http2.ClientHttp2Stream,
  request: Uint8Array,
  onWritten?: () => void,
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = []
    let bytes = 0
    let tooLong = false
    let httpStatus = 0
    // Until it answers as something else.
    let isGrpc = true
    let trailers: http2.IncomingHttpHeaders = {}
    const settle = (error?: Error): void => {
      session.off('error', settle)
      if (isGrpc && !tooLong && trailers['grpc-status'] === undefined)
        reject(error ?? new Error(`the stream ended with HTTP/2 code ${stream.rstCode}`))
      else resolve({ httpStatus, trailers, tooLong, message: messageOf(Buffer.concat(chunks)) })
    }
    session.once('error', settle)
    stream.once('response', headers => {
      httpStatus = Number(headers[':status'])
      isGrpc = headers['content-type']?.startsWith('application/grpc') ?? false
      if (headers['grpc-status'] !== undefined) trailers = headers
    })
    stream.once('trailers', headers => {
      trailers = headers
    })
    stream.on('data', (chunk: Buffer) => {
      bytes += chunk.byteLength
      tooLong = bytes > MAX_ANSWER_BYTES
      if (tooLong) stream.close(http2.constants.NGHTTP2_CANCEL)
      else chunks.push(chunk)
    })
    // What ended the connection ends each of its streams, as their cause.
    stream.on('error', error => settle((error.cause as Error | undefined) ?? error)).once('close', () => settle())
    stream.end(request, onWritten)
  })
}

/** What is compressed, although nobody asked for it, says nothing. */
const messageOf = (bytes: Buffer): Buffer =>
  bytes.length < PREFIX_BYTES || bytes[0] !== 0
    ? Buffer.alloc(0)
    : bytes.subarray(PREFIX_BYTES, PREFIX_BYTES + bytes.readUInt32BE(1))

function judge(
  { httpStatus, tooLong, trailers, message }: Answer,
  request: Uint8Array,
  { onRefused, onPartial }: Listener,
): SendResult {
  if (tooLong) {
    onRefused('an answer of more than 4 MiB', '')
    return 'refused'
  }
  const given = trailers['grpc-status']
  if (given === undefined) {
    if (httpStatus === 413) return 'too large'
    if (RETRYABLE_HTTP.has(httpStatus)) return later(`HTTP ${httpStatus}`)
    onRefused(`HTTP ${httpStatus}`, 'expected the address of an OTLP/gRPC collector')
    return 'refused'
  }
  const code = Number(given)
  if (code === OK) {
    const { rejected, message: advice } = partialOf(message, false)
    if (rejected > 0 || advice !== '') onPartial(rejected, advice, request)
    return 'sent'
  }
  const name = NAMES[code] ?? `gRPC status ${code}`
  const { retryAfterMs } = statusOf(Buffer.from(String(trailers['grpc-status-details-bin'] ?? ''), 'base64'), false)
  if (RETRYABLE.has(name) || (code === RESOURCE_EXHAUSTED && retryAfterMs !== undefined))
    return later(name, retryAfterMs)
  const words = decoded(String(trailers['grpc-message'] ?? ''))
  // The words of gRPC's servers in Go, Java and C++.
  if (code === RESOURCE_EXHAUSTED && /larger than max|exceeds maximum|too large/i.test(words)) return 'too large'
  onRefused(name, words)
  return 'refused'
}

/** Percent-encoded, by the standard; what is not comes as it is. */
function decoded(message: string): string {
  try {
    return decodeURIComponent(message)
  } catch {
    return message
  }
}
