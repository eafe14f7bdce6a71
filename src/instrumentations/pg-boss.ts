/** Jobs that pg-boss keeps in PostgreSQL: sent, received, processed and settled. */
import type { SemanticAttributes } from '../semconv.js'
import {
  type Call,
  client,
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

const LIBRARY = { name: 'pg-boss', versions: '>=9 <11' }

interface Options {
  propagate: boolean
}

export default defineInstrumentation<Options>({
  name: 'pg-boss',
  title: 'pg-boss',
  category: 'messaging',
  options: {
    propagate: flag(
      true,
      "Carry the trace in a key `_traceContext` of the job's data, where that is an object. It is taken out before a traced worker sees it; others do see it.",
    ),
  },
  modules: [
    { ...LIBRARY, file: 'src/manager.js', patch: patchManager },
    { ...LIBRARY, file: 'src/worker.js', patch: inBackground('start') },
    { ...LIBRARY, file: 'src/contractor.js', patch: inBackground('start', 'check') },
    { ...LIBRARY, file: 'src/boss.js', patch: inBackground('supervise', 'monitor') },
    { ...LIBRARY, file: 'src/timekeeper.js', patch: inBackground('start') },
  ],
})

interface Manager {
  createJob(name: string, data: unknown, options: unknown, offset?: number): Promise<unknown>
  insert(jobs: unknown, ...options: unknown[]): Promise<unknown>
  publish(event: unknown, ...args: unknown[]): Promise<unknown>
  fetch(name: unknown, ...args: unknown[]): Promise<unknown>
  getJobById(...args: unknown[]): Promise<unknown>
  watch(name: string, options: unknown, handler: Handler): Promise<unknown>
  complete(...args: unknown[]): Promise<unknown>
  cancel(...args: unknown[]): Promise<unknown>
  fail(...args: unknown[]): Promise<unknown>
  emit(...args: unknown[]): boolean
}

interface Job {
  readonly id: string
  readonly name: string
  readonly data?: any
}

type Handler = (this: unknown, given: Job | Job[]) => unknown

function patchManager({ prototype }: { prototype: Manager }, kit: Kit<Options>): void {
  // Up to 9, jobs are settled without the name of their queue.
  const named = Number.parseInt(kit.version, 10) > 9
  kit.trace(prototype, 'createJob', sending(kit.options))
  kit.trace(prototype, 'insert', inserting(kit.options))
  kit.trace(prototype, 'publish', publishing)
  kit.wrap(prototype, 'fetch', takingOut)
  kit.trace(prototype, 'fetch', receiving)
  kit.wrap(prototype, 'getJobById', takingOut)
  kit.wrap(prototype, 'fail', fail => {
    return function (this: Manager, ...args) {
      const [ids, reason] = named ? args.slice(1) : args
      endFailed(this, ids, reason)
      return Reflect.apply(fail, this, args)
    }
  })
  for (const verb of ['complete', 'cancel', 'fail'] as const) kit.trace(prototype, verb, settling(verb, named))
  kit.wrap(prototype, 'watch', watch => {
    return function (this: Manager, name, options, handler) {
      const isOurs = String(name).startsWith(INTERNAL)
      return Reflect.apply(watch, this, [name, options, isOurs ? handler : processed(this, name, handler, kit)])
    }
  })
  kit.wrap(prototype, 'emit', kit.detach)
}

const INTERNAL = '__pgboss__'

/** Loops, timers and migrations. What they tell the application is told outside of them. */
function inBackground(...methods: string[]) {
  return ({ prototype }: { prototype: any }, kit: Kit<Options>): void => {
    for (const method of methods) kit.trace(prototype, method, background)
    kit.wrap(prototype, 'emit', kit.detach)
  }
}

const sending = ({
  propagate,
}: Options): Operation<Call<Manager, Parameters<Manager['createJob']>, string | null>> => ({
  inside: 'hidden',
  start: ({ args: [queue] }) => producer(...describe('send', 'send', [queue])),
  inject(call, headers) {
    const [name, data, ...rest] = call.args
    if (propagate) call.args = [name, withCarrier(data, headers), ...rest]
  },
  // Null where a job of the same key is waiting already.
  finish: (span, { result }) => void span.set({ 'messaging.message.id': result ?? undefined }),
})

const inserting = ({ propagate }: Options): Operation<Call<Manager, Parameters<Manager['insert']>>> => ({
  inside: 'hidden',
  start({ args: [jobs] }) {
    if (!Array.isArray(jobs)) return undefined
    const queues = jobs.map(job => job?.name)
    const ids = jobs.map(job => job?.id)
    return producer(...describe('send', 'send', queues, ids))
  },
  inject(call, headers) {
    const [jobs, ...rest] = call.args
    if (propagate && Array.isArray(jobs)) call.args = [jobs.map(job => carrying(job, headers)), ...rest]
  },
})

function carrying(job: any, headers: Record<string, string>): unknown {
  const data = withCarrier(job?.data, headers)
  return data === job?.data ? job : { ...job, data }
}

/** To every queue that has subscribed: each gets a job of its own. */
const publishing: Operation<Call<Manager, Parameters<Manager['publish']>>> = {
  start({ args }) {
    if (endsInFunction(args)) return undefined
    return client(...describe('publish', 'send', [args[0]]))
  },
}

// What looks like a callback is none here: nobody would call it.
const endsInFunction = (args: readonly unknown[]): boolean => typeof args.at(-1) === 'function'

const receiving: Operation<Call<Manager, Parameters<Manager['fetch']>, Job | Job[]>> = {
  inside: 'hidden',
  needsParent: true,
  start({ args }) {
    if (endsInFunction(args)) return undefined
    return client(...describe('receive', 'receive', [args[0]]))
  },
  discard: ({ result, error }) => error === undefined && jobsOf(result).length === 0,
  links: ({ result }) => jobsOf(result).map(carrierOf),
  finish(span, { result, error }) {
    if (error === undefined) span.set({ 'messaging.batch.message_count': jobsOf(result).length })
  },
}

/** None, one, or an array of them. */
const jobsOf = (result: unknown): Job[] => [result ?? []].flat() as Job[]

function takingOut(original: (...args: any[]) => Promise<unknown>): (...args: unknown[]) => Promise<unknown> {
  return function (this: Manager, ...args) {
    return Reflect.apply(original, this, args).then(result => {
      for (const job of jobsOf(result)) {
        takeCarrier(job, job?.data)
        // A job of pg-boss 9 that tells of another's completion.
        if (String(job?.name).startsWith(COMPLETION)) takeCarrier(job, job.data?.request?.data)
      }
      return result
    })
  }
}

const COMPLETION = '__state__completed__'

const settling = (verb: string, named: boolean): Operation<Call<Manager, unknown[]>> => ({
  inside: 'hidden',
  needsParent: true,
  start({ args }) {
    if (endsInFunction(args)) return undefined
    const [queue, ids] = named ? args : [undefined, args[0]]
    return client(...describe(verb, 'settle', [queue], [ids].flat()))
  },
})

/** A run of a handler: of one job, or of a batch. */
interface Run {
  readonly queue: string
  readonly jobs: readonly Job[]
  error?: unknown
}

/** Those that have not ended, by the ids of their jobs. */
const running = createStamp<Map<unknown, { readonly run: Run; readonly open: OpenCall<Run> }>>()

function processed(manager: Manager, queue: string, handler: Handler, kit: Kit<Options>): Handler {
  const runs = running.get(manager) ?? new Map()
  running.set(manager, runs)
  // Workers run in the background, and handlers do not.
  return kit.detach(function (this: unknown, given) {
    const run: Run = { queue, jobs: jobsOf(given) }
    const open = kit.begin(processing, run)
    if (open === undefined) return Reflect.apply(handler, this, [given])

    if (open.span.isRecording()) {
      const entry = { run, open }
      for (const { id } of run.jobs) runs.set(id, entry)
      open.beforeEnd(() => {
        // Meanwhile the job may be tried again.
        for (const { id } of run.jobs) if (runs.get(id) === entry) runs.delete(id)
      })
    }
    return handle(open, handler, this, [given], run).then(
      value => {
        open.end(run)
        return value
      },
      error => {
        run.error = failure(error)
        open.end(run)
        throw error
      },
    )
  })
}

/** Ends the run of which all jobs have failed, as they do of a handler that takes too long: it may never return. */
function endFailed(manager: Manager, ids: unknown, reason: unknown): void {
  const failed = new Set([ids].flat())
  for (const id of failed) {
    const entry = running.get(manager)?.get(id)
    if (entry === undefined || !entry.run.jobs.every(job => failed.has(job.id))) continue
    entry.run.error = failure(reason)
    entry.open.end(entry.run)
  }
}

const processing: Operation<Run> = {
  extract: ({ jobs }) => (jobs.length === 1 ? carrierOf(jobs[0] as Job) : undefined),
  links: ({ jobs }) => (jobs.length === 1 ? [] : jobs.map(carrierOf)),
  message: ({ jobs }) => ({ sentAtMs: carrierOf(jobs[0] as Job)?.sentAtMs }),
  start({ queue, jobs }) {
    const ids = jobs.map(({ id }) => id)
    const queues = new Set(jobs.map(({ name }) => name))
    // The workers of pg-boss 9 may be of many queues, by a pattern.
    return consumer(...describe('process', 'process', queues.size === 1 ? [...queues] : [queue], ids))
  },
}

/** Name and attributes; `queues` and `ids` are those of each job, as far as they are known. */
function describe(
  operation: string,
  type: SemanticAttributes['messaging.operation.type'],
  queues: readonly unknown[],
  ids: readonly unknown[] = [],
): [name: string, attributes: SemanticAttributes] {
  const [queue, ...others] = new Set(queues)
  const name = typeof queue === 'string' && queue !== '' && others.length === 0 ? queue : undefined
  return [
    name === undefined ? operation : `${operation} ${name}`,
    {
      'messaging.system': 'pg-boss',
      'messaging.operation.name': operation,
      'messaging.operation.type': type,
      'messaging.destination.name': name,
      'messaging.message.id': ids.length === 1 && typeof ids[0] === 'string' ? ids[0] : undefined,
      'messaging.batch.message_count': ids.length > 1 ? ids.length : undefined,
    },
  ]
}

// A handler may throw, and an application fail a job, without saying why.
const failure = (reason: unknown): unknown => reason ?? new Error('failed without a reason')
