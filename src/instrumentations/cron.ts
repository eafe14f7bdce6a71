/** Runs of the jobs that cron schedules: each of a job's functions, each time. */
import type { CronJob } from 'cron'
import { defineInstrumentation, type Kit } from './define.js'
import { createRunner } from './shared/schedules.js'
import { createStamp } from './shared/stamp.js'

export default defineInstrumentation({
  name: 'cron',
  title: 'cron',
  category: 'schedule',
  // In older ones a job that fails ends the process.
  modules: [{ name: 'cron', versions: '>=3.4 <5', file: 'dist/job.js', patch: patchJob }],
})

interface Ticks {
  /** The last time that the schedule made the job run. */
  last: Date | null
  scheduled: boolean
}

const ticks = createStamp<Ticks>()

function patchJob({ CronJob: { prototype } }: { CronJob: { prototype: CronJob } }, kit: Kit<object>): void {
  const run = createRunner(kit)
  kit.wrap(prototype, 'fireOnTick', fireOnTick => {
    return function (this: CronJob) {
      // The library notes the time just before, unless the application calls.
      const last = this.lastExecution
      ticks.set(this, { last, scheduled: last !== (ticks.get(this)?.last ?? null) })
      return Reflect.apply(fireOnTick, this, arguments as never)
    }
  })
  // The constructor adds `onTick` here, too.
  kit.wrap(prototype, 'addCallback', addCallback => {
    return function (this: CronJob, callback) {
      const added = { callback }
      kit.wrap(added, 'callback', fn => {
        const job = this
        return function (this: unknown) {
          const scheduled = ticks.get(job)?.scheduled === true
          return run({ library: 'cron', name: job.name, cron: job.cronTime.source, scheduled }, fn, this, arguments)
        } as typeof fn
      })
      return Reflect.apply(addCallback, this, [added.callback])
    }
  })
}
