/** Graphile Worker on a PostgreSQL, in applications of their own. */
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { Client } from 'pg'
import { type AppOptions, runApp } from '../helpers/child.js'
import { createCollector, type ReceivedSpan } from '../helpers/collector.js'
import { writeFolder } from '../helpers/folder.js'
import { root } from '../helpers/root.js'
import { postgres, uniqueName } from '../helpers/services.js'
import { assertTree, type ExpectedSpan, oneTrace } from '../helpers/spans.js'

interface Run extends AppOptions {
  /** How many spans to expect. */
  spans: number
  /** Where the jobs are; by default in a database of the run's own, which is dropped. */
  database?: string
}

interface Ran {
  spans: ReceivedSpan[]
  /** Line by line. */
  said: any[]
}

/** What every application here starts with. */
function prelude(type: AppOptions['type']): string {
  const names = '{ Logger, makeWorkerUtils, quickAddJob, run, runOnce, runTaskList, runTaskListOnce }'
  const imports =
    type === 'esm'
      ? `import ${names} from 'graphile-worker'
         import pg from 'pg'
         import { EventEmitter } from 'node:events'
         import { context, trace } from '@opentelemetry/api'
         import { suppressTracing } from '@opentelemetry/core'`
      : `const ${names} = require('graphile-worker')
         const pg = require('pg')
         const { EventEmitter } = require('node:events')
         const { context, trace } = require('@opentelemetry/api')
         const { suppressTracing } = require('@opentelemetry/core')`
  return `${imports}
    const connectionString = process.env.PG_URL
    const schema = 'graphile_worker'
    const sleep = ms => new Promise(resolve => setTimeout(resolve, ms))
    const inSpan = (name, fn) => trace.getTracer('app').startActiveSpan(name, async span => {
      try { return await fn(span) } finally { span.end(); await sleep(2) }
    })
    const activeName = () => trace.getActiveSpan()?.name
    const untraced = fn => context.with(suppressTracing(context.active()), fn)
    const deferred = () => { let resolve; const promise = new Promise(r => { resolve = r }); return { promise, resolve } }
    const say = value => console.log(JSON.stringify(value ?? null))
    const options = { connectionString, noHandleSignals: true, pollInterval: 100, logger: new Logger(() => () => {}) }
    const pick = ({ id, payload, task_identifier }) => [typeof id, payload, task_identifier]
    const until = async (condition) => { while (!await condition()) await sleep(50) }
    const sql = text => untraced(async () => {
      const client = new pg.Client({ connectionString })
      await client.connect()
      try { return (await client.query(text)).rows } finally { await client.end() }
    })
    const waiting = async () => Number((await sql(\`SELECT count(*) FROM \${schema}._private_jobs\`))[0].count)
    const hurry = () => sql(\`UPDATE \${schema}._private_jobs SET run_at = now()\`)
    const main = fn => fn().catch(error => { console.error(error); process.exitCode = 1 })
  `
}

/** Runs `body`, inside an async function, as an application. Returns what it said, and its spans. */
async function run(body: string, { spans: count, database, env, ...options }: Run): Promise<Ran> {
  if (database === undefined) return withDatabase(own => run(body, { spans: count, database: own, env, ...options }))
  const collector = await createCollector()
  const url = new URL(postgres())
  url.pathname = database
  const ended = await runApp({
    code: `${prelude(options.type)}\nmain(async () => {\n${body}\n})`,
    collector,
    env: { PG_URL: url.href, ...env },
    flags: ['--no-deprecation'],
    timeoutMs: 60_000,
    ...options,
  })
  assert.equal(ended.stderr, '')
  assert.equal(ended.code, 0)
  const spans = count === 0 ? collector.spans() : await collector.waitFor(count)
  await collector.close()
  assert.equal(spans.length, count, spans.map(span => `${span.kind} ${span.name}`).join(', '))
  const lines = ended.stdout.split('\n').filter(line => line !== '')
  return { spans, said: lines.map(line => JSON.parse(line)) }
}

