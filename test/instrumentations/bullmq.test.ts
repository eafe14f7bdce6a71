/** bullmq against a Redis, in applications of their own. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { redis } from '../helpers/services.js'
import { assertTree, type ExpectedSpan, oneTrace } from '../helpers/spans.js'
import { applications, assertLinked, majorOf, one, type Run } from './bull/app.js'

const { run, server } = applications(redis())

const BOTH_WAYS = ['cjs', 'esm'] as const
const EVERY_WAY = BOTH_WAYS.flatMap(type => (['bullmq', 'bullmq-4'] as const).map(library => ({ type, library })))
/** What does not depend on how the library was loaded. */
const ONE_OF_EACH = [
  { type: 'esm', library: 'bullmq' },
  { type: 'cjs', library: 'bullmq-4' },
] as const

const named = ({ library, type }: Pick<Run, 'library' | 'type'>) => `${library} in ${type}`

for (const way of EVERY_WAY) {
  describe(named(way), { concurrency: 3 }, () => {
    test('a job is one trace, whoever started the worker and whatever was processed before', async () => {
      const { spans, queue, said } = await run(
        `const queue = newQueue()
        let worker
        await inSpan('boot', () => {
          worker = newWorker(async job => {
            say([job.name, job.data, activeName() === 'process ' + name, activeTrace()])
            await inSpan('work', () => sleep(5))
            return { own: job.id }
          }, { autorun: false })
          worker.on('completed', (job, result) => say(['completed', result, activeName()]))
          worker.run()
        })
        const done = times(worker, 'completed', 2)
        const options = Object.freeze({ jobId: 'one', keepLogs: 5 })
        await worker.pause()
        await inSpan('first', async () => {
          const job = await queue.add('greet', { to: 'you' }, options)
          say([job.constructor.name, job.id, job.opts.keepLogs, activeName(), activeTrace()])
        })
        await inSpan('second', async () => {
          const job = await queue.add('greet', 2)
          say([job.id, activeTrace()])
        })
        await worker.resume()
        await done
        say(options)`,
        { ...way, spans: 9 },
      )
      const first = one(spans, 'first').traceId
      const second = one(spans, 'second').traceId
      const processing = `process ${queue}`
      assert.deepEqual(said, [
        ['Job', 'one', 5, 'first', first],
        ['2', second],
        ['greet', { to: 'you' }, true, first],
        ['completed', { own: 'one' }, processing],
        ['greet', 2, true, second],
        ['completed', { own: '2' }, processing],
        { jobId: 'one', keepLogs: 5 },
      ])
      const trace = (name: string, id: string): ExpectedSpan => {
        const attributes = {
          'messaging.system': 'bullmq',
          'messaging.destination.name': queue,
          'messaging.message.id': id,
          'messaging.bullmq.job.name': 'greet',
          ...server,
        }
        const operation = (operation: string, type: string) => ({
          'messaging.operation.name': operation,
          'messaging.operation.type': type,
        })
        const process: ExpectedSpan = {
          name: processing,
          kind: 'consumer',
          attributes: { ...attributes, ...operation('process', 'process'), 'messaging.bullmq.job.attempt': 1 },
          children: [{ name: 'work', kind: 'internal' }],
        }
        const add: ExpectedSpan = {
          name: `add ${queue}`,
          kind: 'producer',
          attributes: { ...attributes, ...operation('add', 'send') },
          children: [process],
        }
        return { name, kind: 'internal', children: [add] }
      }
      assertTree(spans, [{ name: 'boot', kind: 'internal' }, trace('first', 'one'), trace('second', '2')])
      for (const traceId of [first, second]) oneTrace(spans.filter(span => span.traceId === traceId))
    })
  })
}

