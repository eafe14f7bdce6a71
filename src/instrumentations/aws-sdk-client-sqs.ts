/** Amazon SQS, by the AWS SDK v3: messages that are sent, received, processed and settled. */
import type { Message, SendMessageBatchRequestEntry } from '@aws-sdk/client-sqs'
import {
  type Call,
  client,
  consumer,
  defineInstrumentation,
  type Kit,
  type OpenCall,
  type Operation,
  producer,
  type Settled,
  type SpanDraft,
  type TracedSpan,
} from './define.js'
import { defaultPort, mayReplace, splitHost } from './shared/http.js'
import { createWalk, type Step } from './shared/walk.js'

export default defineInstrumentation({
  name: 'aws-sdk-client-sqs',
  title: 'Amazon SQS (AWS SDK v3)',
  category: 'messaging',
  modules: [
    {
      name: '@aws-sdk/client-sqs',
      versions: '>=3 <4',
      patch: ({ SQSClient }: { SQSClient: { prototype: Client } }, kit) =>
        kit.wrap(SQSClient.prototype, 'send', original => {
          const traced = (operation: Operation<Sent>): Send => {
            const copy = { send: original }
            kit.trace(copy, 'send', operation)
            return copy.send
          }
          const byName = new Map<unknown, Send>([
            ['SendMessageCommand', traced(sendOne)],
            ['SendMessageBatchCommand', traced(sendBatch(kit))],
            ['ReceiveMessageCommand', receiving(original, kit)],
            ['DeleteMessageCommand', traced(settle('delete'))],
            ['DeleteMessageBatchCommand', traced(settle('delete'))],
            ['ChangeMessageVisibilityCommand', traced(settle('change_visibility'))],
            ['ChangeMessageVisibilityBatchCommand', traced(settle('change_visibility'))],
          ])
          const other = traced(administer)
          return function (this: Client, ...args) {
            return Reflect.apply(namedAs(args[0], byName) ?? other, this, args)
          }
        }),
    },
  ],
})

interface Client {
  send: Send
  /** The endpoint is a function, where the application chose one. */
  readonly config?: { readonly endpoint?: unknown }
}
type Send = (this: Client, ...args: [Command, ...unknown[]]) => unknown
type Sent = Call<Client, [Command, ...unknown[]], any>

interface Command {
  readonly input?: Input
}

interface Input extends Partial<Outgoing> {
  readonly QueueUrl?: string
  readonly Entries?: readonly SendMessageBatchRequestEntry[]
  readonly MessageAttributeNames?: readonly string[]
}

/** Commands are known by their class's name, their own or an inherited one: there may be several copies of the SDK. */
function namedAs(command: unknown, byName: ReadonlyMap<unknown, Send>): Send | undefined {
  let type: unknown = (command as object | undefined)?.constructor
  while (typeof type === 'function' && !byName.has(type.name)) type = Object.getPrototypeOf(type)
  return byName.get((type as Function | undefined)?.name)
}

const inputOf = (command: Command): Input => command.input ?? {}

/** The command with another input. The application's own is left as it is; its middleware is used. */
const withInput = (command: Command, input: Input): Command =>
  Object.create(command, { input: { value: input, writable: true, enumerable: true, configurable: true } })

const sendOne: Operation<Sent> = {
  inside: 'hidden',
  start: ({ self, args: [command] }) => draft(producer, 'send', 'send', queueOf(self, inputOf(command))),
  inject(call, headers) {
    const [command, ...rest] = call.args
    const input = inputOf(command)
    call.args = [withInput(command, withHeaders(input, headers, [input])), ...rest]
  },
  finish(span, call) {
    span.set({ 'messaging.message.id': call.result?.MessageId })
    answered(span, call)
  },
}

/** One message of a batch, which starts a branch of its own. */
interface Created {
  readonly queue: Queue
  readonly batch: readonly SendMessageBatchRequestEntry[]
  /** With the headers, once there are any. */
  entry: SendMessageBatchRequestEntry
  headers: Record<string, string> | undefined
  open: OpenCall<Created> | undefined
  id?: string | undefined
  failure?: string | undefined
}

