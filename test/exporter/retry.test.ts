/** How long a batch waits before it is sent again. */
import assert from 'node:assert/strict'
import { mock, test } from 'node:test'
import { retrying } from '../../src/exporter/retry.js'

const TRIES = 8

/** The waits of one batch, in milliseconds, none of which is waited for. */
async function waits(): Promise<number[]> {
  const seen: number[] = []
  const real = globalThis.setTimeout
  const timers = mock.method(globalThis, 'setTimeout', (fn: () => void, ms: number) => {
    seen.push(ms)
    return real(fn, 0)
  })
  let tries = 0
  const { send, hurry } = retrying(async () => {
    if (++tries === TRIES) hurry()
    return { retryAfterMs: undefined, reason: 'busy' }
  }, 0)
  // The timers of the retries do not keep a process alive.
  const alive = setInterval(() => {}, 1000)
  await send(new Uint8Array(1))
  clearInterval(alive)
  timers.mock.restore()
  return seen
}

test('waits grow from one second to five, each give or take a fifth, and no two senders come back together', async () => {
  const all: number[][] = []
  for (let sender = 0; sender < 20; sender++) all.push(await waits())
  for (const each of all) {
    assert.equal(each.length, TRIES - 1)
    for (const [i, ms] of each.entries()) {
      const middle = Math.min(1000 * 1.5 ** i, 5000)
      assert.ok(ms >= middle * 0.8 && ms <= middle * 1.2, `wait ${i}: ${ms} ms`)
    }
  }
  assert.equal(new Set(all.map(([first]) => first)).size, all.length)
})
