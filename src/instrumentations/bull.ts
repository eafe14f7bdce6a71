/** Jobs of Bull: added to queues, once or by a schedule, and processed by their handlers, in child processes too. */
import { type Call, defineInstrumentation, type Kit, type OpenCall } from './define.js'
import { adding, addingMany } from './shared/bull-adding.js'
import {
  background,
  failing,
  forSandbox,
  processing,
  receiving,
  sandboxed,
  traceJobs,
} from './shared/bull-processing.js'

// Older ones hand jobs to sandboxes in another way, and throw while they close.
const LIBRARY = { name: 'bull', versions: '>=4.10.4 <5' }

export default defineInstrumentation({
  name: 'bull',
  title: 'Bull',
  category: 'messaging',
  modules: [
    { ...LIBRARY, file: 'lib/queue.js', patch: patchQueue },
    { ...LIBRARY, file: 'lib/job.js', patch: ({ prototype }, kit) => kit.trace(prototype, 'moveToFailed', failing) },
    {
      ...LIBRARY,
      file: 'lib/scripts.js',
      patch(scripts, kit) {
        for (const script of ['moveToActive', 'moveUnlockedJobsToWait', 'updateDelaySet', 'extendLock']) {
          kit.trace(scripts, script, background)
        }
      },
    },
    {
      ...LIBRARY,
      file: 'lib/process/child-pool.js',
      // A sandbox outlives the job that starts it.
      patch: (createPool, kit) => kit.wrap(Object.getPrototypeOf(createPool()), 'retain', kit.detach),
    },
    // On both sides of a sandbox.
    { ...LIBRARY, file: 'lib/process/utils.js', patch: patchMessages },
    // What a sandbox runs.
    { ...LIBRARY, file: 'lib/process/master.js', patch: patchSandbox },
  ],
})

function patchQueue({ prototype: queue }: any, kit: Kit<object>): void {
  kit.trace(
    queue,
    'add',
    adding('bull', 'add', (args, put) => {
      const at = typeof args[0] === 'string' ? 2 : 1
      return Object.assign([...args], { [at]: put(args[at]) })
    }),
  )
  kit.trace(queue, 'addBulk', addingMany(kit, 'bull', 'addBulk'))
  kit.trace(queue, 'getNextJob', receiving('bull'))
  // Handlers and timers outlive the request that sets them up.
  kit.wrap(queue, 'run', kit.detach)
  kit.wrap(queue, '_initProcess', kit.detach)
  traceJobs(kit, queue, processing('bull'), 'close')
}

interface Message {
  readonly cmd?: string
  readonly job?: any
  readonly value?: unknown
}

/** What a sandbox runs: one job at a time. */
let current: { readonly open: OpenCall<Call>; readonly call: Call } | undefined

function patchMessages(utils: { asyncSend(to: unknown, message: Message): unknown }, kit: Kit<object>): void {
  kit.wrap(utils, 'asyncSend', original => {
    return function (this: unknown, to, message) {
      const { cmd, job, value } = message
      // As JSON makes it of the job.
      if (cmd === 'start') message = { ...message, job: { ...job.toJSON(), ...forSandbox(job) } }
      if (current !== undefined && (cmd === 'completed' || cmd === 'failed')) {
        const { open, call } = current
        current = undefined
        if (cmd === 'failed') call.error = value
        open.end(call)
      }
      return Reflect.apply(original, this, [to, message])
    }
  })
}

function patchSandbox(_exports: unknown, kit: Kit<object>): void {
  const operation = sandboxed('bull')
  kit.wrap(process, 'emit', (original: Function) => {
    return function (this: NodeJS.Process, ...args: unknown[]) {
      const [event, message] = args as [unknown, Message | undefined]
      const job = event === 'message' && message?.cmd === 'start' ? message.job : undefined
      if (!job?.traceHeaders) return Reflect.apply(original, this, args)
      const call: Call = { self: undefined, args: [job] }
      const open = kit.begin(operation, call)
      if (open === undefined) return Reflect.apply(original, this, args)
      current = { open, call }
      return open.run(original as () => unknown, this, args as [])
    } as never
  })
}
