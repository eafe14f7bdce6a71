/** Node's `http` and `https`: requests that come in, and requests that go out. */
import type { ClientRequest, ClientRequestArgs, IncomingMessage, Server, ServerResponse } from 'node:http'
import type { Duplex } from 'node:stream'
import { client, defineInstrumentation, type Kit, type OpenCall, type Operation, server } from './define.js'
import {
  bracketed,
  defaultPort,
  knownMethod,
  mayReplace,
  methodName,
  originalMethod,
  redactQuery,
  serverCall,
  splitHost,
} from './shared/http.js'
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
        // The response and the request tell how a call goes on by events: overhearing them adds no listener.
        kit.wrap(http.ServerResponse.prototype, 'emit', overhearResponse)
        kit.wrap(http.ClientRequest.prototype, 'emit', overhearRequest)
        kit.wrap(http.ClientRequest.prototype, 'destroy', noticeCancelling)
        traceClient(http, 'http:', kit)
      },
    },
    {
      name: 'https',
      versions: NODE,
      patch(https: typeof import('node:https'), kit) {
        traceServer(https.Server.prototype as unknown as Server, kit)
        traceClient(https as unknown as typeof import('node:http'), 'https:', kit)
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
}

function traceServer(prototype: Server, kit: Kit<object>): void {
  kit.wrap(prototype, 'emit', emit => {
    return function (this: Server, event: string, req: IncomingMessage, second: ServerResponse | Duplex) {
      const takesOver = event === 'upgrade' || event === 'connect'
      const isRequest = takesOver || event === 'request' || event === 'checkContinue' || event === 'checkExpectation'
      // A handler of checkContinue may emit the request once more.
      if (!isRequest || typeof req !== 'object' || req === null || serverCall.get(req) !== undefined) {
        return Reflect.apply(emit as () => boolean, this, arguments)
      }
      const res = takesOver ? undefined : (second as ServerResponse)
      const call: Incoming = { req, res, bytesBefore: req.socket?.bytesWritten ?? 0 }
      const open = kit.begin(incoming, call)
      if (open === undefined) return Reflect.apply(emit as () => boolean, this, arguments)
      serverCall.set(req, open)
      if (res !== undefined) response.set(res, { open, call })
      const heard = open.run(emit as () => boolean, this, arguments as never)
      if (res === undefined) open.end(call)
      return heard
    } as typeof emit
  })
}

const response = createStamp<{ open: OpenCall<Incoming>; call: Incoming }>()

const overhearResponse = (emit: ServerResponse['emit']): ServerResponse['emit'] =>
  function (this: ServerResponse, event: string) {
    if (event === 'close') {
      const ours = response.get(this)
      ours?.open.end(ours.call)
    }
    return Reflect.apply(emit as () => boolean, this, arguments)
  } as ServerResponse['emit']

const incoming: Operation<Incoming> = {
  extract: ({ req }) => req.headers,
  start({ req }) {
    const { method = '', url = '', headers, socket } = req
    const target = pathOf(url)
    const question = target.indexOf('?')
    const scheme = (socket as { encrypted?: boolean }).encrypted === true ? 'https' : 'http'
    const host = headers.host === undefined ? undefined : splitHost(headers.host)
    return server(methodName(method), {
      'http.request.method': knownMethod(method),
      'http.request.method_original': originalMethod(method),
      'url.path': question === -1 ? target : target.slice(0, question),
      'url.query': question === -1 ? undefined : redactQuery(target.slice(question)).slice(1) || undefined,
      'url.scheme': scheme,
      'server.address': host?.address,
      'server.port': host === undefined ? undefined : (host.port ?? defaultPort(scheme)),
      'client.address': socket.remoteAddress,
      'network.peer.address': socket.remoteAddress,
      'network.peer.port': socket.remotePort,
      'network.protocol.version': req.httpVersion,
      'user_agent.original': headers['user-agent'],
      'http.route': undefined,
      'http.response.status_code': undefined,
    })
  },
  finish(span, { req, res, bytesBefore }) {
    if (res === undefined) {
      // Whoever took the connection over has answered 101 if it wrote something and keeps it open.
      if (req.socket.writable && req.socket.bytesWritten > bytesBefore) span.set({ 'http.response.status_code': 101 })
      return
    }
    const { statusCode, headersSent, writableFinished } = res
    if (headersSent) span.set({ 'http.response.status_code': statusCode })
    if (headersSent && statusCode >= 500) {
      span.set({ 'error.type': String(statusCode) }).fail()
    } else if (!writableFinished && !isEventStream(res)) {
      // The client left before it had its answer.
      span.set({ 'error.type': 'client_disconnect' }).fail()
    }
  },
}

// An event stream has no end of its own: the client leaving is how it ends.
const isEventStream = (res: ServerResponse): boolean =>
  String(res.getHeader('content-type')).startsWith('text/event-stream')

/** Path and query of a request target in any of its forms (RFC 9112, section 3.2). */
function pathOf(url: string): string {
  if (url.startsWith('/')) return url
  const scheme = url.indexOf('://')
  if (scheme === -1) return url
  const slash = url.indexOf('/', scheme + 3)
  return slash === -1 ? '/' : url.slice(slash)
}

interface Outgoing {
  args: unknown[]
  scheme: 'http:' | 'https:'
  /** Set by `inject`: without them the request is none of ours. */
  headers: Record<string, string> | undefined
  req: ClientRequest | undefined
  res: IncomingMessage | undefined
  cancelled: boolean
  error?: unknown
}

type Request = typeof import('node:http').request

function traceClient(http: typeof import('node:http'), scheme: Outgoing['scheme'], kit: Kit<object>): void {
  const { request } = http
  const send = (self: unknown, args: unknown[]): ClientRequest => {
    const call: Outgoing = { args, scheme, headers: undefined, req: undefined, res: undefined, cancelled: false }
    const open = kit.begin(outgoing, call)
    if (call.headers === undefined) return Reflect.apply(request, self, args as never)
    const early = withHeaders(args, call.headers)
    const req: ClientRequest = Reflect.apply(request, self, (early ?? args) as never)
    if (early === undefined) addHeaders(req, call.headers)
    if (open !== undefined) {
      call.req = req
      requestCall.set(req, { open, call })
      open.progress(call)
    }
    return req
  }
  kit.wrap(
    http,
    'request',
    () =>
      function (this: unknown, ...args: unknown[]) {
        return send(this, args)
      } as Request,
  )
  // `get` ends its request before it returns it, and with that the headers are sent: so it is request and end here too.
  kit.wrap(
    http,
    'get',
    () =>
      function (this: unknown, ...args: unknown[]) {
        const req = send(this, args)
        req.end()
        return req
      } as Request,
  )
}

const requestCall = createStamp<{ open: OpenCall<Outgoing>; call: Outgoing }>()

const overhearRequest = (emit: ClientRequest['emit']): ClientRequest['emit'] =>
  function (this: ClientRequest, event: string, subject: unknown) {
    const ours = requestCall.get(this)
    if (ours !== undefined) {
      const { open, call } = ours
      if (event === 'response') call.res = subject as IncomingMessage
      else if (event === 'error') call.error = subject
      else if (event === 'close') open.end(call)
      else if (event === 'upgrade' || event === 'connect') {
        call.res = subject as IncomingMessage
        open.end(call)
      }
    }
    return Reflect.apply(emit as () => boolean, this, arguments)
  } as ClientRequest['emit']

const noticeCancelling = (destroy: ClientRequest['destroy']): ClientRequest['destroy'] =>
  function (this: ClientRequest, error?: Error) {
    const ours = requestCall.get(this)
    if (ours !== undefined && (error === undefined || error === null || error.name === 'AbortError'))
      ours.call.cancelled = true
    return Reflect.apply(destroy, this, arguments as never)
  }

const outgoing: Operation<Outgoing> = {
  inside: 'none',
  start({ args }) {
    const method = String(optionsOf(args)?.method ?? 'GET').toUpperCase()
    return client(methodName(method), {
      'http.request.method': knownMethod(method),
      'http.request.method_original': originalMethod(method),
      'url.full': undefined,
      'server.address': undefined,
      'server.port': undefined,
      'network.peer.address': undefined,
      'network.peer.port': undefined,
      'network.protocol.version': undefined,
      'http.response.status_code': undefined,
    })
  },
  inject(call, headers) {
    call.headers = headers
  },
  progress(span, { args, req, scheme }) {
    if (req === undefined) return
    const options = optionsOf(args)
    if (options?.socketPath) {
      span.set({
        'url.full': redactQuery(`${scheme}//localhost${req.path}`),
        'server.address': options.socketPath,
        'server.port': defaultPort(scheme),
      })
      return
    }
    const port =
      portOf(args, options) ?? (req as { agent?: { defaultPort?: number } }).agent?.defaultPort ?? defaultPort(scheme)
    const authority = port === defaultPort(scheme) ? bracketed(req.host) : `${bracketed(req.host)}:${port}`
    // To a proxy the target is a whole URL; to open a tunnel it is an authority.
    const path = req.path.startsWith('/') ? `${scheme}//${authority}${req.path}` : req.path
    span.set({
      'url.full': redactQuery(path.includes('://') ? path : `${scheme}//${path}`),
      'server.address': req.host,
      'server.port': port,
    })
  },
  finish(span, call) {
    const { req, res, cancelled } = call
    const socket = req?.socket
    span.set({
      'network.peer.address': socket?.remoteAddress,
      'network.peer.port': socket?.remotePort,
      'network.protocol.version': res?.httpVersion,
      'http.response.status_code': res?.statusCode,
    })
    if (cancelled) call.error = undefined
    else if (res !== undefined && !res.complete && res.statusCode !== 101) call.error ??= res.errored ?? undefined
    if (call.error === undefined && res !== undefined && (res.statusCode ?? 0) >= 400) {
      span.set({ 'error.type': String(res.statusCode) }).fail()
    }
  },
}

/** The options object of `request(options)`, `request(url, options)`, or none. */
function optionsOf([first, second]: unknown[]): ClientRequestArgs | undefined {
  if (typeof first === 'object' && first !== null && !isUrl(first)) return first as ClientRequestArgs
  return typeof second === 'object' && second !== null ? (second as ClientRequestArgs) : undefined
}

const isUrl = (value: object): value is URL =>
  typeof (value as URL).href === 'string' && typeof (value as URL).protocol === 'string'

function portOf([first]: unknown[], options: ClientRequestArgs | undefined): number | undefined {
  const given = options?.port ?? options?.defaultPort
  if (given) return Number(given)
  // Parsing the text once more with `new URL` would cost a microsecond a request.
  const port =
    typeof first === 'string'
      ? /^[a-z]+:\/\/[^/?#]*?:(\d+)(?:[/?#]|$)/i.exec(first)?.[1]
      : (first as URL | undefined)?.port
  return port ? Number(port) : undefined
}

function addHeaders(req: ClientRequest, headers: Record<string, string>): void {
  if (typeof req?.setHeader !== 'function' || req.headersSent) return
  if (!mayReplace(req.getHeader('traceparent'), headers.traceparent)) return
  for (const name in headers) req.setHeader(name, headers[name] as string)
}

/**
 * The arguments with the trace headers in them, where it is too late once there is a request: headers given as a list, and
 * `Expect`, are made into bytes by the constructor. Undefined where it is not.
 */
function withHeaders(args: unknown[], headers: Record<string, string>): unknown[] | undefined {
  const options = optionsOf(args)
  const own = options?.headers as unknown
  if (options === undefined || own === null || typeof own !== 'object') return undefined
  const copy = Array.isArray(own) ? withListed(own, headers) : expects(own) ? { ...own, ...headers } : undefined
  return copy && args.map(arg => (arg === options ? { ...options, headers: copy } : arg))
}

function expects(headers: object): boolean {
  for (const name in headers) if (name.length === 6 && name.toLowerCase() === 'expect') return true
  return false
}

/** Lists are flat, `[name, value, ...]`, or of pairs. */
function withListed(own: unknown[], headers: Record<string, string>): unknown[] {
  const pairs = Object.entries(headers)
  if (Array.isArray(own[0])) {
    const given = (own as string[][]).find(([name]) => String(name).toLowerCase() === 'traceparent')
    return mayReplace(given?.[1], headers.traceparent) ? [...own.filter(pair => pair !== given), ...pairs] : own
  }
  const at = own.findIndex((item, i) => i % 2 === 0 && String(item).toLowerCase() === 'traceparent')
  if (at === -1) return [...own, ...pairs.flat()]
  return mayReplace(own[at + 1], headers.traceparent)
    ? [...own.slice(0, at), ...own.slice(at + 2), ...pairs.flat()]
    : own
}
