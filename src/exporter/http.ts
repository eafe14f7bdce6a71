/** POSTs a batch to an OTLP/HTTP endpoint (specification/protocol/otlp, "OTLP/HTTP"), or to Zipkin's. */
import http from 'node:http'
import { version } from '../version.js'
import { partialOf, statusOf } from './answer.js'
import { compressed } from './compress.js'
import { type Connector, createConnector, proxyHeaders } from './connect.js'
import { mayLinger } from './lingering.js'
import type * as OtlpJson from './otlp-json.js'
import {
  type Listener,
  later,
  MAX_ANSWER_BYTES,
  MAX_CONNECTION_MS,
  type Send,
  type SendResult,
  type TransportOptions,
} from './send.js'
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
  const target = targetOf(options, connector)
  let agent: http.Agent | undefined
  let openedMs = 0

  function freshAgent(): http.Agent {
    const now = performance.now()
    if (agent !== undefined && now - openedMs < connectionMs) return agent
    agent?.destroy()
    openedMs = now
    agent = new http.Agent({ keepAlive: true, maxSockets: 1 })
    agent.createConnection = (_, callback) => {
      connector.open('http/1.1').then(
        socket => callback?.(null, socket),
        error => callback?.(error, undefined as never),
      )
      return undefined
    }
    return agent
  }

  /** Gives the answer's status, headers and body, as far as they came once there was a status. */
  function post(payload: Uint8Array, onWritten?: () => void, withinMs = 0): Promise<Answer> {
    return new Promise((resolve, reject) => {
      const req = http.request({
        ...target,
        method: 'POST',
        agent: freshAgent(),
        headers: { ...target.headers, 'Content-Length': payload.byteLength },
      })
      // What there is of an answer; nothing before its status.
      let give: (() => void) | undefined
      const isWritten = mayLinger(options.lingerMs, why => req.destroy(why))
      const finish = (error?: Error): void => {
        clearTimeout(timer)
        isWritten()
        if (give !== undefined) give()
        else if (error === undefined) reject(new Error(`no answer in ${Math.round(withinMs)} ms`))
        else reject(Object.assign(error, { stale: req.reusedSocket }))
      }
      const stop = (): void => {
        finish()
        req.destroy()
      }
      const timer = withinMs === 0 ? undefined : setTimeout(stop, withinMs).unref()
      req.once('socket', socket => socket.unref())
      req.on('error', finish)
      req.once('response', res => {
        const chunks: Buffer[] = []
        let bytes = 0
        give = () => resolve({ status: res.statusCode ?? 0, headers: res.headers, body: Buffer.concat(chunks) })
        res.on('data', (chunk: Buffer) => {
          bytes += chunk.byteLength
          if (bytes > MAX_ANSWER_BYTES) stop()
          else chunks.push(chunk)
        })
        res
          .once('end', () => finish())
          .once('close', () => finish())
          .on('error', finish)
      })
      req.end(payload, () => {
        isWritten()
        onWritten?.()
      })
    })
  }

  async function send(body: Uint8Array, onWritten?: () => void, withinMs?: number): Promise<SendResult> {
    const text = isBinary ? body : textOf(protocol, body)
    if (text.byteLength > MAX_REQUEST_BYTES) return 'too large'
    const payload = await compressed(text, compression)
    const since = performance.now()
    // The collector may have closed a connection that was kept alive, in the moment that it is used again.
    const answer = await post(payload, onWritten, withinMs).catch(error => {
      if (error.stale !== true) throw error
      return post(payload, onWritten, withinMs && Math.max(1, withinMs - (performance.now() - since)))
    })
    return judge(answer, body, listener)
  }
  return (body, onWritten, withinMs) => send(body, onWritten, withinMs).catch(error => later(error))
}

interface Answer {
  readonly status: number
  readonly headers: http.IncomingHttpHeaders
  readonly body: Buffer
}

/** Where requests go and what all of them say. */
function targetOf(
  { endpoint, headers, compression, protocol }: TransportOptions,
  { socketPath, forwarder }: Connector,
): http.RequestOptions & { headers: Record<string, string> } {
  const url = new URL(endpoint)
  const { username, password } = url
  const credentials = `${decodeURIComponent(username)}:${decodeURIComponent(password)}`
  const host = socketPath === undefined ? url.host : 'localhost'
  const path = socketPath === undefined ? `${url.pathname}${url.search}` : DEFAULT_PATH
  return {
    path: forwarder === undefined ? path : `http://${host}${path}`,
    ...(credentials === ':' ? undefined : { auth: credentials }),
    headers: {
      Host: host,
      'User-Agent': `org-trace/${version}`,
      ...headers,
      ...(forwarder === undefined ? undefined : proxyHeaders(forwarder)),
      ...(compression === 'none' ? undefined : { 'Content-Encoding': compression }),
      'Content-Type': protocol === 'http/protobuf' ? 'application/x-protobuf' : 'application/json',
    },
  }
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
