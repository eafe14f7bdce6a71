/** Jobs of Graphile Worker: added, and worked on. */
import type { Job, Task, TaskList } from 'graphile-worker'
import type { SemanticAttributes } from '../semconv.js'
import {
  type Call,
  consumer,
  defineInstrumentation,
  flag,
  type Kit,
  type OpenCall,
  type Operation,
  producer,
} from './define.js'
import { background, carrierOf, handle, takeCarrier, withCarrier } from './shared/jobs.js'
import { createStamp } from './shared/stamp.js'

// Before 0.16.2 it stored how jobs ended by another call.
const LIBRARY = { name: 'graphile-worker', versions: '>=0.16.2 <0.17' }

interface Options {
  propagate: boolean
}

export default defineInstrumentation<Options>({
  name: 'graphile-worker',
  title: 'Graphile Worker',
  category: 'messaging',
  options: {
    propagate: flag(
      true,
      'Carry the trace in a key `_traceContext` of the payload, where that is an object. It is taken out before a traced worker sees it; others do see it.',
    ),
  },
  modules: [
    { ...LIBRARY, file: 'dist/helpers.js', patch: patchHelpers },
    { ...LIBRARY, file: 'dist/workerUtils.js', patch: patchUtils },
    { ...LIBRARY, file: 'dist/worker.js', patch: patchWorker },
    { ...LIBRARY, file: 'dist/sql/getJob.js', patch: patchGetJob },
    { ...LIBRARY, file: 'dist/sql/completeJob.js', patch: ending('completeJob') },
    { ...LIBRARY, file: 'dist/sql/failJob.js', patch: ending('failJob', 'failJobs') },
    { ...LIBRARY, file: 'dist/sql/resetLockedAt.js', patch: inBackground('resetLockedAt') },
    { ...LIBRARY, file: 'dist/sql/getQueueNames.js', patch: inBackground('getQueueNames') },
    { ...LIBRARY, file: 'dist/migrate.js', patch: inBackground('migrate') },
    { ...LIBRARY, file: 'dist/main.js', patch: patchPools },
    { ...LIBRARY, file: 'dist/cron.js', patch: patchCron },
  ],
})

type AddJob = (identifier: string, payload?: unknown, ...spec: unknown[]) => Promise<Job>
type Wrapped = (this: unknown, ...args: any[]) => any

function inBackground(name: string) {
  return (exports: any, kit: Kit<Options>): void => kit.trace(exports, name, background)
}

function patchHelpers(exports: Record<'makeAddJob' | 'makeJobHelpers', Wrapped>, kit: Kit<Options>): void {
  const trace = (holder: { addJob: AddJob }): typeof holder => {
    kit.trace(holder, 'addJob', adding(kit.options))
    // What is returned is the row as it was stored.
    kit.wrap(holder, 'addJob', addJob => {
      return (...args) => addJob(...args).then(takenOut)
    })
    return holder
  }
  kit.wrap(exports, 'makeAddJob', make => {
    return (...args) => trace({ addJob: make(...args) as AddJob }).addJob
  })
  kit.wrap(exports, 'makeJobHelpers', make => {
    return (...args) => trace(make(...args))
  })
}

function takenOut<T extends Partial<Job> | undefined>(job: T): T {
  takeCarrier(job, job?.payload)
  return job
}

/** Other functions that return rows as they are stored. */
const RETURN_JOBS = ['completeJobs', 'permanentlyFailJobs', 'rescheduleJobs'] as const

function patchUtils(exports: { makeWorkerUtils: Wrapped }, kit: Kit<Options>): void {
  kit.wrap(exports, 'makeWorkerUtils', make => {
    return (...args) =>
      make(...args).then((utils: Record<(typeof RETURN_JOBS)[number], Wrapped>) => {
        for (const name of RETURN_JOBS) {
          kit.wrap(utils, name, original => {
            return (...given) =>
              original(...given).then((jobs: Job[]) => {
                jobs.forEach(takenOut)
                return jobs
              })
          })
        }
        return utils
      })
  })
}

function patchGetJob(exports: { getJob: Wrapped }, kit: Kit<Options>): void {
  kit.trace(exports, 'getJob', background)
  kit.wrap(exports, 'getJob', getJob => {
    return (...args) => getJob(...args).then(takenOut)
  })
}

const adding = ({ propagate }: Options): Operation<Call<unknown, Parameters<AddJob>, Job>> => ({
  inside: 'hidden',
  start({ args }) {
    // Nobody would call what looks like a callback.
    if (typeof args.at(-1) === 'function') return undefined
    return producer(...describe('add', 'send', args[0]))
  },
  inject(call, headers) {
    const [identifier, payload, ...rest] = call.args
    // No payload is stored as an empty object.
    if (propagate) call.args = [identifier, withCarrier(payload ?? {}, headers), ...rest]
  },
  finish: (span, { result }) => void span.set({ 'messaging.message.id': result?.id }),
})

