/** What Bull and BullMQ share: how a job carries its trace, and how its spans are called. */
import type { SemanticAttributes } from '../../semconv.js'
import type { SpanDraft } from '../define.js'
import { headersToSend } from './http.js'

export type System = 'bull' | 'bullmq'

/** A queue, a worker or a producer of flows. */
export interface Queue {
  readonly name?: string
  /** BullMQ's. */
  readonly opts?: { readonly telemetry?: unknown; readonly connection?: Connection }
  /** Bull's: its connections. */
  readonly clients?: readonly Connection[]
  readonly defaultJobOptions?: JobOptions
  readonly closing?: unknown
  readonly paused?: unknown
}

/** What a connection is made of, or the connection. */
type Connection = Endpoint & { readonly options?: Endpoint }

interface Endpoint {
  readonly host?: unknown
  readonly port?: unknown
}

export interface JobOptions {
  readonly repeat?: unknown
  /** BullMQ's place for a trace: JSON of the headers. Bull keeps what it does not know. */
  readonly telemetry?: { readonly metadata?: unknown; readonly omitContext?: unknown }
}

export interface Job {
  readonly id?: string | number
  readonly name: string
  readonly opts?: JobOptions
  readonly timestamp?: number
  readonly attemptsMade?: number
  /** Since BullMQ 5; before that `attemptsMade` counted so. */
  readonly attemptsStarted?: number
  readonly repeatJobKey?: unknown
}

export type Headers = Record<string, string>

/** An application that has BullMQ itself tell of its jobs is not told of twice. */
export const isTraced = ({ opts }: Queue): boolean => !opts?.telemetry

/** The trace headers that a job carries, whoever put them there. */
export function headersOf(opts: JobOptions | undefined): Record<string, unknown> | undefined {
  const metadata = opts?.telemetry?.metadata
  if (typeof metadata !== 'string') return undefined
  try {
    const headers = JSON.parse(metadata)
    return typeof headers === 'object' && headers !== null ? headers : undefined
  } catch {
    return undefined
  }
}

/** A copy of a job's options with the trace headers, as far as the application has left room for them. */
export function withHeaders(opts: JobOptions | undefined, defaults: JobOptions | undefined, ours: Headers) {
  const telemetry = opts?.telemetry ?? defaults?.telemetry
  const own = headersOf({ telemetry })
  if (telemetry?.omitContext || (telemetry?.metadata !== undefined && own === undefined)) return opts
  const names = headersToSend(ours, name => own?.[name])
  if (names.length === 0) return opts
  const metadata = JSON.stringify({ ...own, ...Object.fromEntries(names.map(name => [name, ours[name]])) })
  return { ...opts, telemetry: { ...telemetry, metadata } }
}

export function describe(
  make: (name: string, attributes: SemanticAttributes) => SpanDraft,
  [operation, type]: [string, SemanticAttributes['messaging.operation.type']],
  system: System,
  queue: Queue,
  destination: string | undefined = queue.name,
): SpanDraft {
  const connection = queue.opts?.connection ?? queue.clients?.[0]
  const { host, port } = connection?.options ?? connection ?? {}
  const address = typeof host === 'string' ? host : undefined
  const number = Number(port) || undefined
  const target = destination ?? (number === undefined ? address : `${address}:${number}`)
  return make(target === undefined ? operation : `${operation} ${target}`, {
    'messaging.system': system,
    'messaging.operation.name': operation,
    'messaging.operation.type': type,
    'messaging.destination.name': destination,
    'server.address': address,
    'server.port': address === undefined ? undefined : number,
  })
}

export const idOf = (job: Partial<Job> | undefined): string | undefined =>
  job?.id == null ? undefined : String(job.id)

export const nameOf = (system: System, job: Pick<Job, 'name'> | undefined): SemanticAttributes =>
  system === 'bull' ? { 'messaging.bull.job.name': job?.name } : { 'messaging.bullmq.job.name': job?.name }
