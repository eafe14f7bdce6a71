/** Amazon SQS, by the AWS SDK v3: messages that are sent, received, processed and settled. */
import type { Message } from '@aws-sdk/client-sqs'
import { type Call, client, consumer, defineInstrumentation, type Kit, type Operation } from './define.js'
import { sendBatch, sendOne } from './shared/aws-messages.js'
import {
  administer,
  answered,
  type Client,
  inputOf,
  type Send,
  type Sent,
  traceSend,
  withInput,
} from './shared/aws-sdk.js'
import { draft, type Headers, type Queue, queueOf, queues, takeHeaders } from './shared/sqs.js'
import { type Consumer, failureOf, isAnnouncement, patchConsumer } from './shared/sqs-consumer.js'
import { createWalk, deliveriesOf, type Step } from './shared/walk.js'

const CONSUMER = { name: 'sqs-consumer', versions: '>=10 <13', patch: patchHandlers }

export default defineInstrumentation({
  name: 'aws-sdk-client-sqs',
  title: 'Amazon SQS (AWS SDK v3)',
  category: 'messaging',
  modules: [
    {
      name: '@aws-sdk/client-sqs',
      // Older ones speak the protocol in XML.
      versions: '>=3.447 <4',
      patch: ({ SQSClient }: { SQSClient: { prototype: Client } }, kit) =>
        traceSend(
          SQSClient.prototype,
          kit,
          {
            SendMessageCommand: sendOne(queues),
            SendMessageBatchCommand: sendBatch(kit, queues),
            ReceiveMessageCommand: original => receiving(original, kit),
            DeleteMessageCommand: settle('delete'),
            DeleteMessageBatchCommand: settle('delete'),
            ChangeMessageVisibilityCommand: settle('change_visibility'),
            ChangeMessageVisibilityBatchCommand: settle('change_visibility'),
          },
          administering,
        ),
    },
    // It hands the messages to handlers, and keeps to itself how these end.
    { name: 'sqs-consumer', versions: '>=7 <10', file: 'dist/consumer.js', patch: patchHandlers },
    { ...CONSUMER, file: 'dist/cjs/consumer.js' },
    { ...CONSUMER, file: 'dist/esm/consumer.js', replaces: [] },
  ],
})

const settle = (operation: string): Operation<Sent> => ({
  inside: 'hidden',
  needsParent: true,
  start({ self, args: [command] }) {
    const input = inputOf(command)
    return draft(client, operation, 'settle', queueOf(self, input), input.Entries?.length)
  },
  finish: answered,
})

/** Queues made, found, purged. */
const administering = administer('SQS', (self, input) => {
  const { url, address, port, region } = queueOf(self, input)
  return { 'aws.sqs.queue.url': url, 'cloud.region': region, 'server.address': address, 'server.port': port }
})

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
  readonly headers: Headers
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
  finish(span, { args: [{ delivery }] }) {
    const failure = failureOf(delivery.message)
    if (failure !== undefined) span.recordError(failure)
  },
}

/** Messages that go to one handler together. */
const processingBatch: Operation<Call<unknown, [messages: Message[]]> & { deliveries?: readonly Delivery[] }> = {
  extract: () => undefined,
  start(call) {
    call.deliveries = [...(deliveriesOf(call.args[0]) as Iterable<Delivery>)]
    const [first] = call.deliveries
    return first && draft(consumer, 'process', 'process', first.queue, call.deliveries.length)
  },
  links: ({ deliveries = [] }) => deliveries.map(({ headers }) => headers),
  finish(span, { args: [messages] }) {
    const failure = failureOf(messages)
    if (failure !== undefined) span.recordError(failure)
  },
}

function patchHandlers({ Consumer }: { Consumer: { prototype: Consumer } }, kit: Kit<object>): void {
  patchConsumer(Consumer.prototype, kit)
  kit.trace(Consumer.prototype, 'processMessageBatch', processingBatch)
}

/** Asks for the headers with the messages, takes out those that the application did not ask for, and hands on the rest. */
function receiving(original: Send, kit: Kit<object>): Send {
  const handOut = createWalk(kit, processing, isAnnouncement)
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
        call.deliveries = output.Messages.map(message => ({
          queue,
          message,
          headers: takeHeaders(message, kit.headerNames, added),
        }))
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
