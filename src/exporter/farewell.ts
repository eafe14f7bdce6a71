/** Sends the last batches of a thread that has no event loop any more. */
import { join } from 'node:path'
import { Worker } from 'node:worker_threads'
import { log } from '../diagnostics/log.js'

/** Where the last batches go. */
export interface Address {
  readonly endpoint: string
  readonly headers: Readonly<Record<string, string>>
  readonly compression: 'none' | 'gzip'
}

/** What the worker is given. */
export interface Errand extends Address {
  readonly bodies: readonly Uint8Array[]
  /** First: 0 while the worker works, 1 when it is done. Second: how many of the bodies were taken. */
  readonly state: Int32Array
  readonly timeoutMs: number
}

/** Posts the bodies from a worker thread while this one waits, at most `timeoutMs`. Returns how many the collector took. */
export function postAndWait(address: Address, bodies: readonly Uint8Array[], timeoutMs: number): number {
  const state = new Int32Array(new SharedArrayBuffer(8))
  try {
    const workerData: Errand = { ...address, bodies, state, timeoutMs }
    // Empty, so that neither our preload nor the application's runs in it.
    new Worker(join(__dirname, 'farewell-worker.js'), { execArgv: [], env: {}, workerData }).unref()
    Atomics.wait(state, 0, 0, timeoutMs)
  } catch (error) {
    log.debug('no worker for the last spans: %s', error)
  }
  return Atomics.load(state, 1)
}