/** Not a schema: whoever migrates one tells all workers of its database to stop. */
async function withDatabase<T>(fn: (database: string) => Promise<T>): Promise<T> {
  const database = uniqueName('worker')
  const client = new Client({ connectionString: postgres() })
  await client.connect()
  try {
    await client.query(`CREATE DATABASE ${database}`)
    return await fn(database)
  } finally {
    await client.query(`DROP DATABASE IF EXISTS ${database} WITH (FORCE)`)
    await client.end()
  }
}

const named = (spans: ReceivedSpan[], name: string): ReceivedSpan[] => spans.filter(span => span.name === name)

const one = (spans: ReceivedSpan[], name: string): ReceivedSpan => {
  const found = named(spans, name)
  assert.equal(found.length, 1, `${found.length} spans are named ${name}: ${spans.map(span => span.name)}`)
  return found[0] as ReceivedSpan
}

const caller = (name: string, ...children: ExpectedSpan[]): ExpectedSpan => ({ name, kind: 'internal', children })
const added = (task: string, ...children: ExpectedSpan[]): ExpectedSpan => ({
  name: `add ${task}`,
  kind: 'producer',
  attributes: {
    'messaging.system': 'graphile-worker',
    'messaging.operation.name': 'add',
    'messaging.operation.type': 'send',
    'messaging.destination.name': task,
  },
  children,
})
const processed = (task: string, ...children: ExpectedSpan[]): ExpectedSpan => ({
  name: `process ${task}`,
  kind: 'consumer',
  attributes: {
    'messaging.system': 'graphile-worker',
    'messaging.operation.name': 'process',
    'messaging.operation.type': 'process',
    'messaging.destination.name': task,
  },
  children,
})
const failed = (span: ExpectedSpan): ExpectedSpan => ({ ...span, status: 'error' })

const messages = (span: ReceivedSpan) => span.events.map(event => event.attributes['exception.message'])

// Most of their time these applications wait for the database.
const AT_ONCE = { concurrency: 4 }

