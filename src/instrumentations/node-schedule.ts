/** Runs of the jobs that node-schedule schedules. */
import { defineInstrumentation, type Kit } from './define.js'
import { createRunner } from './shared/schedules.js'
import { createStamp } from './shared/stamp.js'

// Before 2.1 nobody is told of a job that fails.
const LIBRARY = { name: 'node-schedule', versions: '>=2.1 <3' }

export default defineInstrumentation({
  name: 'node-schedule',
  title: 'node-schedule',
  category: 'schedule',
  modules: [
    { ...LIBRARY, file: 'lib/Invocation.js', patch: patchTimers },
    { ...LIBRARY, file: 'lib/Job.js', patch: patchJob },
  ],
})

type AnyFn = (...args: any[]) => unknown
type Run = ReturnType<typeof createRunner>

/** One timer is there for the next run of all jobs: it starts in no context, whoever caused it. */
function patchTimers(
  exports: Record<'scheduleInvocation' | 'scheduleNextRecurrence' | 'cancelInvocation', AnyFn>,
  kit: Kit<object>,
): void {
  kit.wrap(exports, 'scheduleInvocation', kit.detach)
  kit.wrap(exports, 'scheduleNextRecurrence', kit.detach)
  kit.wrap(exports, 'cancelInvocation', kit.detach)
}

/** A job, with what its types leave out. */
interface Job {
  readonly name: string
  job: AnyFn
  readonly pendingInvocations: readonly { readonly recurrenceRule?: { readonly stringify?: unknown } }[]
  schedule(spec: unknown): boolean
  invoke(fireDate?: Date): unknown
  stopTrackingInvocation(invocation: unknown): boolean
}

interface State {
  /** Runs in the context in which the job was scheduled last. */
  run: Run
  cron: unknown
  /** The schedule is about to run the job. */
  due: boolean
}

const states = createStamp<State>()

function patchJob({ Job: { prototype } }: { Job: { prototype: Job } }, kit: Kit<object>): void {
  const run = createRunner(kit)
  kit.wrap(prototype, 'schedule', schedule => {
    return function (this: Job, spec) {
      const state = stateOf(this, run, kit)
      const success = Reflect.apply(schedule, this, arguments as never)
      if (success) {
        state.run = kit.bind(run)
        state.cron = expressionOf(this, spec)
      }
      return success
    }
  })
  kit.wrap(prototype, 'invoke', invoke => {
    return function (this: Job) {
      const state = states.get(this)
      const scheduled = state?.due === true
      if (state !== undefined) state.due = false
      const name = GENERATED.test(this.name) ? undefined : this.name
      const job = { library: LIBRARY.name, name, cron: state?.cron, scheduled, fn: this.job }
      return (scheduled ? (state as State).run : run)(job, invoke, this, arguments)
    }
  })
}

function stateOf(job: Job, run: Run, kit: Kit<object>): State {
  const known = states.get(job)
  if (known !== undefined) return known
  const state: State = { run, cron: undefined, due: false }
  states.set(job, state)
  // The timer's last step before the run.
  kit.wrap(job, 'stopTrackingInvocation', stop => {
    return function (this: Job) {
      state.due = true
      return Reflect.apply(stop, this, arguments as never)
    }
  })
  return state
}

/** What the job was given, if that was read as a cron expression, and not as a date. */
function expressionOf({ pendingInvocations }: Job, spec: any): unknown {
  const rule = pendingInvocations.at(-1)?.recurrenceRule
  return typeof rule?.stringify === 'function' ? (spec.rule ?? spec) : undefined
}

// A job that was given no name is called by a number and the time.
const GENERATED = /^<Anonymous Job \d+ /
