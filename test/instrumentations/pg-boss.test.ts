/** pg-boss on a PostgreSQL, in applications of their own. */
import assert from 'node:assert/strict'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { pathToFileURL } from 'node:url'
import { Client } from 'pg'
import { type AppOptions, runApp } from '../helpers/child.js'
import { createCollector, type ReceivedSpan } from '../helpers/collector.js'
import { root } from '../helpers/root.js'
import { postgres, uniqueName } from '../helpers/services.js'
import { assertTree, type ExpectedSpan, oneTrace } from '../helpers/spans.js'

type Version = '10' | '9'

interface Run extends AppOptions {
  /** 10 is the newest line that is supported; 9 the oldest. */
  version?: Version
  /** How many spans to expect. */
  spans: number
  /** Where the jobs are; by default in a schema of the run's own, which is dropped. */
  schema?: string
}

const oldest = createRequire(join(root, 'test/versions/pg-boss-9/package.json')).resolve('pg-boss')

/** What every application here starts with. Version 9 hands over single jobs, 10 arrays; 9 settles them without their queue. */
function prelude(type: AppOptions['type'], version: Version): string {
  const file = version === '10' ? 'pg-boss' : oldest
  const imports =
    type === 'esm'
      ? `import PgBoss from '${version === '10' ? file : pathToFileURL(file).href}'
         import pg from 'pg'
         import { once } from 'node:events'
         import { context, trace } from '@opentelemetry/api'
         import { suppressTracing } from '@opentelemetry/core'`
      : `const PgBoss = require('${file}')
         const pg = require('pg')
         const { once } = require('node:events')
         const { context, trace } = require('@opentelemetry/api')
         const { suppressTracing } = require('@opentelemetry/core')`
  return `${imports}
    const v10 = ${version === '10'}
    const connectionString = process.env.PG_URL
    const schema = process.env.SCHEMA
    const sleep = ms => new Promise(resolve => setTimeout(resolve, ms))
    const inSpan = (name, fn) => trace.getTracer('app').startActiveSpan(name, async span => {
      try { return await fn(span) } finally { span.end(); await sleep(2) }
    })
    const activeTrace = () => trace.getActiveSpan()?.spanContext().traceId
    const activeName = () => trace.getActiveSpan()?.name
    const untraced = fn => context.with(suppressTracing(context.active()), fn)
    const deferred = () => { let resolve; const promise = new Promise(r => { resolve = r }); return { promise, resolve } }
    const say = value => console.log(JSON.stringify(value ?? null))
    const quiet = v10 ? { schedule: false, supervise: false } : { noScheduling: true, noSupervisor: true }
    const started = async options => {
      const boss = new PgBoss({ connectionString, schema, ...quiet, ...options })
      boss.on('error', error => say(['error', error.message]))
      say(await boss.start() === boss)
      return boss
    }
    const stopped = async boss => {
      const done = once(boss, 'stopped')
      await boss.stop({ destroy: true, timeout: 5000 })
      await done
    }
    const queues = (boss, ...names) => untraced(async () => {
      if (v10) for (const name of names) await boss.createQueue(name)
    })
    const often = options => ({ ...(v10 ? { pollingIntervalSeconds: 0.5 } : { newJobCheckInterval: 100 }), ...options })
    const work = (boss, name, handler, options) =>
      boss.work(name, often(options), given => handler(v10 ? given[0] : given))
    const of = (name, ...args) => v10 ? [name, ...args] : args
    const stored = (boss, name, id) => untraced(() => boss.getJobById(...of(name, id)))
    const until = async (condition) => { while (!await condition()) await sleep(50) }
    const sql = text => untraced(async () => {
      const client = new pg.Client({ connectionString })
      await client.connect()
      try { return (await client.query(text)).rows } finally { await client.end() }
    })
    const main = fn => fn().catch(error => { console.error(error); process.exitCode = 1 })
  `
}

