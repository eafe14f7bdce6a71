/** The global `fetch`, and the undici package that it comes from, by the channels that both publish. */
import type { Dispatcher } from 'undici'
import { client, defineInstrumentation, type Kit, type OpenCall, type Operation } from './define.js'
import { headersToSend, knownMethod, methodName, originalMethod, redactQuery, wholeUrl } from './shared/http.js'
import { type ClientHeaders, clientHeaders, recordingClient } from './shared/http-headers.js'
import { createStamp } from './shared/stamp.js'

/** undici's internal request, as its channels publish it. */
interface UndiciRequest {
  readonly origin: string | URL
  readonly path: string
  readonly method: string
  /** The protocol of an upgrade, else null. */
  readonly upgrade?: string | null
  /** Text until undici 5, a flat list from 6 on. */
  headers: string | unknown[]
  addHeader(name: string, value: string): void
}

/** What the channels publish. */
interface Message {
  readonly request: UndiciRequest
  readonly response?: Exchange['response']
  readonly socket?: Exchange['socket']
  readonly error?: unknown
}

// A class for the reason of `MethodCall`.
class Exchange {
  /** Headers are a flat list of names and values, as bytes. */
  response: { statusCode: number; headers?: readonly unknown[] } | undefined = undefined
  socket: { remoteAddress?: string; remotePort?: number } | undefined = undefined
  error: unknown = undefined

  constructor(
    readonly request: UndiciRequest,
    /** How often it was sent before; undefined where that cannot be told. */
    readonly resends: number | undefined,
  ) {}
}

const exchange = createStamp<OpenCall<Exchange> | undefined>()

export default defineInstrumentation<ClientHeaders>({
  name: 'undici',
  title: 'fetch and undici',
  category: 'http',
  options: clientHeaders,
  modules: [
    {
      name: 'undici',
      // Older ones do not keep the reason why a fetch was aborted.
      versions: '>=5.23 <9',
      patch({ Client, Pool }: typeof import('undici'), kit) {
        // What every dispatcher inherits `dispatch` from, and every pool what it puts aside for later.
        const dispatcher = Object.getPrototypeOf(Client.prototype) as Dispatches
        const pool = Object.getPrototypeOf(Pool.prototype) as Dispatches
        kit.wrap(dispatcher, 'dispatch', dispatch => keepContext(dispatch, kit))
        for (const key of Object.getOwnPropertySymbols(pool)) {
          if (key.description === 'dispatch') kit.wrap(pool, key, dispatch => keepContext(dispatch, kit))
        }
      },
    },
  ],
  channels: [
    {
      name: 'undici:request:create',
      listen(kit) {
        const operation = recordingClient(
          outgoing,
          kit.options,
          ({ request }, name) => textOf(request, name),
          ({ response }, name) => received(response?.headers, name),
        )
        return ({ request }: Message) => opened(request, operation, kit)
      },
    },
    {
      name: 'undici:client:sendHeaders',
      listen: () => (message: Message) => {
        const ours = exchange.get(message.request)
        if (ours === undefined) return
        ours.call.socket = message.socket
        ours.progress(ours.call)
      },
    },
    {
      name: 'undici:request:headers',
      listen: () => (message: Message) => {
        const ours = exchange.get(message.request)
        if (ours !== undefined) ours.call.response = message.response
      },
    },
    {
      name: 'undici:request:trailers',
      listen:
        () =>
        ({ request }: Message) =>
          closed(request),
    },
    {
      name: 'undici:request:error',
      listen:
        () =>
        ({ request, error }: Message) =>
          closed(request, error),
    },
  ],
})

type Dispatch = Dispatcher['dispatch']
type Dispatches = Record<PropertyKey, Dispatch>

/** What is asked for by one handler, or by handlers around it. */
interface Dispatched {
  /** `Reflect.apply` in the context in which it was dispatched first. */
  readonly apply: typeof Reflect.apply
  /** Those sent so far: a handler that retries, or follows redirects, dispatches itself again. */
  requests: number
  /** As given last: a dispatcher hands them to the one below it, with a handler of its own. */
  options: unknown
}

const dispatched = createStamp<Dispatched>()
let dispatching: Dispatched | undefined

const create = (kit: Kit<object>): Dispatched => ({
  apply: kit.bind(Reflect.apply as never),
  requests: 0,
  options: undefined,
})

/**
 * A request that waits for a busy pool is created when another one frees a connection, in that one's context: whoever
 * dispatched it first lends his. The handler is the only object that travels with it.
 */
function keepContext(dispatch: Dispatch, kit: Kit<object>): Dispatch {
  return function (this: Dispatcher, options: unknown, handler: unknown) {
    if (handler === null || typeof handler !== 'object') return Reflect.apply(dispatch, this, arguments as never)
    const known = dispatched.get(handler)
    const outer = dispatching
    const current = known ?? (outer?.options === options ? outer : undefined) ?? create(kit)
    if (known === undefined) dispatched.set(handler, current)
    current.options = options
    dispatching = current
    try {
      return (known?.apply ?? Reflect.apply)(dispatch, this, arguments as never)
    } finally {
      dispatching = outer
    }
  }
}

function opened(request: UndiciRequest, operation: Operation<Exchange>, kit: Kit<object>): void {
  // A tunnel through a proxy: the request inside it makes its own span.
  if (request.method === 'CONNECT') return
  const call = new Exchange(request, dispatching?.requests)
  if (dispatching !== undefined) dispatching.requests++
  const open = kit.begin(operation, call)
  if (open === undefined) return
  exchange.set(request, open)
  if (request.upgrade) hearUpgrades(Object.getPrototypeOf(request), kit)
}