for (const way of ONE_OF_EACH) {
  describe(named(way), { concurrency: 3 }, () => {
    test('jobs that are added at once each have a branch of their own', async () => {
      const { spans, queue, said } = await run(
        `const queue = newQueue()
        const twice = Object.freeze({ name: 'b', data: 2, opts: Object.freeze({ keepLogs: 3 }) })
        await inSpan('request', async () => {
          const jobs = await queue.addBulk(Object.freeze([{ name: 'a', data: 1 }, twice, twice]))
          say(jobs.map(job => [job.name, job.data, job.id]))
          say(await queue.addBulk([]))
        })
        const worker = newWorker(async job => say([job.id, job.data, job.opts.keepLogs, activeTrace()]))
        await times(worker, 'completed', 3)`,
        { ...way, spans: 8 },
      )
      const { traceId } = one(spans, 'request')
      assert.deepEqual(said, [
        [
          ['a', 1, '1'],
          ['b', 2, '2'],
          ['b', 2, '3'],
        ],
        [],
        ['1', 1, null, traceId],
        ['2', 2, 3, traceId],
        ['3', 2, 3, traceId],
      ])
      oneTrace(spans)
      const create = (id: string, name: string): ExpectedSpan => {
        const attributes = {
          'messaging.destination.name': queue,
          'messaging.message.id': id,
          'messaging.bullmq.job.name': name,
        }
        return {
          name: `create ${queue}`,
          kind: 'producer',
          attributes: { ...attributes, 'messaging.operation.type': 'create', ...server },
          children: [{ name: `process ${queue}`, kind: 'consumer', attributes }],
        }
      }
      const bulk: ExpectedSpan = {
        name: `addBulk ${queue}`,
        kind: 'client',
        attributes: {
          'messaging.operation.name': 'addBulk',
          'messaging.operation.type': 'send',
          'messaging.batch.message_count': 3,
          'messaging.destination.name': queue,
          ...server,
        },
      }
      const children = [create('1', 'a'), create('2', 'b'), create('3', 'b'), bulk]
      assertTree(spans, [{ name: 'request', kind: 'internal', children }])
      assert.deepEqual(
        one(spans, `addBulk ${queue}`).links.map(link => link.spanId),
        spans.filter(span => span.name === `create ${queue}`).map(span => span.spanId),
      )
    })

    test('every job of a flow has a branch of its own', async () => {
      const { spans, queue, said } = await run(
        `const flows = keep(new FlowProducer({ connection, prefix }))
        const second = name + '-second'
        class Node { #queue = second; get queueName() { return this.#queue } name = 'child'; data = 1; opts = { jobId: 'child' } }
        const flow = Object.freeze({ name: 'parent', queueName: name, data: {}, opts: Object.freeze({ jobId: 'parent' }), children: Object.freeze([
          Object.freeze(new Node()),
          { name: 'other', queueName: second, prefix },
        ])})
        await inSpan('request', async () => {
          const tree = await flows.add(flow)
          say([tree.job.id, tree.children.map(({ job, children }) => [job.name, children])])
          const trees = await flows.addBulk([{ name: 'x', queueName: name }, { name: 'y', queueName: second }])
          say(trees.map(({ job }) => job.name))
          const same = await flows.addBulk([{ name: 'z', queueName: name }])
          say(same.length)
        })
        const handle = async job => {
          await inSpan(job.name, async () => {})
          return job.name === 'parent' ? Object.values(await job.getChildrenValues()).length : job.name
        }
        const children = newWorker(handle, { name: second })
        await times(children, 'completed', 3)
        const parents = newWorker(handle)
        parents.on('completed', (job, result) => job.name === 'parent' && say(result))
        await times(parents, 'completed', 3)`,
        { ...way, spans: 22 },
      )
      assert.deepEqual(said, [
        [
          'parent',
          [
            ['child', null],
            ['other', null],
          ],
        ],
        ['x', 'y'],
        1,
        2,
      ])
      oneTrace(spans)
      const request = one(spans, 'request')
      const many = spans.filter(span => span.kind === 'client')
      const { 'server.address': address, 'server.port': port } = server
      assert.deepEqual(
        many.map(span => [
          span.name,
          span.parentSpanId,
          span.attributes['messaging.batch.message_count'],
          span.links.length,
        ]),
        [
          [`add ${queue}`, request.spanId, 3, 3],
          [`addBulk ${address}:${port}`, request.spanId, 2, 2],
          [`addBulk ${queue}`, request.spanId, 1, 1],
        ],
      )
      for (const [job, of] of Object.entries({
        parent: queue,
        child: `${queue}-second`,
        other: `${queue}-second`,
        x: queue,
        y: `${queue}-second`,
        z: queue,
      })) {
        const process = spans.find(({ spanId }) => spanId === one(spans, job).parentSpanId)
        const create = spans.find(({ spanId }) => spanId === process?.parentSpanId)
        assert.equal(process?.name, `process ${of}`)
        assert.equal(create?.name, `create ${of}`)
        assert.equal(create.parentSpanId, request.spanId)
        for (const span of [process, create]) assert.equal(span.attributes['messaging.bullmq.job.name'], job)
        assert.equal(process.attributes['messaging.message.id'], create.attributes['messaging.message.id'])
      }
    })

    test('each attempt is a span, with the error that it failed with', async () => {
      const { spans, queue, said } = await run(
        `const { UnrecoverableError } = lib
        const queue = newQueue()
        class TooBad extends Error {}
        await inSpan('request', async () => {
          await queue.add('job', 1, { attempts: 3, backoff: { type: 'fixed', delay: 10 } })
          await queue.add('job', 2, { attempts: 3 })
        })
        const worker = newWorker(async job => {
          if (job.data === 2) throw new UnrecoverableError('never')
          if ((job.attemptsStarted ?? job.attemptsMade) < 3) throw new TooBad('again')
        })
        worker.on('failed', (job, error) => say([job.data, job.attemptsMade, error.constructor.name, error.message, activeName()]))
        await times(worker, 'completed', 1)`,
        { ...way, spans: 7 },
      )
      const processing = `process ${queue}`
      assert.deepEqual(
        said.sort((a, b) => a[0] - b[0]),
        [
          [1, 1, 'TooBad', 'again', processing],
          [1, 2, 'TooBad', 'again', processing],
          [2, 1, 'UnrecoverableError', 'never', processing],
        ],
      )
      oneTrace(spans)
      const attempt = (number: number, error?: string): ExpectedSpan => ({
        name: processing,
        kind: 'consumer',
        status: error === undefined ? 'unset' : 'error',
        attributes: { 'messaging.bullmq.job.attempt': number, 'error.type': error },
      })
      const add = (...children: ExpectedSpan[]): ExpectedSpan => ({ name: `add ${queue}`, kind: 'producer', children })
      const retried = add(attempt(1, 'TooBad'), attempt(2, 'TooBad'), attempt(3))
      const lost = add(attempt(1, 'UnrecoverableError'))
      assertTree(spans, [{ name: 'request', kind: 'internal', children: [retried, lost] }])
      const failed = spans.filter(span => span.status === 'error')
      assert.deepEqual(failed.map(span => [span.statusMessage, span.events.length]).sort(), [
        ['again', 1],
        ['again', 1],
        ['never', 1],
      ])
    })

    test('to put a job off is no failure', async () => {
      const { spans, queue, said } = await run(
        `const { DelayedError, WaitingChildrenError, RateLimitError } = lib
        const queue = newQueue()
        const second = keep(new Queue(name + '-second', { connection, prefix }))
        await inSpan('request', () => queue.add('job', 0))
        let runs = 0
        const worker = newWorker(async (job, token) => {
          switch (++runs) {
            case 1:
              await job.moveToDelayed(Date.now() + 20, token)
              // The oldest line looks at the message.
              throw new DelayedError('DelayedError')
            case 2:
              await (queue.rateLimit ?? worker.rateLimit).call(queue.rateLimit ? queue : worker, 20)
              throw RateLimitError === undefined ? Worker.RateLimitError() : new RateLimitError()
            case 3:
              await second.add('child', 1, { parent: { id: job.id, queue: job.queueQualifiedName } })
              if (await job.moveToWaitingChildren(token)) throw new WaitingChildrenError()
              return 'never'
            default:
              return runs
          }
        })
        newWorker(async () => {}, { name: name + '-second' })
        worker.on('failed', (job, error) => say(error.message))
        worker.on('completed', (job, result) => say(result))
        await times(worker, 'completed', 1)`,
        { ...way, spans: 8 },
      )
      assert.deepEqual(said, [4])
      oneTrace(spans)
      const attempt = (...children: ExpectedSpan[]): ExpectedSpan => ({
        name: `process ${queue}`,
        kind: 'consumer',
        attributes: { 'error.type': undefined },
        children,
      })
      const child: ExpectedSpan = {
        name: `add ${queue}-second`,
        kind: 'producer',
        children: [{ name: `process ${queue}-second`, kind: 'consumer' }],
      }
      const add: ExpectedSpan = {
        name: `add ${queue}`,
        kind: 'producer',
        children: [attempt(), attempt(), attempt(child), attempt()],
      }
      assertTree(spans, [{ name: 'request', kind: 'internal', children: [add] }])
    })

    test('each run of a schedule is a trace of its own', async () => {
      const isOld = majorOf(way.library) < 5
      const { spans, queue, said } = await run(
        `const queue = newQueue()
        await inSpan('boot', async () => {
          const repeat = { every: 100, limit: 2 }
          const job = ${isOld ? "await queue.add('tick', 1, { repeat })" : "await queue.upsertJobScheduler('id', repeat, { name: 'tick', data: 1 })"}
          say([job.name, job.data])
          ${isOld ? 'say(0)' : "say((await queue.upsertJobScheduler('other', { pattern: '0 0 1 1 *' })).name)"}
        })
        await ${isOld ? '0' : "queue.removeJobScheduler('other')"}
        const worker = newWorker(async job => { await inSpan('work', async () => {}); say([job.name, job.data]) })
        await times(worker, 'completed', 2)`,
        { ...way, spans: isOld ? 6 : 7 },
      )
      assert.deepEqual(said, [['tick', 1], isOld ? 0 : 'other', ['tick', 1], ['tick', 1]])
      const added = spans.filter(span => span.kind === 'producer')
      for (const span of added) {
        assert.equal(span.name, `${isOld ? 'add' : 'upsertJobScheduler'} ${queue}`)
        assert.equal(span.parentSpanId, one(spans, 'boot').spanId)
      }
      const runs = spans.filter(span => span.name === `process ${queue}`)
      assert.equal(runs.length, 2)
      for (const span of runs) {
        assertLinked(span, added[0] as never)
        const children = spans.filter(({ parentSpanId }) => parentSpanId === span.spanId)
        assert.deepEqual(
          children.map(({ name }) => name),
          ['work'],
        )
      }
      assert.notEqual(runs[0]?.traceId, runs[1]?.traceId)
    })
  })
}
