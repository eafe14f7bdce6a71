/** Where the active context lives: the process's only AsyncLocalStorage. */
import { AsyncLocalStorage } from 'node:async_hooks'
import type { Context, ContextManager } from '@opentelemetry/api'
import { ROOT } from './context.js'

const storage = new AsyncLocalStorage<Context>()

let base: Context = ROOT

/** For so long what runs in no context runs in this one: after that it has another reason than whoever started it. */
export function setBase(context: Context, forMs: number): void {
  base = context
  if (context === ROOT) return
  setTimeout(() => {
    if (base === context) base = ROOT
  }, forMs).unref()
}

export const active = (): Context => storage.getStore() ?? base

/** Calls `fn` with its own `this` and arguments while `context` is the active one. */
export function run<This, Args extends readonly unknown[], R>(
  context: Context,
  fn: (this: This, ...args: Args) => R,
  self: This,
  args: Args,
): R {
  // On Node 24 and later entering a context costs 190 ns: not when it is entered already.
  if (storage.getStore() === context) return Reflect.apply(fn, self, args)
  return storage.run(context, Reflect.apply as never, fn, self, args) as R
}

/** As `run`, for a context that nobody has entered yet. */
export const runFresh = <This, Args extends readonly unknown[], R>(
  context: Context,
  fn: (this: This, ...args: Args) => R,
  self: This,
  args: Args,
): R => storage.run(context, Reflect.apply as never, fn, self, args) as R

/** Makes `context` the active one for the rest of the running function and what it starts. */
export const enter = (context: Context): void => storage.enterWith(context)

/** A function that runs `fn` in `context`, wherever it is called from. */
export function bind<F extends (...args: any[]) => unknown>(fn: F, context: Context = active()): F {
  return function (this: unknown, ...args: unknown[]) {
    return run(context, fn, this, args as Parameters<F>)
  } as F
}

interface Attaches {
  /** Since API 1.10: makes `context` the active one until the token is disposed of. */
  attach(context: Context): { dispose(): void }
}

export const contextManager: ContextManager & Attaches = {
  active,
  with(context, fn, thisArg, ...args) {
    return run(context, fn as never, thisArg, args)
  },
  bind(context, target) {
    return typeof target === 'function' ? (bind(target as never, context) as typeof target) : target
  },
  attach(context) {
    const before = active()
    enter(context)
    return { dispose: () => enter(before) }
  },
  enable() {
    return contextManager
  },
  disable() {
    return contextManager
  },
}
