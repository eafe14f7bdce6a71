/** Queues and messages of Amazon SQS: spans of what is done with them, and the trace that messages bring. */
import type { Message } from '@aws-sdk/client-sqs'
import type { client, SpanDraft } from '../define.js'
import type { Destinations, OperationType } from './aws-messages.js'
import type { Client, Input } from './aws-sdk.js'
import { defaultPort, splitHost } from './http.js'

export const queues: Destinations = {
  operation: 'send',
  entries: 'Entries',
  of: (self, input) => {
    const queue = queueOf(self, input)
    return (kind, operation, type, count) => draft(kind, operation, type, queue, count)
  },
  carries: () => true,
}

/** The span of an operation on a queue. `count` is the number of messages, of operations on batches. */
export function draft(
  kind: typeof client,
  operation: string,
  type: OperationType,
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
export function queueOf(self: Client, { QueueUrl }: Input): Queue {
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

/** Trace headers by name; what is no text is none. */
export type Headers = Readonly<Record<string, unknown>>

/**
 * Takes the trace out of a message: from its attributes, `added` of which the application has not asked for, or else from
 * the envelope that SNS puts into the body.
 */
export function takeHeaders(message: Message, headerNames: readonly string[], added: readonly string[]): Headers {
  const attributes = message?.MessageAttributes
  let headers: Headers = {}
  if (typeof attributes === 'object' && attributes !== null) {
    // All, as baggage may have names of its own.
    headers = Object.fromEntries(Object.entries(attributes).map(([name, value]) => [name, value?.StringValue]))
    const taken = added.filter(name => Reflect.deleteProperty(attributes, name) && headers[name] !== undefined)
    if (taken.length > 0 && Object.keys(attributes).length === 0) {
      Reflect.deleteProperty(message, 'MessageAttributes')
      Reflect.deleteProperty(message, 'MD5OfMessageAttributes')
    }
  }
  const found = headerNames.some(name => headers[name] !== undefined)
  return found ? headers : headersOfEnvelope(message?.Body, headerNames)
}

const ENVELOPE = /^\s*\{\s*"Type"\s*:\s*"Notification"/

/** What SNS writes into the body of a queue's message, where raw delivery is off (SNS developer guide, message formats). */
function headersOfEnvelope(body: unknown, headerNames: readonly string[]): Headers {
  if (typeof body !== 'string' || !ENVELOPE.test(body)) return {}
  // Within the published message each quote has a backslash before it.
  if (!headerNames.some(name => body.includes(`"${name}"`))) return {}
  try {
    const attributes = JSON.parse(body).MessageAttributes ?? {}
    return Object.fromEntries(Object.entries<any>(attributes).map(([name, value]) => [name, value?.Value]))
  } catch {
    return {}
  }
}