/** Runs `body`, inside an async function, as an application. Returns what it said, line by line, and its spans. */
async function run(body: string, { version = '10', spans: count, schema, env, ...options }: Run) {
  const collector = await createCollector()
  const own = schema ?? uniqueName('boss')
  try {
    const ended = await runApp({
      code: `${prelude(options.type, version)}\nmain(async () => {\n${body}\n})`,
      collector,
      env: { PG_URL: postgres(), SCHEMA: own, ...env },
      flags: ['--no-deprecation'],
      timeoutMs: 60_000,
      ...options,
    })
    assert.equal(ended.stderr, '')
    assert.equal(ended.code, 0)
    const spans = count === 0 ? collector.spans() : await collector.waitFor(count)
    assert.equal(spans.length, count, spans.map(span => `${span.kind} ${span.name}`).join(', '))
    const lines = ended.stdout.split('\n').filter(line => line !== '')
    return { spans, said: lines.map(line => JSON.parse(line)) }
  } finally {
    await collector.close()
    if (schema === undefined) await drop(own)
  }
}

async function drop(schema: string): Promise<void> {
  const client = new Client({ connectionString: postgres() })
  await client.connect()
  await client.query(`DROP SCHEMA IF EXISTS ${schema} CASCADE`)
  await client.end()
}

const named = (spans: ReceivedSpan[], name: string): ReceivedSpan[] => spans.filter(span => span.name === name)

const one = (spans: ReceivedSpan[], name: string): ReceivedSpan => {
  const found = named(spans, name)
  assert.equal(found.length, 1, `${found.length} spans are named ${name}: ${spans.map(span => span.name)}`)
  return found[0] as ReceivedSpan
}

const caller = (name: string, ...children: ExpectedSpan[]): ExpectedSpan => ({ name, kind: 'internal', children })
const sent = (name: string, ...children: ExpectedSpan[]): ExpectedSpan => ({
  name,
  kind: 'producer',
  attributes: { 'messaging.system': 'pg-boss', 'messaging.operation.name': 'send', 'messaging.operation.type': 'send' },
  children,
})
const processed = (name: string, ...children: ExpectedSpan[]): ExpectedSpan => ({
  name,
  kind: 'consumer',
  attributes: {
    'messaging.system': 'pg-boss',
    'messaging.operation.name': 'process',
    'messaging.operation.type': 'process',
  },
  children,
})
const failed = (span: ExpectedSpan): ExpectedSpan => ({ ...span, status: 'error' })

const messages = (span: ReceivedSpan) => span.events.map(event => event.attributes['exception.message'])

/** A span that begins a trace of its own, with a link to each of those spans. */
function assertLinked(span: ReceivedSpan, to: ReceivedSpan[]): void {
  assert.equal(span.parentSpanId, undefined)
  const ids = (spans: { traceId: string; spanId: string }[]) => spans.map(one => `${one.traceId} ${one.spanId}`).sort()
  assert.deepEqual(ids(span.links), ids(to))
  for (const { traceId } of to) assert.notEqual(traceId, span.traceId)
}

// Most of their time these applications wait for the next poll.
const AT_ONCE = { concurrency: 4 }

// Version 9 in ES modules: as a trace crosses from process to process.
const EVERY_WAY = [
  { type: 'cjs', version: '10' },
  { type: 'esm', version: '10' },
  { type: 'cjs', version: '9' },
] as const

