/** Node's `http` and `https`: requests that come in, and requests that go out. */
import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import type { Duplex } from 'node:stream'
import { defineInstrumentation, type Kit, type Operation, server } from './define.js'
import {
  defaultPort,
  knownMethod,
  methodName,
  originalMethod,
  pathOf,
  redactQuery,
  serverCall,
  splitHost,
} from './shared/http.js'
import { answeredBy, type Emit, isHeard, isUnconnected, type Listeners, passing } from './shared/http-events.js'
import { type HttpHeaders, httpHeaders, recordingServer } from './shared/http-headers.js'
import { sentHeader, traceRequests } from './shared/http-requests.js'

const NODE = '>=20.6 <28'

export default defineInstrumentation<HttpHeaders>({
  name: 'http',
  title: 'Node.js http and https',
  category: 'http',
  options: httpHeaders,
  modules: [
    {
      name: 'http',
      versions: NODE,
      // Of `https`, too: its servers, requests and agents inherit all of these.
      patch(http: typeof import('node:http'), kit) {
        traceServers(http, kit)
        // Requests and responses tell how a call goes on by events: overhearing them adds no listener.
        kit.wrap(http.IncomingMessage.prototype, 'emit', emit => rejoinEvents(emit, kit))
        kit.wrap(http.ServerResponse.prototype, 'emit', emit => overhearResponse(emit, kit))
        traceRequests(http, kit)
      },
    },
  ],
})

// A class for the reason of `MethodCall`.
class Incoming {
  /** What the connection had written when a request came in that takes it over. */
  bytesBefore = 0
  error: unknown = undefined

  constructor(
    readonly req: IncomingMessage,
    /** Undefined for requests that take over the connection: upgrade and connect. */
    readonly res: ServerResponse | undefined,
  ) {}
}

function traceServers({ Server, IncomingMessage }: typeof import('node:http'), kit: Kit<HttpHeaders>): void {
  const operation = recordingServer(
    incoming,
    kit.options,
    ({ req }, name) => req.headers[name],
    ({ res }, name) => res && sentHeader(res, name),
  )
  kit.wrap(Object.getPrototypeOf(Server.prototype) as Server, 'emit', emit => {
    return function (this: Server, event: string, req: IncomingMessage, second: ServerResponse | Duplex) {
      const takesOver = event === 'upgrade' || event === 'connect'
      const isRequest = takesOver || event === 'request' || event === 'checkContinue' || event === 'checkExpectation'
      // Any server may have a 'request'; a handler of checkContinue may emit the request once more.
      if (!isRequest || !(req instanceof IncomingMessage) || serverCall.get(req) !== undefined) {
        return Reflect.apply(emit as Emit, this, arguments as never)
      }
      const res = takesOver ? undefined : (second as ServerResponse)
      const call = new Incoming(req, res)
      const open = kit.begin(operation, call)
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
    if (call.res === undefined) call.bytesBefore = socket?.bytesWritten ?? 0
    const address = socket?.remoteAddress
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
      'client.address': address,
      'network.peer.address': address,
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
