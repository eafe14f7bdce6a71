/** How the spans of worker threads come to the main thread: through memory that it gives to each thread that it makes. */
import type * as WorkerThreads from 'node:worker_threads'
import { handDown, inherited } from './config/inherited.js'
import type { Config } from './config/options.js'
import {
  createHealth,
  type Health,
  type HealthReport,
  lostOf,
  type QueueState,
  reportOf,
} from './diagnostics/health.js'
import { log } from './diagnostics/log.js'
import { type Box, claimBox, createBox } from './exporter/box.js'
import type * as MailingOf from './mailing.js'
import type { SpanSink } from './otlp.js'
import type * as ThreadsOf from './threads.js'

const KEY = '@org/trace boxes'

interface Offer {
  readonly config: string
  readonly box: Box
}

/** What comes from other threads is counted with what ends here, as long as that is. */
export const receiving = (
  sinks: readonly SpanSink[],
  host: { started: number },
  isOpen: () => boolean,
  counters: Health,
): ThreadsOf.Receiver => ({
  receive(scope, span) {
    if (!isOpen()) return
    host.started++
    for (const sink of sinks) sink.addEncoded?.(scope, span)
  },
  hasRoom: () => sinks.some(sink => sink.isFull?.() === false),
  missing(spans) {
    host.started += spans
    for (const sink of sinks) sink.addMissing?.(spans)
  },
  flush: () => Promise.all(sinks.map(sink => sink.flush())),
  lost: () => lostOf(counters),
})

/** In the main thread: each thread that is made from now on is offered a box, and what it writes there is taken over. */
export function takeOver(config: Config, receiver: ThreadsOf.Receiver) {
  let text: string | undefined
  let offered: Box[] = []
  let threads: ThreadsOf.Threads | undefined
  // The constructor of a worker copies this for it, and so asks the getters.
  handDown(KEY, {
    get config() {
      text ??= JSON.stringify(config)
      return text
    },
    get box() {
      const box = createBox()
      offered.push(box)
      return box
    },
  })
  return {
    /** A worker was made. */
    made(worker: WorkerThreads.Worker): void {
      threads ??= load(receiver)
      threads?.watch(worker, offered)
      offered = []
    },
    /** Reads what the threads have written; true if there was room for all. */
    collect: () => threads?.collect() ?? true,
    /** The process ends: what has not come is counted. */
    end: () => threads?.end(),
  }
}

// A file of its own, as few processes make threads.
function load(receiver: ThreadsOf.Receiver): ThreadsOf.Threads | undefined {
  try {
    return (require('./threads.js') as typeof ThreadsOf).createThreads(receiver)
  } catch (error) {
    log.once('threads', 'spans of worker threads cannot be delivered: %s', error)
    return undefined
  }
}

interface HandingOver extends MailingOf.Mailing {
  /** Of the spans of this thread, of which so many are open: processed is what was handed over. The main thread exports it. */
  health(live: number): HealthReport
}

/**
 * In a worker thread: where its spans go, if the main thread has offered a box and delivers as this one would. A thread that
 * is not traced passes its own box on to those that it makes.
 */
export function handOver(config: Config, onHandedOver: () => void): HandingOver | undefined {
  const offer = inherited(KEY) as Offer | undefined
  if (offer?.config !== JSON.stringify(config)) return undefined
  const { threadId } = require('node:worker_threads') as typeof WorkerThreads
  if (!claimBox(offer.box, threadId)) return undefined
  const counters = createHealth()
  let mailing: MailingOf.Mailing | undefined
  const state = (): QueueState => mailing?.state() ?? { size: 0, inFlight: 0 }
  return {
    add(span) {
      counters.ended++
      mailing ??= loadMailing(offer.box, config, counters, onHandedOver)
      mailing?.add(span)
    },
    pending: () => mailing?.pending() ?? false,
    flush: async () => mailing?.flush(),
    deliver: async () => mailing?.deliver(),
    deliverNow: timeoutMs => mailing?.deliverNow(timeoutMs),
    state,
    lastWords() {},
    lost: () => mailing?.lost() ?? 0,
    health: live => reportOf(counters, live + counters.ended, config.batch.maxQueueSize, state()),
  }
}

// A file of its own, as a thread that makes no spans does not need it.
function loadMailing(
  box: Box,
  { limits, batch }: Config,
  counters: Health,
  onHandedOver: () => void,
): MailingOf.Mailing | undefined {
  try {
    const { createMailing } = require('./mailing.js') as typeof MailingOf
    return createMailing(box, limits, batch.maxQueueSize, counters, onHandedOver)
  } catch (error) {
    counters.dropped.failed++
    log.once('delivery', 'spans cannot be delivered: %s', error)
    return undefined
  }
}
