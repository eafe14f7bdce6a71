/** Queues and messages of Amazon SQS: spans of what is done with them, and the trace that messages carry. */
import type { SendMessageBatchRequestEntry } from '@aws-sdk/client-sqs'
import type { client, SpanDraft } from '../define.js'
import { defaultPort, mayReplace, splitHost } from './http.js'

/** A message as it is sent: alone, or one of a batch. */
type Outgoing = Pick<SendMessageBatchRequestEntry, 'MessageBody' | 'MessageAttributes'>

/** What a command asks for. */
export interface Input extends Partial<Outgoing> {
  readonly QueueUrl?: string
  readonly Entries?: readonly SendMessageBatchRequestEntry[]
  readonly MessageAttributeNames?: readonly string[]
}

/** Of a client of the SDK. */
export interface Endpoint {
  /** The endpoint is a function, where the application chose one. */
  readonly config?: { readonly endpoint?: unknown }
}

/** The span of an operation on a queue. `count` is the number of messages, of operations on batches. */
export function draft(
  kind: typeof client,
  operation: string,
  type: 'create' | 'send' | 'receive' | 'process' | 'settle',
  { url, name, address, port, region }: Queue,
  count?: number,
): SpanDraft {
  return kind(name === undefined ? operation : `${operation} ${name}`, {
    'messaging.system': 'aws_sqs',
    'messaging.operation.name': operation,
    'messaging.operation.type': type,
    'messaging.destination.name': name,
    'messaging.batch.message_count': count,
    'messaging.message.id': undefined,
    'aws.request_id': undefined,
    'aws.sqs.queue.url': url,
    'cloud.region': region,
    'server.address': address,
    'server.port': port,
  })
}

export interface Queue {
  readonly url: string | undefined
  readonly name: string | undefined
  readonly address: string | undefined
  readonly port: number | undefined
  readonly region: string | undefined
}

/**
 * What a queue's URL tells: https://sqs.<region>.amazonaws.com/<account>/<name>. The SDK sends to its host, unless the
 * client was given an endpoint, which cannot be had without waiting.
 */
export function queueOf(self: Endpoint, { QueueUrl }: Input): Queue {
  const url = typeof QueueUrl === 'string' ? QueueUrl : undefined
  const parts = url?.split('/') ?? []
  const [scheme = '', , host = ''] = self?.config?.endpoint === undefined ? parts : []
  const { address, port = defaultPort(scheme) } = splitHost(host)
  return {
    url,
    name: parts.at(-1) || undefined,
    address: address || undefined,
    port: address === '' ? undefined : port,
    region: url === undefined ? undefined : REGION.exec(url)?.[1],
  }
}

const REGION = /\/\/sqs\.([a-z]{2}(?:-[a-z]+)+-\d+)\./

// SQS refuses a message with more (SQS developer guide, message metadata).
const MAX_ATTRIBUTES = 10

/** A copy that carries the trace in its message attributes, as far as there is room in it and in its batch. */
export function withHeaders<T extends Partial<Outgoing>>(
  message: T,
  headers: Record<string, string>,
  batch: readonly Partial<Outgoing>[],
): T {
  const own = message.MessageAttributes
  const names = Object.keys(headers)
  if (names.length === 0 || !mayReplace(own?.traceparent?.StringValue, headers.traceparent)) return message
  if (!hasRoom([message]) || !hasRoom(batch)) return message
  const MessageAttributes = { ...own }
  // What has such a name is the application's own business, unless it forwards a trace.
  const forwards = own?.traceparent !== undefined
  // The others mean nothing without the first.
  for (const name of ['traceparent', ...names]) {
    const StringValue = headers[name]
    const fits = name in MessageAttributes ? forwards : Object.keys(MessageAttributes).length < MAX_ATTRIBUTES
    if (StringValue !== undefined && fits) MessageAttributes[name] = { DataType: 'String', StringValue }
  }
  return { ...message, MessageAttributes }
}

// What a request may have, attributes included, and may still have on a queue that is set so: 256 KiB until August 2025.
const LIMITS_BYTES = [262_144, 1_048_576]
// A traceparent of 55, a tracestate of 512 and a baggage of 8192 bytes, with their names and types.
const HEADERS_BYTES = 9_000

/** False where the headers could lift messages over a limit that they keep. */
function hasRoom(messages: readonly Partial<Outgoing>[]): boolean {
  const bytes = messages.reduce((sum, { MessageBody }) => sum + Buffer.byteLength(String(MessageBody)), 0)
  return LIMITS_BYTES.every(limit => bytes > limit || bytes + messages.length * HEADERS_BYTES <= limit)
}
