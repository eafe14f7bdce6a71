/** node-cron, both majors, in applications of their own. */
import assert from 'node:assert/strict'
import * as nodeModule from 'node:module'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { pathToFileURL } from 'node:url'
import type { AppOptions } from '../helpers/child.js'
import { writeFolder } from '../helpers/folder.js'
import { root } from '../helpers/root.js'
import { assertTree } from '../helpers/spans.js'
import { assertLinked, failed, importing, internal, messages, named, runJobs } from './schedules/app.js'

const OLDEST = nodeModule.createRequire(join(root, 'test/versions/node-cron-3/package.json')).resolve('node-cron')

const prelude = (version: 3 | 4, type: AppOptions['type']): string => {
  const oldest = type === 'esm' ? pathToFileURL(OLDEST).href : OLDEST
  return importing(type, 'cron', version === 3 ? oldest : 'node-cron')
}

const EVERY_SECOND = { 'faas.cron': '* * * * * *' }
// Most of their time these applications wait for the next second.
const AT_ONCE = { concurrency: 3 }

/** Node 20 cannot tell of an ES module that it loads, which node-cron 4 is where it is imported. */
const SEES_MODULES = 'registerHooks' in nodeModule

const VARIANTS = [
  ...(SEES_MODULES ? [{ version: 4, type: 'esm' } as const] : []),
  { version: 4, type: 'cjs' },
  { version: 3, type: 'cjs' },
  { version: 3, type: 'esm' },
] as const