const create: Operation<Created> = {
  inside: 'none',
  start: ({ queue }) => draft(producer, 'create', 'create', queue),
  inject(created, headers) {
    created.headers = headers
    created.entry = withHeaders(created.entry, headers, created.batch)
  },
  finish(span, { id, failure }) {
    span.set({ 'messaging.message.id': id, 'error.type': failure })
    if (failure !== undefined) span.fail()
  },
}

const sendBatch = (kit: Kit<object>): Operation<Sent & { created?: Created[] }> => ({
  inside: 'hidden',
  start(call) {
    const input = inputOf(call.args[0])
    const queue = queueOf(call.self, input)
    const batch = entriesOf(input)
    call.created = batch.map(entry => {
      const created: Created = { queue, batch, entry, headers: undefined, open: undefined }
      created.open = kit.begin(create, created)
      return created
    })
    return draft(client, 'send', 'send', queue, batch.length)
  },
  links: ({ created = [] }) => created.map(({ headers }) => headers),
  inject(call, headers) {
    const [command, ...rest] = call.args
    const input = inputOf(command)
    const batch = entriesOf(input)
    if (batch.length === 0) return
    const Entries = call.created?.map(({ entry }) => entry) ?? batch.map(entry => withHeaders(entry, headers, batch))
    call.args = [withInput(command, { ...input, Entries }), ...rest]
  },
  finish(span, call) {
    const { created = [], result, error } = call
    for (const one of created) {
      one.id = result?.Successful?.find(({ Id }: { Id: string }) => Id === one.entry.Id)?.MessageId
      one.failure =
        error === undefined
          ? result?.Failed?.find(({ Id }: { Id: string }) => Id === one.entry.Id)?.Code
          : (codeOf(error) ?? 'Error')
      one.open?.end(one)
    }
    answered(span, call)
  },
})

const entriesOf = ({ Entries }: Input): readonly SendMessageBatchRequestEntry[] =>
  Array.isArray(Entries) ? Entries : []

const settle = (operation: string): Operation<Sent> => ({
  inside: 'hidden',
  needsParent: true,
  start({ self, args: [command] }) {
    const input = inputOf(command)
    return draft(client, operation, 'settle', queueOf(self, input), input.Entries?.length)
  },
  finish: answered,
})

/** Queues made, found, purged: remote calls without messages. */
const administer: Operation<Sent> = {
  inside: 'hidden',
  start({ self, args: [command] }) {
    const [, name] = /^(.+)Command$/.exec(String(command?.constructor?.name)) ?? []
    if (name === undefined) return undefined
    const method = `SQS/${name}`
    const { url, address, port, region } = queueOf(self, inputOf(command))
    return client(method, {
      'rpc.system.name': 'aws-api',
      'rpc.method': method,
      'aws.request_id': undefined,
      'aws.sqs.queue.url': url,
      'cloud.region': region,
      'server.address': address,
      'server.port': port,
    })
  },
  finish: answered,
}

interface Received {
  readonly queue: Queue
  deliveries: readonly Delivery[]
  error?: unknown
  result?: unknown
}

/** A message on its way to the application. */
interface Delivery {
  readonly queue: Queue
  readonly message: Message
  readonly headers: Readonly<Record<string, unknown>>
}

const receive: Operation<Received> = {
  inside: 'hidden',
  needsParent: true,
  start: ({ queue }) => draft(client, 'receive', 'receive', queue),
  links: ({ deliveries }) => deliveries.map(({ headers }) => headers),
  discard: ({ deliveries, error }) => deliveries.length === 0 && error === undefined,
  finish(span, call) {
    if (call.error === undefined) span.set({ 'messaging.batch.message_count': call.deliveries.length })
    answered(span, call)
  },
}

const process: Operation<Step<Delivery>> = {
  extract: ({ args: [{ headers }] }) => headers,
  start({ args: [{ queue, message }] }) {
    const made = draft(consumer, 'process', 'process', queue)
    made.attributes['messaging.message.id'] = message.MessageId
    return made
  },
}

