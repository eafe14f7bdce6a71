/** How the handlers of sqs-consumer end, which hears of every failure itself. */
import { types } from 'node:util'
import type { Message } from '@aws-sdk/client-sqs'
import type { Kit } from '../define.js'
import { createStamp } from './stamp.js'

/** What all of its versions have in common. */
export interface Consumer {
  poll(): void
  executeHandler(message: Message): Promise<unknown>
  executeBatchHandler(messages: Message[]): Promise<unknown>
  processMessageBatch(messages: Message[]): Promise<void>
}

const failures = createStamp<unknown>()

/** What the handler of a message, or of messages together, has failed with. */
export const failureOf = (handled: unknown): unknown => (isObject(handled) ? failures.get(handled) : undefined)

const isObject = (value: unknown): value is object => typeof value === 'object' && value !== null

export function patchConsumer(prototype: Consumer, kit: Kit<object>): void {
  // What comes later does not come in the name of who started it.
  kit.wrap(prototype, 'poll', kit.detach)
  for (const method of ['executeHandler', 'executeBatchHandler'] as const) {
    kit.wrap(prototype, method, (original: (handled: any) => Promise<unknown>) => {
      return function (this: Consumer, handled: unknown) {
        const result = Reflect.apply(original, this, [handled])
        if (!types.isPromise(result)) return result
        return result.then(undefined, error => {
          if (isObject(handled)) failures.set(handled, thrownBy(error))
          throw error
        })
      }
    })
  }
}

/** What the handler threw: an error of the library's own class has it as its cause. */
function thrownBy(error: unknown): unknown {
  const { name, cause } = Object(error) as Error
  const isOwn = name === 'StandardError' || name === 'TimeoutError'
  return (isOwn ? cause : undefined) ?? error ?? new Error('rejected with nothing')
}

/** Before and after all messages go to one handler, listeners are told of each: that is not what processes them. */
export const isAnnouncement = (callback: Function): boolean =>
  /\bemit\(["']message_(?:received|processed)["']/.test(Function.prototype.toString.call(callback))
