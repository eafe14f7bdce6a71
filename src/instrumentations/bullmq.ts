/** Jobs of BullMQ: added to queues, as flows and by schedules, and processed by workers, in sandboxes too. */
import { type Call, defineInstrumentation, type Kit, type Operation } from './define.js'
import type { Job, Queue } from './shared/bull.js'
import { adding, addingMany } from './shared/bull-adding.js'
import {
  attempts,
  background,
  failing,
  forSandbox,
  processing,
  receiving,
  sandboxed,
  traceJobs,
} from './shared/bull-processing.js'
import { createStamp } from './shared/stamp.js'

// Older ones give the processor of a sandbox no token.
const LIBRARY = { name: 'bullmq', versions: '>=4.8 <7' }

export default defineInstrumentation({
  name: 'bullmq',
  title: 'BullMQ',
  category: 'messaging',
  modules: [
    { ...LIBRARY, patch: patchLibrary },
    // What a sandbox loads of the library.
    { ...LIBRARY, file: 'dist/cjs/classes/child-processor.js', patch: patchSandbox },
  ],
})

/** What no caller waits for. */
const BACKGROUND = [
  'waitUntilReady',
  'setQueueMeta',
  'setName',
  'waitForJob',
  'readEvents',
  'moveToActive',
  'moveStalledJobsToWait',
  'extendLock',
  'extendLocks',
  'isJobScheduler',
  'updateJobSchedulerNextMillis',
  'addNextRepeatableJob',
  'updateRepeatableJob',
]

function patchLibrary(library: any, kit: Kit<object>): void {
  const { Queue, FlowProducer, Worker, QueueEvents, Job } = library
  kit.trace(
    Queue.prototype,
    'add',
    adding('bullmq', 'add', ([name, data, opts, ...rest], put) => [name, data, put(opts), ...rest]),
  )
  kit.trace(
    Queue.prototype,
    'upsertJobScheduler',
    adding('bullmq', 'upsertJobScheduler', ([id, repeat, template, ...rest], put) => [
      id,
      repeat,
      { ...template, opts: put(template?.opts) },
      ...rest,
    ]),
  )
  kit.trace(Queue.prototype, 'addBulk', addingMany(kit, 'bullmq', 'addBulk'))
  kit.trace(FlowProducer.prototype, 'add', addingMany(kit, 'bullmq', 'add'))
  kit.trace(FlowProducer.prototype, 'addBulk', addingMany(kit, 'bullmq', 'addBulk'))

  // A worker outlives the request that starts it, and a sandbox the job.
  kit.wrap(Worker.prototype, 'run', kit.detach)
  kit.wrap(QueueEvents.prototype, 'run', kit.detach)
  kit.wrap(library.ChildPool.prototype, 'retain', kit.detach)
  // Before version 6 the backend was called Scripts, schedules were kept by Repeat, and the worker did some of it by itself.
  const { RedisQueueBackend, PostgresQueueBackend, Scripts, Repeat } = library
  for (const type of [RedisQueueBackend, PostgresQueueBackend, Scripts, Repeat]) {
    for (const method of BACKGROUND) if (type !== undefined) kit.trace(type.prototype, method, background)
  }
  if (Scripts !== undefined) {
    for (const method of ['waitForJob', 'extendLocks']) kit.trace(Worker.prototype, method, background)
  }

  // Before version 6 a worker that closes gives back what it was about to process.
  const attempting = processing('bullmq')
  traceJobs(
    kit,
    Worker.prototype,
    { ...attempting, discard: ({ attempt, error }) => !attempt?.ran && (attempt?.error ?? error) === undefined },
    'closed',
  )
  kit.trace(Worker.prototype, 'callProcessJob', running)
  kit.trace(Worker.prototype, 'getNextJob', receiving('bullmq'))
  kit.trace(Job.prototype, 'moveToFailed', failing)
  kit.wrap(Job.prototype, 'asJSONSandbox', (original: Function) => {
    return function (this: Job, ...args: unknown[]) {
      return { ...Reflect.apply(original, this, args), ...forSandbox(this) }
    }
  })
}

const running: Operation<Call<Queue, [Job, ...unknown[]]>> = {
  needsParent: true,
  inside: 'none',
  start({ args: [job] }) {
    const attempt = attempts.get(job)
    if (attempt !== undefined) attempt.ran = true
    return undefined
  },
}

interface ChildProcessor {
  processor(...args: any[]): unknown
  start(...args: unknown[]): unknown
}

function patchSandbox({ ChildProcessor }: { ChildProcessor: { prototype: ChildProcessor } }, kit: Kit<object>): void {
  const prepared = createStamp<true>()
  kit.wrap(ChildProcessor.prototype, 'start', original => {
    return function (this: ChildProcessor, ...args) {
      if (!prepared.get(this)) kit.trace(this, 'processor', sandboxed('bullmq'))
      prepared.set(this, true)
      return Reflect.apply(original, this, args)
    }
  })
}
