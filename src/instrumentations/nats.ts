/** Messages of NATS and its JetStream, by nats 2 and by the @nats-io packages: published, requested, processed and settled. */
import type { SemanticAttributes } from '../semconv.js'
import { type Call, client, consumer, defineInstrumentation, type Kit, type Operation, producer } from './define.js'
import {
  type ConsumerInfo,
  type Delivery,
  deliveryOf,
  draft,
  draftOf,
  type Item,
  isOfServer,
  makers,
  type Options,
  type Protocol,
  type Raw,
  rawOf,
  replyOf,
  withHeaders,
} from './shared/nats.js'
import { type Fateful, finishSettled } from './shared/settling.js'
import { createStamp } from './shared/stamp.js'

// Before 2.15 JetStream is in other files, without consumers; on 2.15 the tests of what a connection has do not end.
const NATS_2 = { name: 'nats', versions: '>=2.16 <3' }
const CORE = { name: '@nats-io/nats-core', versions: '>=3 <4' }
const JETSTREAM = { name: '@nats-io/jetstream', versions: '>=3 <4' }

export default defineInstrumentation({
  name: 'nats',
  title: 'NATS',
  category: 'messaging',
  modules: [
    { ...NATS_2, file: 'lib/nats-base-client/internal_mod.js', patch: patchConnection },
    { ...NATS_2, file: 'lib/nats-base-client/queued_iterator.js', patch: patchIterator },
    { ...NATS_2, file: 'lib/jetstream/jsclient.js', patch: patchJetStream },
    { ...NATS_2, file: 'lib/jetstream/consumer.js', patch: patchConsumers },
    { ...NATS_2, file: 'lib/jetstream/jsmsg.js', patch: patchMessage },
    { ...CORE, file: 'lib/internal_mod.js', patch: patchConnection },
    { ...CORE, file: 'lib/queued_iterator.js', patch: patchIterator },
    { ...JETSTREAM, file: 'lib/jsclient.js', patch: patchJetStream },
    { ...JETSTREAM, file: 'lib/consumer.js', patch: patchConsumers },
    {
      ...JETSTREAM,
      file: 'lib/pushconsumer.js',
      patch: ({ PushConsumerImpl }, kit) => traceCallback(PushConsumerImpl, kit),
    },
    { ...JETSTREAM, file: 'lib/jsmsg.js', patch: patchMessage },
  ],
})

interface Connection {
  readonly protocol: Protocol
  publish(...args: Sent): unknown
  request(...args: Sent): unknown
  requestMany(...args: Sent): unknown
}

/** A connection, or a client of JetStream. */
type Sender = Connection | { readonly nc: Connection }

type Sent = [subject: unknown, data?: unknown, options?: Options]

function patchConnection({ NatsConnectionImpl, ProtocolHandler, MsgImpl, headers }: any, kit: Kit<object>): void {
  makers.set(ProtocolHandler.prototype, headers)
  // A connection outlives the request that opens it: what it tells later is not told in that one's name.
  kit.wrap(NatsConnectionImpl, 'connect', kit.detach as never)
  const connection: Connection = NatsConnectionImpl.prototype
  kit.trace(connection, 'publish', sending('publish', 'none'))
  // Requests publish and subscribe by the methods of the connection.
  kit.trace(connection, 'request', sending('request', 'hidden'))
  kit.trace(connection, 'requestMany', sending('request', 'hidden'))
  traceCallback(NatsConnectionImpl, kit, 'subscribe')
  kit.trace(MsgImpl.prototype, 'respond', responding)
}

function patchJetStream({ JetStreamClientImpl }: any, kit: Kit<object>): void {
  // It is a request: the server answers when the message is stored.
  kit.trace(JetStreamClientImpl.prototype, 'publish', sending('publish', 'hidden') as never)
  // The subscriptions of nats 2, of which the application's callback gets what this has looked through.
  kit.wrap(JetStreamClientImpl.prototype, '_buildTypedSubscriptionOpts', (build: Function) => {
    return function (this: unknown, ...args: unknown[]) {
      const options = Reflect.apply(build, this, args)
      kit.trace(options, 'callback', processing)
      return options
    } as never
  })
}

