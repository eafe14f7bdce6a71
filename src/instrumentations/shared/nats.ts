/** Messages of NATS as the library has them: spans of what is done with them, and the trace that they carry. */
import type { client, SpanDraft } from '../define.js'
import { headersToSend } from './http.js'
import { createStamp } from './stamp.js'

/** What every connection has at its bottom. */
export interface Protocol {
  readonly options?: { readonly inboxPrefix?: string }
  /** As the server told; undefined while there is no connection. */
  readonly info?: { readonly headers?: boolean; readonly max_payload: number }
  readonly server?: { readonly hostname: string; readonly port: number }
  readonly subscriptions: { get(id: number): Subscription | undefined }
  readonly closed: Promise<unknown>
}

interface Subscription {
  readonly subject: string
  readonly queue?: string
  /** Set where the subscription waits for the reply to a request. */
  readonly requestSubject?: string
  /** Of JetStream, in nats 2. */
  readonly info?: ConsumerInfo
}

export interface ConsumerInfo {
  readonly config?: { readonly filter_subject?: string }
}

/** A message as the library has received it. */
export interface Raw {
  /** Without headers, `hdr` is -1; else their length, and they are the first bytes of the data. */
  readonly _msg: {
    readonly subject: Uint8Array
    readonly reply?: Uint8Array
    readonly hdr: number
    readonly sid: number
  }
  readonly _rdata: Uint8Array
  readonly publisher: Protocol
}

/** What the application gets: such a message, or one of JetStream or of a service around it. */
export type Item = Raw | { readonly msg: Raw; readonly didAck?: boolean }

export interface MessageHeaders {
  readonly headers: Map<string, string[]>
  encode(): Uint8Array
}

/** What a message is sent with. */
export type Options = { readonly headers?: MessageHeaders } | null | undefined

/** How a connection makes headers, by the class of its protocol. */
export const makers = createStamp<() => MessageHeaders>()

// Room for the headers that JetStream adds.
const SLACK_BYTES = 1024

/** The options with the headers, or as they are: where the server takes none, or would not take as many bytes. */
export function withHeaders(
  protocol: Protocol,
  data: unknown,
  options: Options,
  ours: Record<string, string>,
): Options {
  const { info } = protocol
  const own = options?.headers ?? undefined
  if (info !== undefined && info.headers !== true) return options
  if (options === null || !['object', 'undefined'].includes(typeof options)) return options
  if (own !== undefined && !(own.headers instanceof Map)) return options
  const keys = [...(own?.headers.keys() ?? [])]
  // Those of other languages may be written otherwise: Go's have a capital letter.
  const keyOf = (name: string): string | undefined => keys.find(key => key.toLowerCase() === name)
  const names = headersToSend(ours, name => own?.headers.get(keyOf(name) ?? '')?.[0])
  if (names.length === 0) return options
  const headers = own === undefined ? makers.get(Object.getPrototypeOf(protocol))?.() : copyOf(own)
  if (headers === undefined) return options
  for (const name of names) {
    headers.headers.delete(keyOf(name) ?? name)
    headers.headers.set(name, [ours[name] as string])
  }
  const bytes = typeof data === 'string' ? Buffer.byteLength(data) : ((data as Uint8Array | undefined)?.length ?? 0)
  if (info !== undefined && bytes + headers.encode().length + SLACK_BYTES > info.max_payload) return options
  return { ...options, headers }
}

const copyOf = (own: MessageHeaders): MessageHeaders =>
  Object.assign(Object.create(Object.getPrototypeOf(own)), own, { headers: new Map(own.headers) })

/** A message on its way to the application. */
export interface Delivery {
  readonly protocol: Protocol
  readonly subject: string
  /** Undefined for what is no message but a status. */
  readonly headers: Record<string, string[]> | undefined
  readonly subscription: Subscription | undefined
  readonly consumer: string | undefined
  readonly sentAtMs: number | undefined
}

export const rawOf = (item: any): Raw | undefined => [item, item?.msg].find(one => one?._msg !== undefined)

