/** What a message costs that is published to RabbitMQ and consumed. */
import { app } from '../lib/apps.mjs'
import { startChild } from '../lib/child.mjs'
import { interleaved } from '../lib/rounds.mjs'
import { doubt, median, minus, share, spread } from '../lib/statistics.mjs'
import { shareText, spreadText, table } from '../lib/tables.mjs'

const WARM_UP_MESSAGES = 2000

async function measureOnce(variant, { node, surroundings, rabbitmqUrl, messages }) {
  const sink = await surroundings.openSink()
  const child = await startChild({
    node,
    flags: variant.flags('cjs'),
    env: { ...variant.env(sink.url), BENCH_RABBITMQ_URL: rabbitmqUrl },
    app: app('amqplib.cjs'),
  })
  try {
    await child.ask({ run: WARM_UP_MESSAGES })
    const { spans: before } = await sink.settled(Number.POSITIVE_INFINITY, variant.quietMs)
    const { cpuUs } = await child.ask({})
    const startMs = performance.now()
    await child.ask({ run: messages })
    const ms = performance.now() - startMs
    const received = await sink.settled(Number.POSITIVE_INFINITY, variant.quietMs)
    const end = await child.ask({})
    return { cpuUs: (end.cpuUs - cpuUs) / messages, spans: (received.spans - before) / messages, ms, rssMb: end.rssMb }
  } finally {
    await child.stop()
  }
}

/** A message has two spans: where it is sent and where it is processed. */
const troubleOf = ({ exports }, { spans }) =>
  exports === 1 && spans < 2 ? `exported ${spans.toFixed(2)} spans a message, not 2` : undefined

export async function measureQueue(variants, { rounds, ...setting }) {
  const results = await interleaved(variants, rounds, variant => measureOnce(variant, setting))
  const cpu = name => results.get(name).map(run => run.cpuUs)
  const noise = Math.max(...minus(cpu('none'), cpu('none again')).map(Math.abs))
  const added = new Map(variants.map(({ name }) => [name, minus(cpu(name), cpu('none'))]))
  const troubles = new Map(
    variants.map(variant => [
      variant.name,
      results
        .get(variant.name)
        .map(run => troubleOf(variant, run))
        .find(Boolean),
    ]),
  )
  const shareOf = (a, b) =>
    (troubles.get(a) ?? troubles.get(b))
      ? undefined
      : share(added.get(a), added.get(b), noise, doubt(cpu('none'), cpu('none again')))
  return { results, added, troubles, shareOf }
}

export function queueTable({ results, added, troubles, shareOf }, subject) {
  const rows = [...results].map(([name, runs]) => {
    const middle = pick => median(runs.map(pick))
    const part = name.startsWith('none') || name === subject ? undefined : shareOf(subject, name)
    return [
      name,
      middle(run => run.cpuUs),
      name.startsWith('none') ? '' : spreadText(spread(added.get(name))),
      shareText(part),
      middle(run => run.ms),
      middle(run => run.rssMb),
      middle(run => run.spans),
      troubles.get(name),
    ]
  })
  return table(['', 'CPU us', 'added', `${subject} is, of that`, 'ms', 'RSS MB', 'spans', 'trouble'], rows)
}
