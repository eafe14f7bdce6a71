/** Ends what of ours alone keeps a process that is done: libuv waits for what is being written or connected, referenced or not. */

import { fstatSync } from 'node:fs'
import { isatty } from 'node:tty'

const CHECK_MS = 100
/** Less than the pause between two tries: of the batches that wait at the end of a process one finds out, for all. */
export const REST_MS = 750
// What a connection may be busy with, as Node calls it in process.getActiveResourcesInfo().
const OURS = new Set(['ConnectWrap', 'GetAddrInfoReqWrap', 'ShutdownWrap', 'SimpleWriteWrap'])

interface Holding {
  readonly untilMs: number
  giveUp(why: Error): void
}

const holding = new Set<Holding>()
let restUntilMs = 0
let timer: NodeJS.Timeout | undefined

/** For a moment after something was given up: why what waits behind it is not tried either. */
export const givenUp = (): Error | undefined =>
  performance.now() < restUntilMs ? new Error('the process is done, and has no more time') : undefined

/**
 * Until the function that it returns is called, `giveUp` may be: when nothing but such things keeps the process any more, and
 * not before `ms` are over.
 */
export function mayLinger(ms: number | undefined, giveUp: (why: Error) => void): () => void {
  if (ms === undefined) return () => {}
  const one = { untilMs: performance.now() + ms, giveUp }
  holding.add(one)
  timer ??= setInterval(check, CHECK_MS).unref()
  return () => {
    holding.delete(one)
  }
}

function check(): void {
  if (holding.size === 0) {
    clearInterval(timer)
    timer = undefined
    return
  }
  const now = performance.now()
  const late = [...holding].filter(({ untilMs }) => now >= untilMs)
  if (late.length === 0) return
  if (!onlyOurs(process.getActiveResourcesInfo())) return
  restUntilMs = now + REST_MS
  for (const { giveUp } of late) giveUp(givenUp() as Error)
}

/** As far as can be told: of native modules nothing is listed, so that what is given up has to be something to try again. */
function onlyOurs(active: readonly string[]): boolean {
  const others = active.filter(type => !OURS.has(type))
  // The standard streams are listed whether or not anything happens on them.
  return others.every(type => STREAMS.has(type)) && others.length <= [0, 1, 2].filter(isStream).length
}

const STREAMS = new Set(['PipeWrap', 'TTYWrap'])

function isStream(fd: number): boolean {
  try {
    const stat = fstatSync(fd)
    return isatty(fd) || stat.isFIFO() || stat.isSocket()
  } catch {
    return false
  }
}
