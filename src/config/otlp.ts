/** How the options of OTLP are read: where the collector is, and how it is reached. */
import { readFileSync } from 'node:fs'
import { choice, httpUrl, type Kind, pairs } from './parse.js'

// RFC 9110, sections 5.1 and 5.5; names are lower-cased, so that the same header of two sources is one.
export const headers = pairs('name=value pairs that HTTP allows, percent-encoded', (name, value) =>
  /^[\w!#$%&'*+\-.^`|~]+$/.test(name) && /^[\t\x20-\x7e\x80-\xff]*$/.test(value) ? name.toLowerCase() : undefined,
)

export const TRACES_PATH = 'v1/traces'
const BASE_ENDPOINT = 'OTEL_EXPORTER_OTLP_ENDPOINT'
export const HTTP_ENDPOINT = `http://localhost:4318/${TRACES_PATH}`
export const GRPC_ENDPOINT = 'http://localhost:4317'

/**
 * The variable for all signals is a base, the one for traces is used as it is (specification/protocol/exporter.md#endpoint-urls-for-otlphttp).
 * Host and port alone are for gRPC (#configuration-options): `addressed` in load.ts sees to that.
 */
export const endpoint: Kind<string> = {
  expected: 'an http or https URL, unix:/path, or with grpc host:port',
  parse(given, _complain, variable) {
    if (isHostAndPort(given)) return given
    const url = socketUrl(given) ?? decodable(httpUrl(given))
    if (url !== undefined && url.protocol !== 'unix:' && variable === BASE_ENDPOINT)
      url.pathname = url.pathname.replace(/\/?$/, `/${TRACES_PATH}`)
    return url?.href
  },
  check(value) {
    if (isHostAndPort(value)) return value
    const url = socketUrl(value) ?? decodable(httpUrl(value))
    if (url?.pathname === '/') url.pathname = TRACES_PATH
    return url?.href
  },
}

// Node has zstd from 22.15 on.
export const compression: Kind<'none' | 'gzip' | 'zstd'> = {
  ...choice(process.versions.zstd === undefined ? ['none', 'gzip'] : ['none', 'gzip', 'zstd']),
  expected: 'none, gzip or, from Node 22.15 on, zstd',
}

/** `unix:/path` or `unix:///path`; undefined for anything else. */
function socketUrl(given: unknown): URL | undefined {
  if (typeof given !== 'string') return undefined
  const { protocol, host, pathname } = new URL(given)
  if (protocol !== 'unix:' || host !== '' || !/^\/./.test(pathname)) return undefined
  return decodable(new URL(`unix:${pathname}`))
}

/** The same URL; throws if what will be decoded of it, credentials or the path of a socket, cannot be. */
function decodable(url: URL | undefined): URL | undefined {
  decodeURIComponent(`${url?.username}${url?.password}${url?.protocol === 'unix:' ? url.pathname : ''}`)
  return url
}

/** A host, an address or one in brackets, with a port, and without a scheme. */
export function isHostAndPort(given: unknown): given is string {
  if (typeof given !== 'string' || !/^([\w.-]+|\[[\da-f:.]+\]):\d{1,5}$/i.test(given)) return false
  return URL.canParse(`http://${given}`)
}

/** A URL of http or https, with its path. */
export const zipkinEndpoint: Kind<string> = {
  expected: 'an http or https URL',
  parse: given => decodable(httpUrl(given))?.href,
  check: value => decodable(httpUrl(value))?.href,
}

/** A URL of http or https, which may go without saying. */
export const proxyUrl: Kind<string> = {
  expected: 'an http or https URL',
  parse: given => decodable(httpUrl(given.includes('://') ? given : `http://${given}`))?.href,
  check: value => decodable(httpUrl(value))?.href,
}

const isPemFile = (file: string): boolean => readFileSync(file, 'latin1').includes('-----BEGIN ')

/** The path of a file that can be read now. */
export const pemFile: Kind<string> = {
  expected: 'the path of a readable PEM file',
  parse: given => (isPemFile(given) ? given : undefined),
  check: value => (typeof value === 'string' && isPemFile(value) ? value : undefined),
}