/** Asks for the headers with the messages, takes out those that the application did not ask for, and hands on the rest. */
function receiving(original: Send, kit: Kit<object>): Send {
  const handOut = createWalk(kit, process)
  return function (this: Client, ...args) {
    const input = inputOf(args[0])
    const names = input.MessageAttributeNames ?? []
    const added = Array.isArray(names) ? kit.headerNames.filter(name => !asksFor(names, name)) : []
    if (added.length > 0) args[0] = withInput(args[0], { ...input, MessageAttributeNames: [...names, ...added] })

    const queue = queueOf(this, input)
    const call: Received = { queue, deliveries: [] }
    const open = kit.begin(receive, call)
    const settled = (error: unknown, output?: { Messages?: unknown } | undefined): void => {
      if (error !== undefined && error !== null) call.error = error
      call.result = output
      if (Array.isArray(output?.Messages)) {
        call.deliveries = output.Messages.map(message => delivered(message, queue, added, kit.headerNames))
        handOut(output.Messages, new Map(call.deliveries.map(delivery => [delivery.message, delivery])))
      }
      open?.end(call)
    }

    const last = args.length - 1
    const callback = args[last]
    if (typeof callback === 'function') {
      args[last] = kit.bind(function (this: unknown, error: unknown, output?: object) {
        settled(error, output)
        return Reflect.apply(callback, this, arguments)
      })
    }
    const result = open === undefined ? Reflect.apply(original, this, args) : open.run(original, this, args)
    if (!(result instanceof Promise)) return result
    return result.then(
      output => {
        settled(undefined, output)
        return output
      },
      error => {
        settled(error)
        throw error
      },
    )
  }
}

// 'All' and '.*' are all names, and 'some.*' are those that start so (SQS API reference, ReceiveMessage).
const asksFor = (names: readonly unknown[], header: string): boolean =>
  names.some(
    name =>
      name === 'All' ||
      name === header ||
      (typeof name === 'string' && name.endsWith('.*') && header.startsWith(name.slice(0, -2))),
  )

function delivered(message: Message, queue: Queue, added: string[], headerNames: readonly string[]): Delivery {
  const attributes = message?.MessageAttributes
  const headers: Record<string, unknown> = {}
  if (attributes !== undefined) {
    for (const name of headerNames) headers[name] = attributes[name]?.StringValue
    const found = added.filter(name => Reflect.deleteProperty(attributes, name) && headers[name] !== undefined)
    if (found.length > 0 && Object.keys(attributes).length === 0) {
      Reflect.deleteProperty(message, 'MessageAttributes')
      Reflect.deleteProperty(message, 'MD5OfMessageAttributes')
    }
  }
  return { queue, message, headers }
}

function draft(
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

interface Queue {
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
function queueOf(self: Client, { QueueUrl }: Input): Queue {
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

/** A message as it is sent: alone, or one of a batch. */
type Outgoing = Pick<SendMessageBatchRequestEntry, 'MessageBody' | 'MessageAttributes'>

/** A copy that carries the trace in its message attributes, as far as there is room. */
function withHeaders<T extends Partial<Outgoing>>(
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

// A request may have 1 MiB, attributes included; a message 256 KiB on queues that were made before August 2025.
const LIMITS_BYTES = [262_144, 1_048_576]
// A traceparent of 55, a tracestate of 512 and a baggage of 8192 bytes, with their names and types.
const HEADERS_BYTES = 9_000

/** False where the headers could lift messages over a limit that they keep. */
function hasRoom(messages: readonly Partial<Outgoing>[]): boolean {
  const bytes = messages.reduce((sum, { MessageBody }) => sum + Buffer.byteLength(String(MessageBody)), 0)
  return LIMITS_BYTES.every(limit => bytes > limit || bytes + messages.length * HEADERS_BYTES <= limit)
}

function answered(span: TracedSpan, { result, error }: Settled): void {
  const failed = result?.Failed?.[0]
  span.set({
    'aws.request_id': (result ?? (error as ServiceError | undefined))?.$metadata?.requestId,
    'error.type': error === undefined ? failed?.Code : codeOf(error),
  })
  if (failed !== undefined) span.fail()
}

interface ServiceError {
  readonly code?: unknown
  readonly name?: unknown
  readonly $metadata?: { readonly requestId?: string }
}

/** Of an error that the service answered with, the name: its class may stand for many. */
function codeOf(error: unknown): string | undefined {
  const { code, name } = error as ServiceError
  return typeof code === 'string' ? code : typeof name === 'string' ? name : undefined
}
