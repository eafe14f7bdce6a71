/** POSTs a batch to an OTLP/HTTP endpoint (specification/protocol/otlp, "OTLP/HTTP"). */
import http from 'node:http'
import type https from 'node:https'
import { promisify } from 'node:util'
import type * as Zlib from 'node:zlib'
import { version } from '../version.js'

/** 'refused': never send it again. An object: it may succeed later, after so many milliseconds if the collector said when. */
export type SendResult = 'sent' | 'refused' | { retryAfterMs: number | undefined; reason: string }

/** Sends one ExportTraceServiceRequest; `onWritten` is called when the operating system has all of it. Never rejects. */
export type Send = (body: Uint8Array, onWritten?: () => void) => Promise<SendResult>

export interface HttpOptions {
  /** The full URL, with its path. */
  readonly endpoint: string
  readonly headers: Readonly<Record<string, string>>
  /** For one request; 0 is no limit. */
  readonly timeoutMs: number
  readonly compression: 'none' | 'gzip'
  /** Told why each refused batch was refused. */
  onRefused(reason: string): void
}

const RETRYABLE = new Set([429, 502, 503, 504])
const MAX_RESPONSE_BYTES = 4 * 1024 * 1024

/** A sender on one kept-alive connection that never holds the process open. */
export function createHttpSend({ endpoint, headers, timeoutMs, compression, onRefused }: HttpOptions): Send {
  const url = new URL(endpoint)
  // Loaded where it is needed: TLS is a third of what a start costs.
  const { Agent, request } = url.protocol === 'https:' ? (require('node:https') as typeof https) : http
  let agent: http.Agent | undefined

  async function send(body: Uint8Array, onWritten?: () => void): Promise<SendResult> {
    agent ??= new Agent({ keepAlive: true, maxSockets: 1 })
    const payload = compression === 'gzip' ? await gzip(body) : body
    return new Promise(resolve => {
      const req = request(url, {
        method: 'POST',
        agent,
        headers: requestHeaders(headers, compression, payload.byteLength),
      })
      const timer =
        timeoutMs === 0
          ? undefined
          : setTimeout(() => req.destroy(new Error(`no answer in ${timeoutMs} ms`)), timeoutMs).unref()
      const settle = (result: SendResult): void => {
        clearTimeout(timer)
        resolve(result)
      }
      req.once('socket', socket => socket.unref())
      req.on('error', error => settle({ retryAfterMs: undefined, reason: reasonOf(error) }))
      req.once('response', res => judge(req, res, settle, onRefused))
      req.end(payload, onWritten)
    })
  }
  return (body, onWritten) =>
    send(body, onWritten).catch(error => ({ retryAfterMs: undefined, reason: reasonOf(error) }))
}

function requestHeaders(
  own: Readonly<Record<string, string>>,
  compression: 'none' | 'gzip',
  bytes: number,
): Record<string, string | number> {
  return {
    'User-Agent': `org-trace/${version}`,
    ...own,
    ...(compression === 'gzip' ? { 'Content-Encoding': 'gzip' } : undefined),
    'Content-Type': 'application/x-protobuf',
    'Content-Length': bytes,
  }
}

function judge(
  req: http.ClientRequest,
  res: http.IncomingMessage,
  settle: (r: SendResult) => void,
  onRefused: (reason: string) => void,
): void {
  const status = res.statusCode ?? 0
  let bytes = 0
  res.on('data', (chunk: Uint8Array) => {
    bytes += chunk.byteLength
    if (bytes > MAX_RESPONSE_BYTES) req.destroy(new Error('the answer is longer than 4 MiB'))
  })
  res.once('end', () => {
    if (status >= 200 && status < 300) settle('sent')
    else if (RETRYABLE.has(status))
      settle({ retryAfterMs: retryAfterMs(res.headers['retry-after']), reason: `HTTP ${status}` })
    else {
      onRefused(`HTTP ${status}`)
      settle('refused')
    }
  })
  res.on('error', error => settle({ retryAfterMs: undefined, reason: reasonOf(error) }))
}

/** Seconds or a date (RFC 9110, section 10.2.3), in milliseconds from now. */
function retryAfterMs(header: string | undefined): number | undefined {
  if (header === undefined) return undefined
  const seconds = Number(header)
  const ms = Number.isNaN(seconds) ? Date.parse(header) - Date.now() : seconds * 1000
  return Number.isNaN(ms) ? undefined : Math.max(0, ms)
}

// An error of several addresses (localhost on IPv4 and IPv6) has no message of its own.
const reasonOf = (error: unknown): string => {
  const { code, message } = error as { code?: string; message?: string }
  return code ?? message ?? String(error)
}

let zlib: typeof Zlib | undefined
async function gzip(body: Uint8Array): Promise<Uint8Array> {
  zlib ??= require('node:zlib') as typeof Zlib
  return promisify(zlib.gzip)(body) as unknown as Promise<Uint8Array>
}
