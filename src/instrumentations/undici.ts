/** The global `fetch`, and the undici package that it comes from, by the channels that both publish. */
import type { Dispatcher } from 'undici'
import { type Kit, type OpenCall, type Operation, client, defineInstrumentation } from './define.js'
import { bracketed, defaultPort, knownMethod, mayReplace, methodName, originalMethod, redactQuery } from './shared/http.js'
import { createStamp } from './shared/stamp.js'

/** undici's internal request, as its channels publish it. */
interface UndiciRequest {
  readonly origin: string | URL
  readonly path: string
  readonly method: string
  /** Text until undici 5, a flat list from 6 on. */
  headers: string | unknown[]
  addHeader(name: string, value: string): void
}

interface Exchange {
  request: UndiciRequest
  response?: { statusCode: number }
  socket?: { remoteAddress?: string; remotePort?: number }
  error?: unknown
}

const exchange = createStamp<{ open: OpenCall<Exchange>; call: Exchange }>()

export default defineInstrumentation({
  name: 'undici',
  title: 'fetch and undici',
  category: 'http',
  modules: [
    {
      name: 'undici',
      versions: '>=5.12 <9',
      patch(undici: typeof import('undici'), kit) {
        // What every dispatcher inherits `dispatch` from.
        kit.wrap(Object.getPrototypeOf(undici.Client.prototype) as Dispatcher, 'dispatch', dispatch => keepContext(dispatch, kit))
      },
    },
  ],
  channels: [
    { name: 'undici:request:create', listen: kit => (message: { request: UndiciRequest }) => opened(message.request, kit) },
    {
      name: 'undici:client:sendHeaders',
      listen: () => (message: Exchange) => {
        const ours = exchange.get(message.request)
        if (ours !== undefined) ours.call.socket = message.socket
      },
    },
    {
      name: 'undici:request:headers',
      listen: () => (message: Exchange) => {
        const ours = exchange.get(message.request)
        if (ours !== undefined) ours.call.response = message.response
      },
    },
    { name: 'undici:request:trailers', listen: () => (message: Exchange) => closed(message) },
    { name: 'undici:request:error', listen: () => (message: Exchange) => closed(message) },
  ],
})

/**
 * A request that waits for a busy pool is created when another one frees a connection, in that one's context: whoever
 * dispatched it first lends his. The handler is the only object that travels with it.
 */
function keepContext(dispatch: Dispatcher['dispatch'], kit: Kit<object>): Dispatcher['dispatch'] {
  const dispatcherOf = createStamp<typeof Reflect.apply>()
  return function (this: Dispatcher, _options: unknown, handler: unknown) {
    if (handler === null || typeof handler !== 'object') return Reflect.apply(dispatch, this, arguments as never)
    const enter = dispatcherOf.get(handler)
    if (enter !== undefined) return enter(dispatch, this, arguments as never)
    dispatcherOf.set(handler, kit.bind(Reflect.apply as never))
    return Reflect.apply(dispatch, this, arguments as never)
  }
}

function opened(request: UndiciRequest, kit: Kit<object>): void {
  // A tunnel through a proxy: the request inside it makes its own span.
  if (request.method === 'CONNECT') return
  const call: Exchange = { request }
  const open = kit.begin(outgoing, call)
  if (open !== undefined) exchange.set(request, { open, call })
}

function closed({ request, error }: Exchange): void {
  const ours = exchange.get(request)
  if (ours === undefined) return
  if (error !== undefined && !isCancelling(error)) ours.call.error = error
  ours.open.end(ours.call)
}

// The caller's own signal ends a request without failing it (semantic conventions, HTTP client span status).
const isCancelling = (error: unknown): boolean => {
  const { name, code } = error as { name?: string; code?: string }
  return name === 'AbortError' || name === 'TimeoutError' || code === 'UND_ERR_ABORTED'
}

const outgoing: Operation<Exchange> = {
  inside: 'none',
  start({ request: { method, origin, path } }) {
    const { scheme, address, port, base } = originOf(String(origin))
    return client(methodName(method), {
      'http.request.method': knownMethod(method),
      'http.request.method_original': originalMethod(method),
      'url.full': redactQuery(path.startsWith('/') ? base + path : `${base}/${path}`),
      'server.address': address,
      'server.port': port ?? defaultPort(scheme),
      'network.peer.address': undefined,
      'network.peer.port': undefined,
      'http.response.status_code': undefined,
    })
  },
  inject({ request }, headers) {
    const own = takeHeader(request, 'traceparent', headers.traceparent)
    if (own === 'kept') return
    for (const name in headers) request.addHeader(name, headers[name] as string)
  },
  finish(span, { response, socket, error }) {
    span.set({
      'network.peer.address': socket?.remoteAddress,
      'network.peer.port': socket?.remotePort,
      'http.response.status_code': response?.statusCode,
    })
    if (error === undefined && response !== undefined && response.statusCode >= 400) {
      span.set({ 'error.type': String(response.statusCode) }).fail()
    }
  },
}

/** Removes the application's own header if ours may replace it. */
function takeHeader(request: UndiciRequest, name: string, ours: string | undefined): 'kept' | 'free' {
  const { headers } = request
  if (typeof headers === 'string') {
    const found = new RegExp(`^${name}: (.*)\\r\\n`, 'im').exec(headers)
    if (found === null) return 'free'
    if (!mayReplace(found[1], ours)) return 'kept'
    request.headers = headers.replace(found[0], '')
    return 'free'
  }
  for (let i = 0; i < headers.length; i += 2) {
    const key = headers[i]
    if (typeof key !== 'string' || key.length !== name.length || key.toLowerCase() !== name) continue
    if (!mayReplace(headers[i + 1], ours)) return 'kept'
    headers.splice(i, 2)
    return 'free'
  }
  return 'free'
}

interface Origin {
  scheme: string
  address: string
  port: number | undefined
  base: string
}

// Parsing an origin costs a microsecond: an application calls few, and each many times.
const origins = new Map<string, Origin>()
const MAX_ORIGINS = 100

function originOf(text: string): Origin {
  const known = origins.get(text)
  if (known !== undefined) return known
  const { protocol, hostname, port } = new URL(text)
  const address = hostname.startsWith('[') ? hostname.slice(1, -1) : hostname
  const origin: Origin = {
    scheme: protocol,
    address,
    port: port === '' ? undefined : Number(port),
    base: `${protocol}//${bracketed(address)}${port === '' ? '' : `:${port}`}`,
  }
  if (origins.size >= MAX_ORIGINS) origins.clear()
  origins.set(text, origin)
  return origin
}
