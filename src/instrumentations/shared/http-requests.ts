/** Outgoing requests of Node's `http` and `https`: where they are met, how they go on, and the trace headers among theirs. */
import type { Agent, ClientRequest, IncomingMessage, OutgoingMessage } from 'node:http'
import { client, type Kit, type OpenCall, type Operation, type TracedSpan } from '../define.js'
import {
  bracketed,
  defaultPort,
  hasNoBody,
  headersToSend,
  isAbort,
  isCancelling,
  knownMethod,
  methodName,
  originalMethod,
  redactQuery,
  splitHost,
  wholeUrl,
} from './http.js'
import type { Emit } from './http-events.js'
import { type ClientHeaders, recordingClient } from './http-headers.js'
import { createStamp } from './stamp.js'

// Classes for the reason of `MethodCall`.
class Outgoing {
  res: IncomingMessage | undefined = undefined
  /** The response is complete with its headers. */
  bodiless = false
  timedOut = false
  /** What the application destroyed the request with, in an array as it may be nothing. */
  destroyedWith: readonly [unknown] | undefined = undefined
  error: unknown = undefined

  constructor(
    readonly req: ClientRequest,
    /** What the request's agent was told, if it is one of Node's. */
    public options: AgentOptions | undefined,
    /** The headers that are about to be made into bytes, with ours where they are a list. */
    public headers: unknown,
  ) {}
}

class Sent {
  constructor(
    readonly open: OpenCall<Outgoing>,
    readonly call: Outgoing,
    /** `Reflect.apply` in the context of whoever made the request. */
    readonly caller: typeof Reflect.apply,
  ) {}
}

/** Of every request that was met; of those that are not traced it is false. */
const sent = createStamp<Sent | false>()

const sentOf = (req: unknown): Sent | undefined =>
  (typeof req === 'object' && req !== null && sent.get(req)) || undefined

/**
 * A request is met within its constructor, when that hands it to an agent of Node's, or else when its headers become bytes:
 * at once where they are a list or expect something.
 */
export function traceRequests({ Agent, ClientRequest }: typeof import('node:http'), kit: Kit<ClientHeaders>): void {
  const operation = recordingClient(
    outgoing,
    kit.options,
    ({ req }, name) => sentHeader(req, name) ?? req.getHeader(name),
    ({ res }, name) => res?.headers[name],
  )
  function meet(req: ClientRequest, options?: AgentOptions, headers?: unknown): Outgoing | undefined {
    const met = sent.get(req)
    if (met === undefined) {
      const call = new Outgoing(req, options, headers)
      const open = kit.begin(operation, call)
      sent.set(req, open !== undefined && new Sent(open, call, kit.bind(Reflect.apply as never)))
      return call
    }
    if (met && options !== undefined && met.call.options === undefined) {
      met.call.options = options
      met.open.progress(met.call)
    }
    return undefined
  }

  const agent = Agent.prototype as Agent & Hands
  kit.wrap(agent, 'addRequest', addRequest => {
    return function (this: unknown, req, options) {
      if (req instanceof ClientRequest) meet(req, typeof options === 'object' ? (options ?? undefined) : undefined)
      return Reflect.apply(addRequest, this, arguments)
    }
  })
  kit.wrap(agent, 'createSocket', connectInContext)

  const request = ClientRequest.prototype
  kit.wrap(request, 'emit', overhearRequest)
  kit.wrap(request, 'destroy', noticeDestroy)
  kit.wrap(request as ClientRequest & Stores, '_storeHeader', storeHeader => {
    return function (this: ClientRequest & Stores, firstLine, headers) {
      const call = meet(this, undefined, headers)
      return Reflect.apply(storeHeader, this, [firstLine, call === undefined ? headers : call.headers])
    }
  })
}

interface Hands {
  addRequest(req: ClientRequest, options: AgentOptions | string, ...legacy: unknown[]): void
  createSocket(req: ClientRequest, ...rest: unknown[]): void
}

interface Stores {
  _storeHeader(firstLine: string, headers: unknown): void
}

const overhearRequest = (emit: ClientRequest['emit']): ClientRequest['emit'] =>
  function (this: ClientRequest, event: string, subject: unknown) {
    const ours = sentOf(this)
    if (ours !== undefined) hear(ours, event, subject)
    return Reflect.apply(emit as Emit, this, arguments as never)
  } as Emit as ClientRequest['emit']

function hear({ open, call }: Sent, event: string, subject: unknown): void {
  if (event === 'response' || event === 'upgrade' || event === 'connect') {
    call.res = subject as IncomingMessage
    open.progress(call)
    if (event !== 'response' || call.bodiless) open.end(call)
  } else if (event === 'timeout') call.timedOut = true
  else if (event === 'error') call.error = subject
  else if (event === 'close') open.end(call)
}

/** A request that waits for a connection gets one when another breaks, and would write in the context of that one's. */
const connectInContext = (createSocket: Hands['createSocket']): Hands['createSocket'] =>
  function (this: unknown, req) {
    return (sentOf(req)?.caller ?? Reflect.apply)(createSocket, this, arguments as never)
  }

const noticeDestroy = (destroy: ClientRequest['destroy']): ClientRequest['destroy'] =>
  function (this: ClientRequest, error?: unknown) {
    const ours = sentOf(this)
    // What is destroyed because it has failed is not abandoned.
    if (ours !== undefined && ours.call.error === undefined) ours.call.destroyedWith ??= [error]
    return Reflect.apply(destroy, this, arguments as never)
  }

