/** bullmq with processors that are files: they run in a process or in a thread of their own. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { writeApp } from '../../helpers/child.js'
import { redis } from '../../helpers/services.js'
import { assertTree, type ExpectedSpan } from '../../helpers/spans.js'
import { applications } from '../bull/app.js'

const { run } = applications(redis())

for (const way of [
  { type: 'esm', library: 'bullmq' },
  { type: 'cjs', library: 'bullmq' },
  { type: 'cjs', library: 'bullmq-4' },
] as const) {
  describe(`${way.library} in ${way.type}`, { concurrency: 2 }, () => {
    for (const useWorkerThreads of [false, true]) {
      test(`a sandbox goes on with the trace: ${useWorkerThreads ? 'a thread' : 'a process'}`, async () => {
        const processor = writeApp(`
        const { trace } = require('@opentelemetry/api')
        const { isMainThread } = require('node:worker_threads')
        module.exports = async (job, token) => {
          console.log(JSON.stringify([job.data, isMainThread, 'traceHeaders' in job, trace.getActiveSpan()?.name]))
          trace.getTracer('app').startSpan('inside').end()
          await job.updateProgress(50)
          if (job.data === 'fails') throw new TypeError('from inside')
          if (job.data === 'waits' && (job.attemptsStarted ?? job.attemptsMade) === 1) {
            await job.moveToDelayed(Date.now() + 10, token)
            throw Object.assign(new Error('DelayedError'), { name: 'DelayedError' })
          }
          return job.data
        }`)
        const { spans, queue, said } = await run(
          `const queue = newQueue()
        await inSpan('first', () => queue.add('job', 'works'))
        await inSpan('second', () => queue.add('job', 'fails'))
        await inSpan('third', () => queue.add('job', 'waits'))
        const worker = newWorker(process.env.PROCESSOR, { useWorkerThreads: ${useWorkerThreads} })
        worker.on('failed', (job, error) => say(error.message))
        worker.on('progress', (job, progress) => say({ progress, trace: activeTrace() ?? null }))
        await Promise.all([times(worker, 'completed', 2), times(worker, 'failed', 1)])
        await seen()`,
          { ...way, spans: 18, env: { PROCESSOR: processor } },
        )
        const seen = (data: string) => [data, !useWorkerThreads, false, `sandbox ${queue}`]
        assert.deepEqual(said.filter(Array.isArray).slice(0, 2), [seen('works'), seen('fails')])
        assert.deepEqual(
          said.filter(value => typeof value === 'string'),
          ['from inside'],
        )
        // What is heard of a sandbox is not told in the name of the job that started it.
        assert.deepEqual(
          said.filter(value => 'progress' in Object(value)),
          new Array(4).fill({ progress: 50, trace: null }),
        )
        assert.equal(said.length, 9)
        const attempt = (status: 'unset' | 'error'): ExpectedSpan => {
          const sandbox: ExpectedSpan = {
            name: `sandbox ${queue}`,
            kind: 'internal',
            status,
            attributes: { 'messaging.bullmq.job.name': 'job', 'messaging.message.id': /^\d+$/ },
            children: [{ name: 'inside', kind: 'internal' }],
          }
          return { name: `process ${queue}`, kind: 'consumer', status, children: [sandbox] }
        }
        const trace = (name: string, ...children: ExpectedSpan[]): ExpectedSpan => ({
          name,
          kind: 'internal',
          children: [{ name: `add ${queue}`, kind: 'producer', children }],
        })
        assertTree(spans, [
          trace('first', attempt('unset')),
          trace('second', attempt('error')),
          trace('third', attempt('unset'), attempt('unset')),
        ])
        const pids = new Set(spans.map(span => span.resource['process.pid']))
        assert.equal(pids.size, useWorkerThreads ? 1 : 2)
      })
    }
  })
}
