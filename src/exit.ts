/** Watches for the end of the process, to deliver what has ended without changing how the process goes. */
import type { Worker } from 'node:worker_threads'
import { isMainThread } from './config/inherited.js'
import { wrap } from './hooks/wrap.js'

export interface Leaving {
  /** True if anything waits that could still be delivered. */
  pending(): boolean
  /** Delivers while there is an event loop, trying once. Never rejects. */
  deliver(): Promise<unknown>
  /** Delivers in this very turn, within the time given; what cannot be delivered is counted as lost. */
  deliverNow(timeoutMs: number): void
  /** A worker thread was made. */
  made(worker: Worker): void
  /** The process ends now. */
  lastWords(): void
}

const SIGNALS: readonly unknown[] = ['SIGTERM', 'SIGINT', 'SIGHUP'] satisfies NodeJS.Signals[]

/**
 * Watches `beforeExit`, `process.exit()`, uncaught exceptions, SIGTERM, SIGINT and SIGHUP; all of it takes at most `timeoutMs`.
 * Nothing is added to the process's listeners: code that counts them, as signal-exit does to decide whether to die, sees
 * what it would see without us.
 */
export function watchExit(leaving: Leaving, timeoutMs: number): void {
  let deadline: number | undefined
  let holding = false
  let dying = false
  const left = (): number => (deadline ??= performance.now() + timeoutMs) - performance.now()

  /** Keeps the process for the delivery; the application hears of `beforeExit` after that, as often as it would have. */
  function hold(): void {
    holding = true
    // Sockets of ours do not keep the process alive: this timer does, no longer than the deadline.
    const timer = setTimeout(release, left())
    function release(): void {
      clearTimeout(timer)
      holding = false
      if (!leaving.pending()) deadline = undefined
    }
    leaving.deliver().then(release)
  }

  function goodbye(): void {
    if (leaving.pending()) leaving.deliverNow(Math.max(0, left()))
    leaving.lastWords()
  }

  /** With no listener of the application's, the signal kills the process, as it does without us. */
  function die(signal: NodeJS.Signals): void {
    goodbye()
    dying = true
    disarm(signal)
    process.kill(process.pid, signal)
  }

  wrap(process, 'emit', original => {
    return function (event: string, subject: unknown) {
      const forward = (args: ArrayLike<unknown>): boolean =>
        Reflect.apply(original as unknown as () => boolean, process, args)
      switch (event) {
        case 'beforeExit':
          if (!holding && leaving.pending() && left() > 0) hold()
          return holding ? false : forward(arguments)
        case 'exit':
          try {
            return forward(arguments)
          } finally {
            goodbye()
          }
        case 'SIGTERM':
        case 'SIGINT':
        case 'SIGHUP':
          if (isMainThread && process.listenerCount(event) === 0) die(event)
          else if (leaving.pending()) leaving.deliver()
          return forward(arguments)
        case 'worker':
          leaving.made(subject as Worker)
          return forward(arguments)
        case 'removeListener': {
          const heard = forward(arguments)
          if (isMainThread && !dying && SIGNALS.includes(subject) && process.listenerCount(subject as string) === 0) {
            arm(subject as NodeJS.Signals)
          }
          return heard
        }
        default:
          return forward(arguments)
      }
    } as typeof original
  })
  if (isMainThread) for (const signal of SIGNALS) arm(signal as NodeJS.Signals)
}

const nobody = (): void => {}

// Node watches a signal from its first 'newListener' to its last 'removeListener' (lib/internal/process/signal.js, Node 20
// to 26), and then calls process.emit: told of a listener that is not there, it watches for us.
const arm = (signal: NodeJS.Signals): boolean => asEmitter.emit('newListener', signal, nobody)
const disarm = (signal: NodeJS.Signals): boolean => asEmitter.emit('removeListener', signal, nobody)
const asEmitter: NodeJS.EventEmitter = process
