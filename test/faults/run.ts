/** `npm run test:faults`: faults of the collector at length, kills, and memory without a collector; prints a table. */
import { type Killed, kill } from './kill.js'
import { type Fault, faults, peerFaults, type Row, run, table } from './load.js'

const [minutes = 5, seed = Date.now() % 100_000] = process.argv.slice(2).map(Number)
const SIZE = { ms: 15_000, perTick: 10 }
const SOAK: Fault[] = [
  { name: `down for ${minutes} minutes`, away: [0, 1] },
  { name: `down for ${minutes} minutes, spool of 64 MiB`, away: [0, 1], spool: { maxBytes: 64 * 2 ** 20 } },
]
/** What an hour may add to the heap that was in use after a third of the time. */
const GROWTH_BYTES = 8 * 2 ** 20

function fails({ peer, unaccounted, twice, heapAfter, heapBefore }: Row): boolean {
  return !peer && (unaccounted > 0 || twice > 0 || heapAfter > heapBefore + GROWTH_BYTES)
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
    rows.push(await run(fault, size))
    console.error(`${fault.name}: ${rows.at(-1)?.lines.join('\n  ')}`)
  }
  console.log(table(rows))
  const kills = [await kill(seed, 20), await kill(seed + 1, 20, 4)]
  for (const each of kills) console.log(said(each))
  const bad = kills.some(({ lost, gaps, twice, leftFiles }) => lost.length + gaps.length + twice.length + leftFiles > 0)
  if (bad || rows.some(fails)) process.exitCode = 1
}

void main()
