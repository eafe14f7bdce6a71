/** What a thread is given by the one that made it: environment data of worker_threads, which is not loaded to be told. */

/** Of `worker_threads`, whose own types the public declarations do without. */
interface Threads {
  readonly isMainThread: boolean
  readonly isInternalThread?: boolean
  getEnvironmentData(key: string): unknown
  setEnvironmentData(key: string, value: unknown): void
}

// What a thread must not do is marked so in every thread but the main one (lib/internal/process/worker_thread_only.js, Node 20
// to 26). To ask worker_threads would load it, which is 9 of the 80 million instructions that a start added (Node 24).
const { disabled } = process.abort as { readonly disabled?: true }
let threads: Threads | undefined = disabled ? (require('node:worker_threads') as Threads) : undefined

export const isMainThread = threads?.isMainThread ?? true

/** Node runs what is required first in the thread of module loaders too; from 22.14 it tells. */
export const isInternalThread = threads?.isInternalThread ?? false

/** What the thread that made this one has handed down; undefined in the main thread. */
export const inherited = (key: string): unknown => (isMainThread ? undefined : threads?.getEnvironmentData(key))

const waiting = new Map<string, unknown>()

/** For the threads that this one makes from now on. */
export function handDown(key: string, value: unknown): void {
  if (threads === undefined) waiting.set(key, value)
  else threads.setEnvironmentData(key, value)
}

/** The application has loaded what makes threads, and has made none yet. */
export function handDownBy(loaded: Threads): void {
  threads = loaded
  for (const [key, value] of waiting) loaded.setEnvironmentData(key, value)
  waiting.clear()
}
