/** A function, traced: whether it calls back, returns a promise or an emitter, or just returns. */
import { EventEmitter, errorMonitor } from 'node:events'
import { types } from 'node:util'
import { active, bind } from '../context/storage.js'
import { begin, type Guard } from './begin.js'
import type { Call, Operation } from './operation.js'
import type { Scope } from './span.js'
import type { TracerCore } from './tracer.js'

/**
 * A class and no literal, as whatever is made for each call and leads to the application's objects: literals of a place where many
 * have outlived a collection V8 makes in its old space from then on, and all that they lead to stays until that is collected.
 * Of a request with two queries and a fetch 22 KB of 73 did so, and with classes 19 (Node 24).
 */
class MethodCall<This, Args extends readonly unknown[], R> implements Call<This, Args, R> {
  result?: R
  error: unknown = undefined

  constructor(
    readonly self: This,
    public args: Args,
  ) {}
}

/** Calls the original exactly once, with its own `this`, arguments, result and exceptions. */
export function traced<This, Args extends unknown[], R>(
  core: TracerCore,
  scope: Scope,
  operation: Operation<Call<This, Args, R>>,
  original: (this: This, ...args: Args) => R,
  guard: Guard,
): (this: This, ...args: Args) => R {
  const leaf = operation.inside === 'none'

  return function (this: This, ...args: Args): R {
    const call: Call<This, Args, R> = new MethodCall(this, args)
    const open = begin(core, scope, operation, call, guard)
    if (open === undefined) return Reflect.apply(original, this, call.args)

    const settle = (error: unknown, result?: R): void => {
      if (error !== undefined && error !== null) call.error = error
      else if (result !== undefined) call.result = result
      open.end(call)
    }

    const last = call.args.length - 1
    const callback: unknown = call.args[last]
    const calledBack = typeof callback === 'function' && operation.callsBack !== false
    if (calledBack) {
      const resume = bind(callback as (...a: any[]) => unknown, active())
      // A copy: `inject` may have put the customer's own array here.
      call.args = call.args.slice() as Args
      call.args[last] = function (this: unknown, error: unknown, result: R) {
        settle(error, result)
        return Reflect.apply(resume, this, arguments)
      }
    }

    let result: R
    try {
      result = leaf ? Reflect.apply(original, this, call.args) : open.run(original, this, call.args)
    } catch (error) {
      settle(error ?? new Error('threw nothing'))
      throw error
    }
    if (calledBack) return result
    if (operation.pends !== undefined && types.isPromise(result)) open.goesOn('pends', call)
    if (isPlainPromise(result)) {
      return result.then(
        value => {
          settle(undefined, value as R)
          return value
        },
        error => {
          settle(error ?? new Error(REJECTED_WITH_NOTHING))
          throw error
        },
      ) as R
    }
    if (types.isPromise(result)) tap(result, settle)
    else if (operation.outlives !== undefined) {
      if (!open.goesOn('outlives', call)) settle(undefined, result)
    } else if (result instanceof EventEmitter && result !== (this as unknown)) {
      result.once(errorMonitor, settle)
      result.once('end', () => settle(undefined))
      result.once('close', () => settle(undefined))
    } else settle(undefined, result)
    return result
  }
}

const REJECTED_WITH_NOTHING = 'rejected with nothing'

// Passing a plain promise on keeps Node's report of an unhandled rejection; one with extras must stay itself.
const isPlainPromise = (value: unknown): value is Promise<unknown> =>
  types.isPromise(value) && value.constructor === Promise && Object.keys(value).length === 0

function tap(promise: Promise<unknown>, settle: (error: unknown, result?: any) => void): void {
  try {
    // Not the promise's own `then`: that of a lazy promise starts the work.
    Promise.prototype.then.call(
      promise,
      value => settle(undefined, value),
      error => settle(error ?? new Error(REJECTED_WITH_NOTHING)),
    )
  } catch {
    // `then` makes a second promise of the same class, whose constructor may want other arguments.
    settle(undefined)
  }
}
