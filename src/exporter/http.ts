/** POSTs a batch to an OTLP/HTTP endpoint (specification/protocol/otlp, "OTLP/HTTP"), or to Zipkin's. */
import { version } from '../version.js'
import { partialOf, statusOf } from './answer.js'
import { compressed } from './compress.js'
import { basic, type Connector, createConnector, proxyHeaders } from './connect.js'
import type { Answer } from './http-answer.js'
import { createHttpConnection, type HttpConnection } from './http-connection.js'
import { mayLinger } from './lingering.js'
import type * as OtlpJson from './otlp-json.js'
import { type Listener, later, MAX_CONNECTION_MS, type Send, type SendResult, type TransportOptions } from './send.js'
import type * as Zipkin from './zipkin.js'

const RETRYABLE = new Set([429, 502, 503, 504])
// What the protocol's specification recommends, before compression.
const MAX_REQUEST_BYTES = 20 * 1024 * 1024
const DEFAULT_PATH = '/v1/traces'

/** A sender on one kept-alive connection, replaced after `connectionMs`, that never holds the process open. */
export function createHttpSend(
  options: TransportOptions,
  listener: Listener,
  connectionMs: number = MAX_CONNECTION_MS,
): Send {
  const { compression, protocol } = options
  const isBinary = protocol === 'http/protobuf'
  const connector = createConnector(options, true)
  const head = headOf(options, connector)
  // The one that is kept alive, while nothing is asked on it.
  let idle: HttpConnection | undefined
  let openedMs = 0

  function takeIdle(): HttpConnection | undefined {
    const connection = idle
    idle = undefined
    if (connection !== undefined && performance.now() - openedMs >= connectionMs) connection.destroy()
    return connection?.isOpen() === true ? connection : undefined
  }

  function open(): HttpConnection {
    openedMs = performance.now()
    return createHttpConnection(connector.open('http/1.1'))
  }

  function keep(connection: HttpConnection): void {
    if (!connection.isOpen()) return
    idle?.destroy()
    idle = connection
  }

  async function postOn(
    connection: HttpConnection,
    payload: Uint8Array,
    onWritten?: () => void,
    withinMs = 0,
  ): Promise<Answer> {
    const isWritten = mayLinger(options.lingerMs, connection.destroy)
    const late = (): void => connection.destroy(new Error(`no answer in ${Math.round(withinMs)} ms`))
    const timer = withinMs === 0 ? undefined : setTimeout(late, withinMs).unref()
    try {
      return await connection.ask(`${head}Content-Length: ${payload.byteLength}\r\n\r\n`, payload, () => {
        isWritten()
        onWritten?.()
      })
    } finally {
      clearTimeout(timer)
      isWritten()
      keep(connection)
    }
  }

  async function post(payload: Uint8Array, onWritten?: () => void, withinMs = 0): Promise<Answer> {
    const kept = takeIdle()
    if (kept === undefined) return postOn(open(), payload, onWritten, withinMs)
    const sinceMs = performance.now()
    return postOn(kept, payload, onWritten, withinMs).catch(error => {
      // The collector may have closed a connection that was kept alive, in the moment that it is used again.
      const leftMs = withinMs - (performance.now() - sinceMs)
      if (withinMs > 0 && leftMs < 1) throw error
      return postOn(open(), payload, onWritten, withinMs && leftMs)
    })
  }

  async function send(body: Uint8Array, onWritten?: () => void, withinMs?: number): Promise<SendResult> {
    const text = isBinary ? body : textOf(protocol, body)
    if (text.byteLength > MAX_REQUEST_BYTES) return 'too large'
    return judge(await post(await compressed(text, compression), onWritten, withinMs), body, listener)
  }
  return (body, onWritten, withinMs) => send(body, onWritten, withinMs).catch(error => later(error))
}

/** What all requests begin with, up to the length of their body. */
function headOf(
  { endpoint, headers, compression, protocol }: TransportOptions,
  { socketPath, forwarder }: Connector,
): string {
  const url = new URL(endpoint)
  const { username, password } = url
  const host = socketPath === undefined ? url.host : 'localhost'
  const path = socketPath === undefined ? `${url.pathname}${url.search}` : DEFAULT_PATH
  const named = {
    Host: host,
    'User-Agent': `org-trace/${version}`,
    Connection: 'keep-alive',
    ...(username === '' && password === '' ? undefined : { Authorization: basic(url) }),
    ...headers,
    ...(forwarder === undefined ? undefined : proxyHeaders(forwarder)),
    ...(compression === 'none' ? undefined : { 'Content-Encoding': compression }),
    'Content-Type': protocol === 'http/protobuf' ? 'application/x-protobuf' : 'application/json',
  }
  // Of two that differ by the case of their letters only, the latter.
  const unique = new Map(Object.entries(named).map(([name, value]) => [name.toLowerCase(), `${name}: ${value}\r\n`]))
  const target = forwarder === undefined ? path : `http://${host}${path}`
  return `POST ${target} HTTP/1.1\r\n${[...unique.values()].join('')}`
}

function textOf(protocol: TransportOptions['protocol'], body: Uint8Array): Uint8Array {
  const toText = protocol === 'zipkin' ? zipkin().toZipkin : otlpJson().toJson
  return Buffer.from(toText(body))
}

const otlpJson = (): typeof OtlpJson => require('./otlp-json.js')
const zipkin = (): typeof Zipkin => require('./zipkin.js')

/** The status decides. What was acknowledged is never sent again, however the rest of the answer went. */
function judge({ status, headers, body }: Answer, request: Uint8Array, { onRefused, onPartial }: Listener): SendResult {
  const type = headers['content-type'] ?? ''
  const isJson = /json/i.test(type)
  if (status >= 200 && status < 300) {
    if (/html/i.test(type)) {
      onRefused(`a web page with HTTP ${status}`, 'expected the address of an OTLP collector')
      return 'refused'
    }
    const { rejected, message } = partialOf(body, isJson)
    if (rejected > 0 || message !== '') onPartial(rejected, message, request)
    return 'sent'
  }
  if (status === 413) return 'too large'
  if (RETRYABLE.has(status)) return later(`HTTP ${status}`, retryAfterMs(headers['retry-after']))
  onRefused(`HTTP ${status}`, statusOf(body, isJson).message)
  return 'refused'
}

/** Seconds or a date (RFC 9110, section 10.2.3), in milliseconds from now. */
function retryAfterMs(header: string | undefined): number | undefined {
  if (header === undefined) return undefined
  const ms = /^\s*\d+\s*$/.test(header) ? Number(header) * 1000 : Date.parse(header) - Date.now()
  return Number.isNaN(ms) ? undefined : Math.max(0, ms)
}
