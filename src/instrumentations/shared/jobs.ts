/** What libraries share that keep jobs in a table of PostgreSQL: the trace in a job's data, the handler's span, the library's own work. */
import type { Call, OpenCall, Operation } from '../define.js'
import { createStamp } from './stamp.js'

// Such tables have no column for headers, and one of ours in a customer's database is out of the question.
const KEY = '_traceContext'

/** What a job's data carries: trace headers by their names, and when they were put there. */
export interface Carrier {
  readonly [header: string]: unknown
  readonly sentAtMs: number
}

/** A copy of the data that carries the trace. What is no object with keys, or has a key of that name, stays as it is. */
export function withCarrier<T>(data: T, headers: Record<string, string>): T {
  if (Object.keys(headers).length === 0 || !isKeyed(data)) return data
  if (Object.hasOwn(data, KEY) && !isCarrier(data[KEY])) return data
  return { ...data, [KEY]: { ...headers, sentAtMs: Date.now() } }
}

/** True for what JSON.stringify, and pg in its place, write by its own keys. */
function isKeyed(data: any): data is Record<string, unknown> {
  if (Object.prototype.toString.call(data) !== '[object Object]') return false
  return typeof data.toJSON !== 'function' && typeof data.toPostgres !== 'function'
}

const isCarrier = (value: any): value is Carrier =>
  typeof value === 'object' && value !== null && typeof value.sentAtMs === 'number'

const carriers = createStamp<Carrier>()

/** What a job that came from the table has carried. */
export const carrierOf = (job: object): Carrier | undefined => carriers.get(job)

/** Takes the carrier out of the data of a job that comes from the table, before the application sees it. */
export function takeCarrier(job: unknown, data: any): void {
  if (typeof data !== 'object' || data === null || !Object.hasOwn(data, KEY) || !isCarrier(data[KEY])) return
  carriers.set(job as object, data[KEY])
  Reflect.deleteProperty(data, KEY)
}

/** What the library does on its own account: no spans, whoever asked it to start. */
export const background: Operation<Call> = {
  inside: 'hidden',
  needsParent: true,
  extract: () => undefined,
  start: () => undefined,
}

/** Calls the application's handler. Whatever it returns is awaited by the library, and so may as well be a promise. */
export function handle<M extends { error?: unknown }>(
  open: OpenCall<M>,
  handler: (...args: any[]) => unknown,
  self: unknown,
  args: unknown[],
  call: M,
): Promise<unknown> {
  const result = open.attempt(handler, self, args, call)
  // A query builder starts when it is awaited: that has to be in here, too.
  return open.run(() => Promise.resolve(result), undefined, [])
}
