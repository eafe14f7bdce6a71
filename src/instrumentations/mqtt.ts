/** Messages that mqtt publishes to a broker, and messages that come from it. */
import type { IClientOptions, IClientPublishOptions, IPublishPacket } from 'mqtt'
import type { SemanticAttributes } from '../semconv.js'
import { type Call, consumer, defineInstrumentation, type Kit, type Operation, producer } from './define.js'
import { headersToSend } from './shared/http.js'
import { ALL, type Fateful, finishSettled, remember, settle, type Unsettled } from './shared/settling.js'
import { createStamp } from './shared/stamp.js'

export default defineInstrumentation({
  name: 'mqtt',
  title: 'MQTT.js',
  category: 'messaging',
  modules: [
    {
      name: 'mqtt',
      versions: '>=4 <6',
      patch({ MqttClient: { prototype } }: { MqttClient: { prototype: Client } }, kit) {
        // A connection outlives the request that opens it: what it tells later is not told in that one's name.
        kit.wrap(prototype, 'connect' in prototype ? 'connect' : '_setupStream', kit.detach as never)
        // The connection calls back in no context.
        for (const method of ['publish', 'subscribe', 'unsubscribe', 'end'] as const)
          kit.bindCallback(prototype, method)
        kit.wrap(prototype, 'publish', publish => publishing(publish, kit))
        kit.wrap(prototype, 'emit', emit => emitting(emit, kit))
      },
    },
  ],
})

interface Client {
  /** What the application connected with; MQTT.js adds the host of the connection. */
  readonly options: IClientOptions & { readonly unixSocket?: boolean }
  readonly stream?: { readonly remoteAddress?: string; readonly remotePort?: number }
  readonly connackPacket?: { readonly properties?: { readonly maximumPacketSize?: number } }
  readonly topicAliasSend?: { readonly aliasToTopic?: { peek(alias: unknown): string | undefined } }
  /** Of 5, and of 4. */
  connect?(): unknown
  _setupStream?(): unknown
  publish(...args: Publish): unknown
  subscribe(...args: unknown[]): unknown
  unsubscribe(...args: unknown[]): unknown
  end(...args: unknown[]): unknown
  emit(event: string, ...args: any[]): boolean
  listenerCount(event: string): number
}

type Options = Partial<IClientPublishOptions>
type Callback = (error?: unknown, packet?: unknown) => unknown
type Publish = [topic: unknown, payload?: unknown, options?: Options | Callback | null, callback?: Callback]

const createState = () => ({
  /** What is subscribed to: the group of each filter that is shared, and undefined of each other one. */
  filters: new Map<string, string | undefined>(),
  /** Messages whose callback is to come, by their number. */
  unsettled: new Map() as Unsettled,
  published: 0,
})

const states = createStamp<ReturnType<typeof createState>>()

function stateOf(client: Client): ReturnType<typeof createState> {
  const known = states.get(client)
  if (known !== undefined) return known
  const state = createState()
  states.set(client, state)
  return state
}

/** The callback tells how a message has ended; a client that has ended calls none of those that it still owes. */
function publishing(publish: Client['publish'], kit: Kit<object>): Client['publish'] {
  return function (this: Client, ...args) {
    const call: Fateful<Client, Publish> = { self: this, args }
    const open = kit.begin(sending, call)
    if (open === undefined) return Reflect.apply(publish, this, call.args)
    const last = call.args.length - 1
    const callback = call.args[last]
    if (typeof callback === 'function') {
      const state = stateOf(this)
      const number = ++state.published
      call.fate = { end: () => open.end(call) }
      remember(state.unsettled, number, call.fate)
      call.args[last] = function (this: unknown, error?: unknown) {
        state.unsettled.delete(number)
        if (error !== undefined && error !== null) call.error = error
        open.end(call)
        return Reflect.apply(callback, this, arguments)
      }
    }
    const result = open.attempt(publish, this, call.args, call)
    if (call.fate === undefined) open.end(call)
    return result
  }
}

const sending: Operation<Fateful<Client, Publish>> = {
  inside: 'none',
  start({ self, args: [topic, , options] }) {
    const alias = (options as Options | undefined)?.properties?.topicAlias
    const destination = text(topic) ?? text(self.topicAliasSend?.aliasToTopic?.peek(alias))
    return producer(...describe('publish', self, destination))
  },
  // Only MQTT 5 has a place for headers.
  inject(call, ours) {
    const { self, args } = call
    const [topic, payload, third] = args
    if (self.options.protocolVersion !== 5 || !hasRoom(self, payload, ours)) return
    const options = typeof third === 'function' ? undefined : third
    const own = options?.properties?.userProperties
    const names = headersToSend(ours, name => own?.[name])
    if (names.length === 0) return
    const userProperties = { ...own, ...Object.fromEntries(names.map(name => [name, ours[name] as string])) }
    const copy = { ...options, properties: { ...options?.properties, userProperties } }
    call.args = [topic, payload, copy, ...(args.slice(options === third ? 3 : 2) as [Callback?])]
  },
  finish: finishSettled,
}

