/** What a start costs: milliseconds from spawning a process to the first thing that its script does. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { app, appsFolder } from '../lib/apps.mjs'
import { environment } from '../lib/child.mjs'
import { onMeasuredCore } from '../lib/cores.mjs'
import { interleaved } from '../lib/rounds.mjs'
import { doubt, median, minus, over, perRound, share, spread } from '../lib/statistics.mjs'
import { shareText, spreadText, table } from '../lib/tables.mjs'

/** `modules` is the entry of the generated application of 500 ES modules. */
export const scripts = modules => ({
  'empty.cjs': { title: 'empty script', file: app('empty.cjs'), format: 'cjs' },
  'empty.mjs': { title: 'empty ES module', file: app('empty.mjs'), format: 'mjs' },
  'startup.cjs': { title: 'express, pg, undici, ioredis', file: app('startup.cjs'), format: 'cjs' },
  'startup.mjs': { title: 'the same as ES modules', file: app('startup.mjs'), format: 'mjs' },
  'modules.mjs': { title: '500 ES modules', file: modules, format: 'mjs' },
})

async function startOnce({ flags, env }, { file, format }, { node, sink }) {
  const [command, ...args] = onMeasuredCore([node, ...flags(format), file])
  const startMs = performance.now()
  const child = spawn(command, args, {
    cwd: appsFolder,
    env: environment(env(sink.url)),
    stdio: ['ignore', 'pipe', 'ignore'],
  })
  const exited = once(child, 'exit')
  const first = await Promise.race([once(child.stdout, 'data'), exited])
  const tookMs = performance.now() - startMs
  if (!Buffer.isBuffer(first[0])) throw new Error(`${file} ended with ${first[0]} before it was ready`)
  child.kill('SIGKILL')
  await exited
  return tookMs
}

/** What starts fast differs by more of its time from start to start: each of its figures is the median of so many. */
const STARTS_WITHOUT_PEER = 3

/** All variants on one script and one Node, one warm-up round first. A peer that does not always start is left out. */
export async function measureStartup(variants, script, { rounds, node, surroundings }) {
  const troubles = new Map()
  const setting = { node, sink: await surroundings.openSink() }
  async function start(variant) {
    if (troubles.has(variant.name)) return Number.NaN
    try {
      const times = []
      for (let left = variant.isPeer ? 1 : STARTS_WITHOUT_PEER; left > 0; left--) {
        times.push(await startOnce(variant, script, setting))
      }
      return median(times)
    } catch (error) {
      if (!variant.isPeer) throw error
      troubles.set(variant.name, 'does not start')
      return Number.NaN
    }
  }
  for (const variant of variants) await start(variant)
  const results = await interleaved(variants, rounds, start)
  for (const name of troubles.keys()) results.delete(name)
  const [bare, again] = [results.get('none'), results.get('none again')]
  const none = perRound(bare, again, (a, b) => (a + b) / 2)
  const added = new Map([...results].map(([name, times]) => [name, minus(times, none)]))
  const noise = Math.abs(spread(minus(again, bare)).median)
  return {
    title: script.title,
    results,
    added,
    troubles,
    /** What `a` adds as a share of what `b` adds; undefined where that cannot be told. */
    shareOf: (a, b) => (troubles.has(b) ? undefined : share(added.get(a), added.get(b), noise, doubt(bare, again))),
    /** A start with the variant, over one without. */
    ratioOf: name => spread(over(results.get(name), none)),
  }
}

export function startupTable({ results, added, troubles, shareOf }, subject) {
  const fastest = name => Math.min(...results.get(name))
  const rows = [...results].map(([name, times]) => {
    if (name.startsWith('none')) return [name, spread(times).median, fastest(name)]
    const part = name === subject ? undefined : shareOf(subject, name)
    return [
      name,
      spread(times).median,
      fastest(name),
      spreadText(spread(added.get(name))),
      fastest(name) - Math.min(fastest('none'), fastest('none again')),
      shareText(part),
    ]
  })
  const absent = [...troubles].map(([name, trouble]) => [name, undefined, undefined, trouble])
  return table(['', 'ms', 'fastest', 'added', 'added, fastest', `${subject} is, of that`], [...rows, ...absent])
}