for (const way of EVERY_WAY) {
  describe(`pg-boss ${way.version} in ${way.type}`, AT_ONCE, () => {
    test("a job that is sent and processed is one trace, and no query but the application's own is told", async () => {
      const { spans, said } = await run(
        `const boss = await inSpan('startup', () => started())
         await queues(boss, 'q')
         const { promise, resolve } = deferred()
         const pool = new pg.Pool({ connectionString })
         await inSpan('subscribe', () => work(boss, 'q', async job => {
           say([job.name, job.data, Object.keys(job).includes('data')])
           await sleep(5)
           await pool.query('SELECT 1 FROM pg_class LIMIT 1')
           await inSpan('work', () => sleep(5))
           resolve(job.id)
           return { done: true }
         }))
         const id = await inSpan('request', () => boss.send('q', { a: 1, deep: { b: [2] } }))
         say(id === await promise)
         await until(async () => (await stored(boss, 'q', id)).state === 'completed')
         const { data, output } = await stored(boss, 'q', id)
         say([data, output])
         await pool.end()
         await stopped(boss)`,
        { ...way, spans: 7 },
      )
      assert.deepEqual(said, [
        true,
        ['q', { a: 1, deep: { b: [2] } }, true],
        true,
        [{ a: 1, deep: { b: [2] } }, { done: true }],
      ])
      assertTree(spans, [
        caller('startup'),
        caller('subscribe'),
        caller(
          'request',
          sent('send q', processed('process q', { name: 'SELECT pg_class', kind: 'client' }, caller('work'))),
        ),
      ])
      const [send, process] = [one(spans, 'send q'), one(spans, 'process q')]
      assert.match(String(send.attributes['messaging.message.id']), /^[0-9a-f-]{36}$/)
      assert.equal(process.attributes['messaging.message.id'], send.attributes['messaging.message.id'])
      for (const span of [send, process]) {
        assert.equal(span.attributes['messaging.destination.name'], 'q')
        assert.equal(span.attributes['messaging.batch.message_count'], undefined)
      }
    })

    test('every way to send', async () => {
      const { spans, said } = await run(
        `const boss = await started()
         await queues(boss, 'a', 'b')
         const isId = value => /^[0-9a-f-]{36}$/.test(value)
         await inSpan('request', async () => {
           say(isId(await boss.send({ name: 'a', data: { n: 1 } })))
           say(isId(await boss.sendAfter('a', { n: 2 }, null, 0)))
           say(isId(await boss.sendThrottled('a', { n: 3 }, {}, 60, 'key')))
           say(await boss.sendThrottled('a', { n: 4 }, {}, 60, 'key'))
           say(isId(await boss.sendDebounced('b', { n: 5 }, {}, 60, 'key')))
           say(isId(await boss.sendDebounced('b', { n: 6 }, {}, 60, 'key')))
         })
         for (const job of await sql(\`SELECT data FROM \${schema}.job ORDER BY data->'n'\`)) {
           say([job.data.n, Object.keys(job.data), job.data._traceContext.traceparent.slice(3, 35).length])
         }
         await stopped(boss)`,
        { ...way, spans: 7 },
      )
      assert.deepEqual(said, [
        ...[true, true, true, true, null, true, true],
        ...[1, 2, 3, 5, 6].map(n => [n, ['n', '_traceContext'], 32]),
      ])
      assertTree(spans, [caller('request', ...[1, 2, 3, 4].map(() => sent('send a')), sent('send b'), sent('send b'))])
      assert.equal(named(spans, 'send a')[3]?.attributes['messaging.message.id'], undefined)
    })

    test('a handler that fails: each attempt is a span with its error', async () => {
      const { spans, said } = await run(
        `const boss = await started()
         await queues(boss, 'q')
         let attempts = 0
         await work(boss, 'q', async job => {
           say(job.data)
           attempts++
           if (attempts === 1) throw new TypeError('broken ' + attempts)
           if (attempts === 2) return Promise.reject()
         })
         const id = await inSpan('request', () => boss.send('q', { a: 1 }, { retryLimit: 5, retryDelay: 0 }))
         await until(async () => (await stored(boss, 'q', id)).state === 'completed')
         await stopped(boss)`,
        { ...way, spans: 5 },
      )
      assert.deepEqual(said, [true, { a: 1 }, { a: 1 }, { a: 1 }])
      oneTrace(spans)
      assertTree(spans, [
        caller(
          'request',
          sent('send q', failed(processed('process q')), failed(processed('process q')), processed('process q')),
        ),
      ])
      const [first, second] = named(spans, 'process q')
      assert.equal(first?.attributes['error.type'], 'TypeError')
      assert.deepEqual(first && messages(first), ['broken 1'])
      assert.equal(second?.attributes['error.type'], 'Error')
    })

    test('a batch is one span with a link to the sender of each job', async () => {
      const { spans, said } = await run(
        `const boss = await started()
         await queues(boss, 'q')
         for (const n of [1, 2]) await inSpan('request ' + n, () => boss.send('q', { n }))
         await untraced(() => boss.send('q', { n: 3 }))
         const { promise, resolve } = deferred()
         await boss.work('q', often({ batchSize: 5 }), async jobs => {
           say(jobs.map(job => job.data).sort((a, b) => a.n - b.n))
           await inSpan('work', () => sleep(5))
           resolve()
         })
         await promise
         await stopped(boss)`,
        { ...way, spans: 6 },
      )
      assert.deepEqual(said, [true, [{ n: 1 }, { n: 2 }, { n: 3 }]])
      assertTree(spans, [
        caller('request 1', sent('send q')),
        caller('request 2', sent('send q')),
        processed('process q', caller('work')),
      ])
      const process = one(spans, 'process q')
      assertLinked(process, named(spans, 'send q'))
      assert.equal(process.attributes['messaging.batch.message_count'], 3)
      assert.equal(process.attributes['messaging.message.id'], undefined)
    })

    test('jobs inserted together come from one span', async () => {
      const { spans, said } = await run(
        `const boss = await started()
         await queues(boss, 'a', 'b')
         const { promise, resolve } = deferred()
         let left = 3
         for (const name of ['a', 'b']) await work(boss, name, async job => {
           say([job.name, job.data])
           if (--left === 0) resolve()
         })
         const jobs = [{ name: 'a', data: { n: 1 } }, { name: 'b', data: { n: 2 } }, { name: 'a' }]
         for (const job of jobs) Object.freeze(Object.freeze(job).data)
         await inSpan('request', () => boss.insert(Object.freeze(jobs)))
         await promise
         say(jobs)
         await inSpan('single', () => boss.insert([{ name: 'c', data: {} }]))
         say(await boss.insert('no jobs').catch(error => error.message.slice(0, 32)))
         await stopped(boss)`,
        { ...way, spans: 7 },
      )
      const jobs = [{ name: 'a', data: { n: 1 } }, { name: 'b', data: { n: 2 } }, { name: 'a' }]
      assert.deepEqual(said[0], true)
      assert.deepEqual(
        new Set(said.slice(1, 4).map(line => JSON.stringify(line))),
        new Set(['["a",{"n":1}]', '["b",{"n":2}]', '["a",null]']),
      )
      assert.deepEqual(said.slice(4), [jobs, 'jobs argument should be an array'])
      const insert = one(spans, 'send')
      assert.equal(insert.kind, 'producer')
      assert.equal(insert.attributes['messaging.batch.message_count'], 3)
      assert.equal(insert.attributes['messaging.destination.name'], undefined)
      assert.equal(one(spans, 'send c').attributes['messaging.batch.message_count'], undefined)
      // The one without data can carry nothing.
      const parents = spans.filter(span => span.kind === 'consumer').map(span => [span.name, span.parentSpanId])
      assert.deepEqual(
        new Set(parents.map(String)),
        new Set(
          [
            ['process a', insert.spanId],
            ['process b', insert.spanId],
            ['process a', undefined],
          ].map(String),
        ),
      )
    })

    test('an event goes to every queue that has subscribed to it', async () => {
      const { spans, said } = await run(
        `const boss = await started()
         await queues(boss, 'a', 'b')
         const { promise, resolve } = deferred()
         let left = 2
         for (const name of ['a', 'b']) {
           await work(boss, name, async job => { say(job.data); if (--left === 0) resolve() })
           await untraced(() => boss.subscribe('event', name))
         }
         await boss.publish('event', { a: 1 })
         await promise
         say(await boss.publish('event', () => {}).catch(error => error.name) ?? null)
         await stopped(boss)`,
        { ...way, spans: 7 },
      )
      assert.deepEqual(said, [true, { a: 1 }, { a: 1 }, way.version === '10' ? null : 'AssertionError'])
      const publish = one(spans, 'publish event')
      assert.equal(publish.kind, 'client')
      const [lookup, ...others] = spans.filter(span => span.name.startsWith('SELECT'))
      const inTrace = spans.filter(span => span.traceId === publish.traceId)
      assertTree(inTrace, [
        {
          name: 'publish event',
          kind: 'client',
          children: [
            { name: lookup?.name ?? '', kind: 'client' },
            sent('send a', processed('process a')),
            sent('send b', processed('process b')),
          ],
        },
      ])
      // What pg-boss refuses to publish is looked up all the same.
      assert.equal(others.length, 1)
    })

    test('jobs that the application fetches and settles by itself', async () => {
      const { spans, said } = await run(
        `const boss = await started()
         await queues(boss, 'q')
         const ids = []
         const send = async n => { ids[n] = await inSpan('send', () => boss.send('q', { n })) }
         await send(0)
         const jobs = [await boss.fetch('q')].flat()
         say(jobs.map(job => job.data))
         await boss.complete(...of('q', ids[0]))
         await send(1)
         await inSpan('request', async () => {
           const jobs = [await boss.fetch('q')].flat()
           say(jobs.map(job => job.data))
           const settled = [await boss.complete(...of('q', ids[1], { done: true }))]
           await untraced(() => boss.send('q', { n: 2 }))
           await untraced(() => boss.send('q', { n: 3 }))
           const [second, third] = [await untraced(() => boss.fetch('q')), await untraced(() => boss.fetch('q'))].flat()
           settled.push(await boss.fail(...of('q', [second.id], { reason: 'mine' })))
           settled.push(await boss.cancel(...of('q', [second.id, third.id])))
           say(settled.map(({ requested, affected, updated }) => [requested, affected ?? updated]))
           say((await boss.getJobById(...of('q', ids[1]))).data)
           say(await boss.fetch('none'))
         })
         say(await boss.complete(...of('q', null)).catch(error => error.message))
         await stopped(boss)`,
        { ...way, spans: 10 },
      )
      assert.deepEqual(said, [
        true,
        [{ n: 0 }],
        [{ n: 1 }],
        [
          [1, 1],
          [1, 1],
          // Of version 9, jobs are not tried again by default.
          [2, way.version === '10' ? 2 : 1],
        ],
        { n: 1 },
        way.version === '10' ? [] : null,
        'complete() requires an id',
      ])
      const settle = (verb: string, count: number | undefined): ExpectedSpan => ({
        name: way.version === '10' ? `${verb} q` : verb,
        kind: 'client',
        attributes: {
          'messaging.operation.name': verb,
          'messaging.operation.type': 'settle',
          'messaging.batch.message_count': count,
        },
      })
      const select = spans.find(span => span.name.startsWith('SELECT'))
      assertTree(spans, [
        caller('send', sent('send q')),
        caller('send', sent('send q')),
        caller(
          'request',
          { name: 'receive q', kind: 'client', attributes: { 'messaging.batch.message_count': 1 } },
          settle('complete', undefined),
          settle('fail', undefined),
          settle('cancel', 2),
          { name: select?.name ?? '', kind: 'client' },
        ),
      ])
      const { links } = one(spans, 'receive q')
      assert.deepEqual([links.length, links[0]?.spanId], [1, named(spans, 'send q')[1]?.spanId])
      const complete = one(spans, way.version === '10' ? 'complete q' : 'complete')
      assert.equal(
        complete.attributes['messaging.message.id'],
        named(spans, 'send q')[1]?.attributes['messaging.message.id'],
      )
    })

    test('a handler that never returns: the span ends when pg-boss gives it up', async () => {
      const { spans, said } = await run(
        `const boss = await started()
         await queues(boss, 'q')
         const late = deferred()
         await work(boss, 'q', () => late.promise.then(() => { throw new Error('too late') }))
         const id = await inSpan('request', () => boss.send('q', { a: 1 }, { expireInSeconds: 1, retryLimit: 0 }))
         await until(async () => (await stored(boss, 'q', id)).state === 'failed')
         late.resolve()
         await stopped(boss)`,
        { ...way, spans: 3 },
      )
      assert.deepEqual(said, [true])
      assertTree(spans, [caller('request', sent('send q', failed(processed('process q'))))])
      assert.deepEqual(messages(one(spans, 'process q')), ['handler execution exceeded 1000ms'])
    })

    test('a handler that returns a query builder, or nothing', async () => {
      const { spans, said } = await run(
        `const boss = await started()
         await queues(boss, 'lazy', 'plain')
         const lazy = deferred()
         const plain = deferred()
         const lazyWork = () => inSpan('lazy work', () => sleep(5)).finally(lazy.resolve)
         await work(boss, 'lazy', () => ({ then: (done, failed) => lazyWork().then(done, failed) }))
         await work(boss, 'plain', () => { inSpan('plain work', () => sleep(5)).then(plain.resolve) })
         await inSpan('request', () => boss.send('lazy', {}))
         await inSpan('request', () => boss.send('plain', {}))
         await Promise.all([lazy.promise, plain.promise])
         await stopped(boss)`,
        { ...way, spans: 8 },
      )
      assert.deepEqual(said, [true])
      assertTree(spans, [
        caller('request', sent('send lazy', processed('process lazy', caller('lazy work')))),
        caller('request', sent('send plain', processed('process plain', caller('plain work')))),
      ])
    })

    test('handlers that run at the same time keep to their traces', async () => {
      const { spans } = await run(
        `const boss = await started()
         await queues(boss, 'q', 'next')
         const { promise, resolve } = deferred()
         let left = 6
         for (let i = 0; i < 3; i++) await work(boss, 'q', async job => {
           await sleep(20)
           await boss.send('next', { n: job.data.n })
         })
         await work(boss, 'next', async job => inSpan('end ' + job.data.n, async () => { if (--left === 0) resolve() }))
         await Promise.all([1, 2, 3, 4, 5, 6].map(n => inSpan('request ' + n, () => boss.send('q', { n }))))
         await promise
         await stopped(boss)`,
        { ...way, spans: 36 },
      )
      for (const n of [1, 2, 3, 4, 5, 6]) {
        const { traceId } = one(spans, `request ${n}`)
        const own = spans.filter(span => span.traceId === traceId)
        assertTree(own, [
          caller(
            `request ${n}`,
            sent('send q', processed('process q', sent('send next', processed('process next', caller(`end ${n}`))))),
          ),
        ])
      }
    })

    test('a schedule, maintenance and monitoring: only what the application does is told', async () => {
      const often = way.version === '10' ? 'cronMonitorIntervalSeconds: 1, schedule: true, supervise: true' : ''
      const { spans, said } = await run(
        `const first = await started()
         await queues(first, 'q')
         await untraced(() => first.schedule('q', '* * * * *', { a: 1 }))
         await stopped(first)
         const ran = deferred()
         const monitored = deferred()
         const maintained = deferred()
         const boss = new PgBoss({
           connectionString, schema, cronWorkerIntervalSeconds: 1, maintenanceIntervalSeconds: 1, monitorStateIntervalSeconds: 1, ${often}
         })
         boss.on('error', error => say(['error', error.message]))
         boss.once('monitor-states', () => inSpan('monitor', () => sleep(5)).then(monitored.resolve))
         boss.once('maintenance', () => inSpan('maintenance', () => sleep(5)).then(maintained.resolve))
         await inSpan('startup', () => boss.start())
         await inSpan('subscribe', () => work(boss, 'q', async job => { say(job.data); ran.resolve() }))
         await Promise.all([ran.promise, monitored.promise, maintained.promise])
         say((await untraced(() => boss.getSchedules())).map(({ name, data }) => [name, data]))
         await stopped(boss)`,
        { ...way, spans: 5 },
      )
      assert.deepEqual(said, [true, { a: 1 }, [['q', { a: 1 }]]])
      const roots = spans.map(span => [span.name, span.parentSpanId, span.links.length])
      const expected = ['startup', 'subscribe', 'monitor', 'maintenance', 'process q'].map(name => [name, undefined, 0])
      assert.deepEqual(roots.map(String).sort(), expected.map(String).sort())
    })

    test('an application sees what it would see without us', async () => {
      const code = `
        const boss = await started()
        await queues(boss, 'q')
        class Told { constructor() { this.secret = 1 } toJSON() { return { told: 2 } } }
        class Plain { constructor() { this.a = 1 } get b() { return 2 } }
        const all = [
          undefined, null, [1, { a: 2 }], [], {}, { a: { b: [null] } }, Object.freeze({ frozen: true }),
          Object.assign(Object.create(null), { bare: 1 }), new Told(), new Plain(),
          { toPostgres: () => JSON.stringify({ asked: 3 }) },
          { _traceContext: 'mine' }, { _traceContext: { traceparent: 'mine' } }, { _traceContext: null },
          { traceparent: 'mine', $trace: 1 }, JSON.parse('{"__proto__":{"a":1}}'),
        ]
        const before = all.map(data => JSON.stringify(data))
        let stored = 0
        await inSpan('request', async () => {
          for (const data of all) {
            say(await boss.send('q', data).then(id => { stored++; return typeof id }, error => error.message))
          }
        })
        const { promise, resolve } = deferred()
        const seen = []
        const see = job => {
          seen.push(JSON.stringify(job.data) + typeof job.data)
          if (seen.length === stored) resolve()
        }
        await boss.work('q', often(v10 ? { batchSize: 100 } : { teamSize: 100 }), async given => [given].flat().forEach(see))
        await promise
        say(seen.sort())
        say(all.map(data => JSON.stringify(data)).every((text, i) => text === before[i]))
        say([await boss.send().catch(e => e.message), await boss.send('q', () => {}).catch(e => e.message)])
        say([boss.send.name, boss.send.length, boss.work.length, boss.fetch.length])
        say([boss.listenerCount('error'), boss.listenerCount('wip'), Object.keys(boss).length])
        await stopped(boss)`
      // Version 10 hands them over together.
      const withUs = await run(code, { ...way, spans: way.version === '10' ? 18 : 1 + 16 + 15 })
      const without = await run(code, { ...way, spans: 0, preload: 'none' })
      assert.deepEqual(withUs.said, without.said)
      assert.equal(withUs.said.length, 1 + 16 + 5)
      const runs = named(withUs.spans, 'process q')
      const alone = runs.filter(span => span.parentSpanId === undefined).length
      // Without: nothing, arrays, what writes itself, and keys of the application's own.
      if (way.version === '10') assert.equal(runs[0]?.links.length, 15 - 8)
      else assert.equal(alone, 8)
    })
  })
}

