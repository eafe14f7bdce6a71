/** The arguments of `http.request` and its like: where they lead, and the trace headers among them. */
import type { ClientRequest, ClientRequestArgs } from 'node:http'
import { bracketed, defaultPort, headersToSend, wholeUrl } from './http.js'

/** Where a request goes in the end: not the proxy that it is sent to. */
export function targetOf(req: ClientRequest, args: readonly unknown[]): { url: string; address: string; port: number } {
  const { protocol, host } = req
  const path = String(req.path)
  const socketPath = optionsOf(args)?.socketPath
  if (socketPath) return { url: `${protocol}//localhost${path}`, address: socketPath, port: defaultPort(protocol) }
  // A proxy is sent the whole URL.
  const whole = path.startsWith('/') ? undefined : wholeUrl(path)
  if (whole !== undefined) return whole
  const { defaultPort: ofAgent } = (req as { agent?: { defaultPort?: number } }).agent ?? {}
  const port = portOf(args) ?? ofAgent ?? defaultPort(protocol)
  const authority = port === defaultPort(protocol) ? bracketed(host) : `${bracketed(host)}:${port}`
  // A proxy is told where to open a tunnel to.
  if (req.method === 'CONNECT') return { url: `${protocol}//${path}`, address: host, port }
  return { url: `${protocol}//${authority}${path.startsWith('/') ? '' : '/'}${path}`, address: host, port }
}

/** The options object of `request(options)` or `request(url, options)`, if there is one. */
function optionsOf([first, second]: readonly unknown[]): ClientRequestArgs | undefined {
  const options = typeof first === 'string' || isUrl(first) ? second : first
  return typeof options === 'object' && options !== null ? (options as ClientRequestArgs) : undefined
}

// As Node tells a URL from what `url.parse` returns, which is taken for options.
function isUrl(value: unknown): value is URL {
  const { href, protocol, auth, path } = (value ?? {}) as Record<string, unknown>
  return Boolean(href && protocol) && auth === undefined && path === undefined
}

/** The port that the arguments name, if they do. */
function portOf(args: readonly unknown[]): number | undefined {
  const options = optionsOf(args)
  const given = options?.port || options?.defaultPort
  if (given) return Number(given)
  const [first] = args
  // Parsing the text once more with `new URL` would cost a microsecond a request.
  const port =
    typeof first === 'string'
      ? /^\s*[a-z]+:\/\/[^/?#]*?:(\d+)\s*(?:[/?#]|$)/i.exec(first)?.[1]
      : (first as URL | undefined)?.port
  return port ? Number(port) : undefined
}

/**
 * The arguments with the trace headers in them, where it is too late once there is a request: headers given as a list, and
 * `Expect`, are made into bytes by the constructor. Elsewhere the arguments as they are.
 */
export function withHeaders(args: readonly unknown[], ours: Record<string, string>): readonly unknown[] {
  const options = optionsOf(args)
  // Node copies the options before it looks at them, so that it sees only what is their own.
  if (options === undefined || !Object.hasOwn(options, 'headers')) return args
  const own: unknown = options.headers
  const headers = Array.isArray(own) ? withListed(own, ours) : withNamed(own, ours)
  return headers === undefined ? args : args.map(arg => (arg === options ? { ...options, headers } : arg))
}

const keyOf = (headers: object, name: string): string | undefined =>
  Object.keys(headers).find(key => key.length === name.length && key.toLowerCase() === name)

function withNamed(own: unknown, ours: Record<string, string>): Record<string, unknown> | undefined {
  if (typeof own !== 'object' || own === null || keyOf(own, 'expect') === undefined) return undefined
  const headers: Record<string, unknown> = { ...own }
  const given = (name: string): unknown => headers[keyOf(headers, name) ?? name]
  for (const name of headersToSend(ours, given)) {
    const key = keyOf(headers, name)
    if (key !== undefined) delete headers[key]
    headers[name] = ours[name]
  }
  return headers
}

/** Lists are flat, `[name, value, ...]`, or of pairs. */
function withListed(own: readonly unknown[], ours: Record<string, string>): unknown[] | undefined {
  const isPaired = Array.isArray(own[0])
  // A mistake, which Node reports.
  if (isPaired ? !own.every(Array.isArray) : own.length % 2 !== 0) return undefined
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