for (const { version, type } of VARIANTS) {
  const app = { prelude: prelude(version, type), type }

  describe(`node-cron ${version} in ${type}`, AT_ONCE, () => {
    test('each run is a trace of its own, linked to where it was scheduled', async () => {
      const { spans } = await runJobs(
        `let runs = 0
         const { promise, resolve } = deferred()
         const task = await inSpan('startup', async () => cron.schedule('* * * * * *', async function report() {
           say([this === undefined, arguments.length])
           const own = ++runs
           // node-cron 3 cannot be stopped before a run has returned.
           if (own === 2) setImmediate(() => task.stop())
           await sleep(5)
           await inSpan('work', () => sleep(5))
           if (own === 2) resolve()
         }))
         await promise
         say(runs)`,
        { ...app, spans: 5 },
      )
      const run = internal('report', { ...EVERY_SECOND, 'code.function.name': 'report' }, internal('work'))
      assertTree(spans, [internal('startup'), run, run])
      assertLinked(named(spans, 'report'), named(spans, 'startup')[0])
    })

    test('a job is called by its name, else by that of its function, else by that of the library', async () => {
      const { spans } = await runJobs(
        `let left = 4
         const { promise, resolve } = deferred()
         const options = { timezone: 'UTC' }
         const add = (fn, given) => {
           const task = cron.schedule('* * * * * *', fn, given)
           tasks.push(task)
         }
         const tasks = []
         const ran = async i => { setImmediate(() => tasks[i].stop()); await inSpan('work ' + i, () => sleep(20)); if (--left === 0) resolve() }
         const cleaner = { clean() { return ran(0) } }
         add(cleaner.clean.bind(cleaner), options)
         add(() => ran(1), options)
         add(() => ran(2), { name: 'nightly report' })
         add(function sweep() { return ran(3) })
         await promise
         say(cron.getTasks().size)`,
        { ...app, spans: 8 },
      )
      const tree = [
        internal('clean', { ...EVERY_SECOND, 'code.function.name': 'clean' }, internal('work 0')),
        internal('node-cron job', { ...EVERY_SECOND, 'code.function.name': undefined }, internal('work 1')),
        internal('nightly report', { ...EVERY_SECOND, 'code.function.name': undefined }, internal('work 2')),
        internal('sweep', { ...EVERY_SECOND, 'code.function.name': 'sweep' }, internal('work 3')),
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
  })
}

for (const type of ['cjs', 'esm'] as const) {
  const app = { prelude: prelude(3, type), type }

  describe(`what only node-cron 3 does, in ${type}`, AT_ONCE, () => {
    test('a run by hand is of the trace of its caller; what it throws or rejects with goes where it went', async () => {
      const { spans, said } = await runJobs(
        `const task = cron.schedule('0 0 1 1 *', function yearly(now) {
           say(now)
           if (now === 'throw') throw new Error('thrown')
           if (now === 'reject') return Promise.reject(new Error('rejected'))
           if (now === 'nothing') return Promise.reject()
           return now === 'async' ? Promise.resolve(42) : 42
         }, { scheduled: false })
         task.on('task-done', async result => say(['done', await result]))
         for (const now of [undefined, 'async', 'throw', 'reject', 'nothing']) {
           await inSpan('request ' + now, async () => { task.now(now); await sleep(5) })
         }
         await inSpan('init', async () => cron.schedule('0 0 1 1 *', function first(now) { say(now) }, { scheduled: false, runOnInit: true }))
         try { cron.schedule('0 0 1 1 *', 42) } catch (error) { say(String(error)) }
         try { cron.schedule('x', () => {}) } catch (error) { say(String(error)) }
         say([cron.validate('x'), cron.validate('* * * * *'), cron.schedule.name, cron.schedule.length])`,
        { ...app, spans: 12 },
      )
      const run = internal('yearly', { 'faas.cron': '0 0 1 1 *' })
      assertTree(spans, [
        internal('request undefined', {}, run),
        internal('request async', {}, run),
        internal('request throw', {}, failed(run)),
        internal('request reject', {}, failed(run)),
        internal('request nothing', {}, failed(run)),
        internal('init', {}, internal('first')),
      ])
      const yearly = named(spans, 'yearly').sort((a, b) => Number(a.start - b.start))
      assert.deepEqual(yearly.map(messages).slice(0, 4), [[], [], ['thrown'], ['rejected']])
      assert.deepEqual(said.slice(0, 4), ['manual', ['done', 42], 'async', ['done', false]])
      assert.deepEqual(said.slice(-1), [[false, true, 'schedule', 3]])
    })
  })
}

for (const type of SEES_MODULES ? (['cjs', 'esm'] as const) : (['cjs'] as const))
  describe(`what only node-cron 4 does, in ${type}`, AT_ONCE, () => {
    const app = { prelude: prelude(4, type), type }

    test('a run by hand is of the trace of its caller, who gets its result, or what it throws', async () => {
      const { spans, said } = await runJobs(
        `const result = {}
       const error = new Error('broken')
       const logged = []
       const logger = { info() {}, warn() {}, debug() {}, error: e => logged.push(e === error) }
       const task = cron.createTask('@yearly', async function yearly({ execution, task: self }) {
         say([execution.reason, self === task, self.constructor.name])
         await inSpan('work', () => sleep(5))
         if (fails) throw error
         return result
       }, { logger })
       let fails = false
       task.on('execution:finished', ({ execution }) => say(['finished', execution.result === result]))
       task.on('execution:failed', ({ execution }) => say(['failed', execution.error === error]))
       say(await inSpan('request', async () => await task.execute() === result))
       fails = true
       say(await inSpan('request', () => task.execute().then(() => 'no', e => e === error)))
       const sync = cron.createTask('0 0 1 1 *', function sync() { throw error }, { logger })
       say(await sync.execute().then(() => 'no', e => e === error))
       const both = cron.createTask('0 0 1 1 *', async function both() { const own = ++n; await sleep(10); await inSpan('of ' + own, () => sleep(1)) })
       let n = 0
       await Promise.all([inSpan('a', () => both.execute()), inSpan('b', () => both.execute())])
       say([logged, task.getStatus(), cron.getTasks().size, task.name === task.id, Object.keys(task)])
       say([cron.validate('x'), cron.validate('* * * * *'), cron.schedule.name, cron.createTask.length])
       try { cron.createTask('0 0 1 1 *', undefined) } catch (e) { say(e instanceof Error) }`,
        { ...app, spans: 13 },
      )
      const run = internal('yearly', { 'faas.cron': '@yearly' }, internal('work'))
      const [a, b] = [1, 2].map(n => internal('both', {}, internal(`of ${n}`)))
      assertTree(spans, [
        internal('request', {}, run),
        internal('request', {}, failed(run)),
        failed(internal('sync', { 'faas.cron': '0 0 1 1 *' })),
        internal('a', {}, a!),
        internal('b', {}, b!),
      ])
      assert.deepEqual(messages(named(spans, 'sync')[0]), ['broken'])
      assert.deepEqual(said.slice(0, 3), [['invoked', true, 'InlineScheduledTask'], ['finished', true], true])
    })

    test('a run that fails by schedule is told of, and one that is held back is none', async () => {
      const { spans, said } = await runJobs(
        `const { promise, resolve } = deferred()
       const logged = []
       const logger = { info() {}, debug() {}, warn: text => logged.push(text), error: e => logged.push(e.message) }
       const task = cron.schedule('* * * * * *', async function slow() {
         await sleep(1500)
         throw new Error('late')
       }, { noOverlap: true, logger, maxExecutions: 1 })
       task.on('execution:failed', ({ execution }) => { say([execution.reason, execution.error.message]); task.destroy(); resolve() })
       await promise
       say([logged.includes('late'), logged.some(line => line.includes('overlap'))])`,
        { ...app, spans: 1 },
      )
      assertTree(spans, [failed(internal('slow', EVERY_SECOND))])
      assert.deepEqual(said, [
        ['scheduled', 'late'],
        [true, true],
      ])
    })
  })

test('node-cron 4 as an ES module, where that cannot be seen, is left alone', { skip: SEES_MODULES }, async () => {
  const { said } = await runJobs(
    `const { promise, resolve } = deferred()
     const task = cron.schedule('* * * * * *', async ({ execution }) => { task.destroy(); resolve(execution.reason) })
     say(await promise)`,
    { prelude: prelude(4, 'esm'), type: 'esm', spans: 0 },
  )
  assert.deepEqual(said, ['scheduled'])
})

describe('tasks that are files, run by processes of their own', AT_ONCE, () => {
  const folder = writeFolder({ 'task.js': 'exports.task = async function cleanup() { return 7 }' })
  const file = JSON.stringify(join(root, folder, 'task.js'))

  for (const type of SEES_MODULES ? (['cjs', 'esm'] as const) : (['cjs'] as const))
    test(`node-cron 4 in ${type}`, async () => {
      const { spans } = await runJobs(
        `const { promise, resolve } = deferred()
       const task = await inSpan('startup', async () => cron.createTask('* * * * * *', ${file}, { name: 'tidy', maxExecutions: 1, startTimeout: 20_000 }))
       task.on('execution:finished', async ({ execution }) => { say(execution.result); await sleep(300); resolve() })
       await task.start()
       await promise
       await task.destroy()`,
        { prelude: prelude(4, type), type, spans: 2 },
      )
      assertTree(spans, [internal('startup'), internal('tidy', { ...EVERY_SECOND, 'code.function.name': 'cleanup' })])
    })

  test('node-cron 3', async () => {
    const { spans } = await runJobs(
      `const { promise, resolve } = deferred()
       const task = cron.schedule('* * * * * *', ${file}, { scheduled: true, name: 'tidy' })
       task.once('task-done', async () => { say('done'); await sleep(300); resolve() })
       await promise
       task.stop()`,
      { prelude: prelude(3, 'cjs'), type: 'cjs', spans: 'some' },
    )
    const run = internal('tidy', { 'code.function.name': 'cleanup' })
    assertTree(
      spans,
      spans.map(() => run),
    )
  })
})
