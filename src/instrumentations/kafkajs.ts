/** Messages that kafkajs sends to Kafka, and messages that it gets for a group of consumers. */
import { isUtf8 } from 'node:buffer'
import type {
  EachBatchPayload,
  EachMessagePayload,
  Kafka,
  KafkaMessage,
  Message,
  Producer,
  RecordMetadata,
} from 'kafkajs'
import type { SemanticAttributes } from '../semconv.js'
import {
  type Call,
  consumer,
  defineInstrumentation,
  flag,
  type Kit,
  type Operation,
  producer,
  type SpanDraft,
  type TracedSpan,
} from './define.js'
import { headersToSend } from './shared/http.js'
import { createStamp } from './shared/stamp.js'
import { createWalk, type Step } from './shared/walk.js'

const LIBRARY = { name: 'kafkajs', versions: '>=1.16 <3' }

interface Options {
  keys: boolean
}

export default defineInstrumentation<Options>({
  name: 'kafkajs',
  title: 'KafkaJS',
  category: 'messaging',
  options: { keys: flag(false, 'Record the keys of messages, which may hold personal data.') },
  modules: [
    {
      ...LIBRARY,
      patch({ Kafka: { prototype } }: { Kafka: { prototype: Kafka } }, kit) {
        const trace = <T extends Sends>(sends: T): T => {
          kit.trace<Sends, 'send'>(sends, 'send', sending(one, kit.options.keys))
          kit.trace<Sends, 'sendBatch'>(sends, 'sendBatch', sending(many, kit.options.keys))
          return sends
        }
        // A producer is an object without a class.
        kit.wrap(prototype, 'producer', create => {
          return function (this: Kafka, ...args) {
            const made = trace(Reflect.apply(create, this, args))
            kit.wrap(made, 'transaction', begin => async () => trace(await begin()))
            return made
          }
        })
      },
    },
    { ...LIBRARY, file: 'src/consumer/runner.js', patch: patchRunner },
  ],
})

type Sends = Pick<Producer, 'send' | 'sendBatch'>

/** Made for each run of a consumer, and for each time that it starts again after a crash. */
interface Runner {
  readonly consumerGroup: { readonly groupId: string; readonly sessionTimeout: number }
  onCrash(reason: Error): unknown
  start(): Promise<void>
  stop(): Promise<void>
  /** One of them is null. */
  eachMessage(payload: EachMessagePayload): Promise<void>
  eachBatch(payload: EachBatchPayload): Promise<void>
}

function patchRunner({ prototype }: { prototype: Runner }, kit: Kit<Options>): void {
  const { keys } = kit.options
  const processEach = processing<Call<Runner, [EachMessagePayload]>>(keys, ({ self, args: [payload] }) => ({
    ...payload,
    runner: self,
  }))
  const handOut = createWalk(
    kit,
    processing<Step<Delivery>>(keys, ({ args: [{ delivery }] }) => delivery),
  )
  const processBatch = processingBatch(kit.headerNames)
  kit.wrap(prototype, 'start', start => {
    // What comes later does not come in the name of who started it.
    return kit.detach(function (this: Runner) {
      const { onCrash } = this
      this.onCrash = reason => {
        giveUp(this)
        return onCrash(reason)
      }
      kit.trace(this, 'eachMessage', processEach)
      kit.wrap(this, 'eachBatch', handle => {
        return function (this: Runner, payload) {
          const { topic, partition, messages } = payload.batch
          handOut(messages, new Map(messages.map(message => [message, { topic, partition, message, runner: this }])))
          return Reflect.apply(handle, this, [payload])
        }
      })
      kit.trace(this, 'eachBatch', processBatch)
      return Reflect.apply(start, this, [])
    })
  })
  kit.wrap(prototype, 'stop', stop => {
    return function (this: Runner) {
      // It waits for handlers, however long; to the others of the group this one has left when its session is over.
      if (unsettled.get(this)?.size) setTimeout(giveUp, this.consumerGroup.sessionTimeout, this).unref()
      return Reflect.apply(stop, this, [])
    }
  })
}