function patchConsumers({ PullConsumerImpl, OrderedPullConsumerImpl }: any, kit: Kit<object>): void {
  const internals = createStamp<true>()
  traceCallback(PullConsumerImpl, kit, 'consume', callback => internals.get(callback) === undefined)
  kit.trace(PullConsumerImpl.prototype, 'next', receiving)
  if (OrderedPullConsumerImpl === undefined) return
  // In nats 2 an ordered consumer has another one, whose callback is its own.
  traceCallback(OrderedPullConsumerImpl, kit)
  kit.wrap(OrderedPullConsumerImpl.prototype, 'internalHandler', (make: Function) => {
    return function (this: unknown, ...args: unknown[]) {
      const handler = Reflect.apply(make, this, args)
      internals.set(handler, true)
      return handler
    } as never
  })
}

/** Makes each run of the callback in a method's last argument, its options, the processing of a message. */
function traceCallback(
  { prototype }: { prototype: any },
  kit: Kit<object>,
  method: 'consume' | 'subscribe' = 'consume',
  isOfApplication: (callback: Function) => boolean = () => true,
): void {
  kit.wrap(prototype, method, (original: Function) => {
    return function (this: unknown, ...args: any[]) {
      const last = args.length - 1
      const callback = args[last]?.callback
      if (typeof callback === 'function' && isOfApplication(callback)) {
        args[last] = { ...args[last] }
        kit.trace(args[last], 'callback', processing)
      }
      return Reflect.apply(original, this, args)
    }
  })
}

const fates = createStamp<NonNullable<Fateful['fate']>>()

function patchMessage({ JsMsgImpl: { prototype } }: any, kit: Kit<object>): void {
  // Other acknowledgements are not waited for: they are told by the processing of the message.
  kit.trace(prototype, 'ackAck', settling)
  for (const method of ['nak', 'term']) {
    kit.wrap(prototype, method, (original: Function) => {
      return function (this: { readonly didAck: boolean }, ...args: unknown[]) {
        const fate = fates.get(this)
        if (fate !== undefined && !this.didAck) fate.outcome = method
        return Reflect.apply(original, this, args)
      }
    })
  }
}

const protocolOf = (self: Sender): Protocol => ('nc' in self ? self.nc : self).protocol

function sending(operation: string, inside: 'none' | 'hidden'): Operation<Call<Sender, Sent>> {
  return {
    inside,
    start({ self, args: [subject] }) {
      return isOfServer(subject) ? undefined : draft(producer, operation, 'send', protocolOf(self), subject)
    },
    inject(call, ours) {
      const [subject, data, options, ...rest] = call.args
      if (isOfServer(subject)) return
      const copy = withHeaders(protocolOf(call.self), data, options, ours)
      if (copy !== options) call.args = [subject, data, copy, ...rest] as Sent
    },
  }
}

const responding: Operation<Call<Raw, [data?: unknown, options?: Options]>> = {
  inside: 'none',
  start({ self }) {
    const reply = replyOf(self)
    return reply === undefined ? undefined : draft(producer, 'respond', 'send', self.publisher, reply)
  },
  inject(call, ours) {
    const [data, options, ...rest] = call.args
    if (replyOf(call.self) === undefined) return
    const copy = withHeaders(call.self.publisher, data, options, ours)
    if (copy !== options) call.args = [data, copy, ...rest] as [unknown, Options]
  },
}

/** What hands a message out: an iterator, or an ordered consumer's around another one, or what has the callback. */
interface Source {
  readonly src?: Source
  readonly consumer?: { readonly _info?: ConsumerInfo }
}

interface Processed extends Fateful<Source | undefined, any[]> {
  delivery?: Delivery | undefined
  /** Of a callback that has returned a promise: it is not to be ended by the end of the connection any more. */
  forget?(): void
}

const deliveryIn = (call: Processed): Delivery | undefined => (call.delivery ??= deliveryOf(itemOf(call)))

/** Callbacks get the message, or before it an error. */
const itemOf = ({ args }: Processed): Item | undefined => (args.length > 1 ? args[1] : args[0])

