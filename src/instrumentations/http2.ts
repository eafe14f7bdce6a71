/** Node's `http2`: requests that come in and go out, by its streams and by the API that is compatible with http. */
import type {
  ClientHttp2Session,
  Http2Session,
  Http2Stream,
  IncomingHttpHeaders,
  IncomingHttpStatusHeader,
  ServerHttp2Stream,
} from 'node:http2'
import { Server } from 'node:net'
import { client, defineInstrumentation, type Kit, type OpenCall, type Operation, server } from './define.js'
import {
  defaultPort,
  isAbort,
  knownMethod,
  methodName,
  originalMethod,
  pathOf,
  redactQuery,
  serverCall,
} from './shared/http.js'
import { type Emit, isHeard, type Listeners, passing } from './shared/http-events.js'
import { type HttpHeaders, httpHeaders, recordingClient, recordingServer } from './shared/http-headers.js'
import {
  authorityOf,
  isCancel,
  isCutOff,
  isHarmless,
  NO_ERROR,
  nameOfCode,
  targetOf,
  typeOf,
  withTrace,
} from './shared/http2.js'
import { isOfUndici, unconnected } from './shared/http2-sessions.js'
import { createStamp } from './shared/stamp.js'

type Http2 = typeof import('node:http2')

export default defineInstrumentation<HttpHeaders>({
  name: 'http2',
  title: 'Node.js http2',
  category: 'http',
  options: httpHeaders,
  modules: [
    {
      name: 'http2',
      versions: '>=20.6 <28',
      // undici loads it, and with it whatever uses `fetch`.
      calls: ['connect', 'createServer', 'createSecureServer', 'performServerHandshake'],
      patch(http2: Http2, kit) {
        const session = Object.getPrototypeOf(unconnected(http2)) as ClientHttp2Session
        kit.wrap(session, 'request', request => ask(request as Request, kit) as typeof request)
        // Both kinds of session inherit it. A request is a stream first, whatever the application listens to.
        kit.wrap(
          Object.getPrototypeOf(session) as Http2Session,
          'emit',
          emit => receive(emit as Emit, kit) as typeof emit,
        )
        // Servers of both kinds inherit it, of which one costs 7 ms to make for a look at it (Node 20).
        kit.wrap(Server.prototype, 'emit', emit => handOver(emit, http2))
        for (const { prototype } of [http2.Http2ServerRequest, http2.Http2ServerResponse]) {
          kit.wrap(prototype as Emits, 'emit', emit => rejoin(emit, kit))
        }
      },
    },
  ],
})

interface Emits {
  emit: Emit
}

const seen = new WeakSet<object>()

/** What all streams inherit from, met with the first of them. */
function patchStreams(stream: Http2Stream, kit: Kit<object>): void {
  const prototype = Object.getPrototypeOf(Object.getPrototypeOf(stream)) as Http2Stream
  if (seen.has(prototype)) return
  seen.add(prototype)
  kit.wrap(prototype as unknown as Emits, 'emit', emit => overhear(emit, kit))
  kit.wrap(prototype, 'close', close => noticeEnd(close as never, isHarmless) as never)
  kit.wrap(prototype, 'destroy', destroy => noticeEnd(destroy as never, isCancel) as never)
}

interface Exchange {
  stream: Http2Stream
  /** Whether it was this side that ended the stream early, and if so as one who needs no more of it. */
  ended?: 'cancelled' | 'failed'
  error?: unknown
}

const callOf = (stream: object): Exchange | undefined => (serverCall.get(stream) ?? sent.get(stream))?.call

/** Node closes the streams of a lost connection in the same way as an application does. */
function noticeEnd(end: Emit, isHarmlessEnd: (reason: unknown) => boolean): Emit {
  return function (this: Http2Stream, reason: unknown) {
    const call = this.closed ? undefined : callOf(this)
    if (call !== undefined && this.session?.socket?.destroyed === false) {
      call.ended ??= isHarmlessEnd(reason) ? 'cancelled' : 'failed'
    }
    return Reflect.apply(end, this, arguments as never)
  } as Emit
}

