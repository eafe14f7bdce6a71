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
  type TracedSpan,
} from './define.js'
import { draft, type Endpoint, type Input, type Queue, queueOf, withHeaders } from './shared/sqs.js'
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

interface Client extends Endpoint {
  send: Send
}

interface Command {
  readonly input?: Input
}

type Send = (this: Client, ...args: [Command, ...unknown[]]) => unknown
type Sent = Call<Client, [Command, ...unknown[]], any>

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

const processing: Operation<Step<Delivery>> = {
  extract: ({ args: [{ delivery }] }) => delivery.headers,
  message({ args: [{ delivery }] }) {
    // There only if the application asked for it.
    const sentAtMs = Number(delivery.message.Attributes?.SentTimestamp)
    return { sentAtMs: Number.isNaN(sentAtMs) ? undefined : sentAtMs }
  },
  start({ args: [{ delivery }] }) {
    const { queue, message } = delivery
    const made = draft(consumer, 'process', 'process', queue)
    made.attributes['messaging.message.id'] = message.MessageId
    return made
  },
}

/** Asks for the headers with the messages, takes out those that the application did not ask for, and hands on the rest. */
function receiving(original: Send, kit: Kit<object>): Send {
  const handOut = createWalk(kit, processing)
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
  if (typeof attributes === 'object' && attributes !== null) {
    for (const name of headerNames) headers[name] = attributes[name]?.StringValue
    const found = added.filter(name => Reflect.deleteProperty(attributes, name) && headers[name] !== undefined)
    if (found.length > 0 && Object.keys(attributes).length === 0) {
      Reflect.deleteProperty(message, 'MessageAttributes')
      Reflect.deleteProperty(message, 'MD5OfMessageAttributes')
    }
  }
  return { queue, message, headers }
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
