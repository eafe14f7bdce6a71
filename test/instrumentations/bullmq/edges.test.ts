/** What bullmq does at its edges: other tracers, wrong arguments, workers that are closed, jobs that stall. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import pg from 'pg'
import { writeApp } from '../../helpers/child.js'
import { postgres, redis, uniqueName } from '../../helpers/services.js'
import { assertTree, oneTrace } from '../../helpers/spans.js'
import { applications, assertLinked, majorOf, one } from '../bull/app.js'

const { run } = applications(redis())

/** What does not depend on how the library was loaded. */
const EACH = [
  { type: 'esm', library: 'bullmq' },
  { type: 'cjs', library: 'bullmq-4' },
] as const

for (const way of EACH) {
  describe(`${way.library} in ${way.type}`, { concurrency: 3 }, () => {
    test('a job that was added long ago begins a trace of its own', async () => {
      const { spans, queue } = await run(
        `const queue = newQueue()
        await inSpan('request', async () => {
          await queue.add('job', 1, { timestamp: Date.now() - 2 * 3600_000 })
          await queue.add('job', 2, { delay: 50 })
        })
        await times(newWorker(async job => { await inSpan('job ' + job.data, async () => {}) }), 'completed', 2)`,
        { ...way, spans: 7 },
      )
      const [old, delayed] = spans.filter(span => span.name === `add ${queue}`)
      const processOf = (name: string) => spans.find(({ spanId }) => spanId === one(spans, name).parentSpanId)
      assertLinked(processOf('job 1'), old as never)
      assert.equal(processOf('job 2')?.parentSpanId, delayed?.spanId)
    })

    test('what the application has put where the trace stands is left, and what others have put there is read', async () => {
      const other = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01'
      const { spans, queue, said } = await run(
        `const queue = newQueue()
        const quiet = keep(new Queue(name, { connection, prefix, defaultJobOptions: { telemetry: { omitContext: true } } }))
        const read = async job => { const stored = await queue.getJob(job.id); say(stored.opts.telemetry) }
        await queue.pause()
        await inSpan('request', async () => {
          for (const metadata of ['no JSON {', 'null', '7', '{"traceparent":"rubbish","tracestate":["=",""]}', JSON.stringify({ traceparent: '${other}' })]) {
            await read(await queue.add('job', 1, { telemetry: Object.freeze({ metadata }) }))
          }
          await read(await queue.add('job', 2, { telemetry: { omitContext: true } }))
          await read(await quiet.add('job', 3))
          const [job] = await queue.addBulk([{ name: 'job', data: 4, opts: { telemetry: { metadata: '{"own":1}' } } }])
          const { metadata } = (await queue.getJob(job.id)).opts.telemetry
          say(Object.keys(JSON.parse(metadata)))
          say(JSON.parse(metadata).traceparent.slice(3, 35) === activeTrace())
        })
        await queue.resume()
        await times(newWorker(async () => {}), 'completed', 8)`,
        { ...way, spans: 18 },
      )
      assert.deepEqual(said, [
        { metadata: 'no JSON {' },
        { metadata: 'null' },
        { metadata: '7' },
        { metadata: '{"traceparent":"rubbish","tracestate":["=",""]}' },
        { metadata: JSON.stringify({ traceparent: other }) },
        { omitContext: true },
        { omitContext: true },
        ['own', 'traceparent'],
        true,
      ])
      const create = one(spans, `create ${queue}`)
      const parents = spans.filter(span => span.name === `process ${queue}`).map(span => span.parentSpanId)
      const none = undefined
      assert.deepEqual(parents, [none, none, none, none, 'b7ad6b7169203331', none, none, create.spanId])
    })

    test('arguments that are wrong fail as they do without us, and more than ten of them change nothing', async () => {
      const body = `
        const queue = newQueue()
        const flows = keep(new FlowProducer({ connection, prefix }))
        const circular = {}
        circular.self = circular
        const attempts = [
          () => queue.add('job', circular),
          () => queue.add('job', 1, { jobId: '0' }),
          () => queue.add('job', 1, null).then(job => job.name),
          () => queue.add().then(job => [job.name, job.data]),
          () => queue.addBulk(),
          () => queue.addBulk(7),
          () => queue.addBulk([null]),
          () => queue.addBulk([7]).then(jobs => jobs.length),
          () => queue.addBulk([{ name: 'a', data: circular }]),
          () => flows.add(),
          () => flows.add(null),
          () => flows.add({ name: 'x', queueName: name, children: [null] }),
          () => flows.add({ name: 'x', queueName: name, children: 7 }).then(({ job, children }) => [job.name, children]),
          () => flows.addBulk(null),
          () => queue.upsertJobScheduler?.('id', {}),
        ]
        for (const attempt of attempts) {
          for (let i = 0; i < 11; i++) {
            let result
            try {
              result = attempt()
              say([result?.constructor.name, await result])
            } catch (error) {
              say([result?.constructor.name, error.constructor.name, error.message, error.stack.split('\\n')[1]?.trim().split(' ').slice(0, 2)])
            }
          }
        }
        for (const [type, methods] of [[Queue, ['add', 'addBulk']], [Worker, ['run', 'processJob', 'emit', 'callProcessJob', 'getNextJob']], [FlowProducer, ['add', 'addBulk']], [lib.Job, ['moveToFailed', 'asJSONSandbox']]]) {
          for (const method of methods) {
            const { value, ...rest } = Object.getOwnPropertyDescriptor(type.prototype, method)
            say([value.name, value.length, Object.keys(value), rest])
          }
        }
        say(queue.eventNames())
        await queue.obliterate({ force: true })
        await inSpan('request', () => queue.add('last', 1))`
      const plain = await run(body, { ...way, preload: 'none', spans: 0 })
      const { spans, said } = await run(body, way)
      assert.ok(said.length > 100)
      assert.deepEqual(said, plain.said)
      assert.equal(spans.filter(span => span.parentSpanId === one(spans, 'request').spanId).length, 1)
    })

    test('an application that has BullMQ tell of its jobs is not told of twice', async () => {
      const isOld = majorOf(way.library) < 5
      const { spans, queue } = await run(
        `const { propagation, SpanStatusCode } = ${way.type === 'esm' ? "await import('@opentelemetry/api')" : "require('@opentelemetry/api')"}
        const kinds = [0, 1, 2, 3, 4]
        const tracer = trace.getTracer('bullmq-otel')
        const wrapped = span => ({
          setSpanOnContext: ctx => trace.setSpan(ctx, span),
          setAttribute: () => {},
          setAttributes: () => {},
          addEvent: () => {},
          recordException: error => span.recordException(error),
          spanContext: () => span.spanContext(),
          end: () => span.end(),
        })
        const telemetry = {
          tracer: { startSpan: (name, options, ctx) => wrapped(tracer.startSpan('theirs ' + name.split(' ')[0], { kind: kinds[options?.kind ?? 0] }, ctx)) },
          contextManager: {
            with: (ctx, fn) => context.with(ctx, fn),
            active: () => context.active(),
            getMetadata: ctx => { const carrier = {}; propagation.inject(ctx, carrier); return JSON.stringify(carrier) },
            fromMetadata: (active, metadata) => propagation.extract(active, JSON.parse(metadata)),
          },
        }
        const queue = newQueue({ telemetry })
        const flows = keep(new FlowProducer({ connection, prefix, telemetry }))
        await inSpan('request', async () => {
          await queue.add('job', 1)
          await queue.addBulk([{ name: 'job', data: 2 }])
          await flows.add({ name: 'job', queueName: name })
          await flows.addBulk([{ name: 'job', queueName: name }])
          ${isOld ? '' : "await queue.upsertJobScheduler('id', { every: 100, limit: 1 })"}
        })
        const worker = newWorker(async () => { await inSpan('work', async () => {}) }, { telemetry })
        await times(worker, 'completed', ${isOld ? 4 : 5})`,
        way,
      )
      assert.deepEqual(
        spans.filter(span => span.scope.name.startsWith('@org/')).map(span => span.name),
        [],
      )
      const theirs = spans.filter(span => span.scope.name === 'bullmq-otel')
      if (!isOld) assert.ok(theirs.length > 10)
      else assert.equal(theirs.length, 0)
      assert.equal(spans.filter(span => span.name === 'work').length, isOld ? 4 : 5)
      assert.ok(queue)
    })

    test('the other side may be theirs', async () => {
      const { spans, queue } = await run(
        `const metadata = await inSpan('theirs', async span => {
          const { traceId, spanId } = span.spanContext()
          return JSON.stringify({ traceparent: '00-' + traceId + '-' + spanId + '-01' })
        })
        const queue = newQueue({ telemetry: undefined })
        const job = await context.with(suppressTracing(context.active()), () => queue.add('job', 1, { telemetry: { metadata } }))
        await times(newWorker(async () => {}), 'completed', 1)`,
        { ...way, spans: 2 },
      )
      assertTree(spans, [
        { name: 'theirs', kind: 'internal', children: [{ name: `process ${queue}`, kind: 'consumer' }] },
      ])
    })

    test('a worker that is closed by force ends what it gives up', async () => {
      const { spans, queue, said } = await run(
        `const queue = newQueue()
        await inSpan('request', () => queue.add('job', 1))
        const { promise, resolve } = deferred()
        const worker = newWorker(async () => { resolve(); await new Promise(() => {}) })
        worker.on('closed', () => say('closed'))
        await promise
        await worker.close(true)
        await queue.close()
        say('ends')
        process.exit()`,
        { ...way, spans: 3 },
      )
      assert.deepEqual(said, ['closed', 'ends'])
      assertTree(spans, [
        {
          name: 'request',
          kind: 'internal',
          children: [
            {
              name: `add ${queue}`,
              kind: 'producer',
              children: [
                {
                  name: `process ${queue}`,
                  kind: 'consumer',
                  status: 'error',
                  attributes: { 'error.type': 'worker_closed' },
                },
              ],
            },
          ],
        },
      ])
    })

    test('a worker that closes with grace tells of the job that it finishes', async () => {
      const { spans, queue, said } = await run(
        `const queue = newQueue()
        await inSpan('request', () => queue.add('job', 1))
        const { promise, resolve } = deferred()
        const worker = newWorker(async () => { resolve(); await sleep(100); say('done') })
        await promise
        await worker.close()
        say('closed')`,
        { ...way, spans: 3 },
      )
      assert.deepEqual(said, ['done', 'closed'])
      oneTrace(spans)
      assert.equal(one(spans, `process ${queue}`).status, 'unset')
    })

    test('a job that stalls is told of by each worker that had it', async () => {
      const { spans, queue, said } = await run(
        `const queue = newQueue()
        await inSpan('request', () => queue.add('job', 1))
        const slow = deferred()
        const started = deferred()
        const first = newWorker(async () => { started.resolve(); await slow.promise }, { lockDuration: 50, skipLockRenewal: true, stalledInterval: 100 })
        first.on('error', () => {})
        first.on('failed', (job, error) => say(error.message.startsWith('Missing lock')))
        await started.promise
        await sleep(100)
        const second = newWorker(async () => {}, { stalledInterval: 100, maxStalledCount: 5 })
        for (const worker of [first, second]) worker.on('stalled', () => say('stalled'))
        await times(second, 'completed', 1)
        slow.resolve()`,
        { ...way, spans: 4 },
      )
      assert.ok(said.includes('stalled'))
      oneTrace(spans)
      const [first, second] = spans
        .filter(span => span.name === `process ${queue}`)
        .sort((a, b) => Number(a.start - b.start))
      for (const span of [first, second]) assert.equal(span?.parentSpanId, one(spans, `add ${queue}`).spanId)
      assert.equal(first?.status, 'error')
      assert.match(first?.statusMessage ?? '', /lock/)
      assert.equal(second?.status, 'unset')
    })

    test('a job that the application takes by itself is received', async () => {
      const { spans, queue, said } = await run(
        `const queue = newQueue()
        await inSpan('request', () => queue.add('job', 1))
        const worker = newWorker(undefined, { autorun: false })
        await inSpan('takes', async () => {
          const job = await worker.getNextJob('token')
          say([job.data, activeName()])
          await job.moveToFailed(new Error('no'), 'token', false)
          say(await worker.getNextJob('token', { block: false }) ?? null)
        })
        await queue.add('job', 2)
        const job = await worker.getNextJob('token', { block: false })
        say(job.data)
        // As a worker that is about to close does.
        ${
          majorOf(way.library) < 5
            ? `worker.paused = Promise.resolve()
               say(await worker.processJob(job, 'token', () => false, new Set()) ?? null)
               worker.paused = null`
            : 'say(null)'
        }
        await job.moveToCompleted(1, 'token', false)`,
        { ...way, spans: 5 },
      )
      assert.deepEqual(said, [[1, 'takes'], null, 2, null])
      const received = one(spans, `receive ${queue}`)
      assert.equal(received.kind, 'client')
      assert.equal(received.status, 'unset')
      assert.equal(received.parentSpanId, one(spans, 'takes').spanId)
      assert.equal(received.attributes['messaging.message.id'], '1')
      assert.deepEqual(
        received.links.map(link => link.traceId),
        [one(spans, 'request').traceId],
      )
    })

    test('without sampling there is no span, and nothing is lost', async () => {
      const processor = writeApp(`
        const { trace } = require('@opentelemetry/api')
        module.exports = async job => {
          trace.getTracer('app').startSpan('inside').end()
          return [job.data, 'traceHeaders' in job]
        }`)
      const { said } = await run(
        `const queue = newQueue()
        await queue.add('job', 1)
        await queue.addBulk([{ name: 'job', data: 2 }])
        await keep(new FlowProducer({ connection, prefix })).add({ name: 'job', data: 3, queueName: name })
        for (const job of await queue.getJobs()) say(JSON.parse(job.opts.telemetry.metadata).traceparent.slice(-2))
        await context.with(suppressTracing(context.active()), () => queue.add('job', 4))
        const worker = newWorker(process.env.PROCESSOR)
        const results = []
        worker.on('completed', (job, result) => results.push(result))
        await times(worker, 'completed', 4)
        say(results.sort())`,
        { ...way, spans: 0, env: { OTEL_TRACES_SAMPLER: 'always_off', PROCESSOR: processor } },
      )
      const none = [1, 2, 3, 4].map(data => [data, false])
      assert.deepEqual(said, [...['02', '02', '02'], none])
    })

    test('what the library asks of Redis by itself makes no spans', async () => {
      const { spans, queue } = await run(
        `// As an instrumentation of ioredis.
        const { sendCommand } = Redis.prototype
        let scripts = 0
        const sent = new WeakSet()
        Redis.prototype.sendCommand = function (command, ...rest) {
          // What had to wait for the connection comes twice.
          if (sent.has(command)) return sendCommand.call(this, command, ...rest)
          sent.add(command)
          if (command.name === 'evalsha') scripts++
          const span = trace.getTracer('redis').startSpan('redis ' + command.name)
          return context.with(trace.setSpan(context.active(), span), () => {
            const result = sendCommand.call(this, command, ...rest)
            span.end()
            return result
          })
        }
        const queue = newQueue()
        const worker = await inSpan('boot', () => newWorker(async () => {}, { stalledInterval: 100, drainDelay: 1 }))
        await worker.waitUntilReady()
        const completed = times(worker, 'completed', 1)
        await inSpan('request', () => queue.add('job', 1))
        await completed
        while (scripts < 20) await sleep(20)`,
        way,
      )
      const { spanId } = one(spans, 'boot')
      const roots = spans.filter(span => [undefined, spanId].includes(span.parentSpanId)).map(span => span.name)
      for (const name of ['redis evalsha', 'redis bzpopmin', 'redis brpoplpush']) assert.ok(!roots.includes(name), name)
      const added = spans.filter(span => span.parentSpanId === one(spans, `add ${queue}`).spanId)
      assert.ok(added.some(span => span.scope.name === 'redis'))
    })
  })
}

