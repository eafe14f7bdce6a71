/** What a client of pg sends as it is: queries, cursors and streams that tell how they go on. */
import { EventEmitter, errorMonitor } from 'node:events'
import type { Socket } from 'node:net'
import type { Kit, OpenCall } from '../define.js'
import { createStamp } from './stamp.js'

export interface Client {
  readonly database?: string
  readonly host?: string
  readonly port?: number
  readonly connection?: {
    readonly stream?: Partial<Socket>
    /** Texts by the names of prepared statements. */
    readonly parsedStatements?: Record<string, string>
  }
  /** The same, over libpq. */
  readonly namedQueries?: Record<string, string>
  /** Without the underscore in older versions. */
  readonly _queryQueue?: readonly unknown[]
  readonly queryQueue?: readonly unknown[]
  cancel(...args: any[]): unknown
  query(...args: unknown[]): unknown
  connect(...args: unknown[]): unknown
  end(...args: unknown[]): unknown
}

export interface Query {
  readonly text?: unknown
  readonly values?: unknown
  readonly name?: string
  /** pg-query-stream hands all that it is told to a cursor of its own. */
  readonly cursor?: Submittable
}

/** What the client sends as it is, and tells how it goes on: pg's own queries, cursors and streams. */
export interface Submittable extends Query {
  /** A row that could not be parsed: told when the query is over. */
  readonly _canceledDueToError?: unknown
  handleDataRow(message: unknown): void
  handleError(error: unknown): void
  /** Queries over libpq have none. */
  handleReadyForQuery?(): void
  emit?(event: string): void
  readonly callback?: unknown
  /** Of streams. */
  _destroy?(error: unknown): void
}

export interface Cursor extends Submittable {
  /** Null until the client has sent it. */
  readonly connection: object | null
  read(...args: unknown[]): unknown
  close(...args: unknown[]): unknown
}

// A class for the reason of `MethodCall`.
export class QueryCall {
  error: unknown = undefined

  constructor(
    readonly client: Client,
    readonly args: any[],
  ) {}
}

interface Submission {
  open: OpenCall<QueryCall> | undefined
  call: QueryCall
  /** Calls a function in the context of whoever submitted. */
  enter: typeof Reflect.apply
  /** Of the same object, submitted before; let go when this one ends. */
  before: Submission | undefined
}

const submission = createStamp<Submission>()

export const apply = (query: Client['query'], call: QueryCall, open: OpenCall<QueryCall> | undefined): unknown =>
  open === undefined ? Reflect.apply(query, call.client, call.args) : open.attempt(query, call.client, call.args, call)

export function submit(query: Client['query'], call: QueryCall, open: Submission['open'], kit: Kit<any>): unknown {
  const [config] = call.args
  const told = [config.cursor, config].find(candidate => followed.some(prototype => isPrototype(prototype, candidate)))
  if (told !== undefined) {
    submission.set(told, { open, call, enter: kit.bind(Reflect.apply as never), before: submission.get(told) })
  }
  const result = apply(query, call, open)
  if (told === undefined) followEvents(config, call, open)
  return result
}

const isPrototype = (prototype: object, candidate: unknown): boolean =>
  Object.prototype.isPrototypeOf.call(prototype, candidate as object)

/** Of the classes whose methods tell us how a query of theirs goes on, in each loaded copy. */
const followed: object[] = []

export function follow(prototype: Submittable, kit: Kit<any>): void {
  followed.push(prototype)
  const native = prototype.handleReadyForQuery === undefined
  if (native) kit.wrap(prototype, 'emit', endAtEvent)
  // Over libpq an error gets its code only there.
  const failing = native ? 'after' : 'before'
  const hear = (method: 'handleError' | 'handleReadyForQuery' | 'handleDataRow', ends?: 'before' | 'after'): void =>
    kit.wrap(prototype, method, original => {
      return function (this: Submittable, error: unknown) {
        const ours = submission.get(this)
        if (ours === undefined) return Reflect.apply(original as () => void, this, arguments)
        const told = method === 'handleError' ? error : undefined
        if (ends === 'before') endOldest(ours, this._canceledDueToError || told)
        try {
          return ours.enter(original as () => void, this, arguments)
        } finally {
          if (ends === 'after') endOldest(ours, told)
        }
      }
    })
  hear('handleError', failing)
  hear('handleReadyForQuery', 'before')
  hear('handleDataRow')
}

/** All that queries over libpq do when they are over, but for calling back, which comes right after it. */
const endAtEvent = (emit: Submittable['emit']): Submittable['emit'] =>
  function (this: Submittable, event: string) {
    const ours = submission.get(this)
    if (ours === undefined) return Reflect.apply(emit as () => void, this, arguments)
    if (event !== 'end') return ours.enter(emit as () => void, this, arguments)
    endOldest(ours, undefined)
    const heard = ours.enter(emit as () => void, this, arguments)
    const { callback } = this
    if (typeof callback === 'function') {
      Reflect.set(this, 'callback', function (this: Submittable) {
        Reflect.set(this, 'callback', callback)
        return ours.enter(callback as () => void, this, arguments)
      })
    }
    return heard
  }

function endOldest(ours: Submission, error: unknown): void {
  if (ours.before?.open !== undefined) {
    endOldest(ours.before, error)
    return
  }
  ours.call.error = error
  ours.open?.end(ours.call)
  ours.open = undefined
  ours.before = undefined
}

function followEvents(query: unknown, call: QueryCall, open: Submission['open']): void {
  if (open === undefined) return
  if (!(query instanceof EventEmitter)) {
    open.end(call)
    return
  }
  query.once(errorMonitor, error => {
    call.error = error
    open.end(call)
  })
  for (const event of ['end', 'close']) query.once(event, () => open.end(call))
}

export const endUnsubmitted = (close: Cursor['close']): Cursor['close'] =>
  function (this: Cursor) {
    const ours = submission.get(this)
    if (this.connection === null && ours !== undefined) endOldest(ours, undefined)
    return Reflect.apply(close, this, arguments)
  }

/** A query that waits is taken out of the queue, and told nothing. */
export const endQueued = (cancel: Client['cancel']): Client['cancel'] =>
  function (this: Client, ...args) {
    const query = args.at(-1)
    // Given the client whose query it is; over libpq a client cancels its own.
    const client: Client | undefined = args.length > 1 ? args[0] : this
    const queue = client?._queryQueue ?? client?.queryQueue
    const ours = queue?.includes(query) === true ? submission.get(query) : undefined
    if (ours !== undefined) endOldest(ours, undefined)
    return Reflect.apply(cancel, this, args)
  }

/** What pg-copy-streams makes: it tells no end of a copy out that is left early. */
export function followCopies(copy: Record<string, (() => object) | undefined>, kit: Kit<any>): void {
  for (const make of [copy.from, copy.to, copy.both]) {
    if (make === undefined) continue
    const prototype = Object.getPrototypeOf(make()) as Submittable
    follow(prototype, kit)
    if (make !== copy.from) kit.wrap(prototype, '_destroy', endLeft)
  }
}

const endLeft = (destroy: Submittable['_destroy']): Submittable['_destroy'] =>
  function (this: Submittable, error) {
    const ours = submission.get(this)
    if (ours !== undefined) endOldest(ours, error ?? undefined)
    return Reflect.apply(destroy as () => void, this, arguments)
  }
