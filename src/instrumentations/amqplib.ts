/** amqplib: messages that are published to RabbitMQ, and messages that come from it. */
import type { Socket } from 'node:net'
import type { Message } from 'amqplib'
import type { SemanticAttributes } from '../semconv.js'
import {
  type Call,
  client,
  consumer,
  defineInstrumentation,
  type Kit,
  type OpenCall,
  type Operation,
  producer,
} from './define.js'
import { mayReplace } from './shared/http.js'
import { createStamp } from './shared/stamp.js'

const LIBRARY = { name: 'amqplib', versions: '>=0.10 <3' }

export default defineInstrumentation({
  name: 'amqplib',
  title: 'amqplib (RabbitMQ)',
  category: 'messaging',
  modules: [
    { ...LIBRARY, file: 'lib/channel.js', patch: patchChannel },
    // The promise API, and the callback API.
    {
      ...LIBRARY,
      file: 'lib/channel_model.js',
      patch: (lib, kit) => kit.trace(lib.Channel.prototype, 'get', receiving),
    },
    {
      ...LIBRARY,
      file: 'lib/callback_model.js',
      patch: (lib, kit) => kit.trace(lib.Channel.prototype, 'get', receiving),
    },
  ],
})

/** The base of the channels of both APIs: what these make of the application's arguments comes through here. */
interface Channel {
  readonly connection: { readonly stream?: Socket & { readonly _host?: string | null } }
  _rpc(method: number, fields: any, expect: number, reply: (error: unknown, frame: any) => unknown): unknown
  sendMessage(fields: Route, properties: Properties, content: unknown): boolean
  sendImmediately(method: number, fields: Settling): boolean
  emit(event: string, fields?: Settling): boolean
  closeBecause(reason: string, code: number, done?: () => void): void
  toClosing(): void
  toClosed(): void
  pushConfirmCallback(callback: unknown): void
  dispatchMessage(fields: Message['fields'], message: Message | null): unknown
  unregisterConsumer(tag: string): void
}

type Route = Partial<Pick<Message['fields'], 'exchange' | 'routingKey'>>
type Properties = Partial<Pick<Message['properties'], 'headers' | 'messageId' | 'correlationId'>>
type Settling = { readonly deliveryTag: number; readonly multiple?: boolean }

/** A message on its way: to the broker until that confirms it, or to a consumer until that acknowledges it. */
interface Pending<Args extends unknown[] = any> extends Call<Channel, Args> {
  outcome?: string
  /** Set once the message has outlived the call that sent or delivered it. */
  open?: OpenCall<Pending<Args>>
}

// A consumer that never acknowledges costs 1.5 kB a message (Node 20), until RabbitMQ closes its channel after 30 minutes.
const MAX_PENDING = 10_000

const createState = () => ({
  /** What consumers asked for, by consumer tag. */
  consumers: new Map<string, { readonly queue: string; readonly noAck: boolean }>(),
  /** By delivery tag, in its order. */
  deliveries: new Map<number, Pending>(),
  /** By the number under which the broker confirms a message, in its order. */
  publishes: new Map<number, Pending>(),
  /** Messages sent since the channel was put into confirm mode; undefined before. */
  sent: undefined as number | undefined,
})

const states = createStamp<ReturnType<typeof createState>>()

function stateOf(channel: Channel): ReturnType<typeof createState> {
  const known = states.get(channel)
  if (known !== undefined) return known
  const state = createState()
  states.set(channel, state)
  return state
}

// Methods of AMQP 0-9-1 by number: class and method, 16 bits each.
const BASIC_CONSUME = 3932180
const CONFIRM_SELECT = 5570570
const OUTCOMES: Record<number, string> = { 3932240: 'ack', 3932250: 'reject', 3932280: 'nack' }
const CLOSED = 'channel_closed'
const ALL: Settling = { deliveryTag: 0, multiple: true }

