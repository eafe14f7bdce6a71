/** Processes that are killed with SIGKILL at moments that a seed determines, one after another, over one spool. */
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createDecoder } from '../helpers/checkers.js'
import { startApp } from '../helpers/child.js'
import { type Behaviour, createCollector, type ReceivedRequest } from '../helpers/collector.js'
import { namesIn, namesInSpool, seeded, succeed, wait } from './load.js'

export interface Killed {
  rounds: number
  /** Spans that are known to have been written before a kill. */
  written: number
  delivered: number
  /** Written, and never delivered: none. */
  lost: string[]
  /** Delivered without the spans that ended before them in their process: none. */
  gaps: string[]
  /** Delivered twice, though the process had lived to see the answer: none. */
  twice: string[]
  /** Delivered twice, as the process was killed between request and answer. */
  unanswered: number
  leftFiles: number
}

const SERVICE = 'faults'
// By then a process has seen an answer, on a machine that is busy.
const SEEN_MS = 2000

// The third last of the numbers that it prints were on disk: timers of one length run in the order of their start.
const application = (run: number): string => `
  const { writeSync } = require('fs')
  const tracer = require('@opentelemetry/api').trace.getTracer('kill')
  let n = 0
  setInterval(() => { for (let i = 0; i < 5; i++) tracer.startSpan('${run}-' + n++).end() }, 10)
  setInterval(() => writeSync(1, 'ended ' + n + '\\n'), 100)
  writeSync(1, 'ready 1\\n')`

/** Collectors that take most, and some late or not at all. */
function moody(random: () => number): () => Behaviour {
  return () => {
    const mood = random()
    if (mood < 0.6) return {}
    if (mood < 0.8) return { delayMs: 150 }
    return mood < 0.9 ? { status: 503 } : { reset: true }
  }
}

export async function kill(seed: number, rounds: number, atOnce = 1): Promise<Killed> {
  const random = seeded(seed)
  const folder = mkdtempSync(join(tmpdir(), 'kills-'))
  const mood = moody(seeded(~seed))
  const decode = await createDecoder()
  const arrived: { atMs: number; names: string[] }[] = []
  const respond = ({ body }: ReceivedRequest): Behaviour => {
    arrived.push({ atMs: performance.now(), names: namesIn(decode(body)) })
    return mood()
  }
  const collector = await createCollector({ respond, allowRedelivery: true })
  const known = new Map<number, number>()
  // What a process may have had no answer to when it was killed.
  const open = new Set<string>()
  try {
    for (let run = 0; run < rounds; run += atOnce) {
      await Promise.all(
        Array.from({ length: atOnce }, async (_, i) => {
          const env = { OTEL_SERVICE_NAME: SERVICE, TRACE_SPOOL: folder, OTEL_BSP_SCHEDULE_DELAY: '150' }
          const app = await startApp({ code: application(run + i), collector, env })
          await wait(300 + random() * 1500)
          const { stdout } = await app.stop('SIGKILL')
          const killedMs = performance.now()
          const left = atOnce === 1 ? new Set(await namesInSpool(folder)) : undefined
          for (const { atMs, names } of arrived)
            if (atMs > killedMs - SEEN_MS) for (const name of names) if (left?.has(name) !== false) open.add(name)
          known.set(run + i, Number(/ended (\d+)\n(?:ended \d+\n){2}$/.exec(stdout)?.[1] ?? 0))
        }),
      )
      // The answers that are late.
      await wait(200)
    }
    collector.respond = {}
    const last = await succeed(folder)
    const names = [...collector.spans(), ...last.spans()].map(span => span.name)
    await last.close()
    return { rounds, ...judge(names, known, open), leftFiles: readdirSync(join(folder, SERVICE)).length }
  } finally {
    await collector.close()
    rmSync(folder, { recursive: true })
  }
}

function judge(names: string[], known: Map<number, number>, open: ReadonlySet<string>) {
  const delivered = new Set<string>()
  const twice: string[] = []
  let unanswered = 0
  for (const name of names) {
    if (!delivered.has(name)) delivered.add(name)
    else if (open.has(name)) unanswered++
    else twice.push(name)
  }
  const lost: string[] = []
  const gaps: string[] = []
  let written = 0
  for (const [run, count] of known) {
    written += count
    const own = [...delivered].filter(name => name.startsWith(`${run}-`)).map(name => Number(name.split('-')[1]))
    const end = Math.max(-1, ...own) + 1
    for (let n = 0; n < Math.max(end, count); n++) {
      if (delivered.has(`${run}-${n}`)) continue
      if (n < count) lost.push(`${run}-${n}`)
      else gaps.push(`${run}-${n}`)
    }
  }
  return { written, delivered: delivered.size, lost, gaps, twice, unanswered }
}
