/** Runs of the tasks that node-cron schedules, those of its background processes included. */
import type { TaskContext } from 'node-cron'
import { defineInstrumentation, type Kit } from './define.js'
import { createRunner } from './shared/schedules.js'
import { createStamp } from './shared/stamp.js'

const LIBRARY = 'node-cron'
const NEW = { name: LIBRARY, versions: '>=4 <5', patch: patchNew }
const REPLACED = ['InlineScheduledTask'] as const
// In 3.0.0 jobs are run in another place.
const OLD = { name: LIBRARY, versions: '>=3.0.1 <4' }

export default defineInstrumentation({
  name: 'node-cron',
  title: 'node-cron',
  category: 'schedule',
  modules: [
    { ...NEW, file: 'dist/_shared.cjs' },
    { ...NEW, file: 'dist/_shared.js', replaces: REPLACED },
    // Up to 4.4.
    { ...NEW, file: 'dist/tasks/inline-scheduled-task.cjs' },
    { ...NEW, file: 'dist/tasks/inline-scheduled-task.js', replaces: REPLACED },
    // Up to 4.2, both of them CommonJS.
    { ...NEW, file: 'dist/cjs/tasks/inline-scheduled-task.js' },
    { ...NEW, file: 'dist/esm/tasks/inline-scheduled-task.js' },
    { ...OLD, file: 'src/node-cron.js', patch: patchSchedule },
    { ...OLD, file: 'src/scheduled-task.js', patch: patchOld },
  ],
})

type TaskFn = (context: TaskContext) => unknown
type TaskClass = new (cron: string, fn: TaskFn, ...rest: unknown[]) => object

function patchNew(exports: { InlineScheduledTask: TaskClass }, kit: Kit<object>): void {
  const run = createRunner(kit)
  // Not `schedule`: it reads its caller's file off the stack.
  kit.wrap(exports, 'InlineScheduledTask', Task => {
    return new Proxy(Task, {
      construct(target, [cron, fn, ...rest], self) {
        const traced: TaskFn = context => {
          const { task, execution } = context
          // A task that was given no name is called by its id.
          const name = task?.name === task?.id ? undefined : task?.name
          const scheduled = execution?.reason === 'scheduled'
          return run({ library: LIBRARY, name, cron, scheduled }, fn, undefined, [context])
        }
        return Reflect.construct(target, [cron, typeof fn === 'function' ? traced : fn, ...rest], self)
      },
    })
  })
}

interface OldTask {
  readonly options: { readonly name?: unknown }
  readonly _task: { _execution(now: unknown): unknown }
  now(now?: unknown): void
}

const met = createStamp<true>()
const expressions = createStamp<string>()
/** Of the task that is being made: it may run at once. */
let expression: string | undefined

function patchSchedule(exports: { schedule(cron: string, ...rest: unknown[]): object }, kit: Kit<object>): void {
  kit.wrap(exports, 'schedule', schedule => {
    return function (this: unknown, ...args) {
      const before = expression
      expression = args[0]
      try {
        const task = Reflect.apply(schedule, this, args)
        // The task itself keeps no more than what it makes of it.
        expressions.set(task, args[0])
        return task
      } finally {
        expression = before
      }
    }
  })
}

function patchOld({ prototype }: { prototype: OldTask }, kit: Kit<object>): void {
  const run = createRunner(kit)
  kit.wrap(prototype, 'now', now => {
    return function (this: OldTask) {
      const { options, _task: inner } = this
      if (met.get(inner) === undefined) {
        met.set(inner, true)
        const name = given(options.name)
        kit.wrap(inner, '_execution', fn => {
          const outer = this
          return function (this: unknown, ...args) {
            // A time, or why there is none.
            const scheduled = args[0] instanceof Date
            return run(
              { library: LIBRARY, name, cron: expressions.get(outer) ?? expression, scheduled },
              fn,
              this,
              args,
            )
          }
        })
      }
      return Reflect.apply(now, this, arguments as never)
    }
  })
}

// A task that was given no name is called by a version 4 UUID.
const GENERATED = /^[\da-f]{8}(?:-[\da-f]{4}){3}-[\da-f]{12}$/

const given = (name: unknown): unknown => (typeof name === 'string' && GENERATED.test(name) ? undefined : name)
