/** Headers of HTTP/2 requests: what they tell, and the trace headers among them; and how a stream ended. */
import type { constants, Http2Stream, OutgoingHttpHeaders } from 'node:http2'
import { bracketed, defaultPort, headersToSend, isCancelling, splitHost } from './http.js'

/** Headers as `request` takes them: by name, or from Node 24 on a list of names and values. */
export type GivenHeaders = OutgoingHttpHeaders | readonly string[]

const nameIn = (headers: object, name: string): string | undefined =>
  Object.keys(headers).find(key => key.length === name.length && key.toLowerCase() === name)

/** A copy of the headers with the trace headers in it; what cannot be headers stays as it is, for Node to report. */
export function withTrace(given: unknown, ours: Record<string, string>): unknown {
  if (Array.isArray(given)) return given.length % 2 === 0 ? withListed(given, ours) : given
  if (given !== undefined && (typeof given !== 'object' || given === null)) return given
  const headers: OutgoingHttpHeaders = { ...given }
  const own = (name: string): unknown => headers[nameIn(headers, name) ?? name]
  for (const name of headersToSend(ours, own)) {
    const key = nameIn(headers, name)
    if (key !== undefined) delete headers[key]
    headers[name] = ours[name]
  }
  return headers
}

function withListed(given: readonly unknown[], ours: Record<string, string>): unknown[] {
  const isNamed = (at: number, name: string): boolean => at % 2 === 0 && String(given[at]).toLowerCase() === name
  const names = headersToSend(ours, name => given[given.findIndex((_, at) => isNamed(at, name)) + 1 || given.length])
  const replaced = (at: number): boolean => names.some(name => isNamed(at - (at % 2), name))
  return [...given.filter((_, at) => !replaced(at)), ...names.flatMap(name => [name, ours[name]])]
}

/** Where the headers of a request say that it goes, `:authority` or `host`; who names a user there is not told of. */
export function authorityOf(
  headers: Readonly<Record<string, unknown>>,
): { address: string; port?: number } | undefined {
  const text = headers[':authority'] ?? headers.host
  if (typeof text !== 'string' || text === '') return undefined
  return splitHost(text.slice(text.lastIndexOf('@') + 1))
}

export interface Target {
  url: string
  address: string
  port: number
}

/** Where a request goes, by the headers that Node has made complete. */
export function targetOf(headers: Readonly<Record<string, unknown>>, encrypted: boolean): Target {
  const { ':scheme': scheme = encrypted ? 'https' : 'http', ':path': path = '' } = headers
  const usual = defaultPort(String(scheme))
  const { address, port = usual } = authorityOf(headers) ?? { address: '' }
  const host = port === usual ? bracketed(address) : `${bracketed(address)}:${port}`
  return { url: `${scheme}://${host}${path}`, address, port }
}

/** The names of codes of RST_STREAM and GOAWAY (RFC 9113, section 7), as Node has them in its constants. */
const CODES: readonly (keyof typeof constants)[] = [
  'NGHTTP2_NO_ERROR',
  'NGHTTP2_PROTOCOL_ERROR',
  'NGHTTP2_INTERNAL_ERROR',
  'NGHTTP2_FLOW_CONTROL_ERROR',
  'NGHTTP2_SETTINGS_TIMEOUT',
  'NGHTTP2_STREAM_CLOSED',
  'NGHTTP2_FRAME_SIZE_ERROR',
  'NGHTTP2_REFUSED_STREAM',
  'NGHTTP2_CANCEL',
  'NGHTTP2_COMPRESSION_ERROR',
  'NGHTTP2_CONNECT_ERROR',
  'NGHTTP2_ENHANCE_YOUR_CALM',
  'NGHTTP2_INADEQUATE_SECURITY',
  'NGHTTP2_HTTP_1_1_REQUIRED',
]

export const NO_ERROR = 0
const CANCEL = 8

export const nameOfCode = (code: number): string => CODES[code] ?? String(code)

/** The `error.type` of an error for which Node's code is too little: the peer's code, or what became of the connection. */
export function typeOf(error: unknown, { rstCode }: Http2Stream): string | undefined {
  const { code, cause } = (error ?? {}) as { code?: unknown; cause?: { code?: unknown } }
  if (code === 'ERR_HTTP2_STREAM_ERROR') return nameOfCode(rstCode ?? NO_ERROR)
  if (code === 'ERR_HTTP2_STREAM_CANCEL' && typeof cause?.code === 'string') return cause.code
  return undefined
}

/** Whether one who destroys a stream with this needs no more of it; without a cause, it was a session not connected yet. */
export const isCancel = (error: unknown): boolean =>
  isCancelling(error) ||
  ((error as { code?: unknown }).code === 'ERR_HTTP2_STREAM_CANCEL' && (error as Error).cause === undefined)

/** The same, of the code that one closes a stream with. */
export const isHarmless = (code: unknown): boolean => code === undefined || code === NO_ERROR || code === CANCEL

/** Whether a server's stream ended before its answer did: a complete one may be closed before it is finished. */
export const isCutOff = ({ aborted, rstCode, writableFinished }: Http2Stream): boolean =>
  aborted || (rstCode !== NO_ERROR && !writableFinished)