for (const type of ['cjs', 'esm'] as const) {
  describe(`graphile-worker in ${type}`, AT_ONCE, () => {
    test("a job that is added and worked on is one trace, and no query but the application's own is told", async () => {
      const { spans, said } = await run(
        `const utils = await makeWorkerUtils(options)
         await utils.migrate()
         const { promise, resolve } = deferred()
         const taskList = {
           async t(payload, helpers) {
             say([payload, helpers.job.payload === payload, Object.keys(helpers).includes('addJob')])
             await sleep(5)
             await helpers.query('SELECT 1 FROM pg_class LIMIT 1')
             await inSpan('work', () => sleep(5))
             say(await helpers.getQueueName())
             resolve()
           },
         }
         const runner = await inSpan('startup', () => run({ ...options, taskList }))
         const job = await inSpan('request', () => utils.addJob('t', { a: 1, deep: { b: [2] } }, { queueName: 'lane' }))
         say(pick(job))
         await promise
         await until(async () => await waiting() === 0)
         await runner.stop()
         await utils.release()`,
        { type, spans: 6 },
      )
      const payload = { a: 1, deep: { b: [2] } }
      assert.deepEqual(
        new Set(said.map(line => JSON.stringify(line))),
        new Set([[payload, true, true], 'lane', ['string', payload, 't']].map(line => JSON.stringify(line))),
      )
      assertTree(spans, [
        caller('startup'),
        caller('request', added('t', processed('t', { name: 'SELECT pg_class', kind: 'client' }, caller('work')))),
      ])
      const [add, process] = [one(spans, 'add t'), one(spans, 'process t')]
      assert.match(String(add.attributes['messaging.message.id']), /^\d+$/)
      assert.equal(process.attributes['messaging.message.id'], add.attributes['messaging.message.id'])
    })

    test('every way to add a job, and to run them', async () => {
      const { spans, said } = await run(
        `const taskList = {
           async first(payload, helpers) { say(payload); say(pick(await helpers.addJob('second', { n: payload.n + 1 }))) },
           second(payload) { say(payload) },
         }
         await inSpan('request', () => quickAddJob(options, 'first', { n: 1 }))
         await runOnce({ ...options, taskList })
         const utils = await makeWorkerUtils(options)
         await inSpan('request', () => utils.addJob('first', { n: 3 }))
         const client = new pg.Client({ connectionString })
         await client.connect()
         const { connectionString: no, ...others } = options
         await runTaskListOnce(others, taskList, client)
         await client.end()
         await inSpan('request', () => utils.addJob('second', { n: 5 }))
         const pool = new pg.Pool({ connectionString })
         const workers = runTaskList({ ...others, concurrency: 1 }, taskList, pool)
         await until(async () => await waiting() === 0)
         await workers.gracefulShutdown()
         await pool.end()
         await utils.release()`,
        { type, spans: 13 },
      )
      assert.deepEqual(said, [
        ...[{ n: 1 }, ['string', { n: 2 }, 'second'], { n: 2 }],
        ...[{ n: 3 }, ['string', { n: 4 }, 'second'], { n: 4 }],
        { n: 5 },
      ])
      const both = caller('request', added('first', processed('first', added('second', processed('second')))))
      assertTree(spans, [both, both, caller('request', added('second', processed('second')))])
    })

    test('a task that fails: each attempt is a span with its error', async () => {
      const { spans, said } = await run(
        `const utils = await makeWorkerUtils(options)
         let attempts = 0
         const taskList = {
           async t(payload) {
             say(payload)
             attempts++
             if (attempts === 1) throw new TypeError('broken ' + attempts)
             if (attempts === 2) throw undefined
           },
           sync() { throw new RangeError('at once') },
         }
         await inSpan('request', () => utils.addJob('t', { a: 1 }))
         await inSpan('request', () => utils.addJob('sync', {}, { maxAttempts: 1 }))
         const events = new EventEmitter()
         events.on('job:error', ({ job, error }) => inSpan('alert ' + job.task_identifier, () => say(error.message)))
         const runner = await run({ ...options, taskList, events, concurrency: 1 })
         await until(async () => await waiting() === 1 || (await hurry(), false))
         await runner.stop()
         await utils.release()`,
        { type, spans: 9 },
      )
      // What throws nothing has succeeded, as Graphile Worker sees it.
      assert.deepEqual(new Set(said.map(String)), new Set([{ a: 1 }, 'broken 1', 'at once'].map(String)))
      assertTree(
        spans.filter(span => !span.name.startsWith('alert')),
        [
          caller('request', added('t', failed(processed('t')), processed('t'))),
          caller('request', added('sync', failed(processed('sync')))),
        ],
      )
      const first = named(spans, 'process t').find(span => span.status === 'error')
      assert.equal(first?.attributes['error.type'], 'TypeError')
      assert.deepEqual(first && messages(first), ['broken 1'])
      assert.deepEqual(messages(one(spans, 'process sync')), ['at once'])
      for (const name of ['alert t', 'alert sync']) assert.equal(one(spans, name).parentSpanId, undefined)
    })

    test('a batch that fails in part', async () => {
      const { spans, said } = await run(
        `const utils = await makeWorkerUtils(options)
         let attempts = 0
         const taskList = {
           async t(payload) {
             say(payload)
             attempts++
             return payload.map(({ n }) => n === 2 && attempts === 1 ? Promise.reject(new Error('not ' + n)) : n)
           },
         }
         say(pick(await inSpan('request', () => utils.addJob('t', [{ n: 1 }, { n: 2 }]))))
         const runner = await run({ ...options, taskList })
         await until(async () => await waiting() === 0 || (await hurry(), false))
         await runner.stop()
         await utils.release()`,
        { type, spans: 4 },
      )
      assert.deepEqual(said, [['string', [{ n: 1 }, { n: 2 }], 't'], [{ n: 1 }, { n: 2 }], [{ n: 2 }]])
      // An array carries nothing.
      assertTree(spans, [caller('request', added('t')), failed(processed('t')), processed('t')])
      assert.deepEqual(named(spans, 'process t').flatMap(messages), ['Batch failures:\nnot 2'])
    })

    test('a task that never returns: the span ends when Graphile Worker gives it up', async () => {
      const { spans, said } = await run(
        `const pool = new pg.Pool({ connectionString })
         const { connectionString: no, ...others } = options
         await inSpan('request', () => quickAddJob(options, 't', { a: 1 }))
         const { promise, resolve } = deferred()
         const late = deferred()
         const workers = runTaskList({ ...others, concurrency: 1 }, { t: () => { resolve(); return late.promise } }, pool)
         await promise
         await workers.forcefulShutdown('no time')
         say((await sql(\`SELECT last_error FROM \${schema}._private_jobs\`))[0].last_error)
         late.resolve()
         await until(async () => await waiting() === 0)
         await pool.end()`,
        { type, spans: 3 },
      )
      assert.deepEqual(said, ['no time'])
      assertTree(spans, [caller('request', added('t', failed(processed('t'))))])
      assert.deepEqual(messages(one(spans, 'process t')), ['no time'])
    })

    test('a task that returns a query builder, or nothing', async () => {
      const { spans } = await run(
        `const taskList = {
           lazy: () => ({ then: (done, failed) => inSpan('lazy work', () => sleep(5)).then(done, failed) }),
           plain() { inSpan('plain work', () => sleep(5)) },
         }
         await inSpan('request', () => quickAddJob(options, 'lazy', {}))
         await inSpan('request', () => quickAddJob(options, 'plain'))
         await runOnce({ ...options, taskList })`,
        { type, spans: 8 },
      )
      assertTree(spans, [
        caller('request', added('lazy', processed('lazy', caller('lazy work')))),
        caller('request', added('plain', processed('plain', caller('plain work')))),
      ])
    })

    test('tasks that run at the same time keep to their traces', async () => {
      const { spans } = await run(
        `const utils = await makeWorkerUtils(options)
         const taskList = {
           async t({ n }, helpers) { await sleep(20); await helpers.addJob('next', { n }) },
           next: ({ n }) => inSpan('end ' + n, () => {}),
         }
         const runner = await run({ ...options, taskList, concurrency: 4 })
         await Promise.all([1, 2, 3, 4, 5, 6].map(n => inSpan('request ' + n, () => utils.addJob('t', { n }))))
         await until(async () => await waiting() === 0)
         await runner.stop()
         await utils.release()`,
        { type, spans: 36 },
      )
      for (const n of [1, 2, 3, 4, 5, 6]) {
        const { traceId } = one(spans, `request ${n}`)
        const own = spans.filter(span => span.traceId === traceId)
        assertTree(own, [
          caller(`request ${n}`, added('t', processed('t', added('next', processed('next', caller(`end ${n}`)))))),
        ])
      }
    })

    test('tasks in files, and a schedule: every run of it begins a trace', async () => {
      const folder = writeFolder({
        'in_file.js': 'module.exports = async payload => console.log(JSON.stringify(payload))',
        'module.mjs': 'export default async payload => console.log(JSON.stringify(Object.keys(payload)))',
      })
      const { spans, said } = await run(
        `await inSpan('request', () => quickAddJob(options, 'in_file', { a: 1 }))
         await sql(\`INSERT INTO \${schema}._private_known_crontabs (identifier, known_since)
           VALUES ('module', now() - interval '1 hour')\`)
         // Due once in the last minutes, and then not for an hour.
         const minute = new Date(Date.now() - 60000).getUTCMinutes()
         const events = new EventEmitter()
         const heard = deferred()
         events.once('cron:backfill', () => inSpan('backfill', () => {}).then(heard.resolve))
         const runner = await inSpan('startup', () => run({
           ...options, taskDirectory: process.env.TASKS, crontab: minute + ' * * * * module ?fill=10m {own: 1}', events, concurrency: 1,
         }))
         await heard.promise
         await until(async () => await waiting() === 0)
         await runner.stop()`,
        { type, spans: 6, env: { TASKS: join(root, folder) } },
      )
      assert.deepEqual(said.map(String).sort(), [['own', '_cron'], { a: 1 }].map(String).sort())
      assertTree(
        spans.filter(span => span.traceId === one(spans, 'request').traceId),
        [caller('request', added('in_file', processed('in_file')))],
      )
      for (const name of ['backfill', 'startup', 'process module']) {
        for (const span of named(spans, name)) assert.deepEqual([span.parentSpanId, span.links.length], [undefined, 0])
      }
    })

    test('an application sees what it would see without us', async () => {
      const code = `
        class Told { constructor() { this.secret = 1 } toJSON() { return { told: 2 } } }
        class Plain { constructor() { this.a = 1 } get b() { return 2 } }
        const all = [
          undefined, null, [1, { a: 2 }], [], {}, 0, 'text', { a: { b: [null] } }, Object.freeze({ frozen: true }),
          Object.assign(Object.create(null), { bare: 1 }), new Told(), new Plain(),
          { _traceContext: 'mine' }, { _traceContext: { traceparent: 'mine' } }, { _traceContext: null },
          JSON.parse('{"__proto__":{"a":1}}'), () => {},
        ]
        const before = all.map(payload => JSON.stringify(payload))
        const utils = await makeWorkerUtils(options)
        await inSpan('request', async () => {
          for (const payload of all) say(await utils.addJob('t', payload).then(pick, error => error.message))
          say(pick(await utils.addJob('keyed', { n: 1 }, { jobKey: 'k' })))
          say(pick(await utils.addJob('keyed', { n: 2 }, { jobKey: 'k', jobKeyMode: 'unsafe_dedupe' })))
        })
        say(all.map(payload => JSON.stringify(payload)).every((text, i) => text === before[i]))
        const [{ id }] = await sql(\`SELECT id FROM \${schema}._private_jobs WHERE key = 'k'\`)
        await untraced(async () => {
          for (const settled of [
            await utils.rescheduleJobs([id], { priority: 1 }),
            await utils.permanentlyFailJobs([id], 'enough'),
            await utils.completeJobs([id]),
          ]) say(settled.map(({ payload }) => payload))
        })
        const seen = []
        const taskList = Object.freeze({ t: payload => { seen.push(payload) } })
        const events = new EventEmitter()
        const created = []
        events.on('worker:create', ({ tasks }) => created.push(Object.keys(tasks), 't' in tasks, 'x' in tasks, typeof tasks.t, typeof tasks.x))
        events.on('job:start', ({ job }) => say(job.payload))
        const runner = await run({ ...options, taskList, events, concurrency: 1 })
        await until(async () => await waiting() === 0)
        say(seen)
        say(created)
        say([events.eventNames().map(String), events.listenerCount('job:start'), Object.keys(events).length])
        say([runner.addJob.length, utils.addJob.length, runner.stop.name])
        await runner.stop()
        await utils.release()`
      // One each for what can be stored; the schema of the other is its own.
      const withUs = await run(code, { type, spans: 1 + 16 + 2 + 1 + 17 })
      const without = await run(code, { type, spans: 0, preload: 'none' })
      assert.deepEqual(withUs.said, without.said)
      const roots = named(withUs.spans, 'process t').filter(span => span.parentSpanId === undefined)
      // Arrays, a number, a text, what writes itself, keys of the application's own, and a function.
      assert.equal(roots.length, 2 + 2 + 1 + 3 + 1)
    })
  })
}

