/** Which proxy leads to a collector, by the variables that other programs read too. */
import { BlockList, isIP } from 'node:net'
import type { Proxies } from './send.js'

/** As for most clients: never for what is on this machine, nor for what `except` names. */
export function proxyFor(url: URL, port: number, proxies: Proxies | undefined): URL | undefined {
  const proxy = url.protocol === 'https:' ? proxies?.https : proxies?.http
  const host = url.hostname.replace(/^\[|\]$/g, '').toLowerCase()
  if (proxies === undefined || proxy === undefined || isLocal(host)) return undefined
  return proxies.except.some(entry => covers(entry.toLowerCase(), host, port)) ? undefined : new URL(proxy)
}

export const isLocal = (host: string): boolean =>
  host === 'localhost' || host.endsWith('.localhost') || host === '::1' || (isIP(host) === 4 && host.startsWith('127.'))

/** `*`, a network in CIDR, or a host with what is below it, alone or with a port. */
function covers(entry: string, host: string, port: number): boolean {
  if (entry === '*') return true
  const [, network = '', bits] = /^(.+)\/(\d+)$/.exec(entry) ?? []
  if (bits !== undefined) return isWithin(host, network, Number(bits))
  const [, name = entry, only] = /^(.+):(\d+)$/.exec(isIP(entry) === 6 ? '' : entry) ?? []
  if (only !== undefined && Number(only) !== port) return false
  const domain = name.replace(/^\*?\.|^\[|\]$/g, '')
  return host === domain || host.endsWith(`.${domain}`)
}

function isWithin(host: string, network: string, bits: number): boolean {
  const family = isIP(host)
  if (family === 0 || isIP(network) !== family || bits > (family === 4 ? 32 : 128)) return false
  const type = family === 4 ? 'ipv4' : 'ipv6'
  const list = new BlockList()
  list.addSubnet(network, bits, type)
  return list.check(host, type)
}