/** What ends the handlers of a runner that are under way, as each may never settle. */
const unsettled = createStamp<Set<() => void>>()

function giveUp(runner: Runner): void {
  for (const end of unsettled.get(runner) ?? []) end()
}

/** A handler under way. */
interface Handling {
  abandoned?: true
  forget?(): void
}

/** Calls `end` if the runner is at its end before the handler. */
function untilStopped(runner: Runner, call: Handling, end: () => void): void {
  let ends = unsettled.get(runner)
  if (ends === undefined) unsettled.set(runner, (ends = new Set()))
  const abandon = (): void => {
    call.abandoned = true
    end()
  }
  ends.add(abandon)
  call.forget = () => ends.delete(abandon)
}

function finishHandling(span: TracedSpan, { forget, abandoned }: Handling): void {
  forget?.()
  if (abandoned) span.set({ 'error.type': 'consumer_stopped' }).fail()
}

interface Part {
  readonly topic?: unknown
  readonly messages: readonly Message[]
}

/** How a method takes messages: what is in its argument, topic by topic, and the argument with other messages. */
interface Form {
  read(record: any): unknown
  write(record: any, parts: readonly Part[]): object
}

// The library reads these properties, and hands the objects to nobody.
const one: Form = {
  read: record => [record],
  write: ({ topic, acks, timeout, compression }, [part]) => ({ topic, acks, timeout, compression, ...part }),
}
const many: Form = {
  read: record => record?.topicMessages,
  write: ({ acks, timeout, compression }, topicMessages) => ({ acks, timeout, compression, topicMessages }),
}

/** Undefined where the library will refuse the argument. */
function partsOf(form: Form, record: unknown): readonly Part[] | undefined {
  const parts = form.read(record)
  return Array.isArray(parts) && parts.every(hasMessages) ? parts : undefined
}

const isObject = (value: unknown): value is object => typeof value === 'object' && value !== null
const hasMessages = (part: unknown): boolean =>
  isObject(part) && 'messages' in part && Array.isArray(part.messages) && part.messages.every(isObject)

/** All messages carry the span of the call that sends them: there may be thousands in one. */
const sending = (form: Form, keys: boolean): Operation<Call<unknown, [unknown, ...unknown[]], RecordMetadata[]>> => ({
  inside: 'none',
  start({ args: [record] }) {
    const parts = partsOf(form, record)
    if (parts === undefined) return undefined
    const [topic, ...others] = new Set(parts.map(part => part.topic))
    const count = countOf(parts)
    const single = count === 1 ? parts.flatMap(({ messages }) => messages)[0] : undefined
    return describe(producer, 'send', others.length > 0 ? undefined : topic, {
      'messaging.batch.message_count': count === 1 ? undefined : count,
      ...(single && ofMessage(single, keys)),
    })
  },
  inject(call, ours) {
    const [record, ...rest] = call.args
    const parts = partsOf(form, record)
    // The library refuses a message without a value, and shows it as it is.
    if (parts === undefined || parts.some(({ messages }) => messages.some(({ value }) => value === undefined))) return
    const carrying = parts.map(({ topic, messages }) => ({
      topic,
      messages: messages.map(message => withHeaders(message, ours)),
    }))
    call.args = [form.write(record, carrying), ...rest]
  },
  finish(span, { args: [record], result, error }) {
    const { type } = Object(error) as { type?: unknown }
    span.set({ 'error.type': typeof type === 'string' ? type : undefined })
    if (!Array.isArray(result) || result.length !== 1) return
    const [{ partition, baseOffset }] = result as [RecordMetadata]
    const isSingle = countOf(partsOf(form, record) ?? []) === 1
    span.set({
      'messaging.destination.partition.id': String(partition),
      'messaging.kafka.offset': isSingle && baseOffset !== undefined ? Number(baseOffset) : undefined,
    })
  },
})

