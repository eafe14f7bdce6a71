/** Messages that amqp-connection-manager keeps until there is a connection, each with the context of who published it. */
import type { Kit } from '../define.js'
import { createStamp } from './stamp.js'

interface ChannelWrapper {
  /** Of amqplib, while there is a connection. */
  readonly _channel?: Channel
  /** The options are a copy that the library makes for each message. */
  _enqueueMessage(message: { readonly options: object }, timeout?: number): void
  _publishQueuedMessages(worker: number): void
}

interface Channel {
  publish(
    ...args: [exchange: string, routingKey: string, content: Buffer, options: object, confirmed?: unknown]
  ): boolean
}

type Publish = Channel['publish']

/** Publishes in the context of who did, by a message's options. */
const contexts = createStamp<(publish: Publish, channel: Channel, args: Parameters<Publish>) => boolean>()

export function patchWrapper({ default: { prototype } }: { default: { prototype: ChannelWrapper } }, kit: Kit<object>) {
  const followed = new WeakSet<object>()

  /** Channels are of whichever copy of amqplib the library has found. */
  function follow(channel: object | undefined): void {
    const type: Channel | undefined = channel && Object.getPrototypeOf(channel)
    if (!type || followed.has(type)) return
    followed.add(type)
    kit.wrap(type, 'publish', publish => {
      return function (this: Channel, ...args) {
        const [, , , options] = args
        const inContext = typeof options === 'object' && options !== null ? contexts.get(options) : undefined
        return inContext === undefined ? Reflect.apply(publish, this, args) : inContext(publish, this, args)
      }
    })
  }

  kit.wrap(prototype, '_enqueueMessage', enqueue => {
    return function (this: ChannelWrapper, ...args) {
      const inContext = kit.bind((publish: Publish, channel: Channel, all: Parameters<Publish>) =>
        Reflect.apply(publish, channel, all),
      )
      contexts.set(args[0].options, inContext)
      return Reflect.apply(enqueue, this, args)
    }
  })
  kit.wrap(prototype, '_publishQueuedMessages', publish => {
    return function (this: ChannelWrapper, ...args) {
      follow(this._channel)
      return Reflect.apply(publish, this, args)
    }
  })
}

/** It connects, again and again, in nobody's name. */
export const patchManager = (
  { default: { prototype } }: { default: { prototype: { _connect(): unknown } } },
  kit: Kit<object>,
) => kit.wrap(prototype, '_connect', kit.detach)
