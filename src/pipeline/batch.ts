/** Encoded spans wait here: bounded, sent by number, bytes or time, one request at a time. */
import { ROOT, suppressed } from '../context/context.js'
import { run } from '../context/storage.js'
import { countOperation, type Health } from '../diagnostics/health.js'
import type { EndedSpan, Scope } from '../trace/span.js'
import { adding } from './adding.js'

/** What one request carries: bytes, or what has a size as they have. */
export interface Body {
  readonly byteLength: number
}

/** One request's worth of spans, in memory of its own. */
export interface Batch<B extends Body = Uint8Array> {
  readonly body: B
  readonly spans: number
}

/** Keeps spans as the bytes that will be sent, not as objects. */
export interface Encoder<B extends Body = Uint8Array> {
  /**
   * Encodes a span at once. Throws if the span cannot be read (a getter that throws, a name that is no string): it is
   * skipped, the others wait on.
   */
  append(span: EndedSpan): void
  /** One that is encoded, of an encoder whose spans can be. */
  appendEncoded?(scope: Scope, span: Uint8Array): void
  /** All that is waiting, as one request; undefined if nothing is. */
  take(): Batch<B> | undefined
  /** Several of what was taken, as one request. */
  join(bodies: readonly B[]): B
  /** Waiting spans. */
  readonly spans: number
  /** Waiting bytes: the spans alone, without resource and scopes. */
  readonly bytes: number
}

/** 'sent' and 'refused' are final; else the collector could not be reached in time, for the whole batch or for what is `left`. */
export type Deliver<B extends Body = Uint8Array> = (
  body: B,
  onWritten: () => void,
) => Promise<'sent' | 'refused' | Unsent<B>>

export interface Unsent<B extends Body = Uint8Array> {
  readonly reason: string
  readonly left?: Batch<B>
}

export interface BatchOptions {
  readonly scheduleDelayMs: number
  readonly maxQueueSize: number
  readonly maxExportBatchSize: number
}

export interface BatchQueue<B extends Body = Uint8Array> {
  add(span: EndedSpan): void
  /** A span that another thread has encoded. */
  addEncoded(scope: Scope, span: Uint8Array): void
  /** True if the next span would be dropped. */
  isFull(): boolean
  /** True if anything waits or is on its way. */
  pending(): boolean
  /** Resolves when all that waits now was sent, refused or given up. Never rejects. */
  flush(): Promise<void>
  /** Hands over all that no collector can have received, for a process that is going away. */
  drain(): LastBatch<B>[]
  /** Spans that wait. */
  readonly size: number
  /** Spans on their way. */
  readonly inFlight: number
}

/** What is left when a process goes away. */
export interface LastBatch<B extends Body = Uint8Array> extends Batch<B> {
  /** Counts the batch, once it is known whether a collector took it. */
  settle(taken: boolean): void
}

// What one request may hold is bounded by bytes as well: 512 spans with long values would be refused by a collector.
const MAX_BATCH_BYTES = 4 * 1024 * 1024
// A collector that has all of a batch, and only had no time yet to say so, has most likely taken it.
const ANSWER_MS = 500
export const MAX_QUEUE_BYTES = 32 * 1024 * 1024

/** Undefined for success. */
export function outcomeOf(result: 'sent' | 'refused' | object): string | undefined {
  if (result === 'sent') return undefined
  return result === 'refused' ? 'refused' : 'unreachable'
}

// One by one, each between two requests, spans find nothing of the encoder in the processor's caches: 1.3 of the 11.6 us that a
// request of http costs (Node 24).
const TOGETHER = 32

const FULL = 'the queue is full: spans that end before the collector takes others are dropped and counted'

