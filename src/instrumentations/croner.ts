/** Runs of the jobs that croner schedules. */
import type { Cron } from 'croner'
import { defineInstrumentation, type Kit } from './define.js'
import { createRunner } from './shared/schedules.js'
import { createStamp } from './shared/stamp.js'

const LIBRARY = { name: 'croner', versions: '>=9 <11' }

export default defineInstrumentation({
  name: 'croner',
  title: 'croner',
  category: 'schedule',
  modules: [
    { ...LIBRARY, file: 'dist/croner.cjs', patch: patchCron },
    { ...LIBRARY, file: 'dist/croner.js', replaces: [], patch: patchCron },
  ],
})

type AnyFn = (...args: any[]) => unknown

/** A job, with what its types leave out. */
interface Job extends Pick<Cron, 'name' | 'getPattern'> {
  fn: AnyFn | undefined
  readonly _states: { readonly once?: unknown }
  _trigger(initiatedAt?: Date): Promise<void>
  _checkTrigger(target: Date): void
}

interface State {
  /** Whether it is the schedule that makes the job run. */
  scheduled: boolean
}

const states = createStamp<State>()

function patchCron({ Cron: { prototype } }: { Cron: { prototype: Job } }, kit: Kit<object>): void {
  const run = createRunner(kit)
  kit.wrap(prototype, '_checkTrigger', check => {
    return function (this: Job) {
      const state = stateOf(this, run, kit)
      state.scheduled = true
      try {
        return Reflect.apply(check, this, arguments as never)
      } finally {
        state.scheduled = false
      }
    }
  })
  kit.wrap(prototype, '_trigger', trigger => {
    return function (this: Job) {
      stateOf(this, run, kit)
      return Reflect.apply(trigger, this, arguments as never)
    }
  })
}

/** From its first run on, the job's function is ours: the library tells nobody what it throws. */
function stateOf(job: Job, run: ReturnType<typeof createRunner>, kit: Kit<object>): State {
  const known = states.get(job)
  if (known !== undefined) return known
  const state = { scheduled: false }
  // It may get one later.
  if (job.fn === undefined) return state
  states.set(job, state)
  const { name } = job
  kit.wrap(job as { fn: AnyFn }, 'fn', fn => {
    return function (this: unknown) {
      // With a date, croner 9 has a pattern that is not the job's.
      const cron = job._states.once ? undefined : job.getPattern()
      return run({ library: LIBRARY.name, name, cron, scheduled: state.scheduled }, fn, this, arguments)
    }
  })
  return state
}
