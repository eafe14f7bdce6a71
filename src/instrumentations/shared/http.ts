/** What every HTTP library shares: methods, addresses, redaction, and the server span of a request. */
import type { ClientRequest, IncomingMessage } from 'node:http'
import type { OpenCall } from '../define.js'
import { Foreign, type Stamp } from './stamp.js'

/**
 * A stamp with a class of its own: those that `createStamp` makes share what V8 learns of them, and so nothing of them is inlined.
 * That took 270 ns of a request on Node 20 and 180 on Node 24.
 */
class ServerCall extends Foreign {
  #open: OpenCall<any>
  constructor(object: object, open: OpenCall<any>) {
    super(object)
    this.#open = open
  }
  static set(object: object, open: OpenCall<any>): void {
    if (#open in object) object.#open = open
    else new ServerCall(object, open)
  }
  static get(object: object): OpenCall<any> | undefined {
    return #open in object ? object.#open : undefined
  }
}

/** The open server call of an incoming request, by its request and response objects. */
export const serverCall: Stamp<OpenCall<any>> = ServerCall

let methods = new Set(['GET', 'HEAD', 'POST', 'PUT', 'DELETE', 'CONNECT', 'OPTIONS', 'TRACE', 'PATCH', 'QUERY'])

/** An unknown method would make span names of unbounded number: it is told by `http.request.method_original` only. */
export const knownMethod = (method: string): string => (methods.has(method) ? method : '_OTHER')
export const originalMethod = (method: string): string | undefined => (methods.has(method) ? undefined : method)
export const methodName = (method: string): string => (methods.has(method) ? method : 'HTTP')

// Signatures and credentials in query strings (semantic conventions, url.full and url.query; the keys are case-sensitive).
const SECRET =
  /([?&](?:X-Amz-Signature|X-Amz-Credential|X-Amz-Security-Token|AWSAccessKeyId|Signature|sig|X-Goog-Signature)=)[^&#]*/g
let secret = SECRET

/** The URL, or the part of it from its question mark on, with the values of secret parameters replaced. */
export const redactQuery = (text: string): string => (mayTell(text) ? text.replace(secret, '$1REDACTED') : text)

// Every key above holds one of these: to look for them costs 60 ns, to run the expression over a harmless query 800 (Node 20).
const mayTell = (text: string): boolean =>
  text.includes('?') &&
  (secret !== SECRET ||
    text.includes('ig=') ||
    text.includes('ignature=') ||
    text.includes('X-Amz-') ||
    text.includes('AWSA'))

/** For all HTTP libraries of this thread: what else than the above is a known method, and a secret parameter. */
export function setHttpRules({ knownMethods, secretParameters }: HttpRules): void {
  if (knownMethods !== undefined) methods = new Set(knownMethods)
  if (secretParameters !== undefined) secret = parameters(secretParameters)
}

interface HttpRules {
  readonly knownMethods: readonly string[] | undefined
  readonly secretParameters: readonly string[] | undefined
}

const parameters = (names: readonly string[]): RegExp =>
  new RegExp(`([?&](?:${names.map(name => name.replace(/[^\w-]/g, '\\$&')).join('|') || '(?!)'})=)[^&#]*`, 'g')

/** The port that a scheme means without being told. */
export const defaultPort = (scheme: string): number => (scheme.startsWith('https') ? 443 : 80)

interface Host {
  readonly address: string
  readonly port: number | undefined
}

// A service is called by few names; anything may stand in the header, though.
const hosts = new Map<string, Host>()
const MAX_HOSTS = 100
let lastText = ''
let lastHost: Host = { address: '', port: undefined }

/** Splits `host`, `host:port` and `[address]:port`. */
export function splitHost(text: string): Host {
  // To compare is quicker than to hash, as every request has a string of its own.
  if (text === lastText) return lastHost
  let host = hosts.get(text)
  if (host === undefined) {
    host = split(text)
    if (hosts.size >= MAX_HOSTS) hosts.clear()
    hosts.set(text, host)
  }
  lastText = text
  lastHost = host
  return host
}

function split(host: string): Host {
  const colon = host.lastIndexOf(':')
  if (colon === -1 || host.endsWith(']')) return { address: unbracketed(host), port: undefined }
  const port = Number(host.slice(colon + 1))
  return { address: unbracketed(host.slice(0, colon)), port: Number.isInteger(port) && port > 0 ? port : undefined }
}

/** Path and query of a request target in any of its forms (RFC 9112, section 3.2). */
export function pathOf(url: string): string {
  if (url.startsWith('/')) return url
  const scheme = url.indexOf('://')
  if (scheme === -1) return url
  const slash = url.indexOf('/', scheme + 3)
  return slash === -1 ? '/' : url.slice(slash)
}

/** A URL without the credentials, and the address and port that it names; undefined for any other text. */
export function wholeUrl(text: string): { url: string; address: string; port: number } | undefined {
  if (!text.includes('://') || !URL.canParse(text)) return undefined
  const url = new URL(text)
  if (url.username !== '') url.username = 'REDACTED'
  if (url.password !== '') url.password = 'REDACTED'
  return {
    url: url.href,
    address: unbracketed(url.hostname),
    port: url.port === '' ? defaultPort(url.protocol) : Number(url.port),
  }
}

const unbracketed = (address: string): string =>
  address.startsWith('[') && address.endsWith(']') ? address.slice(1, -1) : address

/** A host as a URL has it: IPv6 addresses in brackets. */
export const bracketed = (address: string): string =>
  address.includes(':') && !address.startsWith('[') ? `[${address}]` : address

// Of each format the header that tells the trace, and where.
const TRACE_IDS = new Map<string, (text: string) => string | undefined>([
  ['traceparent', text => text.slice(3, 35)],
  ['b3', text => text.split('-', 1)[0]],
  ['x-b3-traceid', text => text],
  ['uber-trace-id', text => text.split(/:|%3A/i, 1)[0]],
  ['x-amzn-trace-id', text => /Root=1-([\da-f-]+)/i.exec(text)?.[1]],
  ['ot-tracer-traceid', text => text],
])

// All that some formats carry of it; leading zeros may be missing.
const LOW_DIGITS = 16

/**
 * Whether the trace headers may be put on an outgoing request that has a header of this name already: one of the same trace
 * was forwarded from the incoming request and is replaced, one of another trace is the application's own and is left.
 */
export function mayReplace(name: string, own: unknown, ours: string): boolean {
  const idOf = TRACE_IDS.get(name)
  if (idOf === undefined || own === undefined) return true
  const [id, other] = [ours, legible(own)].map(text =>
    idOf(text)?.toLowerCase().slice(-LOW_DIGITS).padStart(LOW_DIGITS, '0'),
  )
  return id === other
}

/** A header as text: messages may have bytes, or several values, or anything that their library takes. */
function legible(header: unknown): string {
  const value = Array.isArray(header) && header.length === 1 ? header[0] : header
  if (typeof value === 'string') return value
  return Buffer.isBuffer(value) ? value.toString() : ''
}

/**
 * The names of those of our trace headers that go onto an outgoing request; `own` tells what the application has set
 * itself. Where it has set none that tells a trace, its other headers stay as they are.
 */
export function headersToSend(ours: Record<string, string>, own: (name: string) => unknown): string[] {
  const names = Object.keys(ours)
  const missing: string[] = []
  let forwards = false
  for (const name of names) {
    const theirs = own(name)
    if (theirs === undefined) missing.push(name)
    else if (TRACE_IDS.has(name)) {
      if (!mayReplace(name, theirs, ours[name] as string)) return []
      forwards = true
    }
  }
  return forwards ? names : missing
}

/** True if headers that were inherited tell a trace, in one of the formats that ours are of. */
export const tellsTrace = (ours: Record<string, string>, own: (name: string) => unknown): boolean =>
  Object.keys(ours).some(name => TRACE_IDS.has(name) && own(name) !== undefined)

// A caller who needs the answer no more is no failure of the request (semantic conventions, HTTP client span status).
export const isCancelling = (reason: unknown): boolean =>
  reason === undefined || reason === null || isAbort(reason) || (reason as { code?: unknown }).code === AXIOS_CANCELED
const AXIOS_CANCELED = 'ERR_CANCELED'
export const isAbort = (error: unknown): boolean => (error as Error | undefined)?.name === 'AbortError'

// Nobody has to read such a response, and until somebody does the request stays open.
export const hasNoBody = ({ method }: ClientRequest, { statusCode, headers }: IncomingMessage): boolean =>
  method === 'HEAD' || statusCode === 204 || statusCode === 304 || headers['content-length'] === '0'
