/** What every transport has in common: bytes go out, and a verdict comes back. */

/**
 * 'refused': never send it again. 'too large': nor this, but its parts may be taken. An object: it may succeed later, after
 * so many milliseconds if the collector said when.
 */
export type SendResult = 'sent' | 'refused' | 'too large' | Later

export interface Later {
  readonly retryAfterMs: number | undefined
  readonly reason: string
}

/**
 * Sends one ExportTraceServiceRequest; `onWritten` is called when the operating system has all of it. Takes at most
 * `withinMs`, 0 and absent are no limit. Never rejects.
 */
export type Send = (body: Uint8Array, onWritten?: () => void, withinMs?: number) => Promise<SendResult>

/** Told what the collector says beside its verdict. */
export interface Listener {
  /** Why a batch was refused: what repeats, and what the collector said of it. */
  onRefused(reason: string, message: string): void
  /** Of a body that was sent, so many spans were not taken; with 0 it is advice. */
  onPartial(rejected: number, message: string, body: Uint8Array): void
}

/** What transports are made from; can be cloned into a worker thread. */
export interface TransportOptions {
  readonly protocol: 'http/protobuf' | 'http/json' | 'grpc' | 'zipkin'
  /** The full URL with its path, or `unix:` and the path of a socket. */
  readonly endpoint: string
  readonly headers: Readonly<Record<string, string>>
  readonly compression: Compression
  /** Files of PEM: whom to trust instead of the authorities that Node knows, and who we are. */
  readonly certificate?: string | undefined
  readonly clientKey?: string | undefined
  readonly clientCertificate?: string | undefined
  readonly proxies?: Proxies
  /** For how long a request may keep a process that is done; by default as long as it takes. */
  readonly lingerMs?: number
}

export type Compression = 'none' | 'gzip' | 'zstd'

/** By the protocol of the collector. */
export interface Proxies {
  readonly http?: string | undefined
  readonly https?: string | undefined
  /** Hosts, domains and networks that are reached without one. */
  readonly except: readonly string[]
}

/** What the collector says in one answer is read up to here (opentelemetry-proto, docs/specification.md). */
export const MAX_ANSWER_BYTES = 4 * 1024 * 1024

/** A connection is replaced after so long, so that it follows the name of the collector to another address. */
export const MAX_CONNECTION_MS = 5 * 60_000

export const later = (error: unknown, retryAfterMs?: number): Later => ({ retryAfterMs, reason: reasonOf(error) })

// What Node's words are a sign of: a certificate, or a protocol, that is not the one expected.
const HINTS: readonly (readonly [RegExp, string])[] = [
  [
    /SELF_SIGNED|UNABLE_TO_(GET_ISSUER|VERIFY)/,
    'OTEL_EXPORTER_OTLP_CERTIFICATE names a file with the authority to trust',
  ],
  [/no HTTP/, 'expected OTLP/HTTP, see OTEL_EXPORTER_OTLP_PROTOCOL'],
  [/^ERR_HTTP2_ERROR/, 'expected OTLP/gRPC, see OTEL_EXPORTER_OTLP_PROTOCOL'],
]

// An error of several addresses (localhost on IPv4 and IPv6) has no message of its own.
function reasonOf(error: unknown): string {
  if (typeof error === 'string') return error
  const { code, message } = error as { code?: string; message?: string }
  const reason = code ?? message ?? String(error)
  const [, hint] = HINTS.find(([sign]) => sign.test(reason)) ?? []
  return hint === undefined ? reason : `${reason}: ${hint}`
}
