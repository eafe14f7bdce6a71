/** Opens connections to a collector: plain or TLS, to a host or a unix socket, directly or through a proxy. */
import { readFileSync } from 'node:fs'
import type * as Http from 'node:http'
import type * as Https from 'node:https'
import { connect as connectPlain, isIP, type Socket } from 'node:net'
import { Duplex } from 'node:stream'
import type * as Tls from 'node:tls'
import { givenUp, mayLinger, REST_MS } from './lingering.js'
import { answered } from './names.js'
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

// A connect that nobody answers keeps the process alive, unreferenced as it is (libuv): it has to end in less than the time
// that a process has for its end.
const CONNECT_MS = 1500
// TLS, or the answer of a proxy, which keep no process.
const HANDSHAKE_MS = 5000

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
  let restUntilMs = 0
  const onSilence = (): void => {
    restUntilMs = performance.now() + REST_MS
  }

  async function open(application: 'http/1.1' | 'h2'): Promise<Duplex> {
    const why = givenUp()
    if (why !== undefined) throw why
    if (performance.now() < restUntilMs) throw silence(CONNECT_MS)
    if (socketPath !== undefined) return connectPlain(socketPath).unref()
    await answered(proxy === undefined ? host : hostOf(proxy), options.lingerMs).catch(error => {
      onSilence()
      throw error
    })
    if (forwarder !== undefined) {
      const via = hostOf(forwarder)
      return bounded(connectPlain(portOf(forwarder), via), via, onSilence, false)
    }
    const tunnelled = proxy && (await tunnel(proxy, `${url.hostname}:${port}`, onSilence, options.lingerMs))
    if (!secure && tunnelled !== undefined)
      // HTTP/2 reads past the socket, in which the collector's first words may stand already.
      return application === 'h2' ? Duplex.from({ readable: tunnelled, writable: tunnelled }) : tunnelled
    if (!secure) return bounded(connectPlain(port, host), host, onSilence, false)
    const { connect } = require('node:tls') as typeof Tls
    const socket = connect({
      // Read for each connection, as they are replaced while a process lives.
      ca: read(options.certificate),
      key: read(options.clientKey),
      cert: read(options.clientCertificate),
      host,
      port,
      servername: isIP(host) === 0 ? host : '',
      ALPNProtocols: [application],
      ...(tunnelled === undefined ? undefined : { socket: tunnelled }),
    })
    return bounded(socket, tunnelled === undefined ? host : '', onSilence, true)
  }
  return { socketPath, forwarder, open }
}

const read = (file: string | undefined): Buffer | undefined => (file === undefined ? undefined : readFileSync(file))

const silence = (ms: number): Error => new Error(`nobody answers within ${ms} ms`)

/** Ends a socket to that host whose connection, or the TLS on it, does not come about in time; `onSilence` hears of the former. */
function bounded<S extends Socket>(socket: S, towards: string, onSilence: () => void, secure: boolean): S {
  const connecting = limited(CONNECT_MS, error => {
    onSilence()
    socket.destroy(error)
  })
  // Nothing ends the lookup of a name, and the next try would begin one more: it has all the time of the batch.
  if (isIP(towards) === 0) socket.once('lookup', connecting.begin)
  else if (socket.connecting) connecting.begin()
  socket.once('connect', connecting.end).once('close', connecting.end)
  if (secure) {
    const shaking = limited(HANDSHAKE_MS, error => socket.destroy(error))
    if (socket.connecting) socket.once('connect', shaking.begin)
    else shaking.begin()
    socket.once('secureConnect', shaking.end).once('close', shaking.end)
  }
  return socket.unref()
}

/** Calls `giveUp` if there is a beginning and in so many milliseconds no end. */
function limited(ms: number, giveUp: (error: Error) => void) {
  let timer: NodeJS.Timeout | undefined
  let soon: NodeJS.Immediate | undefined
  return {
    begin(): void {
      // What came while the thread was busy is heard of before the immediate.
      timer ??= setTimeout(() => {
        soon = setImmediate(() => giveUp(silence(ms)))
      }, ms).unref()
    },
    end(): void {
      clearTimeout(timer)
      clearImmediate(soon)
    },
  }
}

/** Without the brackets that IPv6 has in a URL. */
const hostOf = ({ hostname }: URL): string => hostname.replace(/^\[|\]$/g, '')
const portOf = ({ port, protocol }: URL): number => Number(port) || (protocol === 'https:' ? 443 : 80)

/** What a proxy is shown, of the name and password in its URL. */
export const proxyHeaders = (proxy: URL): Record<string, string> =>
  proxy.username === '' && proxy.password === '' ? {} : { 'Proxy-Authorization': basic(proxy) }

/** The name and password in a URL as a header has them (RFC 7617). */
export function basic({ username, password }: URL): string {
  const credentials = `${decodeURIComponent(username)}:${decodeURIComponent(password)}`
  return `Basic ${Buffer.from(credentials).toString('base64')}`
}

function tunnel(proxy: URL, target: string, onSilence: () => void, lingerMs: number | undefined): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const secure = proxy.protocol === 'https:'
    const { request } = secure ? (require('node:https') as typeof Https) : (require('node:http') as typeof Http)
    const req = request({
      method: 'CONNECT',
      host: hostOf(proxy),
      port: portOf(proxy),
      path: target,
      headers: { Host: target, ...proxyHeaders(proxy) },
      agent: false,
    })
    const settled = mayLinger(lingerMs, why => req.destroy(why))
    const answering = limited(HANDSHAKE_MS, () => req.destroy(new Error('the proxy does not answer')))
    req.once('socket', socket => {
      bounded(socket, hostOf(proxy), onSilence, secure)
      socket.once(secure ? 'secureConnect' : 'connect', answering.begin)
    })
    req.once('close', settled)
    req.once('connect', ({ statusCode }, socket: Socket, head: Buffer) => {
      answering.end()
      settled()
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
      answering.end()
      reject(error)
    })
    req.end()
  })
}
