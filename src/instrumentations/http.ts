/** Node's `http` and `https`: requests that come in, and requests that go out. */
import type { Agent, ClientRequest, IncomingMessage, Server, ServerResponse } from 'node:http'
import type { Duplex } from 'node:stream'
import {
  client,
  defineInstrumentation,
  type Kit,
  type OpenCall,
  type Operation,
  server,
  type TracedSpan,
} from './define.js'
import {
  defaultPort,
  hasNoBody,
  headersToSend,
  isAbort,
  isCancelling,
  knownMethod,
  methodName,
  originalMethod,
  pathOf,
  redactQuery,
  serverCall,
  splitHost,
} from './shared/http.js'
import { answeredBy, type Emit, isHeard, isUnconnected, type Listeners, passing } from './shared/http-events.js'
import { type AgentOptions, targetOf, withListed } from './shared/http-requests.js'
import { createStamp } from './shared/stamp.js'

const NODE = '>=20.6 <28'

export default defineInstrumentation({
  name: 'http',
  title: 'Node.js http and https',
  category: 'http',
  modules: [
    {
      name: 'http',
      versions: NODE,
      // Of `https`, too: its servers, requests and agents inherit all of these. To load it costs a third of a start (64 of
      // 190 million instructions, Node 24), and nothing would tell when an ES module imports it.
      patch(http: typeof import('node:http'), kit) {
        traceServers(http, kit)
        // Requests and responses tell how a call goes on by events: overhearing them adds no listener.
        kit.wrap(http.IncomingMessage.prototype, 'emit', emit => rejoinEvents(emit, kit))
        kit.wrap(http.ServerResponse.prototype, 'emit', emit => overhearResponse(emit, kit))
        kit.wrap(http.ClientRequest.prototype, 'emit', overhearRequest)
        kit.wrap(http.ClientRequest.prototype, 'destroy', noticeDestroy)
        traceRequests(http, kit)
      },
    },
  ],
})

interface Incoming {
  req: IncomingMessage
  /** Undefined for requests that take over the connection: upgrade and connect. */
  res: ServerResponse | undefined
  /** What the connection had written when such a request came in. */
  bytesBefore: number
  error?: unknown
}

function traceServers({ Server, IncomingMessage }: typeof import('node:http'), kit: Kit<object>): void {
  kit.wrap(Object.getPrototypeOf(Server.prototype) as Server, 'emit', emit => {
    return function (this: Server, event: string, req: IncomingMessage, second: ServerResponse | Duplex) {
      const takesOver = event === 'upgrade' || event === 'connect'
      const isRequest = takesOver || event === 'request' || event === 'checkContinue' || event === 'checkExpectation'
      // Any server may have a 'request'; a handler of checkContinue may emit the request once more.
      if (!isRequest || !(req instanceof IncomingMessage) || serverCall.get(req) !== undefined) {
        return Reflect.apply(emit as Emit, this, arguments as never)
      }
      const res = takesOver ? undefined : (second as ServerResponse)
      const call: Incoming = { req, res, bytesBefore: 0 }
      const open = kit.begin(incoming, call)
      if (open === undefined) return Reflect.apply(emit as Emit, this, arguments as never)
      serverCall.set(req, open)
      const heard = open.attempt(emit as Emit, this, arguments as never, call)
      if (res === undefined) open.end(call)
      return heard
    } as Emit as typeof emit
  })
}

// To look for our call costs 50 ns and to enter its context 190 ns on Node 24: not where nobody listens.
/** A request's body arrives in the context of its connection, which is that of whoever opened the server. */
const rejoinEvents = (emit: IncomingMessage['emit'], kit: Kit<object>): IncomingMessage['emit'] => {
  const pass = passing(emit as Emit)
  return function (this: IncomingMessage & Listeners, event: string, subject: unknown) {
    const heard = isHeard(this, event)
    const open = heard || event === 'aborted' ? serverCall.get(this) : undefined
    if (open === undefined) return pass(this, event, subject, arguments)
    // A pipelined response that never had the connection is not closed with it.
    if (event === 'aborted' && open.call.res?.socket === null) open.end(open.call)
    if (!heard) return pass(this, event, subject, arguments)
    return kit.rejoin(open, emit as Emit, this, arguments as never)
  } as Emit as IncomingMessage['emit']
}

const overhearResponse = (emit: ServerResponse['emit'], kit: Kit<object>): ServerResponse['emit'] => {
  const pass = passing(emit as Emit)
  return function (this: ServerResponse & Listeners, event: string, subject: unknown) {
    const heard = isHeard(this, event)
    const isEnd = event === 'close' || (event === 'finish' && isUnconnected(this))
    const open = heard || isEnd ? answeredBy(this) : undefined
    if (open === undefined) return pass(this, event, subject, arguments)
    if (isEnd) open.end(open.call)
    if (!heard) return pass(this, event, subject, arguments)
    return kit.rejoin(open, emit as Emit, this, arguments as never)
  } as Emit as ServerResponse['emit']
}