function patchChannel({ Channel, BaseChannel }: any, kit: Kit<object>): void {
  const channel: Channel = Channel.prototype
  const base: Channel = BaseChannel.prototype
  kit.trace(base, 'dispatchMessage', processing)
  kit.wrap(channel, '_rpc', rpc => {
    return function (this: Channel, method, fields, expect, reply) {
      const heard: typeof reply = (error, frame) => {
        if (error === null && method === BASIC_CONSUME) stateOf(this).consumers.set(frame.fields.consumerTag, fields)
        else if (error === null && method === CONFIRM_SELECT) stateOf(this).sent = 0
        return reply(error, frame)
      }
      // Replies arrive in the context of whoever opened the connection.
      return Reflect.apply(rpc, this, [method, fields, expect, kit.bind(heard)])
    }
  })
  kit.bindCallback(channel, 'pushConfirmCallback')
  kit.bindCallback(channel, 'closeBecause')
  hear(kit, base, 'unregisterConsumer', 'before', (self, tag) => stateOf(self).consumers.delete(tag))
  hear(kit, channel, 'sendMessage', 'after', self => {
    const state = stateOf(self)
    if (state.sent !== undefined) state.sent++
  })
  kit.trace(channel, 'sendMessage', publishing)
  hear(kit, channel, 'emit', 'before', (self, event, fields) => {
    if (event === 'ack' || event === 'nack') settle(stateOf(self).publishes, fields, event)
  })
  hear(kit, channel, 'sendImmediately', 'after', (self, method, fields) => {
    const outcome = OUTCOMES[method]
    if (outcome !== undefined) settle(stateOf(self).deliveries, fields, outcome)
  })
  hear(kit, channel, 'toClosed', 'before', self => {
    settle(stateOf(self).publishes, ALL, CLOSED)
    settle(stateOf(self).deliveries, ALL, CLOSED)
  })
  // A channel that closes gets a method of its own that refuses to send.
  hear(kit, channel, 'toClosing', 'after', self => kit.trace(self, 'sendMessage', publishing))
  hear(kit, channel, 'toClosed', 'after', self => kit.trace(self, 'sendMessage', publishing))
}

/** Tells `listener` of each call of a method, before it is made or after it has returned. */
function hear<K extends Exclude<keyof Channel, 'connection'>>(
  kit: Kit<object>,
  target: Channel,
  method: K,
  when: 'before' | 'after',
  listener: (self: Channel, ...args: Parameters<Channel[K]>) => unknown,
): void {
  kit.wrap(target, method, original => {
    return function (this: Channel, ...args: Parameters<Channel[K]>) {
      if (when === 'before') listener(this, ...args)
      const result = Reflect.apply(original as () => unknown, this, args)
      if (when === 'after') listener(this, ...args)
      return result
    } as Channel[K]
  })
}

/** Ends what waited for it: one message, or with `multiple` all up to it, where 0 means all (AMQP 0-9-1, basic.ack). */
function settle(waiting: Map<number, Pending>, settling: Settling | undefined, outcome: string): void {
  if (waiting.size === 0 || typeof settling?.deliveryTag !== 'number') return
  const { deliveryTag, multiple } = settling
  for (const tag of multiple ? waiting.keys() : [deliveryTag]) {
    if (deliveryTag !== 0 && tag > deliveryTag) return
    const pending = waiting.get(tag)
    if (pending === undefined) continue
    waiting.delete(tag)
    pending.outcome = outcome
    pending.open?.end(pending)
  }
}

/** Keeps a call open until it is settled; `args` are what its end needs, not the message: that is the application's. */
function keep<Args extends unknown[]>(
  waiting: Map<number, Pending>,
  call: Pending<Args>,
  open: OpenCall<Pending<Args>>,
  args: Args,
): true {
  call.open = open
  call.args = args
  if (waiting.size <= MAX_PENDING) return true
  const [tag, oldest] = waiting.entries().next().value as [number, Pending]
  waiting.delete(tag)
  oldest.open?.end(oldest)
  return true
}

/** A refusal is the failure of the operation, unless an error tells more. */
const finish: NonNullable<Operation<Pending>['finish']> = (span, { outcome, error }) => {
  if (error === undefined && outcome !== undefined && outcome !== 'ack') span.set({ 'error.type': outcome }).fail()
}

