/** bull against a Redis, in applications of their own. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { writeApp } from '../helpers/child.js'
import { redis } from '../helpers/services.js'
import { assertTree, type ExpectedSpan, oneTrace } from '../helpers/spans.js'
import { applications, assertLinked, one } from './bull/app.js'

const { run, server } = applications(redis())
const library = 'bull'

for (const type of ['cjs', 'esm'] as const) {
  const way = { type, library } as const

  describe(`bull in ${type}`, { concurrency: 3 }, () => {
    test('a job is one trace, whoever set up its handler and whatever was processed before', async () => {
      const { spans, queue, said } = await run(
        `const queue = newQueue()
        const done = times(queue, 'completed', 3)
        queue.on('completed', (job, result) => say(['completed', result, activeName()]))
        await queue.pause()
        await inSpan('boot', async () => {
          queue.process('greet', async function (job) {
            say([this === queue, arguments.length, job.name, job.data, activeName() === 'process ' + name, activeTrace()])
            await inSpan('work', () => sleep(5))
            return { own: job.id }
          })
          queue.process((job, done) => {
            say([job.name, job.data, activeTrace()])
            setTimeout(() => { trace.getTracer('app').startSpan('late').end(); done(null, 'called back') }, 5)
          })
        })
        const options = Object.freeze({ jobId: 'one', lifo: false })
        await inSpan('first', async () => {
          const job = await queue.add('greet', { to: 'you' }, options)
          say([job.constructor.name, job.id, job.opts.lifo, activeName(), activeTrace()])
        })
        await inSpan('second', async () => say([(await queue.add('greet', 2)).id, activeTrace()]))
        await inSpan('third', async () => say([(await queue.add({ unnamed: true }, { attempts: 2 })).opts.attempts, activeTrace()]))
        await queue.resume()
        await done
        say(options)`,
        { ...way, spans: 13 },
      )
      const [first, second, third] = ['first', 'second', 'third'].map(name => one(spans, name).traceId)
      const processing = `process ${queue}`
      assert.deepEqual(said.slice(0, 3), [
        ['Job', 'one', false, 'first', first],
        ['2', second],
        [2, third],
      ])
      assert.deepEqual(
        new Set(said.slice(3, -1).map(value => JSON.stringify(value))),
        new Set(
          [
            [true, 1, 'greet', { to: 'you' }, true, first],
            ['completed', { own: 'one' }, processing],
            [true, 1, 'greet', 2, true, second],
            ['completed', { own: '2' }, processing],
            ['__default__', { unnamed: true }, third],
            ['completed', 'called back', processing],
          ].map(value => JSON.stringify(value)),
        ),
      )
      assert.deepEqual(said.at(-1), { jobId: 'one', lifo: false })
      const tree = (name: string, id: string, job: string, work: string): ExpectedSpan => {
        const attributes = {
          'messaging.system': 'bull',
          'messaging.destination.name': queue,
          'messaging.message.id': id,
          'messaging.bull.job.name': job,
          ...server,
        }
        const operation = (operation: string, type: string) => ({
          'messaging.operation.name': operation,
          'messaging.operation.type': type,
        })
        const process: ExpectedSpan = {
          name: processing,
          kind: 'consumer',
          attributes: { ...attributes, ...operation('process', 'process'), 'messaging.bull.job.attempt': 1 },
          children: [{ name: work, kind: 'internal' }],
        }
        const add: ExpectedSpan = {
          name: `add ${queue}`,
          kind: 'producer',
          attributes: { ...attributes, ...operation('add', 'send') },
          children: [process],
        }
        return { name, kind: 'internal', children: [add] }
      }
      assertTree(spans, [
        { name: 'boot', kind: 'internal' },
        tree('first', 'one', 'greet', 'work'),
        tree('second', '2', 'greet', 'work'),
        tree('third', '3', '__default__', 'late'),
      ])
      for (const traceId of [first, second, third]) oneTrace(spans.filter(span => span.traceId === traceId))
    })

    test('jobs that are added at once each have a branch of their own', async () => {
      const { spans, queue, said } = await run(
        `const queue = newQueue()
        const twice = Object.freeze({ name: 'b', data: 2, opts: Object.freeze({ lifo: false }) })
        await inSpan('request', async () => {
          const jobs = await queue.addBulk(Object.freeze([{ data: 1 }, twice, twice]))
          say(jobs.map(job => [job.name, job.data, job.id]))
        })
        queue.process('*', async job => say([job.id, job.data, activeTrace()]))
        await times(queue, 'completed', 3)`,
        { ...way, spans: 8 },
      )
      const { traceId } = one(spans, 'request')
      assert.deepEqual(said[0], [
        ['__default__', 1, '1'],
        ['b', 2, '2'],
        ['b', 2, '3'],
      ])
      assert.deepEqual(said.slice(1).sort(), [
        ['1', 1, traceId],
        ['2', 2, traceId],
        ['3', 2, traceId],
      ])
      oneTrace(spans)
      const create = (id: string, name: string | undefined): ExpectedSpan => ({
        name: `create ${queue}`,
        kind: 'producer',
        attributes: { 'messaging.message.id': id, 'messaging.bull.job.name': name, ...server },
        children: [{ name: `process ${queue}`, kind: 'consumer', attributes: { 'messaging.message.id': id } }],
      })
      const bulk: ExpectedSpan = {
        name: `addBulk ${queue}`,
        kind: 'client',
        attributes: { 'messaging.batch.message_count': 3, 'messaging.operation.type': 'send', ...server },
      }
      const children = [create('1', undefined), create('2', 'b'), create('3', 'b'), bulk]
      assertTree(spans, [{ name: 'request', kind: 'internal', children }])
      assert.equal(one(spans, `addBulk ${queue}`).links.length, 3)
    })

    test('each attempt is a span, with the error that it failed with', async () => {
      const { spans, queue, said } = await run(
        `const queue = newQueue()
        class TooBad extends Error {}
        await inSpan('request', async () => {
          await queue.add('throws', 1, { attempts: 2, backoff: 10 })
          await queue.add('calls', 2)
          await queue.add('hangs', 3, { timeout: 20 })
          await queue.add('unknown', 4)
        })
        const failed = times(queue, 'failed', 4)
        const completed = times(queue, 'completed', 1)
        queue.on('failed', (job, error) => say([job.data, job.attemptsMade, error.constructor.name, error.message, activeName()]))
        const { promise, resolve } = deferred()
        queue.process('throws', async job => { if (job.attemptsMade === 0) throw new TooBad('again') })
        queue.process('calls', (job, done) => done(new TooBad('called')))
        queue.process('hangs', () => promise)
        await Promise.all([failed, completed])
        resolve()`,
        { ...way, spans: 10 },
      )
      const processing = `process ${queue}`
      assert.deepEqual(
        said.sort((a, b) => a[0] - b[0]),
        [
          [1, 1, 'TooBad', 'again', processing],
          [2, 1, 'TooBad', 'called', processing],
          [3, 1, 'TimeoutError', 'Promise timed out after 20 milliseconds', processing],
          [4, 1, 'Error', 'Missing process handler for job type unknown', processing],
        ],
      )
      oneTrace(spans)
      const attempt = (number: number, error?: string): ExpectedSpan => ({
        name: processing,
        kind: 'consumer',
        status: error === undefined ? 'unset' : 'error',
        attributes: { 'messaging.bull.job.attempt': number, 'error.type': error },
      })
      const add = (...children: ExpectedSpan[]): ExpectedSpan => ({ name: `add ${queue}`, kind: 'producer', children })
      const children = [
        add(attempt(1, 'TooBad'), attempt(2)),
        add(attempt(1, 'TooBad')),
        add(attempt(1, 'TimeoutError')),
        add(attempt(1, 'Error')),
      ]
      assertTree(spans, [{ name: 'request', kind: 'internal', children }])
      for (const span of spans) assert.equal(span.events.length, span.status === 'error' ? 1 : 0)
    })

    test('each run of a schedule is a trace of its own', async () => {
      const { spans, queue, said } = await run(
        `const queue = newQueue()
        await inSpan('boot', async () => {
          const job = await queue.add('tick', 1, { repeat: { every: 100, limit: 2 } })
          say([job.name, job.data])
        })
        queue.process('tick', async job => { await inSpan('work', async () => {}); say([job.name, job.data]) })
        await times(queue, 'completed', 2)`,
        { ...way, spans: 6 },
      )
      assert.deepEqual(said, [
        ['tick', 1],
        ['tick', 1],
        ['tick', 1],
      ])
      const added = one(spans, `add ${queue}`)
      assert.equal(added.parentSpanId, one(spans, 'boot').spanId)
      const runs = spans.filter(span => span.name === `process ${queue}`)
      assert.equal(runs.length, 2)
      for (const span of runs) {
        assertLinked(span, added)
        const children = spans.filter(({ parentSpanId }) => parentSpanId === span.spanId)
        assert.deepEqual(
          children.map(({ name }) => name),
          ['work'],
        )
      }
      assert.notEqual(runs[0]?.traceId, runs[1]?.traceId)
    })

    test('a sandbox goes on with the trace', async () => {
      const processor = writeApp(`
        const { trace } = require('@opentelemetry/api')
        module.exports = async job => {
          console.log(JSON.stringify([job.data, 'traceHeaders' in job, trace.getActiveSpan()?.name, trace.getActiveSpan()?.spanContext().traceId]))
          trace.getTracer('app').startSpan('inside').end()
          if (job.data === 'fails') throw new TypeError('from inside')
          await job.progress(50)
          await job.log('line')
          return job.data
        }`)
      const { spans, queue, said } = await run(
        `const queue = newQueue()
        await inSpan('first', () => queue.add('works'))
        await inSpan('second', () => queue.add('job', 'fails'))
        await inSpan('third', () => queue.add('job', 'works again'))
        const done = Promise.all([times(queue, 'completed', 2), times(queue, 'failed', 1)])
        queue.on('failed', (job, error) => say(error.message))
        queue.on('completed', (job, result) => say(result))
        queue.on('progress', (job, progress) => say([progress, activeTrace() ?? null]))
        queue.process('*', process.env.PROCESSOR)
        await done
        await seen()`,
        { ...way, spans: 15, env: { PROCESSOR: processor } },
      )
      const trace = (name: string): string => one(spans, name).traceId
      const sandbox = `sandbox ${queue}`
      assert.deepEqual(said, [
        [{}, false, sandbox, trace('first')],
        [50, null],
        {},
        ['fails', false, sandbox, trace('second')],
        'from inside',
        ['works again', false, sandbox, trace('third')],
        // What is heard of a sandbox is not told in the name of the job that started it.
        [50, null],
        'works again',
      ])
      const tree = (name: string, job: string, status: 'unset' | 'error' = 'unset'): ExpectedSpan => {
        const inside: ExpectedSpan = {
          name: sandbox,
          kind: 'internal',
          status,
          attributes: { 'messaging.bull.job.name': job, 'messaging.message.id': /^\d$/ },
          children: [{ name: 'inside', kind: 'internal' }],
        }
        const process: ExpectedSpan = { name: `process ${queue}`, kind: 'consumer', status, children: [inside] }
        return { name, kind: 'internal', children: [{ name: `add ${queue}`, kind: 'producer', children: [process] }] }
      }
      assertTree(spans, [tree('first', 'works'), tree('second', 'job', 'error'), tree('third', 'job')])
      assert.equal(new Set(spans.map(span => span.resource['process.pid'])).size, 2)
    })
  })
}

describe('bull', { concurrency: 3 }, () => {
  const way = { type: 'cjs', library } as const

  test('a job that was added long ago begins a trace of its own', async () => {
    const { spans, queue } = await run(
      `const queue = newQueue()
      await inSpan('request', async () => {
        await queue.add('job', 1, { timestamp: Date.now() - 2 * 3600_000 })
        await queue.add('job', 2, { delay: 50 })
      })
      queue.process('job', async job => { await inSpan('job ' + job.data, async () => {}) })
      await times(queue, 'completed', 2)`,
      { ...way, spans: 7 },
    )
    const [old, delayed] = spans.filter(span => span.name === `add ${queue}`)
    const processOf = (name: string) => spans.find(({ spanId }) => spanId === one(spans, name).parentSpanId)
    assertLinked(processOf('job 1'), old as never)
    assert.equal(processOf('job 2')?.parentSpanId, delayed?.spanId)
  })

  test('what the application has put where the trace stands is left', async () => {
    const { spans, queue, said } = await run(
      `const queue = newQueue()
      const quiet = newQueue({ defaultJobOptions: { telemetry: { omitContext: true } } })
      const read = async job => say((await queue.getJob(job.id)).opts.telemetry)
      await queue.pause()
      await inSpan('request', async () => {
        await read(await queue.add('job', 1, { telemetry: Object.freeze({ metadata: 'no JSON {' }) }))
        await read(await quiet.add('job', 2))
        const [job] = await queue.addBulk([{ name: 'job', data: 3, opts: { telemetry: { metadata: '{"own":1}' } } }])
        say(Object.keys(JSON.parse((await queue.getJob(job.id)).opts.telemetry.metadata)))
      })
      await queue.resume()
      queue.process('job', async () => {})
      await times(queue, 'completed', 3)`,
      { ...way, spans: 8 },
    )
    assert.deepEqual(said, [{ metadata: 'no JSON {' }, { omitContext: true }, ['own', 'traceparent']])
    const parents = spans.filter(span => span.name === `process ${queue}`).map(span => span.parentSpanId)
    assert.deepEqual(parents, [undefined, undefined, one(spans, `create ${queue}`).spanId])
  })

  test('arguments that are wrong fail as they do without us, and more than ten of them change nothing', async () => {
    const body = `
      const queue = newQueue()
      const circular = {}
      circular.self = circular
      const attempts = [
        () => queue.add('job', circular),
        () => queue.add('job', 1, null).then(job => job.name),
        () => queue.add('job', 1, 7).then(job => job.name),
        () => queue.add().then(job => [job.name, job.data]),
        () => queue.add(null).then(job => [job.name, job.data]),
        () => queue.addBulk(),
        () => queue.addBulk([null]),
        () => queue.addBulk([7]).then(jobs => jobs.length),
        () => queue.addBulk([]),
        () => queue.process('job'),
        () => queue.process(1.5, 'no-such-file'),
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
      for (const method of ['add', 'addBulk', 'run', 'processJob', 'emit', 'getNextJob', '_initProcess']) {
        const { value, ...rest } = Object.getOwnPropertyDescriptor(Bull.prototype, method) ?? {}
        say([Bull.prototype[method].name, Bull.prototype[method].length, Object.keys(Bull.prototype[method]), method === 'emit' || rest])
      }
      say(queue.eventNames())
      await queue.empty()
      await inSpan('request', () => queue.add('last', 1))`
    const plain = await run(body, { ...way, preload: 'none', spans: 0 })
    const { spans, said } = await run(body, way)
    assert.ok(said.length > 100)
    assert.deepEqual(said, plain.said)
    assert.equal(spans.filter(span => span.parentSpanId === one(spans, 'request').spanId).length, 1)
  })

  test('a queue that is closed by force ends what it gives up', async () => {
    const { spans, queue, said } = await run(
      `const queue = newQueue()
      await inSpan('request', () => queue.add('job', 1))
      const { promise, resolve } = deferred()
      queue.process('job', async () => { resolve(); await new Promise(() => {}) })
      queue.on('close', () => say('closed'))
      await promise
      await queue.close(true)
      say('ends')
      process.exit()`,
      { ...way, spans: 3 },
    )
    assert.deepEqual(said, ['closed', 'ends'])
    oneTrace(spans)
    const given = one(spans, `process ${queue}`)
    assert.equal(given.status, 'error')
    assert.equal(given.attributes['error.type'], 'worker_closed')
  })

  test('a queue that closes with grace tells of the job that it finishes', async () => {
    const { spans, queue, said } = await run(
      `const queue = newQueue()
      await inSpan('request', () => queue.add('job', 1))
      const { promise, resolve } = deferred()
      queue.process('job', async () => { resolve(); await sleep(100); say('done') })
      await promise
      await queue.close()
      say('closed')`,
      { ...way, spans: 3 },
    )
    assert.deepEqual(said, ['done', 'closed'])
    oneTrace(spans)
    assert.equal(one(spans, `process ${queue}`).status, 'unset')
  })

  test('a job that stalls is told of by each worker that had it', async () => {
    const { spans, queue, said } = await run(
      `const settings = { lockDuration: 50, lockRenewTime: 100_000, stalledInterval: 100, maxStalledCount: 5 }
      const first = newQueue({ settings })
      await inSpan('request', () => first.add('job', 1))
      const slow = deferred()
      const started = deferred()
      first.process('job', async () => { started.resolve(); await slow.promise })
      await started.promise
      const second = newQueue({ settings: { ...settings, lockDuration: 10_000 } })
      for (const queue of [first, second]) queue.on('stalled', () => say('stalled'))
      second.process('job', async () => {})
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
    assert.match(first?.statusMessage ?? '', /lock|not found|Missing/i)
    assert.equal(second?.status, 'unset')
  })

  test('a job that the application takes by itself is received', async () => {
    const { spans, queue, said } = await run(
      `const queue = newQueue()
      await inSpan('request', () => queue.add('job', 1))
      await inSpan('takes', async () => {
        const job = await queue.getNextJob()
        say([job.data, activeName()])
        await job.moveToFailed(new Error('no'), true)
      })
      await queue.add('job', 2)
      const job = await queue.getNextJob()
      await job.moveToCompleted(1, true, true)
      say(await queue.processJob(undefined) ?? null)`,
      { ...way, spans: 5 },
    )
    assert.deepEqual(said, [[1, 'takes'], null])
    const received = one(spans, `receive ${queue}`)
    assert.equal(received.kind, 'client')
    assert.equal(received.status, 'unset')
    assert.equal(received.parentSpanId, one(spans, 'takes').spanId)
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
      for (const job of await queue.getJobs(['wait'])) say(JSON.parse(job.opts.telemetry.metadata).traceparent.slice(-2))
      await context.with(suppressTracing(context.active()), () => queue.add('job', 3))
      const results = []
      queue.on('completed', (job, result) => results.push(result))
      queue.process('job', process.env.PROCESSOR)
      await times(queue, 'completed', 3)
      say(results.sort())`,
      { ...way, spans: 0, env: { OTEL_TRACES_SAMPLER: 'always_off', PROCESSOR: processor } },
    )
    assert.deepEqual(said, ['02', '02', [1, 2, 3].map(data => [data, false])])
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
      const queue = newQueue({ settings: { stalledInterval: 50, guardInterval: 50, drainDelay: 1 } })
      await inSpan('boot', async () => void queue.process('job', async () => {}))
      const completed = times(queue, 'completed', 1)
      await inSpan('request', () => queue.add('job', 1))
      await completed
      while (scripts < 20) await sleep(20)`,
      way,
    )
    const { spanId } = one(spans, 'boot')
    const roots = spans.filter(span => [undefined, spanId].includes(span.parentSpanId)).map(span => span.name)
    assert.ok(!roots.includes('redis evalsha'), roots.join())
    const added = spans.filter(span => span.parentSpanId === one(spans, `add ${queue}`).spanId)
    assert.ok(added.some(span => span.scope.name === 'redis'))
  })
})
