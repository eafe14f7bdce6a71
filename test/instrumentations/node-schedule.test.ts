/** node-schedule in applications of their own. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { assertTree } from '../helpers/spans.js'
import { assertLinked, failed, importing, internal, messages, named, runJobs } from './schedules/app.js'

const EVERY_SECOND = { 'faas.cron': '* * * * * *' }
// Most of their time these applications wait for the next second.
const AT_ONCE = { concurrency: 3 }

for (const type of ['cjs', 'esm'] as const) {
  const app = { prelude: importing(type, 'schedule', 'node-schedule'), type }

  describe(`node-schedule in ${type}`, AT_ONCE, () => {
    test('each run is a trace of its own, linked to where it was scheduled, whoever set the timer', async () => {
      const { spans } = await runJobs(
        `let runs = 0
         const { promise, resolve } = deferred()
         const other = deferred()
         const job = await inSpan('startup', async () => schedule.scheduleJob('* * * * * *', async function report(fireDate) {
           const own = ++runs
           say([this === job, arguments.length, fireDate instanceof Date])
           if (own === 2) job.cancel()
           await sleep(5)
           await inSpan('work', () => sleep(5))
           // Sets the timer for all jobs anew.
           if (own === 1) schedule.scheduleJob(new Date(Date.now() + 200), function once() { other.resolve() })
           if (own === 2) resolve()
         }))
         job.on('run', () => inSpan('heard', () => {}))
         await promise
         await other.promise
         say([runs, job.triggeredJobs()])`,
        { ...app, spans: 8 },
      )
      const runs = named(spans, 'report').sort((a, b) => Number(a.start - b.start))
      assertLinked(runs, named(spans, 'startup')[0])
      assertLinked(named(spans, 'once'), runs[0])
      assertLinked(named(spans, 'heard'), undefined)
      const run = internal('report', { ...EVERY_SECOND, 'code.function.name': 'report' }, internal('work'))
      for (const { traceId } of runs) {
        assertTree(
          spans.filter(span => span.traceId === traceId),
          [run],
        )
      }
    })

    test('names, rules and dates, and jobs that run at the same time', async () => {
      const { spans } = await runJobs(
        `const seen = [0, 1, 2, 3].map(deferred)
         const jobs = []
         const tick = i => async () => {
           jobs[i].cancel()
           await inSpan('work ' + i, () => sleep(20))
           seen[i].resolve()
         }
         jobs.push(schedule.scheduleJob({ rule: '* * * * * *', tz: 'UTC' }, tick(0)))
         jobs.push(schedule.scheduleJob('nightly report', { second: new schedule.Range(0, 59) }, tick(1), () => say('callback')))
         jobs.push(schedule.scheduleJob(new Date(Date.now() + 1500).toISOString(), function sweep() { return tick(2)() }))
         jobs.push(schedule.scheduleJob('0 0 1 1 *', function yearly() { return tick(3)() }))
         jobs[3].reschedule('* * * * * *')
         say([jobs[1].name, /^<Anonymous Job 1 /.test(jobs[0].name), Object.keys(jobs[0]), Object.keys(schedule.scheduledJobs).length])
         await Promise.all(seen.map(one => one.promise))`,
        { ...app, spans: 8 },
      )
      const tree = [
        internal('node-schedule job', { ...EVERY_SECOND, 'code.function.name': undefined }, internal('work 0')),
        internal('nightly report', { 'faas.cron': undefined }, internal('work 1')),
        internal('sweep', { 'faas.cron': undefined, 'code.function.name': 'sweep' }, internal('work 2')),
        internal('yearly', EVERY_SECOND, internal('work 3')),
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

    test('a run by hand is of the trace of its caller, who gets what it returns or throws', async () => {
      const { spans } = await runJobs(
        `const boom = new Error('boom')
         let how
         const job = await inSpan('startup', async () => schedule.scheduleJob('yearly', '0 0 1 1 *', function (date) {
           if (how === 'throw') throw boom
           if (how === 'reject') return Promise.reject(boom)
           return how === 'async' ? Promise.resolve(date) : date
         }))
         for (how of ['return', 'async', 'throw', 'reject']) {
           await inSpan('request ' + how, async () => {
             try { say(await job.invoke(42)) } catch (error) { say(error === boom) }
           })
         }
         how = 'return'
         say(job.invoke(7))
         class Own extends schedule.Job {
           constructor(fn) { super('own', fn) }
           invoke(date) { say('own'); return super.invoke(date) }
         }
         const own = new Own(function () { say([this === own, this instanceof Own]); return 1 })
         say(own.invoke())
         say([schedule.Job.length, schedule.Job.prototype.schedule.length, schedule.Job.prototype.invoke.name])
         try { schedule.scheduleJob('x', '* * * * * *') } catch (error) { say(String(error)) }
         say(schedule.scheduleJob('nonsense', () => {}))
         say(schedule.scheduleJob(new Date(0), () => {}))
         await schedule.gracefulShutdown()`,
        { ...app, spans: 11 },
      )
      const yearly = internal('yearly', { 'faas.cron': '0 0 1 1 *' })
      assertTree(spans, [
        internal('startup'),
        internal('request return', {}, yearly),
        internal('request async', {}, yearly),
        internal('request throw', {}, failed(yearly)),
        internal('request reject', {}, failed(yearly)),
        yearly,
        internal('own', { 'faas.cron': undefined }),
      ])
    })

    test('a run by hand between two by schedule changes nothing for these', async () => {
      const { spans } = await runJobs(
        `let runs = 0
         const { promise, resolve } = deferred()
         const job = await inSpan('startup', async () => schedule.scheduleJob('* * * * * *', function tick() {
           if (++runs === 1) setTimeout(() => inSpan('request', () => job.invoke()), 5)
           if (runs === 3) { job.cancel(); resolve() }
         }))
         await promise`,
        { ...app, spans: 5 },
      )
      const ticks = named(spans, 'tick').sort((a, b) => Number(a.start - b.start))
      const [startup, request] = ['startup', 'request'].map(name => named(spans, name)[0])
      assertLinked([ticks[0]!, ticks[2]!], startup)
      assert.deepEqual([ticks[1]?.parentSpanId, ticks[1]?.links], [request?.spanId, []])
    })

    test('what a run throws or rejects with is an event of its job, and without a listener ends the process', async () => {
      const listening = await runJobs(
        `const boom = new Error('boom')
         const told = ['a', 'b', 'c'].map(deferred)
         const at = new Date(Date.now() + 1200)
         const add = (i, fn, event) => schedule.scheduleJob(at, fn).on(event, value => told[i].resolve(value))
         add(0, function throwing() { throw boom }, 'error')
         add(1, async function rejecting() { throw boom }, 'error')
         add(2, async function fine() { return 42 }, 'success')
         const [a, b, c] = await Promise.all(told.map(one => one.promise))
         say([a === boom, b === boom, c])`,
        { ...app, spans: 3 },
      )
      assert.deepEqual(listening.said, [[true, true, 42]])
      assert.deepEqual(listening.spans.map(span => [span.name, span.status, messages(span)]).sort(), [
        ['fine', 'unset', []],
        ['rejecting', 'error', ['boom']],
        ['throwing', 'error', ['boom']],
      ])
      const alone = await runJobs(
        `schedule.scheduleJob(new Date(Date.now() + 1200), function throwing() { throw new Error('boom') })`,
        { ...app, spans: 1, exit: 1 },
      )
      assertTree(alone.spans, [failed(internal('throwing'))])
      assert.match(alone.stderr, /Error: boom/)
    })
  })
}