export function deliveryOf(item: Item | undefined): Delivery | undefined {
  const raw = rawOf(item)
  if (raw === undefined) return undefined
  // Not by the library's getters, which would leave their result on the message.
  const { publisher: protocol, _msg: message } = raw
  const subject = textOf(message.subject)
  if (isOfServer(subject) || isInbox(protocol, subject)) return undefined
  const subscription = protocol.subscriptions.get(message.sid)
  if (subscription?.requestSubject !== undefined) return undefined
  const reply = textOf(message.reply)
  const tokens = reply.startsWith('$JS.ACK.') ? reply.split('.') : undefined
  // What the library is yet to look through, as it may be out of order.
  if (tokens !== undefined && raw === item) return undefined
  // $JS.ACK.[<domain>.<account>.]<stream>.<consumer>.<deliveries>.<sequence>.<sequence>.<nanoseconds>.<pending>[.<random>]
  const first = tokens?.length === 9 ? 2 : 4
  return {
    protocol,
    subject,
    headers: headersOf(raw),
    subscription,
    consumer: tokens?.[first + 1],
    sentAtMs: tokens === undefined ? undefined : Number(tokens[first + 5]) / 1e6,
  }
}

/** Where a message wants its answer; undefined for none, and where the server is who asks or is told. */
export function replyOf({ _msg: { subject, reply } }: Raw): string | undefined {
  const to = textOf(reply)
  return to === '' || isOfServer(to) || isOfServer(textOf(subject)) ? undefined : to
}

/** Not by the library's decoder either, which throws at names that are none. */
function headersOf({ _msg: { hdr }, _rdata: data }: Raw): Delivery['headers'] {
  if (hdr < 0) return {}
  const [version = '', ...lines] = textOf(data.subarray(0, hdr)).split('\r\n')
  if (/^NATS\/1\.0 *\d/.test(version)) return undefined
  const headers: Record<string, string[]> = Object.create(null)
  for (const line of lines) {
    const colon = line.indexOf(':')
    if (colon > 0) (headers[line.slice(0, colon).toLowerCase()] ??= []).push(line.slice(colon + 1).trim())
  }
  return headers
}

const textOf = (bytes: Uint8Array | undefined): string =>
  bytes === undefined ? '' : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString()

const isWildcard = (subject: string | undefined): subject is string => /(?:^|\.)[*>](?:\.|$)/.test(subject ?? '')

export function draftOf(
  kind: typeof client,
  operation: string,
  type: 'receive' | 'process' | 'settle',
  { protocol, subject, headers, subscription, consumer }: Delivery,
  info = subscription?.info,
): SpanDraft {
  const filter = consumer === undefined ? subscription?.subject : info?.config?.filter_subject
  const made = draft(kind, operation, type, protocol, subject, isWildcard(filter) ? filter : undefined)
  made.attributes['messaging.consumer.group.name'] = consumer ?? subscription?.queue
  made.attributes['messaging.message.id'] = headers?.['nats-msg-id']?.[0]
  return made
}

/** Subjects may be without number: where messages came by a wildcard, they are named by it; inboxes have no names. */
export function draft(
  kind: typeof client,
  operation: string,
  type: 'send' | 'receive' | 'process' | 'settle',
  protocol: Protocol,
  subject: unknown,
  template?: string,
): SpanDraft {
  const temporary = isInbox(protocol, subject) || undefined
  return kind(temporary ? operation : `${operation} ${template ?? subject}`, {
    'messaging.system': 'nats',
    'messaging.operation.name': operation,
    'messaging.operation.type': type,
    'messaging.destination.name': String(subject),
    'messaging.destination.template': template,
    'messaging.destination.temporary': temporary,
    'messaging.consumer.group.name': undefined,
    'messaging.message.id': undefined,
    'server.address': protocol?.server?.hostname,
    'server.port': protocol?.server?.port,
  })
}

const isInbox = (protocol: Protocol, subject: unknown): boolean =>
  String(subject).startsWith(`${protocol?.options?.inboxPrefix ?? '_INBOX'}.`)

/** Acknowledgements, the API of JetStream, buckets of keys and of objects: what is said to the server, and so is no message. */
export const isOfServer = (subject: unknown): boolean => typeof subject !== 'string' || subject.startsWith('$')
