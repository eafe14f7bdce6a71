/** Runs in a worker thread while the thread that is going away waits: posts the batches and says how it went. */
import { workerData } from 'node:worker_threads'
import type { Errand } from './farewell.js'
import { createHttpSend } from './http.js'

const { bodies, state, timeoutMs, endpoint, headers, compression } = workerData as Errand

async function deliver(): Promise<void> {
  const send = createHttpSend({ endpoint, headers, compression, timeoutMs, onRefused: () => {} })
  for (const body of bodies) {
    if ((await send(body)) !== 'sent') return
    Atomics.add(state, 1, 1)
  }
}

// Our sockets do not keep this thread alive: the timer does.
const timer = setTimeout(() => {}, timeoutMs)
deliver().then(() => {
  Atomics.store(state, 0, 1)
  Atomics.notify(state, 0)
  clearTimeout(timer)
})
