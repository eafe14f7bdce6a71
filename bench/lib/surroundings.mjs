/** The other side of surroundings-process.mjs: where it listens, and the spans that have arrived there. */
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'

const LOOK_EVERY_MS = 50

export async function startSurroundings() {
  const child = fork(fileURLToPath(new URL('surroundings-process.mjs', import.meta.url)))
  const [{ sinkPort, upstreamPort }] = await once(child, 'message')

  /** Spans and their bytes since the start. */
  async function received() {
    child.send('count')
    return (await once(child, 'message'))[0]
  }

  /** Waits until `expected` spans are there, or none has come for `quietMs`. */
  async function settled(expected, quietMs) {
    let before = await received()
    let since = performance.now()
    while (before.spans < expected && performance.now() - since < quietMs) {
      await sleep(LOOK_EVERY_MS)
      const now = await received()
      if (now.spans > before.spans) since = performance.now()
      before = now
    }
    return before
  }

  return {
    sink: `http://127.0.0.1:${sinkPort}`,
    upstream: `http://127.0.0.1:${upstreamPort}/`,
    received,
    settled,
    stop: () => child.disconnect(),
  }
}