const processing: Operation<Processed> = {
  lowerCase: true,
  extract: call => deliveryIn(call)?.headers,
  message(call) {
    const { headers, sentAtMs } = deliveryIn(call) ?? {}
    return { sentAtMs, scheduled: headers?.['nats-scheduler'] !== undefined }
  },
  start(call) {
    const delivery = deliveryIn(call)
    if (delivery?.headers === undefined) return undefined
    fates.set(itemOf(call) as object, (call.fate = {}))
    return draftOf(consumer, 'process', 'process', delivery, (call.self?.src ?? call.self)?.consumer?._info)
  },
  pends(call, open) {
    call.forget = untilClosed(call.delivery?.protocol, () => open.end(call))
  },
  finish(span, call) {
    call.forget?.()
    finishSettled(span, call)
  },
}

/** A message that the application waits for. */
const receiving: Operation<Call<any, unknown[], Item | null>> = {
  inside: 'hidden',
  needsParent: true,
  start({ self }) {
    const { stream, _info } = self
    return draft(client, 'receive', 'receive', self.api?.nc?.protocol, _info?.config?.filter_subject ?? stream)
  },
  // There was none.
  discard: ({ result, error }) => error === undefined && (result === null || result === undefined),
  links: ({ result }) => [deliveryOf(result ?? undefined)?.headers],
  finish(span, { self, result }) {
    const delivery = deliveryOf(result ?? undefined)
    if (delivery === undefined) return
    const { name, attributes } = draftOf(client, 'receive', 'receive', delivery, self._info)
    span.updateName(name).set(attributes as SemanticAttributes)
  },
}

const settling: Operation<Call<{ readonly msg: Raw; readonly didAck: boolean }, unknown[], boolean>> = {
  inside: 'hidden',
  needsParent: true,
  start({ self }) {
    const delivery = self.didAck ? undefined : deliveryOf(self)
    return delivery === undefined ? undefined : draftOf(client, 'ack', 'settle', delivery, undefined)
  },
}

/** Iterators of all kinds: what follows in a loop's body on a message is the processing of it. */
function patchIterator({ QueuedIteratorImpl }: any, kit: Kit<object>): void {
  kit.wrap(QueuedIteratorImpl.prototype, 'iterate', (iterate: Function) => {
    return function (this: Processed['self']) {
      const iterator = Reflect.apply(iterate, this, [])
      let stepOut = (): void => {}
      const stepIn = (item: Item): void => {
        stepOut()
        const call: Processed = { self: this, args: [item] }
        const open = kit.begin(processing, call)
        if (open === undefined) return
        const forget = untilClosed(call.delivery?.protocol, () => open.end(call))
        open.enter()
        stepOut = () => {
          stepOut = () => {}
          forget()
          open.end(call)
          open.leave()
        }
      }
      // A loop that is left early says so, but not why.
      for (const method of ['next', 'return', 'throw'] as const) {
        kit.wrap(iterator, method, (original: Function) => {
          return function (this: unknown, ...args: unknown[]): Promise<IteratorResult<unknown>> {
            stepOut()
            return Reflect.apply(original, this, args).then((result: IteratorResult<unknown>) =>
              handOut(result, stepIn),
            )
          }
        })
      }
      return iterator
    }
  })
}

/** Where a loop reads what it was given is the only place that runs in its own context, right before its body. */
function handOut(result: IteratorResult<unknown>, stepIn: (item: Item) => void): IteratorResult<unknown> {
  const { value } = result
  if (result.done === true || rawOf(value) === undefined) return result
  let given = false
  return {
    done: false,
    get value() {
      if (!given) {
        given = true
        stepIn(value as Item)
      }
      return value
    },
  }
}

const ends = createStamp<Set<() => void>>()

/** Calls `end` if the connection is closed first, as a body may never come to its end. Returns how to forget it. */
function untilClosed(protocol: Protocol | undefined, end: () => void): () => void {
  if (protocol === undefined) return () => {}
  let waiting = ends.get(protocol)
  if (waiting === undefined) {
    const created = new Set<() => void>()
    ends.set(protocol, (waiting = created))
    // Always kept: it tells why it was closed by its value.
    protocol.closed.then(() => {
      for (const end of created) end()
    })
  }
  waiting.add(end)
  return () => waiting.delete(end)
}
