/**
 * `npm run test:faults`: faults of the collector at length, kills, and memory without a collector; prints a table. With words,
 * only what has one of them in its name: `npm run test:faults -- --minutes 60 --seed 7 minutes`.
 */
import { parseArgs } from 'node:util'
import { type Killed, kill } from './kill.js'
import { type Fault, faults, peerFaults, type Row, run } from './load.js'

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    /** Of each of the two runs that measure memory. */
    minutes: { type: 'string', default: '5' },
    seed: { type: 'string', default: String(Date.now() % 100_000) },
  },
})
const [minutes, seed] = [Number(values.minutes), Number(values.seed)]
const isWanted = (name: string): boolean => positionals.length === 0 || positionals.some(word => name.includes(word))

const SIZE = { ms: 15_000, perTick: 10 }
const SOAK: Fault[] = [
  { name: `down for ${minutes} minutes`, away: [0, 1] },
  { name: `down for ${minutes} minutes, spool of 64 MiB`, away: [0, 1], spool: { maxBytes: 64 * 2 ** 20 } },
]
/** What an hour may add to the heap that was in use after a third of the time. */
const GROWTH_BYTES = 8 * 2 ** 20

const fails = ({ peer, unaccounted, twice, heap }: Row): boolean =>
  !peer && (unaccounted > 0 || twice > 0 || Math.max(...heap) > (heap[0] as number) + GROWTH_BYTES)

const mib = (bytes: number): string => (bytes / 2 ** 20).toFixed(1)

/** The rows as a Markdown table. */
function table(rows: readonly Row[]): string {
  const head =
    'fault | spans ended | delivered | by the next process | dropped by reason | in flight at the end | unaccounted | twice | again, unanswered | heap MiB after a third | most since | at the end | exit ms'
  const lines = rows.map(row =>
    [
      row.fault,
      row.ended,
      row.delivered,
      row.later,
      Object.entries(row.dropped)
        .map(([reason, spans]) => `${reason} ${spans}`)
        .join(', '),
      row.inFlight,
      row.unaccounted,
      row.twice,
      row.again,
      mib(row.heap[0] ?? 0),
      mib(Math.max(...row.heap)),
      mib(row.heap.at(-1) ?? 0),
      row.exitMs,
    ].join(' | '),
  )
  return [head, head.replace(/[^|]+/g, ' --- '), ...lines].map(line => `| ${line.trim()} |`).join('\n')
}

function said({ rounds, written, delivered, lost, gaps, twice, unanswered, leftFiles }: Killed): string {
  return `${rounds} processes killed: ${written} spans known to be written, ${delivered} delivered, ${lost.length} lost, ${gaps.length} gaps, ${twice.length} twice after an answer, ${unanswered} twice without one, ${leftFiles} files left`
}

async function main(): Promise<void> {
  console.log(`seed ${seed}`)
  const rows: Row[] = []
  for (const [fault, size] of [
    ...[...faults(seed), ...peerFaults(seed)].map(fault => [fault, SIZE] as const),
    ...SOAK.map(fault => [fault, { ms: minutes * 60_000, perTick: 10 }] as const),
  ]) {
    if (!isWanted(fault.name)) continue
    rows.push(await run(fault, size))
    console.error(`${fault.name}: ${rows.at(-1)?.lines.join('\n  ')}`)
  }
  console.log(table(rows))
  const kills = isWanted('kill') ? [await kill(seed, 20), await kill(seed + 1, 20, 4)] : []
  for (const each of kills) console.log(said(each))
  const bad = kills.some(({ lost, gaps, twice, leftFiles }) => lost.length + gaps.length + twice.length + leftFiles > 0)
  if (bad || rows.some(fails)) process.exitCode = 1
}

void main()