const outgoing: Operation<Outgoing> = {
  inside: 'none',
  start({ req, options }) {
    const { url, address, port } = targetOf(req, options)
    return client(methodName(req.method), {
      'http.request.method': knownMethod(req.method),
      'http.request.method_original': originalMethod(req.method),
      'url.full': redactQuery(url),
      'server.address': address,
      'server.port': port,
      'network.peer.address': undefined,
      'network.peer.port': undefined,
      'network.protocol.version': undefined,
      'http.response.status_code': undefined,
    })
  },
  inject(call, headers) {
    if (Array.isArray(call.headers)) call.headers = withListed(call.headers, headers)
    else addHeaders(call, headers)
  },
  progress(span, call) {
    if (call.res === undefined) relocate(span, call)
    else {
      describeResponse(span, call.res)
      call.bodiless = hasNoBody(call.req, call.res)
    }
  },
  finish(span, call) {
    const { res, destroyedWith, timedOut } = call
    const cancelled =
      isAbort(call.error) || (destroyedWith !== undefined && !timedOut && isCancelling(destroyedWith[0]))
    if (cancelled) call.error = undefined
    else if (res !== undefined) call.error ??= res.errored ?? undefined
    if (call.error === undefined && res !== undefined && (res.statusCode as number) >= 400) {
      span.set({ 'error.type': String(res.statusCode) }).fail()
    }
  },
}

/** By its name in lower case, of what was written: `getHeader` does not tell of headers that `writeHead` or a list gave. */
export function sentHeader(message: OutgoingMessage & { _header?: string | null }, name: string): string[] | undefined {
  const values: string[] = []
  for (const line of (message._header ?? '').split('\r\n')) {
    const colon = line.indexOf(':')
    if (colon === name.length && line.slice(0, colon).toLowerCase() === name) values.push(line.slice(colon + 1).trim())
  }
  return values.length === 0 ? undefined : values
}

function addHeaders(call: Outgoing, ours: Record<string, string>): void {
  const { req } = call
  if (req.headersSent) return
  for (const name of headersToSend(ours, own => req.getHeader(own))) req.setHeader(name, ours[name] as string)
  // There were none at all so far.
  if (call.headers === null) call.headers = req.getHeaders()
}

/** The agent is told where a request goes after its headers were made into bytes. */
function relocate(span: TracedSpan, { req, options }: Outgoing): void {
  const { url, address, port } = targetOf(req, options)
  span.set({ 'url.full': redactQuery(url), 'server.address': address, 'server.port': port })
}

function describeResponse(span: TracedSpan, { socket, httpVersion, statusCode }: IncomingMessage): void {
  span.set({
    // Not at the end: the address of a connection that is closed is not known any more.
    'network.peer.address': socket?.remoteAddress,
    'network.peer.port': socket?.remotePort,
    'network.protocol.version': httpVersion,
    'http.response.status_code': statusCode,
  })
}

/** Of what an agent is told about a request. */
interface AgentOptions {
  readonly port?: number | string | null | undefined
}

/** Where a request goes in the end: not the proxy that it is sent to. */
function targetOf(
  req: ClientRequest & { socketPath?: string },
  options: AgentOptions | undefined,
): { url: string; address: string; port: number } {
  const { protocol, host, socketPath } = req
  const path = String(req.path)
  if (socketPath) return { url: `${protocol}//localhost${path}`, address: socketPath, port: defaultPort(protocol) }
  // A proxy is sent the whole URL.
  const whole = path.startsWith('/') ? undefined : wholeUrl(path)
  if (whole !== undefined) return whole
  const port = Number(options?.port) || portOf(req) || defaultPort(protocol)
  const authority = port === defaultPort(protocol) ? bracketed(host) : `${bracketed(host)}:${port}`
  // A proxy is told where to open a tunnel to.
  if (req.method === 'CONNECT') return { url: `${protocol}//${path}`, address: host, port }
  return { url: `${protocol}//${authority}${path.startsWith('/') ? '' : '/'}${path}`, address: host, port }
}

/** Requests of other agents than Node's, and of none, keep no port but in this header. */
const portOf = (req: ClientRequest): number | undefined => splitHost(String(req.getHeader('host') ?? '')).port

/** A list of headers, flat (`[name, value, ...]`) or of pairs, with the trace headers in it. */
export function withListed(own: readonly unknown[], ours: Record<string, string>): readonly unknown[] {
  const isPaired = Array.isArray(own[0])
  // A mistake, which Node reports.
  if (isPaired ? !own.every(Array.isArray) : own.length % 2 !== 0) return own
  const pairs = isPaired ? (own as [unknown, unknown][]) : pairsOf(own)
  const isNamed = (name: string) => (pair: readonly unknown[]) => String(pair[0]).toLowerCase() === name
  const names = headersToSend(ours, name => pairs.find(isNamed(name))?.[1])
  const all = [
    ...pairs.filter(pair => !names.some(name => isNamed(name)(pair))),
    ...names.map(name => [name, ours[name]] as [unknown, unknown]),
  ]
  return isPaired ? all : all.flat()
}

function pairsOf(flat: readonly unknown[]): [unknown, unknown][] {
  const pairs: [unknown, unknown][] = []
  for (let i = 0; i < flat.length; i += 2) pairs.push([flat[i], flat[i + 1]])
  return pairs
}