const incoming: Operation<Incoming> = {
  lowerCase: true,
  extract: ({ req }) => req.headers,
  start(call) {
    const { method = '', url = '', headers = {}, socket, httpVersion } = call.req
    call.bytesBefore = socket?.bytesWritten ?? 0
    const target = pathOf(url)
    const question = target.indexOf('?')
    const scheme = (socket as { encrypted?: boolean } | undefined)?.encrypted === true ? 'https' : 'http'
    const host = headers.host ? splitHost(headers.host) : undefined
    return server(methodName(method), {
      'http.request.method': knownMethod(method),
      'http.request.method_original': originalMethod(method),
      'url.path': question === -1 ? target : target.slice(0, question),
      'url.query': question === -1 ? undefined : redactQuery(target.slice(question)).slice(1) || undefined,
      'url.scheme': scheme,
      'server.address': host?.address,
      'server.port': host && (host.port ?? defaultPort(scheme)),
      'client.address': socket?.remoteAddress,
      'network.peer.address': socket?.remoteAddress,
      'network.peer.port': socket?.remotePort,
      'network.protocol.version': httpVersion,
      'user_agent.original': headers['user-agent'],
      'http.route': undefined,
      'http.response.status_code': undefined,
    })
  },
  finish(span, call) {
    const { req, res, bytesBefore } = call
    if (res === undefined) {
      // Whoever took the connection over has agreed to it if they wrote something and keep it open.
      if (req.socket.writable && req.socket.bytesWritten > bytesBefore) {
        span.set({ 'http.response.status_code': req.method === 'CONNECT' ? 200 : 101 })
      }
      return
    }
    const { statusCode, headersSent, writableFinished, errored } = res
    if (headersSent) span.set({ 'http.response.status_code': statusCode })
    if (call.error !== undefined) return
    if (headersSent && statusCode >= 500) {
      span.set({ 'error.type': String(statusCode) }).fail()
    } else if (errored) {
      call.error = errored
    } else if (!writableFinished && !isEventStream(res)) {
      // The client left before it had its answer.
      span.set({ 'error.type': 'client_disconnect' }).fail()
    }
  },
}

// An event stream ends with its client leaving. `getHeader` does not tell what `writeHead` was given.
const isEventStream = (res: ServerResponse & { _header?: string | null }): boolean =>
  /^content-type: *text\/event-stream/im.test(res._header ?? '')

interface Outgoing {
  readonly req: ClientRequest
  /** What the request's agent was told, if it is one of Node's. */
  options: AgentOptions | undefined
  /** The headers that are about to be made into bytes, with ours where they are a list. */
  headers: unknown
  res?: IncomingMessage
  /** The response is complete with its headers. */
  bodiless?: boolean
  timedOut: boolean
  /** What the application destroyed the request with, in an array as it may be nothing. */
  destroyedWith?: readonly [unknown]
  error?: unknown
}

interface Sent {
  open: OpenCall<Outgoing>
  call: Outgoing
  /** `Reflect.apply` in the context of whoever made the request. */
  caller: typeof Reflect.apply
}

/** Of every request that was met; of those that are not traced it is false. */
const sent = createStamp<Sent | false>()

const sentOf = (req: unknown): Sent | undefined =>
  (typeof req === 'object' && req !== null && sent.get(req)) || undefined

/**
 * A request is met within its constructor: when that hands it to an agent or to a connection, or before, when it makes
 * headers that are a list, or that expect something, into bytes.
 */
function traceRequests({ Agent, ClientRequest }: typeof import('node:http'), kit: Kit<object>): void {
  function meet(req: ClientRequest, options?: AgentOptions, headers?: unknown): Outgoing | undefined {
    const met = sent.get(req)
    if (met === undefined) {
      const call: Outgoing = { req, options, headers, timedOut: false }
      const open = kit.begin(outgoing, call)
      sent.set(req, open !== undefined && { open, call, caller: kit.bind(Reflect.apply as never) })
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

  const request = ClientRequest.prototype as ClientRequest & Stores
  kit.wrap(request, 'onSocket', onSocket => {
    return function (this: ClientRequest) {
      meet(this)
      return Reflect.apply(onSocket, this, arguments as never)
    }
  })
  kit.wrap(request, '_storeHeader', storeHeader => {
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
    if (ours !== undefined) ours.call.destroyedWith ??= [error]
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
