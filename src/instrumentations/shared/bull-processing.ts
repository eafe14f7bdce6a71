/** Jobs that Bull and BullMQ hand out: each attempt, its failure, and its part in a sandbox. */
import type { SemanticAttributes } from '../../semconv.js'
import { type Call, client, consumer, internal, type Kit, type Operation } from '../define.js'
import { describe, type Headers, headersOf, idOf, isTraced, type Job, nameOf, type Queue, type System } from './bull.js'
import { createStamp } from './stamp.js'

/** Hands a job to an application that processes it by itself. */
export const receiving = (system: System): Operation<Call<Queue, unknown[], Job | null>> => ({
  needsParent: true,
  start: ({ self }) => (isTraced(self) ? describe(client, ['receive', 'receive'], system, self) : undefined),
  links: ({ result }) => [headersOf(result?.opts)],
  discard: ({ result, error }) => !result && error === undefined,
  finish(span, { result }) {
    span.set({ 'messaging.message.id': idOf(result ?? undefined), ...nameOf(system, result ?? undefined) })
  },
})

/** One attempt at a job. Holds nothing of the job: that is the application's to forget. */
interface Attempt {
  readonly headers: Headers
  /** The job's processor has been called, or is sure to be. */
  ran: boolean
  /** What the job has failed with; what only puts a job off is no failure. */
  error?: unknown
}

/** By job, while it is processed. */
export const attempts = createStamp<Attempt | undefined>()

export type Processing = Call<Queue, [job: Job | null | undefined, ...unknown[]]> & {
  attempt?: Attempt
  /** The worker was closed before the job was done. */
  abandoned?: boolean
}

export const processing = (system: System): Operation<Processing> => ({
  extract: ({ args: [job] }) => headersOf(job?.opts),
  message: ({ args: [job] }) => ({
    sentAtMs: job?.timestamp,
    scheduled: Boolean(job?.repeatJobKey || job?.opts?.repeat),
  }),
  start({ self, args: [job] }) {
    if (!job || !isTraced(self)) return undefined
    const { name, kind, attributes } = describe(consumer, ['process', 'process'], system, self)
    const { attemptsMade = 0, attemptsStarted = attemptsMade } = job
    const own: SemanticAttributes =
      system === 'bull'
        ? { 'messaging.bull.job.attempt': attemptsMade + 1 }
        : { 'messaging.bullmq.job.attempt': attemptsStarted }
    return {
      name,
      kind,
      attributes: { ...attributes, 'messaging.message.id': idOf(job), ...nameOf(system, job), ...own },
    }
  },
  inject(call, headers) {
    const {
      self,
      args: [job],
    } = call
    if (!job || !isTraced(self)) return
    call.attempt = { headers, ran: !self.closing && !self.paused }
    attempts.set(job, call.attempt)
  },
  finish(span, call) {
    const { attempt, args, abandoned } = call
    attempts.set(args[0] as Job, undefined)
    if (attempt?.error !== undefined) call.error = attempt.error
    else if (abandoned) span.set({ 'error.type': 'worker_closed' }).fail()
  },
})

/** `moveToFailed`: the library has decided that the job, or this attempt at it, has failed. */
export const failing: Operation<Call<Job, [error: unknown, ...unknown[]]>> = {
  needsParent: true,
  inside: 'none',
  start({ self, args: [error] }) {
    const attempt = attempts.get(self)
    if (attempt !== undefined) attempt.error = error ?? 'failed with nothing'
    return undefined
  },
}

/** Traces `processJob`, whose promise tells of the end of an attempt, or else the event of that name tells that it is given up. */
export function traceJobs(kit: Kit<object>, worker: any, operation: Operation<Processing>, closed: string): void {
  const running = createStamp<Set<(abandoned: boolean) => void>>()
  kit.wrap(worker, 'processJob', (original: Function) => {
    return function (this: Queue, ...args: Processing['args']) {
      const call: Processing = { self: this, args }
      const open = kit.begin(operation, call)
      if (open === undefined) return Reflect.apply(original, this, args)
      const ends = running.get(this) ?? new Set()
      running.set(this, ends)
      const end = (abandoned: boolean): void => {
        ends.delete(end)
        call.abandoned = abandoned
        open.end(call)
      }
      ends.add(end)
      return open.attempt(original as () => Promise<unknown>, this, args as unknown as [], call).then(
        next => {
          end(false)
          return next
        },
        error => {
          call.error = error
          end(false)
          throw error
        },
      )
    }
  })
  kit.wrap(worker, 'emit', (original: Function) => {
    return function (this: Queue, event: unknown) {
      if (event === closed) for (const end of running.get(this) ?? []) end(true)
      return Reflect.apply(original, this, arguments)
    }
  })
}

/** The library's own polls and upkeep: they are hidden where nobody waits for them. */
export const background: Operation<Call> = { inside: 'hidden', needsParent: true, start: () => undefined }

/** A job's copy in another process or thread; the headers stand in it until the application gets it. */
export interface SandboxedJob extends Job {
  traceHeaders?: { readonly queue: string | undefined; readonly headers: Headers } | undefined
}

/** What is sent to a sandbox with a job's copy. */
export const forSandbox = (job: Job & { readonly queue?: Queue }): Pick<SandboxedJob, 'traceHeaders'> => {
  const attempt = attempts.get(job)
  return attempt === undefined ? {} : { traceHeaders: { queue: job.queue?.name, headers: attempt.headers } }
}

// BullMQ's ways to put a job off.
const PUTS_OFF: readonly unknown[] = ['DelayedError', 'RateLimitError', 'WaitingChildrenError', 'WaitingError']

/** The run of a processor in a sandbox, within the attempt that the worker tells of. */
export const sandboxed = (
  system: System,
): Operation<Call<unknown, [SandboxedJob, ...unknown[]]> & { queue?: string }> => ({
  needsParent: true,
  extract(call) {
    const [job] = call.args
    const { traceHeaders } = job
    Reflect.deleteProperty(job, 'traceHeaders')
    call.queue = traceHeaders?.queue
    return traceHeaders?.headers
  },
  start: ({ args: [job], queue }) =>
    internal(`sandbox ${queue}`, {
      'messaging.destination.name': queue,
      'messaging.message.id': idOf(job),
      ...nameOf(system, job),
    }),
  finish(_span, call) {
    if (PUTS_OFF.includes((call.error as Error | undefined)?.name)) call.error = undefined
  },
})
