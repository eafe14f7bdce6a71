/** Node's `http` and `https`: requests that come in, and requests that go out. */
import type { ClientRequest, IncomingMessage, Server, ServerResponse } from 'node:http'
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
import { targetOf, withHeaders } from './shared/http-arguments.js'
import { answeredBy, type Emit, isHeard, type Listeners, passing } from './shared/http-events.js'
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
      patch(http: typeof import('node:http'), kit) {
        traceServer(http.Server.prototype, kit)
        // Requests and responses tell how a call goes on by events: overhearing them adds no listener.
        kit.wrap(http.IncomingMessage.prototype, 'emit', emit => rejoinEvents(emit, kit))
        kit.wrap(http.ServerResponse.prototype, 'emit', emit => overhearResponse(emit, kit))
        kit.wrap(http.ClientRequest.prototype, 'emit', overhearRequest)
        kit.wrap(http.ClientRequest.prototype, 'destroy', noticeDestroy)
        kit.wrap(http.Agent.prototype as unknown as Connects, 'createSocket', connectInContext)
        traceClient(http, kit)
      },
    },
    {
      name: 'https',
      versions: NODE,
      patch(https: typeof import('node:https'), kit) {
        traceServer(https.Server.prototype as unknown as Server, kit)
        traceClient(https as unknown as typeof import('node:http'), kit)
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

function traceServer(prototype: Server, kit: Kit<object>): void {
  kit.wrap(prototype, 'emit', emit => {
    return function (this: Server, event: string, req: IncomingMessage, second: ServerResponse | Duplex) {
      const takesOver = event === 'upgrade' || event === 'connect'
      const isRequest = takesOver || event === 'request' || event === 'checkContinue' || event === 'checkExpectation'
      // A handler of checkContinue may emit the request once more.
      if (!isRequest || typeof req !== 'object' || req === null || serverCall.get(req) !== undefined) {
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
    const open = isHeard(this, event) ? serverCall.get(this) : undefined
    if (open === undefined) return pass(this, event, subject, arguments)
    return kit.rejoin(open, emit as Emit, this, arguments as never)
  } as Emit as IncomingMessage['emit']
}

const overhearResponse = (emit: ServerResponse['emit'], kit: Kit<object>): ServerResponse['emit'] => {
  const pass = passing(emit as Emit)
  return function (this: ServerResponse & Listeners, event: string, subject: unknown) {
    const heard = isHeard(this, event)
    const open = heard || event === 'close' ? answeredBy(this) : undefined
    if (open === undefined) return pass(this, event, subject, arguments)
    if (event === 'close') open.end(open.call)
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
  /** As the application gave them, until `inject` puts headers into a copy. */
  args: readonly unknown[]
  /** Set by `inject`: without them the request is none of ours. */
  headers?: Record<string, string>
  req?: ClientRequest
  res?: IncomingMessage
  /** The response is complete with its headers. */
  bodiless?: boolean
  timedOut: boolean
  /** What the application destroyed the request with, in an array as it may be nothing. */
  destroyedWith?: readonly [unknown]
  error?: unknown
}

type Request = (this: unknown, ...args: any[]) => ClientRequest

function traceClient(http: typeof import('node:http'), kit: Kit<object>): void {
  const request = http.request as Request
  function send(self: unknown, args: unknown[]): ClientRequest {
    const call: Outgoing = { args, timedOut: false }
    const open = kit.begin(outgoing, call)
    const req = Reflect.apply(request, self, call.args as never)
    if (call.headers !== undefined) addHeaders(req, call.headers)
    if (open !== undefined) {
      call.req = req
      sent.set(req, { open, call, caller: kit.bind(Reflect.apply as never) })
      open.progress(call)
    }
    return req
  }
  const sending = (ends: boolean) => (): Request =>
    function (this: unknown, ...args) {
      const req = send(this, args)
      if (ends) req.end()
      return req
    }
  kit.wrap(http, 'request', sending(false))
  // `get` ends its request before it returns it, and with that the headers are sent: so it is request and end here too.
  kit.wrap(http, 'get', sending(true))
}

function addHeaders(req: ClientRequest, ours: Record<string, string>): void {
  if (req.headersSent) return
  for (const name of headersToSend(ours, own => req.getHeader(own))) req.setHeader(name, ours[name] as string)
}

interface Sent {
  open: OpenCall<Outgoing>
  call: Outgoing
  /** `Reflect.apply` in the context of whoever made the request. */
  caller: typeof Reflect.apply
}

const sent = createStamp<Sent>()

const overhearRequest = (emit: ClientRequest['emit']): ClientRequest['emit'] =>
  function (this: ClientRequest, event: string, subject: unknown) {
    const ours = sent.get(this)
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

interface Connects {
  createSocket(req: ClientRequest, ...rest: unknown[]): void
}

/** A request that waits for a connection gets one when another breaks, and would write in the context of that one's. */
const connectInContext = (createSocket: Connects['createSocket']): Connects['createSocket'] =>
  function (this: unknown, req) {
    const ours = typeof req === 'object' && req !== null ? sent.get(req) : undefined
    return (ours?.caller ?? Reflect.apply)(createSocket, this, arguments as never)
  }

const noticeDestroy = (destroy: ClientRequest['destroy']): ClientRequest['destroy'] =>
  function (this: ClientRequest, error?: unknown) {
    const ours = sent.get(this)
    if (ours !== undefined) ours.call.destroyedWith ??= [error]
    return Reflect.apply(destroy, this, arguments as never)
  }

const outgoing: Operation<Outgoing> = {
  inside: 'none',
  // What the arguments come to is known when Node has made a request of them.
  start: () =>
    client('HTTP', {
      'http.request.method': undefined,
      'http.request.method_original': undefined,
      'url.full': undefined,
      'server.address': undefined,
      'server.port': undefined,
      'network.peer.address': undefined,
      'network.peer.port': undefined,
      'network.protocol.version': undefined,
      'http.response.status_code': undefined,
    }),
  inject(call, headers) {
    call.headers = headers
    call.args = withHeaders(call.args, headers)
  },
  progress(span, call) {
    if (call.res === undefined) describeRequest(span, call.req as ClientRequest, call.args)
    else describeResponse(span, call.res)
    call.bodiless = call.res !== undefined && hasNoBody(call.req as ClientRequest, call.res)
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

function describeRequest(span: TracedSpan, req: ClientRequest, args: readonly unknown[]): void {
  const { url, address, port } = targetOf(req, args)
  span.updateName(methodName(req.method)).set({
    'http.request.method': knownMethod(req.method),
    'http.request.method_original': originalMethod(req.method),
    'url.full': redactQuery(url),
    'server.address': address,
    'server.port': port,
  })
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
