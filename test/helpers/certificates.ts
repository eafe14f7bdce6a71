/** Certificates that tests make when they run: an authority, and whom it vouches for (RFC 5280, in DER). */
import { generateKeyPairSync, type KeyObject, randomBytes, sign } from 'node:crypto'
import { isIP } from 'node:net'

export interface Identity {
  /** PEM. */
  readonly cert: string
  /** PEM. */
  readonly key: string
}

const der = (tag: number, ...parts: Uint8Array[]): Buffer => {
  const content = Buffer.concat(parts)
  const { length } = content
  const size = length < 0x80 ? [length] : length < 0x100 ? [0x81, length] : [0x82, length >> 8, length & 0xff]
  return Buffer.concat([Buffer.from([tag, ...size]), content])
}
const sequence = (...parts: Uint8Array[]): Buffer => der(0x30, ...parts)
const oid = (...bytes: number[]): Buffer => der(0x06, Buffer.from(bytes))
const yes = der(0x01, Buffer.from([0xff]))

const ECDSA_WITH_SHA256 = sequence(oid(0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02))
const COMMON_NAME = oid(0x55, 0x04, 0x03)
const BASIC_CONSTRAINTS = oid(0x55, 0x1d, 0x13)
const ALTERNATIVE_NAME = oid(0x55, 0x1d, 0x11)

const nameOf = (name: string): Buffer => sequence(der(0x31, sequence(COMMON_NAME, der(0x0c, Buffer.from(name)))))

const time = (ms: number): Buffer => der(0x18, Buffer.from(`${new Date(ms).toISOString().replace(/[-:T]|\.\d+/g, '')}`))

const alternative = (host: string): Buffer =>
  isIP(host) === 4 ? der(0x87, Buffer.from(host.split('.').map(Number))) : der(0x82, Buffer.from(host))

const pem = (bytes: Buffer): string =>
  `-----BEGIN CERTIFICATE-----\n${bytes.toString('base64').replace(/.{64}/g, '$&\n')}\n-----END CERTIFICATE-----\n`

const DAY_MS = 86_400_000

function certify(subject: string, publicKey: KeyObject, issuer: string, by: KeyObject, extension: Buffer): string {
  const now = Date.now()
  const body = sequence(
    der(0xa0, der(0x02, Buffer.from([2]))),
    der(0x02, Buffer.concat([Buffer.from([1]), randomBytes(8)])),
    ECDSA_WITH_SHA256,
    nameOf(issuer),
    sequence(time(now - DAY_MS), time(now + DAY_MS)),
    nameOf(subject),
    publicKey.export({ type: 'spki', format: 'der' }),
    der(0xa3, sequence(extension)),
  )
  const signature = sign('sha256', body, by)
  return pem(sequence(body, ECDSA_WITH_SHA256, der(0x03, Buffer.from([0]), signature)))
}

const keyPair = () => generateKeyPairSync('ec', { namedCurve: 'P-256' })
const keyPem = (key: KeyObject): string => key.export({ type: 'pkcs8', format: 'pem' }).toString()

/** An authority of its own, that nobody trusts unless told. */
export function createAuthority(name = 'test authority') {
  const own = keyPair()
  const isAuthority = sequence(BASIC_CONSTRAINTS, yes, der(0x04, sequence(yes)))
  return {
    cert: certify(name, own.publicKey, name, own.privateKey, isAuthority),

    /** For a server of those hosts, or a client. */
    issue(...hosts: string[]): Identity {
      const { publicKey, privateKey } = keyPair()
      const names = sequence(ALTERNATIVE_NAME, der(0x04, sequence(...hosts.map(alternative))))
      const subject = hosts[0] ?? 'nobody'
      return { cert: certify(subject, publicKey, name, own.privateKey, names), key: keyPem(privateKey) }
    },
  }
}