describe('pg-boss', AT_ONCE, () => {
  const SEND = `
    const boss = await started()
    await queues(boss, 'q')
    await inSpan('request', () => boss.send('q', { a: 1 }))
    await stopped(boss)`
  const WORK = `
    const boss = await started()
    const { promise, resolve } = deferred()
    await work(boss, 'q', async job => { say(job.data); resolve() })
    await promise
    await stopped(boss)`

  /** Two applications that share a schema. */
  async function apart(sender: Partial<Run>, worker: Partial<Run>, version: Version = '10') {
    const schema = uniqueName('boss')
    try {
      const first = await run(SEND, { spans: 2, schema, version, ...sender })
      const second = await run(WORK, { spans: 1, schema, version, ...worker })
      return { first, second, spans: [...first.spans, ...second.spans] }
    } finally {
      await drop(schema)
    }
  }

  test('a trace crosses from process to process', async () => {
    for (const version of ['10', '9'] as const) {
      const { spans, second } = await apart({ type: 'cjs' }, { type: 'esm' }, version)
      assert.deepEqual(second.said, [true, { a: 1 }])
      assertTree(spans, [caller('request', sent('send q', processed('process q')))])
    }
  })

  test('a worker without us sees the key, and works', async () => {
    const { second } = await apart({}, { preload: 'none', spans: 0 })
    const [, data] = second.said
    assert.deepEqual(Object.keys(data), ['a', '_traceContext'])
  })

  test('without the option, nothing is added to data', async () => {
    const { second, spans } = await apart({ env: { TRACE_PG_BOSS_PROPAGATE: 'false' } }, { preload: 'none', spans: 0 })
    assert.deepEqual(second.said, [true, { a: 1 }])
    assert.equal(one(spans, 'send q').kind, 'producer')
  })

  test('jobs of a sender without us begin traces', async () => {
    const { spans } = await apart({ preload: 'none', spans: 0 }, {})
    assert.equal(one(spans, 'process q').parentSpanId, undefined)
  })

  test('old jobs are linked; the user may choose', async () => {
    const old = await apart({}, { env: { TRACE_ASYNC_MAX_AGE_MS: '1' } })
    assertLinked(one(old.spans, 'process q'), [one(old.spans, 'send q')])
    const forced = await apart({}, { env: { TRACE_ASYNC_MAX_AGE_MS: '1', TRACE_ASYNC: 'parent' } })
    oneTrace(forced.spans)
  })

  test('a trace that is not sampled stays so on its way', async () => {
    const { spans, second } = await apart({ spans: 0, env: { OTEL_TRACES_SAMPLER: 'always_off' } }, { spans: 0 })
    assert.deepEqual(second.said, [true, { a: 1 }])
    assert.deepEqual(spans, [])
  })

  test('a job that failed for good is processed from the dead letter queue, in its trace', async () => {
    const { spans, said } = await run(
      `const boss = await started()
       await queues(boss, 'dead', 'q')
       const { promise, resolve } = deferred()
       await work(boss, 'q', async () => { throw new Error('broken') })
       await work(boss, 'dead', async job => { say(job.data); resolve() })
       await inSpan('request', () => boss.send('q', { a: 1 }, { retryLimit: 0, deadLetter: 'dead' }))
       await promise
       await stopped(boss)`,
      { spans: 4 },
    )
    assert.deepEqual(said, [true, { a: 1 }])
    assertTree(spans, [caller('request', sent('send q', failed(processed('process q')), processed('process dead')))])
  })

  test('version 9: the completion of a job is told in its trace', async () => {
    const { spans, said } = await run(
      `const boss = await started()
       const { promise, resolve } = deferred()
       await work(boss, 'q', async () => {})
       await boss.onComplete('q', often(), async job => { say(job.data.request.data); resolve() })
       await inSpan('request', () => boss.send('q', { a: 1 }, { onComplete: true }))
       await promise
       await stopped(boss)`,
      { version: '9', spans: 4 },
    )
    assert.deepEqual(said, [true, { a: 1 }])
    oneTrace(spans)
    assert.equal(one(spans, 'process __state__completed__q').parentSpanId, one(spans, 'send q').spanId)
  })

  test('version 9: a worker of many queues', async () => {
    const { spans } = await run(
      `const boss = await started()
       const { promise, resolve } = deferred()
       await untraced(async () => { for (const name of ['q1', 'q2']) await boss.send(name, {}) })
       await boss.work('q*', often({ batchSize: 5 }), async jobs => { if (jobs.length === 2) resolve() })
       await promise
       await boss.offWork('q*')
       await boss.work('q*', often({ teamSize: 5, teamRefill: true }), async job => {})
       const id = await inSpan('request', () => boss.send('q3', {}))
       await until(async () => (await stored(boss, 'q3', id)).state === 'completed')
       await stopped(boss)`,
      { version: '9', spans: 4 },
    )
    assert.equal(one(spans, 'process q*').attributes['messaging.batch.message_count'], 2)
    assert.equal(one(spans, 'process q3').parentSpanId, one(spans, 'send q3').spanId)
  })

  test("a database of the application's own: hidden where pg-boss uses it, and free to send in a transaction", async () => {
    const { spans, said } = await run(
      `const pool = new pg.Pool({ connectionString })
       const db = { executeSql: (text, values) => pool.query(text, values) }
       const boss = await inSpan('startup', () => started({ db }))
       await queues(boss, 'q')
       const { promise, resolve } = deferred()
       await work(boss, 'q', async job => { say(job.data); resolve() })
       await inSpan('request', async () => {
         const client = await pool.connect()
         await client.query('BEGIN')
         await boss.send('q', { n: 1 }, { db: { executeSql: (text, values) => client.query(text, values) } })
         await client.query('ROLLBACK')
         client.release()
         await boss.send('q', { n: 2 }, { db })
       })
       await promise
       await sleep(600)
       await stopped(boss)
       await pool.end()`,
      { spans: 7 },
    )
    assert.deepEqual(said, [true, { n: 2 }])
    assertTree(spans, [
      caller('startup'),
      caller(
        'request',
        { name: 'BEGIN', kind: 'client' },
        sent('send q'),
        { name: 'ROLLBACK', kind: 'client' },
        sent('send q', processed('process q')),
      ),
    ])
  })

  test('a job that was running when pg-boss stopped has failed', async () => {
    const { spans } = await run(
      `const boss = await started()
       await queues(boss, 'q')
       const { promise, resolve } = deferred()
       await work(boss, 'q', () => { resolve(); return new Promise(() => {}) })
       // What waits for the handler keeps the process alive until then.
       await inSpan('request', () => boss.send('q', {}, { expireInSeconds: 2 }))
       await promise
       await boss.stop({ graceful: false })`,
      { spans: 3 },
    )
    assertTree(spans, [caller('request', sent('send q', failed(processed('process q'))))])
    assert.deepEqual(messages(one(spans, 'process q')), ['pg-boss shut down while active'])
  })

  test('a handler that throws at once', async () => {
    const { spans } = await run(
      `const boss = await started()
       await queues(boss, 'q')
       let attempts = 0
       await work(boss, 'q', () => { if (++attempts === 1) throw new RangeError('at once') })
       const id = await inSpan('request', () => boss.send('q', {}))
       await until(async () => (await stored(boss, 'q', id)).state === 'completed')
       await stopped(boss)`,
      { spans: 4 },
    )
    assertTree(spans, [caller('request', sent('send q', failed(processed('process q')), processed('process q')))])
    assert.deepEqual(named(spans, 'process q').flatMap(messages), ['at once'])
  })

  test('jobs of a batch may fail one by one', async () => {
    const { spans } = await run(
      `const boss = await started()
       await queues(boss, 'q')
       await untraced(() => boss.insert([{ name: 'q', data: {} }, { name: 'q', data: {} }]))
       const { promise, resolve } = deferred()
       await boss.work('q', often({ batchSize: 5 }), async jobs => {
         await boss.fail('q', jobs[0].id, new Error('one'))
         await inSpan('work', () => sleep(5))
         resolve()
       })
       await promise
       await stopped(boss)`,
      { spans: 3 },
    )
    assertTree(spans, [processed('process q', { name: 'fail q', kind: 'client' }, caller('work'))])
  })
})