// A traceparent of 55, a tracestate of 512 and a baggage of 8192 bytes, with their names.
const HEADERS_BYTES = 9_000

/** False where the headers could lift a message over the broker's limit, which closes the connection then. */
function hasRoom({ connackPacket }: Client, payload: unknown, headers: Record<string, string>): boolean {
  const limit = connackPacket?.properties?.maximumPacketSize
  if (limit === undefined) return true
  const bytes = Object.entries(headers)
    .flat()
    .reduce((sum, text) => sum + 3 + text.length, 0)
  const payloadBytes = Buffer.byteLength(typeof payload === 'string' || Buffer.isBuffer(payload) ? payload : '')
  return payloadBytes + Math.max(HEADERS_BYTES, bytes) <= limit
}

/** All that a client tells goes through here: the messages, and the packets that it subscribes with. */
function emitting(emit: Client['emit'], kit: Kit<object>): Client['emit'] {
  const messages = { emit }
  kit.trace(messages, 'emit', processing)
  return function (this: Client, event, ...args) {
    if (event === 'message') return Reflect.apply(messages.emit, this, [event, ...args])
    if (event === 'packetsend') noteFilters(stateOf(this).filters, args[0])
    const result = Reflect.apply(emit, this, [event, ...args])
    if (event === 'end') settle(stateOf(this).unsettled, ALL, 'client_ended')
    return result
  }
}

interface Subscribing {
  readonly cmd?: string
  readonly subscriptions?: readonly { readonly topic: string }[]
  readonly unsubscriptions?: readonly string[]
}

function noteFilters(filters: Map<string, string | undefined>, packet: Subscribing): void {
  if (packet.cmd === 'subscribe') for (const { topic } of packet.subscriptions ?? []) filters.set(...filterOf(topic))
  else if (packet.cmd === 'unsubscribe')
    for (const topic of packet.unsubscriptions ?? []) filters.delete(filterOf(topic)[0])
}

function filterOf(topic: string): [filter: string, group: string | undefined] {
  const [, group, filter] = /^\$share\/([^/]+)\/(.+)$/s.exec(topic) ?? []
  return [filter ?? topic, group]
}

/** The first filter that a topic came by: itself, where that is one. */
function subscribed(filters: ReadonlyMap<string, string | undefined>, topic: string): string | undefined {
  if (filters.has(topic)) return topic
  for (const filter of filters.keys()) if (matches(filter.split('/'), topic.split('/'))) return filter
  return undefined
}

/** MQTT 5.0, section 4.7. */
function matches(filter: string[], topic: string[]): boolean {
  if (topic[0]?.startsWith('$') && filter[0] !== topic[0]) return false
  for (const [i, level] of filter.entries()) {
    if (level === '#') return true
    if (topic[i] === undefined || (level !== '+' && level !== topic[i])) return false
  }
  return filter.length === topic.length
}

/** All listeners of one message: what one of them throws, or does later, is not told apart. */
const processing: Operation<Call<Client, [event: string, topic?: string, payload?: unknown, packet?: IPublishPacket]>> =
  {
    extract: ({ args: [, , , packet] }) => packet?.properties?.userProperties,
    // The broker keeps a retained message for everybody who ever subscribes, and tells not since when.
    message: ({ args: [, , , packet] }) => ({ scheduled: packet?.retain === true }),
    start({ self, args: [event, topic] }) {
      if (self.listenerCount(event) === 0) return undefined
      const { filters } = stateOf(self)
      const filter = topic === undefined ? undefined : subscribed(filters, topic)
      return consumer(...describe('process', self, text(topic), filter, filter && filters.get(filter)))
    },
  }

/** Topics may be without number: where messages came by a wildcard, they are named by it. */
function describe(
  operation: 'publish' | 'process',
  { options, stream }: Client,
  topic: string | undefined,
  filter = topic,
  group?: string,
): [name: string, attributes: SemanticAttributes] {
  const address = options.unixSocket === true ? options.path : (options.hostname ?? options.host)
  const port = options.unixSocket === true ? undefined : options.port
  return [
    `${operation} ${filter ?? [address, port].filter(Boolean).join(':')}`,
    {
      'messaging.system': 'mqtt',
      'messaging.operation.name': operation,
      'messaging.operation.type': operation === 'publish' ? 'send' : operation,
      'messaging.destination.name': topic,
      'messaging.destination.template': filter === topic ? undefined : filter,
      'messaging.consumer.group.name': group,
      'messaging.client.id': options.clientId,
      'server.address': address,
      'server.port': port,
      'network.peer.address': stream?.remoteAddress,
      'network.peer.port': stream?.remotePort,
    },
  ]
}

const text = (value: unknown): string | undefined => (typeof value === 'string' && value !== '' ? value : undefined)
