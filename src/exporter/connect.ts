/** Opens connections to a collector: plain or TLS, to a host or a unix socket, directly or through a proxy. */
import { readFileSync } from 'node:fs'
import http from 'node:http'
import type https from 'node:https'
import { connect as connectPlain, isIP, type Socket } from 'node:net'
import { Duplex } from 'node:stream'
import type * as Tls from 'node:tls'
import { proxyFor } from './proxy.js'
import type { TransportOptions } from './send.js'

export interface Connector {
  /** The path of the unix socket, if it is one. */
  readonly socketPath: string | undefined
  /** A plain HTTP request is to be sent to this proxy as if it were the collector. */
  readonly forwarder: URL | undefined
  /** A socket that is connected, or about to be: what goes wrong from then on, it emits. */
  open(application: 'http/1.1' | 'h2'): Promise<Duplex>
}

const TUNNEL_MS = 10_000

/** Where the path of a unix socket stands in for a host. */
export const socketPathOf = (url: URL): string | undefined =>
  url.protocol === 'unix:' ? decodeURIComponent(url.pathname) : undefined

/** Nothing that it opens keeps the process alive. `mayForward`: plain requests need no tunnel, a proxy takes them as they are. */
export function createConnector(options: TransportOptions, mayForward: boolean): Connector {
  const url = new URL(options.endpoint)
  const secure = url.protocol === 'https:'
  const host = hostOf(url)
  const port = portOf(url)
  const socketPath = socketPathOf(url)
  const proxy = socketPath === undefined ? proxyFor(url, port, options.proxies) : undefined
  const forwarder = mayForward && !secure && proxy?.protocol === 'http:' ? proxy : undefined

  async function open(application: 'http/1.1' | 'h2'): Promise<Duplex> {
    if (socketPath !== undefined) return connectPlain(socketPath).unref()
    if (forwarder !== undefined) return connectPlain(portOf(forwarder), hostOf(forwarder)).unref()
    const tunnelled = proxy && (await tunnel(proxy, `${url.hostname}:${port}`))
    if (!secure && tunnelled !== undefined)
      // HTTP/2 reads past the socket, in which the collector's first words may stand already.
      return application === 'h2' ? Duplex.from({ readable: tunnelled, writable: tunnelled }) : tunnelled
    if (!secure) return connectPlain(port, host).unref()
    const { connect } = require('node:tls') as typeof Tls
    return connect({
      // Read for each connection, as they are replaced while a process lives.
      ca: read(options.certificate),
      key: read(options.clientKey),
      cert: read(options.clientCertificate),
      host,
      port,
      servername: isIP(host) === 0 ? host : '',
      ALPNProtocols: [application],
      ...(tunnelled === undefined ? undefined : { socket: tunnelled }),
    }).unref()
  }
  return { socketPath, forwarder, open }
}

const read = (file: string | undefined): Buffer | undefined => (file === undefined ? undefined : readFileSync(file))

/** Without the brackets that IPv6 has in a URL. */
const hostOf = ({ hostname }: URL): string => hostname.replace(/^\[|\]$/g, '')
const portOf = ({ port, protocol }: URL): number => Number(port) || (protocol === 'https:' ? 443 : 80)

/** What a proxy is shown, of the name and password in its URL. */
export const proxyHeaders = ({ username, password }: URL): Record<string, string> => {
  if (username === '' && password === '') return {}
  const credentials = `${decodeURIComponent(username)}:${decodeURIComponent(password)}`
  return { 'Proxy-Authorization': `Basic ${Buffer.from(credentials).toString('base64')}` }
}

function tunnel(proxy: URL, target: string): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const { request } = proxy.protocol === 'https:' ? (require('node:https') as typeof https) : http
    const req = request({
      method: 'CONNECT',
      host: hostOf(proxy),
      port: portOf(proxy),
      path: target,
      headers: { Host: target, ...proxyHeaders(proxy) },
      agent: false,
    })
    const timer = setTimeout(() => req.destroy(new Error('the proxy does not answer')), TUNNEL_MS).unref()
    req.once('socket', socket => socket.unref())
    req.once('connect', ({ statusCode }, socket: Socket, head: Buffer) => {
      clearTimeout(timer)
      if (statusCode === 200) {
        if (head.length > 0) socket.unshift(head)
        return resolve(socket.unref())
      }
      socket.destroy()
      reject(new Error(`the proxy refuses to connect: HTTP ${statusCode}`))
    })
    req.once('response', ({ statusCode }) => {
      req.destroy()
      reject(new Error(`the proxy refuses to connect: HTTP ${statusCode}`))
    })
    req.on('error', error => {
      clearTimeout(timer)
      reject(error)
    })
    req.end()
  })
}
