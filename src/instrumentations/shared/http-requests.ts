/** Outgoing requests of Node's `http`: where they lead, and the trace headers among headers that are a list. */
import type { ClientRequest } from 'node:http'
import { bracketed, defaultPort, headersToSend, splitHost, wholeUrl } from './http.js'

/** Of what an agent is told about a request. */
export interface AgentOptions {
  readonly port?: number | string | null | undefined
}

/** Where a request goes in the end: not the proxy that it is sent to. */
export function targetOf(
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