describe('graphile-worker', AT_ONCE, () => {
  const ADD = `await inSpan('request', () => quickAddJob(options, 't', { a: 1 }))`
  const WORK = `await runOnce({ ...options, taskList: { t: payload => say(payload) } })`

  /** Two applications that share a database. */
  const apart = (adder: Partial<Run>, worker: Partial<Run>) =>
    withDatabase(async database => {
      const first = await run(ADD, { spans: 2, database, ...adder })
      const second = await run(WORK, { spans: 1, database, ...worker })
      return { first, second, spans: [...first.spans, ...second.spans] }
    })

  test('a trace crosses from process to process', async () => {
    const { spans, second } = await apart({ type: 'cjs' }, { type: 'esm' })
    assert.deepEqual(second.said, [{ a: 1 }])
    assertTree(spans, [caller('request', added('t', processed('t')))])
  })

  test('a worker without us sees the key, and works', async () => {
    const { second } = await apart({}, { preload: 'none', spans: 0 })
    assert.deepEqual(Object.keys(second.said[0]), ['a', '_traceContext'])
  })

  test('without the option, nothing is added to payloads', async () => {
    const env = { TRACE_GRAPHILE_WORKER_PROPAGATE: 'false' }
    const { second, spans } = await apart({ env }, { preload: 'none', spans: 0 })
    assert.deepEqual(second.said, [{ a: 1 }])
    assert.equal(one(spans, 'add t').kind, 'producer')
  })

  test('old jobs are linked; the user may choose', async () => {
    const old = await apart({}, { env: { TRACE_ASYNC_MAX_AGE_MS: '1' } })
    const [add, process] = [one(old.spans, 'add t'), one(old.spans, 'process t')]
    assert.deepEqual([process.parentSpanId, process.links.map(link => link.spanId)], [undefined, [add.spanId]])
    const forced = await apart({}, { env: { TRACE_ASYNC_MAX_AGE_MS: '1', TRACE_ASYNC: 'parent' } })
    oneTrace(forced.spans)
  })

  test('a trace that is not sampled stays so on its way; jobs of others begin traces', async () => {
    const unsampled = await apart({ spans: 0, env: { OTEL_TRACES_SAMPLER: 'always_off' } }, { spans: 0 })
    assert.deepEqual(unsampled.second.said, [{ a: 1 }])
    assert.deepEqual(unsampled.spans, [])
    const others = await apart({ preload: 'none', spans: 0 }, {})
    assert.equal(one(others.spans, 'process t').parentSpanId, undefined)
  })

  test('a job that a notification tells of, where pg is not traced', async () => {
    const { spans } = await run(
      `const utils = await makeWorkerUtils(options)
       const events = new EventEmitter()
       const [idle, heard] = [deferred(), deferred()]
       events.on('worker:getJob:empty', idle.resolve)
       events.on('job:success', () => inSpan('heard', () => {}).then(heard.resolve))
       const runner = await run({ ...options, pollInterval: 3600000, taskList: { t() {} }, events, concurrency: 1 })
       await idle.promise
       await sleep(200)
       await inSpan('request', () => utils.addJob('t', {}))
       await heard.promise
       await until(async () => await waiting() === 0)
       await runner.stop()
       await utils.release()`,
      { spans: 4, env: { OTEL_NODE_DISABLED_INSTRUMENTATIONS: 'pg' } },
    )
    assertTree(
      spans.filter(span => span.name !== 'heard'),
      [caller('request', added('t', processed('t')))],
    )
    assert.equal(one(spans, 'heard').parentSpanId, undefined)
  })

  test('a job that cannot be added: the error is told, and thrown', async () => {
    const { spans, said } = await run(
      `const utils = await makeWorkerUtils(options)
       const identifier = 'x'.repeat(200)
       await inSpan('request', async () => {
         say(await utils.addJob('t', {}, { jobKey: 'k', jobKeyMode: 'none' }).catch(error => error.message))
         const cycle = {}
         cycle.cycle = cycle
         say(await utils.addJob('t', cycle).catch(error => error.name))
       })
       await utils.release()`,
      { spans: 3 },
    )
    assert.match(said[0], /job_key_mode/)
    assert.equal(said[1], 'TypeError')
    assertTree(spans, [caller('request', failed(added('t')), failed(added('t')))])
  })
})
