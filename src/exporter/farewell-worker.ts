/** Runs in a worker thread while the thread that is going away waits: posts the batches and says how it went. */
import { workerData } from 'node:worker_threads'
import type { Errand } from './farewell.js'
import { createHttpSend } from './http.js'

const { bodies, state, timeoutMs, endpoint, headers, compression } = workerData as Errand

async function deliver(): Promise<boolean> {
  const send = createHttpSend({ endpoint, headers, compression, timeoutMs, onRefused: () => {} })
  for (const body of bodies) if ((await send(body)) !== 'sent') return false
  return true
}

// Our sockets do not keep this thread alive: the timer does.
const timer = setTimeout(() => {}, timeoutMs)
deliver().then(taken => {
  Atomics.store(state, 0, taken ? 1 : 2)
  Atomics.notify(state, 0)
  clearTimeout(timer)
})