const heard = createStamp<true>()

/** No channel tells of an upgrade, as of a WebSocket, before undici 6.29 and from 8 on: the request itself is told. */
function hearUpgrades(prototype: Record<string, (statusCode: number | null) => unknown>, kit: Kit<object>): void {
  if (heard.get(prototype)) return
  heard.set(prototype, true)
  for (const method of ['onUpgrade', 'onRequestUpgrade']) {
    kit.wrap(prototype, method, original => {
      return function (this: UndiciRequest, statusCode) {
        const ours = exchange.get(this)
        // Of HTTP/2 there is no status yet.
        if (ours !== undefined && statusCode !== null) {
          ours.call.response = { statusCode }
          closed(this)
        }
        return Reflect.apply(original, this, arguments as never)
      }
    })
  }
}

function closed(request: UndiciRequest, error?: unknown): void {
  const ours = exchange.get(request)
  if (ours === undefined) return
  // What `fetch` has sent outlives minor collections, as finalizers refer to it. Of a request with two queries and a fetch
  // 2.6 KB more than without tracing did so, with the bytes of the answer and the span; let go, 1.0 (Node 24).
  exchange.set(request, undefined)
  ours.call.error = error
  ours.end(ours.call)
}

const outgoing: Operation<Exchange> = {
  inside: 'none',
  start({ request: { method, origin, path }, resends }) {
    const { url, address, port } = targetOf(String(origin), path)
    return client(methodName(method), {
      'http.request.method': knownMethod(method),
      'http.request.method_original': originalMethod(method),
      'url.full': redactQuery(url),
      'server.address': address,
      'server.port': port,
      'http.request.resend_count': resends || undefined,
      'network.peer.address': undefined,
      'network.peer.port': undefined,
      'http.response.status_code': undefined,
    })
  },
  inject({ request }, headers) {
    const names = headersToSend(headers, name => textOf(request, name))
    for (const name of names) {
      remove(request, name)
      request.addHeader(name, headers[name] as string)
    }
  },
  progress(span, { socket }) {
    // Not at the end: the address of a connection that is closed is not known any more.
    span.set({ 'network.peer.address': socket?.remoteAddress, 'network.peer.port': socket?.remotePort })
  },
  finish(span, call) {
    const { response } = call
    span.set({ 'http.response.status_code': response?.statusCode })
    if (isCancelling(call.error)) call.error = undefined
    if (call.error === undefined && response !== undefined && response.statusCode >= 400) {
      span.set({ 'error.type': String(response.statusCode) }).fail()
    }
  },
}

// A caller who needs the answer no more is no failure of the request (semantic conventions, HTTP client span status);
// undici 6 drops in this way an answer that it is going to ask for again.
function isCancelling(error: unknown): boolean {
  // What a body was cancelled with; undici itself does so where nobody has read a response and it is garbage.
  if (typeof error === 'string') return true
  const { name, code } = (error ?? {}) as { name?: string; code?: string }
  return name === 'AbortError' || name === 'TimeoutError' || code === 'UND_ERR_ABORTED' || code === 'UND_ERR_REQ_RETRY'
}

function textOf({ headers }: UndiciRequest, name: string): unknown {
  if (typeof headers === 'string') return new RegExp(`^${name}: (.*)\\r\\n`, 'im').exec(headers)?.[1]
  const at = indexOf(headers, name)
  return at === -1 ? undefined : headers[at + 1]
}

function received(headers: readonly unknown[] = [], name: string): string[] | undefined {
  const values: string[] = []
  for (let at = 0; at < headers.length; at += 2) {
    if (String(headers[at]).toLowerCase() === name) values.push(String(headers[at + 1]))
  }
  return values.length === 0 ? undefined : values
}

function remove(request: UndiciRequest, name: string): void {
  const { headers } = request
  if (typeof headers === 'string') {
    request.headers = headers.replace(new RegExp(`^${name}: .*\\r\\n`, 'gim'), '')
    return
  }
  for (let at = indexOf(headers, name); at !== -1; at = indexOf(headers, name)) headers.splice(at, 2)
}

function indexOf(headers: unknown[], name: string): number {
  for (let i = 0; i < headers.length; i += 2) {
    const key = headers[i]
    if (typeof key === 'string' && key.length === name.length && key.toLowerCase() === name) return i
  }
  return -1
}

interface Target {
  url: string
  address: string
  port: number
}

function targetOf(origin: string, path: string): Target {
  // A proxy is sent the whole URL.
  const whole = path.startsWith('/') ? undefined : wholeUrl(path)
  if (whole !== undefined) return whole
  const { url, address, port } = originOf(origin)
  return { url: `${url}${path.startsWith('/') ? '' : '/'}${path}`, address, port }
}

// Parsing an origin costs a microsecond: an application calls few, and each many times.
const origins = new Map<string, Target>()
const MAX_ORIGINS = 100

function originOf(text: string): Target {
  const known = origins.get(text)
  if (known !== undefined) return known
  const { protocol, host } = new URL(text)
  const origin = { ...(wholeUrl(text) as Target), url: `${protocol}//${host}` }
  if (origins.size >= MAX_ORIGINS) origins.clear()
  origins.set(text, origin)
  return origin
}