test('bullmq may keep its jobs in PostgreSQL: what it asks there by itself makes no spans', async () => {
  const schema = uniqueName('bullmq')
  const { spans, queue } = await run(
    `const { Queue: PgQueue, Worker: PgWorker, QueueEvents: PgQueueEvents } = lib.withBackend(lib.createPostgresBackend)
    const connection = { connectionString: process.env.POSTGRES_URL, schema: process.env.SCHEMA, migrate: true }
    const queue = keep(new PgQueue(name, { connection }))
    await queue.waitUntilReady()
    const events = keep(new PgQueueEvents(name, { connection }))
    await events.waitUntilReady()
    const heard = times(events, 'completed', 1)
    await inSpan('request', () => queue.add('job', 1))
    const worker = keep(new PgWorker(name, async () => {}, { connection, stalledInterval: 50 }))
    await times(worker, 'completed', 1)
    await heard
    await sleep(300)`,
    { type: 'cjs', library: 'bullmq', env: { POSTGRES_URL: postgres(), SCHEMA: schema } },
  )
  const client = new pg.Client(postgres())
  await client.connect()
  await client.query(`DROP SCHEMA ${schema} CASCADE`)
  await client.end()
  oneTrace(spans)
  const process = one(spans, `process ${queue}`)
  assert.equal(process.parentSpanId, one(spans, `add ${queue}`).spanId)
  assert.ok(spans.some(span => span.parentSpanId === process.spanId && span.scope.name === '@org/trace/pg'))
})