const countOf = (parts: readonly Part[]): number => parts.reduce((sum, { messages }) => sum + messages.length, 0)

const FIELDS = ['key', 'value', 'partition', 'timestamp', 'headers'] as const

/** A copy that carries the trace, beside the headers that it has. */
function withHeaders(message: Message, ours: Record<string, string>): Message {
  // The library sends what is a message's own, and looks at the rest: that of a class may not bear a copy.
  if (FIELDS.some(name => name in message && !Object.hasOwn(message, name))) return message
  const { headers: own } = message
  if (own !== undefined && (!isObject(own) || Array.isArray(own))) return message
  const names = headersToSend(ours, name => own?.[name])
  const copy = { ...message, headers: { ...own, ...Object.fromEntries(names.map(name => [name, ours[name]])) } }
  const prototype = Object.getPrototypeOf(message)
  // The application's partitioner may know the class.
  return prototype === Object.prototype ? copy : Object.create(prototype, Object.getOwnPropertyDescriptors(copy))
}

/** A message on its way to the application. */
interface Delivery {
  readonly topic: string
  readonly partition: number
  readonly message: KafkaMessage
  readonly runner: Runner
}

const processing = <C extends object>(keys: boolean, deliveryOf: (call: C) => Delivery): Operation<C & Handling> => ({
  extract: call => deliveryOf(call).message.headers,
  message(call) {
    const sentAtMs = Number(deliveryOf(call).message.timestamp)
    // -1 is none (Kafka protocol, record batch).
    return { sentAtMs: sentAtMs > 0 ? sentAtMs : undefined }
  },
  start(call) {
    const { topic, partition, message, runner } = deliveryOf(call)
    return describe(consumer, 'process', topic, {
      'messaging.consumer.group.name': runner.consumerGroup.groupId,
      'messaging.destination.partition.id': String(partition),
      'messaging.kafka.offset': Number(message.offset),
      ...ofMessage(message, keys),
    })
  },
  pends: (call, open) => untilStopped(deliveryOf(call).runner, call, () => open.end(call)),
  finish: finishHandling,
})

const processingBatch = (
  headerNames: readonly string[],
): Operation<Call<Runner, [EachBatchPayload]> & Handling & { senders?: KafkaMessage['headers'][] }> => ({
  extract: () => undefined,
  start(call) {
    const { topic, partition, messages } = call.args[0].batch
    // Now, as the application may take messages out of the array; once each, as a sender sends many.
    const senders = messages.map(({ headers }) => [headerNames.map(name => String(headers?.[name])).join(), headers])
    call.senders = [...new Map(senders as [string, KafkaMessage['headers']][]).values()]
    return describe(consumer, 'process', topic, {
      'messaging.batch.message_count': messages.length,
      'messaging.consumer.group.name': call.self.consumerGroup.groupId,
      'messaging.destination.partition.id': String(partition),
    })
  },
  pends: (call, open) => untilStopped(call.self, call, () => open.end(call)),
  links: ({ senders = [] }) => senders,
  finish: finishHandling,
})

function describe(
  kind: typeof producer,
  operation: 'send' | 'process',
  topic: unknown,
  attributes: SemanticAttributes,
): SpanDraft {
  const name = typeof topic === 'string' && topic !== '' ? topic : undefined
  return kind(name === undefined ? operation : `${operation} ${name}`, {
    'messaging.system': 'kafka',
    'messaging.operation.name': operation,
    'messaging.operation.type': operation,
    'messaging.destination.name': name,
    ...attributes,
  })
}

const ofMessage = ({ key, value }: Pick<Message, 'key' | 'value'>, keys: boolean): SemanticAttributes => ({
  'messaging.kafka.message.key': keys ? textOf(key) : undefined,
  'messaging.kafka.message.tombstone': value === null || undefined,
})

function textOf(key: Message['key']): string | undefined {
  if (typeof key === 'string') return key
  return Buffer.isBuffer(key) && isUtf8(key) ? key.toString() : undefined
}