interface Run {
  readonly job: Job
  error?: unknown
}

/** By its job: how a run has ended is what the library stores of it. */
const running = createStamp<{ readonly run: Run; readonly open: OpenCall<Run> }>()

function patchWorker(exports: { makeNewWorker: Wrapped }, kit: Kit<Options>): void {
  kit.wrap(exports, 'makeNewWorker', make =>
    kit.detach((options, params) => {
      const worker = make(options, { ...params, tasks: traced(params.tasks, kit) })
      // Called by notifications, which arrive in the background.
      kit.wrap(worker, 'nudge', kit.detach)
      return worker
    }),
  )
}

/** The application's tasks as they are at any time: it may change them, and they may be frozen. */
const traced = (tasks: TaskList, kit: Kit<Options>): TaskList =>
  new Proxy({} as TaskList, {
    get(_, name) {
      const task = Reflect.get(tasks, name)
      return typeof task === 'function' ? processed(task, kit) : task
    },
    set: (_, name, task) => Reflect.set(tasks, name, task),
    deleteProperty: (_, name) => Reflect.deleteProperty(tasks, name),
    has: (_, name) => Reflect.has(tasks, name),
    ownKeys: () => Reflect.ownKeys(tasks),
    getOwnPropertyDescriptor(_, name) {
      const found = Reflect.getOwnPropertyDescriptor(tasks, name)
      return found && { ...found, configurable: true }
    },
  })

const processed = (task: Task, kit: Kit<Options>): Task =>
  function (this: unknown, payload, helpers) {
    const run: Run = { job: helpers.job }
    const open = kit.begin(processing, run)
    if (open === undefined) return Reflect.apply(task, this, [payload, helpers])
    running.set(run.job, { run, open })
    return handle(open, task, this, [payload, helpers], run).then(undefined, error => {
      run.error = error
      throw error
    })
  }

type Ending = 'completeJob' | 'failJob' | 'failJobs'

/** How a run has ended is known when the library stores it: a batch may fail in part, and a task that never returns be given up. */
function ending(...functions: Ending[]) {
  return (exports: Record<Ending, Wrapped>, kit: Kit<Options>): void => {
    for (const name of functions) {
      kit.trace(exports, name, background)
      kit.wrap(exports, name, original => {
        return (...args) => {
          const [, , , jobs, message] = args
          for (const job of [jobs].flat()) end(job, message)
          return original(...args)
        }
      })
    }
  }
}

function end(job: Job, message: string | undefined): void {
  const ours = running.get(job)
  if (ours === undefined) return
  const { run, open } = ours
  // A task that throws nothing, as in `throw undefined`, has succeeded.
  run.error = message === undefined ? undefined : (run.error ?? message)
  open.end(run)
}

const processing: Operation<Run> = {
  extract: ({ job }) => carrierOf(job),
  message: ({ job }) => ({ sentAtMs: carrierOf(job)?.sentAtMs }),
  start: ({ job }) => consumer(...describe('process', 'process', job.task_identifier, job.id)),
}

/** Waits for notifications, and stops waiting, in the background; what becomes of a task does not concern it. */
function patchPools(exports: Record<'runTaskList' | 'runTaskListInternal', Wrapped>, kit: Kit<Options>): void {
  for (const name of ['runTaskList', 'runTaskListInternal'] as const) {
    kit.trace(exports, name, background)
    kit.wrap(exports, name, run => {
      return (...args) => {
        const pool = run(...args)
        for (const stop of ['gracefulShutdown', 'forcefulShutdown']) kit.trace(pool, stop, background)
        return pool
      }
    })
  }
}

/** The schedule's own queries: it tells its listeners of each run, and these may be traced. */
function patchCron(exports: { runCron: Wrapped }, kit: Kit<Options>): void {
  kit.wrap(exports, 'runCron', runCron =>
    kit.detach((options, items, { pgPool, ...requirements }) => {
      const queries = { query: (...args: unknown[]) => pgPool.query(...args) }
      kit.trace(queries, 'query', background)
      return runCron(options, items, { ...requirements, pgPool: queries })
    }),
  )
}

function describe(
  operation: string,
  type: SemanticAttributes['messaging.operation.type'],
  task: unknown,
  id?: string,
): [name: string, attributes: SemanticAttributes] {
  // What is no name, Graphile Worker refuses.
  const name = typeof task === 'string' ? task : undefined
  return [
    name === undefined ? operation : `${operation} ${name}`,
    {
      'messaging.system': 'graphile-worker',
      'messaging.operation.name': operation,
      'messaging.operation.type': type,
      'messaging.destination.name': name,
      'messaging.message.id': id,
    },
  ]
}
