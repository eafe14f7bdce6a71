/** Messages on their way, each until somebody settles it by its number, as AMQP does with confirmations and acknowledgements. */
import type { Call, Operation } from '../define.js'

/** What becomes of a message. Holds nothing of the message itself: that is the application's to forget. */
export interface Fate {
  outcome?: string
  /** Ends the call that sent or delivered the message; absent while that call runs. */
  end?(): void
}

/** A call whose message has to be settled. */
export interface Fateful<This = any, Args extends readonly unknown[] = any> extends Call<This, Args> {
  fate?: Fate
}

/** By number, in the order of the numbers. */
export type Unsettled = Map<number, Fate>

// A consumer that never acknowledges costs 1.5 kB a message (Node 20), until RabbitMQ closes its channel after 30 minutes.
const MAX_UNSETTLED = 10_000

/** Of more than 10,000 the oldest is given up: its call ends as it stands. */
export function remember(unsettled: Unsettled, number: number, fate: Fate): void {
  unsettled.set(number, fate)
  if (unsettled.size <= MAX_UNSETTLED) return
  const [oldest, given] = unsettled.entries().next().value as [number, Fate]
  unsettled.delete(oldest)
  given.end?.()
}

/** Which messages are settled: one, or with `multiple` all up to it, where 0 means all (AMQP 0-9-1, basic.ack). */
export interface Settling {
  readonly deliveryTag: number
  readonly multiple?: boolean
}

export const ALL: Settling = { deliveryTag: 0, multiple: true }

export function settle(unsettled: Unsettled, settling: Settling | undefined, outcome: string): void {
  if (unsettled.size === 0 || typeof settling?.deliveryTag !== 'number') return
  const { deliveryTag, multiple } = settling
  for (const number of multiple ? unsettled.keys() : [deliveryTag]) {
    if (deliveryTag !== 0 && number > deliveryTag) return
    const fate = unsettled.get(number)
    if (fate === undefined) continue
    unsettled.delete(number)
    fate.outcome = outcome
    fate.end?.()
  }
}

/** A refusal is the failure of the operation, unless an error tells more. */
export const finishSettled: NonNullable<Operation<Fateful>['finish']> = (span, { fate, error }) => {
  const outcome = fate?.outcome
  if (error === undefined && outcome !== undefined && outcome !== 'ack') span.set({ 'error.type': outcome }).fail()
}
