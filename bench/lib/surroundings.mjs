/** The other side of surroundings-process.mjs: its server, its sinks, and the spans that have arrived there. */
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'

const LOOK_EVERY_MS = 50

export async function startSurroundings() {
  const child = fork(fileURLToPath(new URL('surroundings-process.mjs', import.meta.url)))
  const upstreamPort = (await once(child, 'message'))[0]

  async function ask(message) {
    child.send(message)
    return (await once(child, 'message'))[0]
  }

  /** A sink of its own: its URL, and what arrives there. */
  async function openSink() {
    const port = await ask({})
    /** Spans and their bytes since the start. */
    const received = () => ask({ port })
    return {
      url: `http://127.0.0.1:${port}`,
      received,
      /** Waits until `expected` spans are there, or none has come for `quietMs`. */
      async settled(expected, quietMs) {
        let before = await received()
        let since = performance.now()
        while (before.spans < expected && performance.now() - since < quietMs) {
          await sleep(LOOK_EVERY_MS)
          const now = await received()
          if (now.spans > before.spans) since = performance.now()
          before = now
        }
        return before
      },
    }
  }

  return { openSink, upstream: `http://127.0.0.1:${upstreamPort}/`, stop: () => child.disconnect() }
}