function overhear(emit: Emit, kit: Kit<object>): Emit {
  const pass = passing(emit)
  return function (this: Http2Stream & Listeners, event: string, subject: unknown, flags: unknown) {
    const asked = sent.get(this)
    if (asked !== undefined) hear(asked, event, subject, flags)
    const open = asked === undefined ? serverCall.get(this) : undefined
    if (open === undefined) return pass(this, event, subject, arguments)
    if (event === 'error') open.call.error ??= subject
    else if (event === 'close') open.end(open.call)
    if (!isHeard(this, event)) return pass(this, event, subject, arguments)
    return kit.rejoin(open, emit, this, arguments as never)
  } as Emit
}

/** Events come in the context of the connection, which is that of whoever opened the server. */
function rejoin(emit: Emit, kit: Kit<object>): Emit {
  const pass = passing(emit)
  return function (this: Listeners, event: string, subject: unknown) {
    const open = isHeard(this, event) ? serverCall.get(this) : undefined
    if (open === undefined) return pass(this, event, subject, arguments)
    return kit.rejoin(open, emit, this, arguments as never)
  } as Emit
}

interface Incoming extends Exchange {
  stream: ServerHttp2Stream
  headers: IncomingHttpHeaders
}

function receive(emit: Emit, kit: Kit<HttpHeaders>): Emit {
  const pass = passing(emit)
  const operation = recordingServer(
    incoming,
    kit.options,
    ({ headers }, name) => headers[name],
    ({ stream }, name) => stream.sentHeaders?.[name],
  )
  return function (this: Http2Session, event: string, stream: ServerHttp2Stream, headers: IncomingHttpHeaders) {
    // The stream that a client is told of is one that the server pushes: nobody has asked for it.
    if (event !== 'stream' || this.type !== SERVER_SESSION) return pass(this, event, stream, arguments)
    const call: Incoming = { stream, headers }
    const open = kit.begin(operation, call)
    if (open === undefined) return pass(this, event, stream, arguments)
    patchStreams(stream, kit)
    serverCall.set(stream, open)
    return open.attempt(emit, this, arguments as never, call)
  } as Emit
}

// NGHTTP2_SESSION_SERVER
const SERVER_SESSION = 0

/** Requests of the compatible API have the call of their stream. Those of HTTP/1 at the same server are http's. */
const handOver = (emit: Server['emit'], { Http2ServerRequest }: Http2): Server['emit'] =>
  function (this: Server, _event: string, req: unknown, res: unknown) {
    const open = req instanceof Http2ServerRequest ? serverCall.get(req.stream) : undefined
    if (open !== undefined) for (const part of [req, res]) serverCall.set(part as object, open)
    return Reflect.apply(emit as Emit, this, arguments as never)
  } as Server['emit']

const incoming: Operation<Incoming> = {
  lowerCase: true,
  extract: ({ headers }) => headers as Record<string, string>,
  start({ stream: { session }, headers }) {
    const { ':method': method = '', ':path': path, 'user-agent': agent } = headers
    const scheme = session?.encrypted === true ? 'https' : 'http'
    const host = authorityOf(headers)
    const target = path === undefined ? String(headers[':authority'] ?? '') : pathOf(path)
    const question = target.indexOf('?')
    const { remoteAddress, remotePort } = session?.socket ?? {}
    return server(methodName(method), {
      'http.request.method': knownMethod(method),
      'http.request.method_original': originalMethod(method),
      'url.path': question === -1 ? target : target.slice(0, question),
      'url.query': question === -1 ? undefined : redactQuery(target.slice(question)).slice(1) || undefined,
      'url.scheme': scheme,
      'server.address': host?.address,
      'server.port': host && (host.port ?? defaultPort(scheme)),
      'client.address': remoteAddress,
      'network.peer.address': remoteAddress,
      'network.peer.port': remotePort,
      'network.protocol.version': '2',
      'user_agent.original': agent,
      'http.route': undefined,
      'http.response.status_code': undefined,
    })
  },
  finish(span, call) {
    const { stream, headers, ended, error } = call
    const { ':status': status = 0, 'content-type': type = '' } = (stream.sentHeaders ?? {}) as IncomingHttpHeaders &
      IncomingHttpStatusHeader
    if (status > 0) span.set({ 'http.response.status_code': status })
    if (status >= 500) {
      call.error = undefined
      span.set({ 'error.type': String(status) }).fail()
    } else if (error !== undefined) span.set({ 'error.type': typeOf(error, stream) })
    else if (isCutOff(stream)) {
      // An event stream and a tunnel end with the client leaving.
      if (String(type).startsWith('text/event-stream') || headers[':method'] === 'CONNECT') return
      span
        .set({ 'error.type': ended === undefined ? 'client_disconnect' : nameOfCode(stream.rstCode ?? NO_ERROR) })
        .fail()
    }
  },
}

