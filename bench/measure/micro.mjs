/** What the parts cost by themselves: a span, its encoding, propagation, context. */
import { fileURLToPath } from 'node:url'
import { startChild } from '../lib/child.mjs'
import { interleaved } from '../lib/rounds.mjs'
import { over, spread } from '../lib/statistics.mjs'
import { spreadText, table } from '../lib/tables.mjs'

const app = fileURLToPath(new URL('../micro/run.mjs', import.meta.url))

/** `sides`: { name, side: 'ours' | 'otel', from }. */
export async function measureMicro(sides, { node, rounds, measureMs }) {
  const results = await interleaved(sides, rounds, async ({ side, from }) => {
    const child = await startChild({ node, flags: [], env: {}, app, args: [side, from, String(measureMs)] })
    await child.stop()
    return child.ready
  })
  const names = Object.keys(results.get(sides[0].name)[0].results)
  const ns = (side, name) => results.get(side).map(run => run.results[name])
  return { names, results, ns, ratioOf: (a, b, name) => spread(over(ns(a, name), ns(b, name))) }
}

export function microTable({ names, results, ns, ratioOf }, subject) {
  const sides = [...results.keys()]
  const others = sides.filter(side => side !== subject)
  const rows = names.map(name => [
    name,
    ...sides.map(side => spread(ns(side, name)).median),
    ...others.map(side => spreadText(ratioOf(subject, side, name))),
  ])
  const bytes = ['bytes of a span', ...sides.map(side => results.get(side)[0].bytes), ...others.map(() => '')]
  return table(['ns of CPU', ...sides, ...others.map(side => `${subject} / ${side}`)], [...rows, bytes])
}