export function createBatchQueue<B extends Body>(
  encoder: Omit<Encoder<B>, 'join'>,
  deliver: Deliver<B>,
  options: BatchOptions,
  health: Health,
): BatchQueue<B> {
  const { scheduleDelayMs, maxQueueSize, maxExportBatchSize } = options
  const background = suppressed(ROOT)
  let ready: Batch<B>[] = []
  let readySpans = 0
  let readyBytes = 0
  let underway: { batch: Batch<B>; written: boolean; sinceMs: number; done: Promise<void> } | undefined
  // When the process went away the collector had these, and no time yet to say so.
  let presumed = 0
  let timer: NodeJS.Timeout | undefined
  // The time was over while a request was on its way.
  let due = false
  let soon: NodeJS.Immediate | undefined

  const added = adding(encoder, health, {
    together: TOGETHER,
    fullWords: FULL,
    isFull,
    onWaiting,
    onEncoded() {
      if (encoder.spans >= maxExportBatchSize || encoder.bytes >= MAX_BATCH_BYTES) {
        seal()
        sendSoon()
      } else onWaiting()
    },
  })

  function onWaiting(): void {
    if (gathering() >= maxExportBatchSize) added.encode()
    else if (timer === undefined && !due) schedule()
  }

  /** Spans that are part of no request yet. */
  const gathering = (): number => added.waiting + encoder.spans

  function isFull(): boolean {
    return readySpans + gathering() >= maxQueueSize || readyBytes + encoder.bytes >= MAX_QUEUE_BYTES
  }

  function seal(): void {
    due = false
    added.encode()
    const batch = encoder.take()
    if (batch === undefined) return
    ready.push(batch)
    readySpans += batch.spans
    readyBytes += batch.body.byteLength
  }

  // Both outside the request that happens to end a span now, so that its context is not kept.
  function schedule(): void {
    timer = run(background, setTimeout, undefined, [onTime, scheduleDelayMs]).unref()
  }

  /** Not in the caller's turn: opening a request costs more than a span. */
  function sendSoon(): void {
    if (underway === undefined && soon === undefined) soon = run(background, setImmediate, undefined, [send]).unref()
  }

  function onTime(): void {
    timer = undefined
    // Until there is an answer a batch fills: for many small ones a slow collector would take many times as long.
    due = underway !== undefined
    if (due) return
    seal()
    send()
  }

  function send(): void {
    soon = undefined
    const batch = ready[0]
    if (underway !== undefined || batch === undefined) return
    ready.shift()
    readySpans -= batch.spans
    readyBytes -= batch.body.byteLength
    const current = { batch, written: false, sinceMs: performance.now(), done: Promise.resolve() }
    underway = current
    current.done = run(background, deliver, undefined, [
      batch.body,
      () => {
        current.written = true
      },
    ]).then(result => {
      const seconds = (performance.now() - current.sinceMs) / 1000
      countOperation(health, seconds, outcomeOf(result))
      if (result === 'sent') health.sent += batch.spans
      else if (result === 'refused') health.dropped.refused += batch.spans
      else {
        const unsent = result.left?.spans ?? batch.spans
        health.sent += batch.spans - unsent
        health.dropped.unreachable += unsent
      }
      // A process that is going away has taken the batch in the meantime.
      if (underway !== current) return
      underway = undefined
      if (due && ready.length === 0) seal()
      if (ready.length > 0) send()
      else if (gathering() > 0 && timer === undefined) schedule()
    })
  }

  return {
    add: added.add,
    addEncoded: added.addEncoded,
    isFull,
    get size() {
      return readySpans + gathering()
    },
    get inFlight() {
      return underway?.batch.spans ?? presumed
    },
    pending: () => underway !== undefined || ready.length > 0 || gathering() > 0,
    async flush() {
      seal()
      const last = ready.at(-1) ?? underway?.batch
      send()
      while (underway !== undefined) {
        const { batch, done } = underway
        await done
        if (batch === last) return
      }
    },
    drain() {
      seal()
      if (underway?.written === true) {
        if (performance.now() - underway.sinceMs > ANSWER_MS) health.dropped.unanswered += underway.batch.spans
        else presumed = underway.batch.spans
      }
      const left = underway === undefined || underway.written ? ready : [underway.batch, ...ready]
      underway = undefined
      ready = []
      readySpans = 0
      readyBytes = 0
      return left.map(({ body, spans }) => ({
        body,
        spans,
        settle(taken) {
          if (taken) health.sent += spans
          else health.dropped.unreachable += spans
        },
      }))
    },
  }
}