interface Outgoing extends Exchange {
  /** As the application gave them, until `inject` puts the trace into a copy. */
  headers: unknown
  response?: IncomingHttpStatusHeader
  timedOut: boolean
  encrypted: boolean
}

const sent = createStamp<{ open: OpenCall<Outgoing>; call: Outgoing }>()

type Request = (this: ClientHttp2Session, headers?: unknown, ...rest: unknown[]) => Http2Stream

function ask(request: Request, kit: Kit<HttpHeaders>): Request {
  const operation = recordingClient(
    outgoing,
    kit.options,
    ({ stream }, name) => stream.sentHeaders?.[name],
    ({ response }, name) => (response as IncomingHttpHeaders | undefined)?.[name],
  )
  return function (this: ClientHttp2Session, headers, ...rest) {
    if (isOfUndici(this)) return Reflect.apply(request, this, arguments as never)
    const call: Outgoing = { stream: undefined as never, headers, timedOut: false, encrypted: this.encrypted === true }
    const open = kit.begin(operation, call)
    const stream = Reflect.apply(request, this, [call.headers, ...rest])
    if (open === undefined) return stream
    patchStreams(stream, kit)
    call.stream = stream
    sent.set(stream, { open, call })
    open.progress(call)
    return stream
  }
}

const END_STREAM = 1

function hear(
  { open, call }: { open: OpenCall<Outgoing>; call: Outgoing },
  event: string,
  subject: unknown,
  flags: unknown,
): void {
  if (event === 'response') {
    call.response = subject as IncomingHttpStatusHeader
    open.progress(call)
    // Nobody has to read such a response, and until somebody does the stream stays open; that of a tunnel may for ever.
    const isBodiless = typeof flags === 'number' && (flags & END_STREAM) !== 0
    if (isBodiless || call.stream.sentHeaders?.[':method'] === 'CONNECT') open.end(call)
  } else if (event === 'timeout') call.timedOut = true
  else if (event === 'error') call.error = subject
  else if (event === 'close') open.end(call)
}

const outgoing: Operation<Outgoing> = {
  inside: 'none',
  // What the headers come to is known when Node has made a stream of them.
  start: () =>
    client('HTTP', {
      'http.request.method': undefined,
      'http.request.method_original': undefined,
      'url.full': undefined,
      'server.address': undefined,
      'server.port': undefined,
      'network.peer.address': undefined,
      'network.peer.port': undefined,
      'network.protocol.version': '2',
      'http.response.status_code': undefined,
    }),
  inject(call, headers) {
    call.headers = withTrace(call.headers, headers)
  },
  progress(span, { stream, response, encrypted }) {
    if (response === undefined) {
      const headers = (stream.sentHeaders ?? {}) as IncomingHttpHeaders
      const method = String(headers[':method'])
      const { url, address, port } = targetOf(headers, encrypted)
      span.updateName(methodName(method)).set({
        'http.request.method': knownMethod(method),
        'http.request.method_original': originalMethod(method),
        'url.full': redactQuery(url),
        'server.address': address,
        'server.port': port,
      })
      return
    }
    // Not at the end: the address of a connection that is closed is not known any more.
    const { remoteAddress, remotePort } = stream.session?.socket ?? {}
    span.set({
      'network.peer.address': remoteAddress,
      'network.peer.port': remotePort,
      'http.response.status_code': response[':status'],
    })
  },
  finish(span, call) {
    const { stream, response, timedOut, ended, error } = call
    const cancelled = isAbort(error) || (ended === 'cancelled' && !timedOut)
    if (cancelled) {
      call.error = undefined
      return
    }
    const status = response?.[':status'] ?? 0
    const rstCode = stream.rstCode ?? NO_ERROR
    if (error !== undefined) span.set({ 'error.type': typeOf(error, stream) })
    else if (status >= 400) span.set({ 'error.type': String(status) }).fail()
    else if (rstCode !== NO_ERROR || status === 0) span.set({ 'error.type': nameOfCode(rstCode) }).fail()
  },
}
