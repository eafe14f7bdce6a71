/** croner in applications of their own. */
import assert from 'node:assert/strict'
import * as nodeModule from 'node:module'
import { describe, test } from 'node:test'
import { assertTree, type ExpectedSpan } from '../helpers/spans.js'
import { assertLinked, failed, importing, internal, messages, named, runJobs } from './schedules/app.js'

/** Node 20 cannot tell of an ES module that it loads, which croner is where it is imported. */
const SEES_MODULES = 'registerHooks' in nodeModule
const EVERY_SECOND = { 'faas.cron': '* * * * * *' }
// Most of their time these applications wait for the next second.
const AT_ONCE = { concurrency: 3 }

for (const type of SEES_MODULES ? (['cjs', 'esm'] as const) : (['cjs'] as const))
  describe(`croner in ${type}`, AT_ONCE, () => {
    const app = { prelude: importing(type, '{ Cron }', 'croner'), type }

    test('each run is a trace of its own, linked to where it was scheduled', async () => {
      const { spans, said } = await runJobs(
        `let runs = 0
       const { promise, resolve } = deferred()
       const context = () => 'called back'
       const job = await inSpan('startup', async () => new Cron('* * * * * *', { context, maxRuns: 2 }, async function report(self, given) {
         say([self === job, given === context, arguments.length, this === job])
         const own = ++runs
         // Between two runs by schedule.
         if (own === 1) setTimeout(() => inSpan('request', () => job.trigger()), 5)
         await inSpan('work', () => sleep(5))
         if (own === 3) resolve()
       }))
       await promise
       await sleep(20)
       job.stop()
       say([runs, job.isStopped(), job.runsLeft()])`,
        { ...app, spans: 8 },
      )
      const runs = named(spans, 'report').sort((a, b) => Number(a.start - b.start))
      const [startup, request] = ['startup', 'request'].map(name => named(spans, name)[0])
      assertLinked([runs[0]!, runs[2]!], startup)
      assert.deepEqual([runs[1]?.parentSpanId, runs[1]?.links], [request?.spanId, []])
      const run = (...children: ExpectedSpan[]) =>
        internal('report', { ...EVERY_SECOND, 'code.function.name': 'report' }, internal('work'), ...children)
      assertTree(spans, [internal('startup'), run(internal('request', {}, run())), run()])
      assert.deepEqual(said[0], [true, true, 2, true])
    })

    test('names, dates, and jobs that run at the same time', async () => {
      const { spans } = await runJobs(
        `const seen = [0, 1, 2, 3].map(deferred)
       const jobs = []
       const tick = i => async () => {
         jobs[i].stop()
         await inSpan('work ' + i, () => sleep(20))
         seen[i].resolve()
       }
       jobs.push(new Cron('* * * * * *', tick(0)))
       jobs.push(new Cron('* * * * * *', { name: 'nightly report', timezone: 'UTC' }, tick(1)))
       jobs.push(new Cron(new Date(Date.now() + 1500), function sweep() { return tick(2)() }))
       jobs.push(new Cron('* * * * * *', { paused: true }))
       await jobs[3].trigger()
       jobs[3].schedule(function late() { return tick(3)() })
       jobs[3].resume()
       say([jobs[0].nextRuns(2).length, jobs[0].isRunning(), jobs[3].name, jobs[1].name, Cron.length, Object.keys(jobs[0])])
       await Promise.all(seen.map(one => one.promise))`,
        { ...app, spans: 8 },
      )
      const tree = [
        internal('croner job', { ...EVERY_SECOND, 'code.function.name': undefined }, internal('work 0')),
        internal('nightly report', EVERY_SECOND, internal('work 1')),
        internal('sweep', { 'faas.cron': undefined, 'code.function.name': 'sweep' }, internal('work 2')),
        internal('late', EVERY_SECOND, internal('work 3')),
      ]
      const runs = tree.flatMap(({ name }) => named(spans, name))
      assertLinked(runs, undefined)
      for (const [i, run] of runs.entries()) {
        assertTree(
          spans.filter(span => span.traceId === run.traceId),
          [tree[i]!],
        )
      }
    })

    test('what a run throws or rejects with goes where it went', async () => {
      const { spans, said } = await runJobs(
        `const boom = new Error('boom')
       const yearly = '0 0 1 1 *'
       const caught = new Cron(yearly, { catch: (error, job) => say([error === boom, job === caught]) }, async function rejecting() { throw boom })
       await inSpan('request', () => caught.trigger())
       const silent = new Cron(yearly, { catch: true }, function throwing() { throw boom })
       await silent.trigger()
       const open = new Cron(yearly, function open() { throw boom })
       say(await open.trigger().then(() => 'no', error => error === boom))
       for (const job of [caught, silent, open]) job.stop()`,
        { ...app, spans: 4 },
      )
      const attributes = { 'faas.cron': '0 0 1 1 *' }
      assertTree(spans, [
        internal('request', {}, failed(internal('rejecting', attributes))),
        failed(internal('throwing', attributes)),
        failed(internal('open', attributes)),
      ])
      assert.deepEqual(messages(named(spans, 'throwing')[0]), ['boom'])
      assert.deepEqual(said, [[true, true], true])
    })

    test('a run that fails where nobody listens ends the process; one that is held back is none', async () => {
      const alone = await runJobs(`new Cron('* * * * * *', async function throwing() { throw new Error('boom') })`, {
        ...app,
        spans: 1,
        exit: 1,
      })
      assertTree(alone.spans, [failed(internal('throwing'))])
      assert.match(alone.stderr, /Error: boom/)
      const held = await runJobs(
        `const { promise, resolve } = deferred()
       const job = new Cron('* * * * * *', { protect: () => { say('held back'); job.stop(); resolve() } }, async function slow() { await promise })
       await promise`,
        { ...app, spans: 1 },
      )
      assertTree(held.spans, [internal('slow')])
    })
  })

test('croner as an ES module, where that cannot be seen, is left alone', { skip: SEES_MODULES }, async () => {
  const { said } = await runJobs(
    `const { promise, resolve } = deferred()
     const job = new Cron('* * * * * *', async () => { job.stop(); resolve('ran') })
     say(await promise)`,
    { prelude: importing('esm', '{ Cron }', 'croner'), type: 'esm', spans: 0 },
  )
  assert.deepEqual(said, ['ran'])
})
