/** Messages as no library of ours would make them: each queue takes and gives them as without us, and each has its spans. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { Client } from 'pg'
import { runApp } from './helpers/child.js'
import { createCollector } from './helpers/collector.js'
import { kafka, mqtt, nats, postgres, rabbitmq, redis, sqs, uniqueName } from './helpers/services.js'

interface Line {
  name: string
  form: string
  /** Of the span that the message was sent in. */
  traceId: string
  result?: unknown
  error?: string
  /** What was given to the library is what it was. */
  unchanged?: boolean
  got?: { text: Record<string, string>; traceId?: string }
}

const env = () => ({
  AMQP_URL: rabbitmq(),
  MQTT_URL: mqtt(),
  NATS_URL: nats(),
  BROKERS: kafka(),
  SQS_URL: sqs(),
  REDIS_URL: redis(),
  AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED: 'true',
  KAFKAJS_NO_PARTITIONER_WARNING: '1',
})

const OURS = ['traceparent', 'tracestate']
const FOREIGN = '1'.repeat(32)

/** Queues, with the place of the trace among what arrives. */
const queues = ['amqplib', 'mqtt', 'nats', 'kafkajs', 'sqs', 'sns', 'bullmq', 'bull', 'pg-boss', 'graphile-worker']
// Data of a job, from which the trace is taken out before the application sees it.
const inData = ['pg-boss', 'graphile-worker']

async function run(queue: string, preload: 'import' | 'none', collector?: { url: string }): Promise<Line[]> {
  const { stdout, stderr, code } = await withDatabase(queue, (name, database) =>
    runApp({
      script: 'test/fixtures/messages/app.cjs',
      args: [queue, name],
      flags: ['--no-deprecation', '--disable-warning=TimeoutNegativeWarning'],
      env: { ...env(), ...database },
      preload,
      ...(collector && { collector }),
      timeoutMs: 60_000,
    }),
  )
  assert.equal(stderr, '')
  assert.equal(code, 0)
  const lines = stdout.trim().split('\n')
  return lines.map(line => JSON.parse(line))
}

/** With a name of its own, and a database of that name where the queue is one of PostgreSQL. */
async function withDatabase<T>(
  queue: string,
  fn: (name: string, env: Record<string, string>) => Promise<T>,
): Promise<T> {
  const name = uniqueName('messages')
  if (!inData.includes(queue)) return fn(name, {})
  const url = new URL(postgres())
  url.pathname = name
  // Who migrates a schema of Graphile Worker stops all workers of its database.
  await query(`CREATE DATABASE ${name}`)
  try {
    return await fn(name, { PG_URL: url.href })
  } finally {
    await query(`DROP DATABASE ${name} WITH (FORCE)`)
  }
}

async function query(text: string): Promise<void> {
  const client = new Client({ connectionString: postgres() })
  await client.connect()
  await client.query(text)
  await client.end()
}

/** What the application sees, without the headers that are ours. */
function seen({ name, form, result, error, unchanged, got, traceId }: Line): unknown {
  const text = { ...got?.text }
  if (text.traceparent?.slice(3, 35) === traceId) for (const header of OURS) delete text[header]
  return { name, form, result, error, unchanged, text }
}

describe('messages of every kind', { concurrency: 2 }, () => {
  for (const queue of queues) {
    test(queue, async () => {
      const collector = await createCollector()
      const [traced, plain] = await Promise.all([run(queue, 'import', collector), run(queue, 'none')])
      assert.deepEqual(traced.map(seen), plain.map(seen))
      for (const line of traced) {
        const { name, form, error, unchanged, got, traceId } = line
        const what = `${name}, ${form}`
        assert.notEqual(unchanged, false, what)
        const sent = collector.spans().filter(span => span.traceId === traceId)
        const producers = sent.filter(({ kind }) => kind === 'producer')
        assert.equal(producers.length, error?.startsWith('shape') ? 0 : 1, what)
        if (got === undefined) continue
        const own = got.text.traceparent
        const carries = inData.includes(queue) || own?.slice(3, 35) === traceId
        // Where the application has said what the trace is, it has the last word.
        const isOwn =
          name === 'a traceparent' || name.startsWith('one ') || /^(?:a number|an array|null|an object)$/.test(name)
        assert.equal(carries, inData.includes(queue) || !isOwn, `${what}: ${own}`)
        if (carries) assert.equal(got.traceId, traceId, what)
        else assert.notEqual(got.traceId, traceId, what)
        if (name === 'a traceparent' && !carries) assert.equal(got.traceId, FOREIGN, what)
        assert.notEqual(got.traceId, undefined, `${what}: it is processed in no trace`)
      }
      const processed = collector.spans().filter(({ kind }) => kind === 'consumer')
      assert.equal(processed.length, traced.filter(({ got }) => got !== undefined).length)
      await collector.close()
    })
  }
})

/** Servers behind a proxy that is cut: by which variable they are found, and what becomes of them. */
const away: [queue: string, variable: string, end: 'returns' | 'stays away'][] = [
  ['amqplib', 'AMQP_URL', 'stays away'],
  ['mqtt', 'MQTT_URL', 'returns'],
  ['nats', 'NATS_URL', 'returns'],
  ['nats', 'NATS_URL', 'stays away'],
  ['bullmq', 'REDIS_URL', 'returns'],
  ['bullmq', 'REDIS_URL', 'stays away'],
  ['bull', 'REDIS_URL', 'returns'],
  ['kafkajs', 'BROKERS', 'returns'],
  ['kafkajs', 'BROKERS', 'stays away'],
  ['sqs', 'SQS_URL', 'returns'],
  ['sqs', 'SQS_URL', 'stays away'],
  ['sns', 'SQS_URL', 'returns'],
  ['sns', 'SQS_URL', 'stays away'],
  ['pg-boss', 'PG_URL', 'stays away'],
  ['graphile-worker', 'PG_URL', 'stays away'],
]

describe('a message that is sent while the server is away', { concurrency: 2 }, () => {
  for (const [queue, variable, end] of away) {
    test(`${queue}, which ${end}`, async () => {
      const collector = await createCollector()
      const outcome = async (preload: 'import' | 'none') => {
        const { stdout, code } = await withDatabase(queue, (name, database) =>
          runApp({
            script: 'test/fixtures/messages/down.cjs',
            args: [queue, name, variable, end],
            flags: ['--no-deprecation'],
            env: { ...env(), ...database },
            preload,
            collector,
          }),
        )
        return { stdout, code }
      }
      const [traced, plain] = await Promise.all([outcome('import'), outcome('none')])
      assert.deepEqual(traced, plain)
      const sent = /"(sent|failed|pending)"/.exec(traced.stdout)?.[1]
      const { traceId } = collector.spans().find(({ name }) => name === 'away') ?? {}
      const producers = collector.spans().filter(span => span.traceId === traceId && span.kind === 'producer')
      // A call that the library never ends is one that goes on.
      const expected = { sent: ['unset'], failed: ['error'], pending: [] }[sent as 'sent' | 'failed' | 'pending']
      assert.deepEqual(
        producers.map(({ status }) => status),
        expected,
        traced.stdout,
      )
      await collector.close()
    })
  }
})