const publishing: Operation<Pending<[Route, Properties, unknown]>> = {
  inside: 'none',
  start({ self, args: [route, properties] }) {
    const { name, attributes } = describe('publish', self, route, properties)
    return producer(name, attributes)
  },
  inject({ args: [, { headers }] }, ours) {
    if (!mayReplace(headers?.traceparent, ours.traceparent)) return
    // The library's own object; what it inherits from is the application's, and may be frozen.
    for (const name in ours) Reflect.defineProperty(headers as object, name, { value: ours[name], enumerable: true })
  },
  // On a confirm channel the broker tells how it ends.
  outlives(call, open) {
    const { sent, publishes } = stateOf(call.self)
    if (sent === undefined) return false
    publishes.set(sent, call)
    return keep(publishes, call, open, [{}, {}, undefined])
  },
  finish,
}

const processing: Operation<Pending<[Message['fields'], Message | null]>> = {
  extract: ({ args: [, message] }) => message?.properties.headers,
  start(call) {
    const [fields, message] = call.args
    // The broker has cancelled the consumer.
    if (message === null) return undefined
    const { consumers, deliveries } = stateOf(call.self)
    const asked = consumers.get((fields as { consumerTag?: string }).consumerTag ?? '')
    if (asked?.noAck === false) deliveries.set(fields.deliveryTag, call)
    const { name, attributes } = describe('process', call.self, fields, message.properties, asked?.queue)
    return consumer(name, { ...attributes, 'messaging.rabbitmq.message.delivery_tag': fields.deliveryTag })
  },
  // The promise that a consumer returns tells when it is done; without one, the acknowledgement does.
  outlives(call, open) {
    const { deliveries } = stateOf(call.self)
    const [fields] = call.args
    return deliveries.has(fields.deliveryTag) && keep(deliveries, call, open, [fields, null])
  },
  finish(span, call) {
    stateOf(call.self).deliveries.delete(call.args[0].deliveryTag)
    finish(span, call)
  },
}

const receiving: Operation<Call<Channel, [queue: unknown], Message | false>> = {
  inside: 'none',
  needsParent: true,
  start({ self, args: [queue] }) {
    const { name, attributes } = describe('receive', self, {}, {}, queue)
    return client(name, attributes)
  },
  // The queue was empty.
  discard: ({ result }) => result === false,
  links: ({ result }) => (result ? [result.properties.headers] : []),
  finish(span, { self, args: [queue], result }) {
    if (!result) return
    const { name, attributes } = describe('receive', self, result.fields, result.properties, queue)
    span.updateName(name).set({ ...attributes, 'messaging.rabbitmq.message.delivery_tag': result.fields.deliveryTag })
  },
}

/** Name and attributes as the semantic conventions for RabbitMQ have them; only who receives knows the queue. */
function describe(
  operation: 'publish' | 'process' | 'receive',
  { connection: { stream } }: Channel,
  route: Route,
  properties: Properties,
  queue?: unknown,
): { name: string; attributes: SemanticAttributes } {
  const exchange = text(route.exchange)
  const routingKey = text(route.routingKey)
  const parts = [exchange, routingKey, queue === routingKey ? undefined : text(queue)].filter(isDefined)
  const destination = parts.join(':') || 'amq.default'
  // Names that the broker makes up are without number, as span names must not be.
  const anonymous = parts.some(part => GENERATED.test(part)) || undefined
  return {
    name: anonymous ? operation : `${operation} ${destination}`,
    attributes: {
      'messaging.system': 'rabbitmq',
      'messaging.operation.name': operation,
      'messaging.operation.type': operation === 'publish' ? 'send' : operation,
      'messaging.destination.name': destination,
      'messaging.destination.anonymous': anonymous,
      'messaging.rabbitmq.destination.routing_key': routingKey,
      'messaging.message.id': text(properties.messageId),
      'messaging.message.conversation_id': text(properties.correlationId),
      // Node notes the name that was connected to, unless it was an address.
      'server.address': stream?._host ?? stream?.remoteAddress,
      'server.port': stream?.remotePort,
      'network.peer.address': stream?.remoteAddress,
      'network.peer.port': stream?.remotePort,
    },
  }
}

const GENERATED = /^amq\.(?:gen-|rabbitmq\.reply-to)/

const text = (value: unknown): string | undefined => (typeof value === 'string' && value !== '' ? value : undefined)
const isDefined = <T>(value: T | undefined): value is T => value !== undefined
