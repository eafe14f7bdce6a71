/** cron (kelektiv) in applications of their own. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { CronJob } from 'cron'
import { assertTree } from '../helpers/spans.js'
import { assertLinked, failed, importing, internal, messages, named, runJobs } from './schedules/app.js'

const EVERY_SECOND = { 'faas.cron': '* * * * * *' }
const FAILING = ['throw', 'reject']
// What is rejected ends the process in 3, where jobs have no names yet.
const WAYS = CronJob.length > 11 ? ['return', 'throw', 'reject', 'thenable'] : ['return', 'throw', 'thenable']
// Most of their time these applications wait for the next second.
const AT_ONCE = { concurrency: 3 }

for (const type of ['cjs', 'esm'] as const) {
  const app = { prelude: importing(type, type === 'esm' ? 'cron' : '{ CronJob, CronTime }', 'cron'), type }
  if (type === 'esm') app.prelude += '\nconst { CronJob, CronTime } = cron'

  describe(`cron in ${type}`, AT_ONCE, () => {
    test('each run is a trace of its own, linked to where it was scheduled', async () => {
      const { spans, said } = await runJobs(
        `let runs = 0
         const done = deferred()
         const context = { mine: true }
         const job = await inSpan('startup', async () => CronJob.from({
           cronTime: '* * * * * *',
           onTick: async function report(complete) {
             say([this === context, typeof complete, arguments.length])
             const own = ++runs
             if (own === 2) job.stop()
             await inSpan('work', () => sleep(5))
             if (own === 2) { complete(); done.resolve() }
           },
           onComplete: function () { say(['complete', this === context]) },
           context,
           start: true,
           threshold: 0,
         }))
         await done.promise
         say([job.isActive, job.lastDate() instanceof Date, CronJob.length, CronJob.prototype.fireOnTick.length])`,
        { ...app, spans: 5 },
      )
      const run = internal('report', { ...EVERY_SECOND, 'code.function.name': 'report' }, internal('work'))
      assertTree(spans, [internal('startup'), run, run])
      assertLinked(named(spans, 'report'), named(spans, 'startup')[0])
      assert.deepEqual(said[0], [true, 'function', 1])
    })

    test('names, and jobs that run at the same time', async () => {
      const { spans, said } = await runJobs(
        `const seen = ['a', 'b', 'c', 'd'].map(deferred)
         const jobs = []
         const tick = i => async () => {
           jobs[i].stop()
           await inSpan('work ' + i, () => sleep(20))
           seen[i].resolve()
         }
         const soon = new Date(Date.now() + 3000)
         // Started when all are there: on the second a job runs within its constructor.
         jobs.push(new CronJob('* * * * * *', tick(0), null, false))
         jobs.push(new CronJob('* * * * * *', tick(1), null, false, 'UTC', null, false, null, false, false, null, 'nightly report'))
         const method = { sweep() { return tick(2)() } }
         jobs.push(new CronJob(soon, method.sweep.bind(method), null, false))
         jobs.push(new CronJob('0 0 1 1 *', function yearly() { return tick(3)() }, null, true))
         // In 3 jobs have no name.
         say(jobs[1].name ?? 'cron job')
         for (const job of jobs.slice(0, 3)) job.start()
         jobs[3].setTime(new CronTime('* * * * * *'))
         await Promise.all(seen.map(one => one.promise))`,
        { ...app, spans: 8 },
      )
      const tree = [
        internal('cron job', { ...EVERY_SECOND, 'code.function.name': undefined }, internal('work 0')),
        internal(said[0], EVERY_SECOND, internal('work 1')),
        internal('sweep', { 'faas.cron': undefined, 'code.function.name': 'sweep' }, internal('work 2')),
        internal('yearly', EVERY_SECOND, internal('work 3')),
      ]
      const runs = [...new Set(tree.map(({ name }) => name))].flatMap(name => named(spans, name))
      assertLinked(runs, undefined)
      for (const [i, run] of runs.entries()) {
        assertTree(
          spans.filter(span => span.traceId === run.traceId),
          [tree[i]!],
        )
      }
    })

    test('a run by hand is of the trace of its caller; each function of a job is a run', async () => {
      const { spans } = await runJobs(
        `const errors = []
         const errorHandler = error => { errors.push(error); say(String(error)) }
         let how
         const boom = new Error('boom')
         const onTick = function yearly() {
           if (how === 'throw') throw boom
           if (how === 'reject') return Promise.reject(boom)
           if (how === 'thenable') return { then() { say('then') }, catch() { say('catch') } }
         }
         const job = CronJob.from({ cronTime: '0 0 1 1 *', onTick, errorHandler, runOnInit: true })
         say(job.lastDate() !== null)
         for (how of ${JSON.stringify(WAYS)}) {
           await inSpan('request ' + how, async () => { const result = await job.fireOnTick(); await sleep(5); say(result === undefined) })
         }
         say(errors.map(error => error === boom))
         const waiting = CronJob.from({ cronTime: '0 0 1 1 *', onTick: async function first() { await sleep(20); await inSpan('work', () => {}) }, waitForCompletion: true })
         waiting.addCallback(function second() { say('second') })
         await inSpan('both', async () => {
           const one = waiting.fireOnTick()
           say(waiting.isCallbackRunning)
           await waiting.fireOnTick()
           await one
         })`,
        { ...app, spans: 5 + 2 * WAYS.length },
      )
      const yearly = internal('yearly', { 'faas.cron': '0 0 1 1 *' })
      assertTree(spans, [
        yearly,
        ...WAYS.map(way => internal(`request ${way}`, {}, FAILING.includes(way) ? failed(yearly) : yearly)),
        internal('both', {}, internal('first', {}, internal('work')), internal('second')),
      ])
      assert.deepEqual(named(spans, 'yearly').flatMap(messages), FAILING.filter(way => WAYS.includes(way)).fill('boom'))
    })

    test('a run by hand between two by schedule changes nothing for these', async () => {
      const { spans } = await runJobs(
        `let runs = 0
         const { promise, resolve } = deferred()
         const job = await inSpan('startup', async () => CronJob.from({ cronTime: '* * * * * *', start: true, threshold: 0, onTick: async function tick() {
           if (++runs === 1) setTimeout(() => inSpan('request', () => job.fireOnTick()), 5)
           if (runs === 3) { job.stop(); resolve() }
         } }))
         await promise`,
        { ...app, spans: 5 },
      )
      const ticks = named(spans, 'tick').sort((a, b) => Number(a.start - b.start))
      const [startup, request] = ['startup', 'request'].map(name => named(spans, name)[0])
      assertLinked([ticks[0]!, ticks[2]!], startup)
      assert.deepEqual([ticks[1]?.parentSpanId, ticks[1]?.links], [request?.spanId, []])
    })

    test('a command runs as it would, and an error that is nobody’s is told on stderr', async () => {
      const { spans } = await runJobs(
        `const echo = new CronJob('0 0 1 1 *', { command: process.execPath, args: ['-e', 'process.exit(0)'], options: { stdio: 'inherit' } })
         await echo.fireOnTick()
         const error = new Error('untold')
         error.stack = 'untold'
         await CronJob.from({ cronTime: '0 0 1 1 *', onTick: function lost() { throw error } }).fireOnTick()
         try { new CronJob('nonsense', () => {}) } catch (e) { say(e.message) }`,
        { ...app, spans: 2 },
      )
      assert.deepEqual(spans.map(span => [span.name, span.status]).sort(), [
        ['lost', 'error'],
        ['spawn', 'unset'],
      ])
    })
  })
}
