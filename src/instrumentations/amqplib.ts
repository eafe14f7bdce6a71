/** Messages that amqplib publishes to RabbitMQ, and messages that come from it. */
import type { Socket } from 'node:net'
import type { Message } from 'amqplib'
import type { SemanticAttributes } from '../semconv.js'
import { type Call, client, consumer, defineInstrumentation, type Kit, type Operation, producer } from './define.js'
import { patchManager, patchWrapper } from './shared/amqp-connection-manager.js'
import { headersToSend } from './shared/http.js'
import { ALL, type Fateful, finishSettled, remember, type Settling, settle, type Unsettled } from './shared/settling.js'
import { createStamp } from './shared/stamp.js'

const LIBRARY = { name: 'amqplib', versions: '>=0.10 <3' }
const MANAGER = { name: 'amqp-connection-manager', versions: '>=3.8 <6' }

export default defineInstrumentation({
  name: 'amqplib',
  title: 'amqplib (RabbitMQ)',
  category: 'messaging',
  modules: [
    {
      ...LIBRARY,
      file: 'lib/connect.js',
      patch(lib: { connect(url: unknown, options: unknown, opened: unknown): void }, kit) {
        // A connection outlives the request that opens it: what it tells later is not told in that one's name.
        kit.wrap(lib, 'connect', kit.detach)
        kit.bindCallback(lib, 'connect')
      },
    },
    { ...LIBRARY, file: 'lib/channel.js', patch: patchChannel },
    // The promise API, and the callback API.
    {
      ...LIBRARY,
      file: 'lib/channel_model.js',
      patch: ({ Channel }, kit) => kit.trace(Channel.prototype, 'get', receiving),
    },
    {
      ...LIBRARY,
      file: 'lib/callback_model.js',
      patch({ Channel, CallbackModel }, kit) {
        kit.trace(Channel.prototype, 'get', receiving)
        kit.bindCallback(CallbackModel.prototype, 'close')
      },
    },
    { ...MANAGER, file: 'dist/cjs/ChannelWrapper.js', patch: patchWrapper },
    { ...MANAGER, file: 'dist/cjs/AmqpConnectionManager.js', patch: patchManager },
    { ...MANAGER, file: 'dist/esm/ChannelWrapper.js', replaces: [], patch: patchWrapper },
    { ...MANAGER, file: 'dist/esm/AmqpConnectionManager.js', replaces: [], patch: patchManager },
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

const createState = () => ({
  /** What consumers asked for, by consumer tag. */
  consumers: new Map<string, { readonly queue: string; readonly noAck: boolean }>(),
  /** By delivery tag, in its order. */
  deliveries: new Map() as Unsettled,
  /** By the number under which the broker confirms a message, in its order. */
  publishes: new Map() as Unsettled,
  /** Ends of the calls of consumers whose promises are pending. */
  pending: new Set<() => void>(),
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
      // Replies arrive in no context.
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
    for (const end of stateOf(self).pending) end()
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

const publishing: Operation<Fateful<Channel, [Route, Properties, unknown]>> = {
  inside: 'none',
  start({ self, args: [route, properties] }) {
    const { name, attributes } = describe('publish', self, route, properties)
    return producer(name, attributes)
  },
  inject({ args: [, { headers }] }, ours) {
    // The library's own object; what it inherits from is the application's, and may be frozen.
    for (const name of headersToSend(ours, own => headers?.[own])) {
      Reflect.defineProperty(headers as object, name, { value: ours[name], enumerable: true })
    }
  },
  // On a confirm channel the broker tells how it ends.
  outlives(call, open) {
    const { sent, publishes } = stateOf(call.self)
    if (sent === undefined) return false
    call.args = [{}, {}, undefined]
    call.fate = { end: () => open.end(call) }
    remember(publishes, sent, call.fate)
    return true
  },
  finish: finishSettled,
}

// AMQP 0-9-1 counts seconds since the epoch; applications put milliseconds there, too.
const inMs = (timestamp: unknown): number | undefined => {
  if (typeof timestamp !== 'number') return undefined
  return timestamp < 1e11 ? timestamp * 1000 : timestamp
}

/** When a dead letter became one, for the first time: where a queue leads back to itself, it does so again and again. */
function diedAtMs(message: Message | null): number | undefined {
  const deaths: unknown = message?.properties.headers?.['x-death']
  if (!Array.isArray(deaths)) return undefined
  const times = deaths.map(death => inMs(death?.time?.value)).filter(isDefined)
  return times.length === 0 ? undefined : Math.min(...times)
}

interface Processing extends Fateful<Channel, [Message['fields'], Message | null]> {
  /** Ends it, should its channel close first. */
  close?(): void
}

const processing: Operation<Processing> = {
  extract: ({ args: [, message] }) => message?.properties.headers,
  message: ({ args: [, message] }) => ({ sentAtMs: inMs(message?.properties.timestamp) ?? diedAtMs(message) }),
  start(call) {
    const [fields, message] = call.args
    // The broker has cancelled the consumer.
    if (message === null) return undefined
    const { consumers, deliveries } = stateOf(call.self)
    const asked = consumers.get((fields as { consumerTag?: string }).consumerTag ?? '')
    if (asked?.noAck === false) remember(deliveries, fields.deliveryTag, (call.fate = {}))
    const { name, attributes } = describe('process', call.self, fields, message.properties, asked?.queue)
    return consumer(name, { ...attributes, 'messaging.rabbitmq.message.delivery_tag': fields.deliveryTag })
  },
  // The promise that a consumer returns tells when it is done; without one, the acknowledgement does.
  outlives(call, open) {
    const { fate } = call
    if (fate === undefined || fate.outcome !== undefined) return false
    call.args = [call.args[0], null]
    fate.end = () => open.end(call)
    return true
  },
  pends(call, open) {
    call.args = [call.args[0], null]
    call.close = () => open.end(call)
    stateOf(call.self).pending.add(call.close)
  },
  finish(span, call) {
    const { deliveries, pending } = stateOf(call.self)
    deliveries.delete(call.args[0].deliveryTag)
    if (call.close !== undefined) pending.delete(call.close)
    finishSettled(span, call)
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
