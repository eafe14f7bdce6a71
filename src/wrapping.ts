/** How `traced` wraps: functions that return, throw, call back, return promises, emitters or generators, and members of classes. */
import { types } from 'node:util'
import { resembling } from './hooks/wrap.js'
import type { Attributes } from './semconv.js'
import { begin, createGuard, type Guard } from './trace/begin.js'
import type { Call, OpenCall, Operation, Settled } from './trace/operation.js'
import { INTERNAL, type Scope } from './trace/span.js'
import { traced as tracedFunction } from './trace/traced.js'
import type { TracerCore } from './trace/tracer.js'
import type { Traced, TracedOptions } from './traced.js'
import { version } from './version.js'

type AnyFunction = (...args: any[]) => any

const scope: Scope = { name: '@org/trace', version }

/** `coreOf` tells what makes spans now: nothing does before tracing has started, or where it is disabled. */
export function createTraced(coreOf: () => TracerCore | undefined): Traced {
  function wrapped(fn: AnyFunction, nameOf: (self: unknown) => string, options: TracedOptions): AnyFunction {
    const operation = operationOf(nameOf, options)
    const guard = createGuard(fn.name || 'traced')
    const generates = types.isGeneratorFunction(fn)
    let made: { core: TracerCore; call: AnyFunction } | undefined
    return resembling(function (this: unknown, ...args: unknown[]) {
      const core = coreOf()
      if (core === undefined) return Reflect.apply(fn, this, args)
      if (generates) return generator(core, operation, guard, Reflect.apply(fn, this, args), { self: this, args })
      if (made?.core !== core)
        made = { core, call: tracedFunction(core, scope, operation as Operation<any>, fn, guard) as AnyFunction }
      return Reflect.apply(made.call, this, args)
    }, fn) as AnyFunction
  }

  /** A standard decorator, or one of TypeScript's before the standard. */
  function decorator(given: string | undefined, options: TracedOptions) {
    return (target: any, context: any, descriptor?: PropertyDescriptor): any => {
      const isStandard = context !== null && typeof context === 'object' && typeof context.kind === 'string'
      const key = String(isStandard ? context.name : context)
      const nameOf = (self: unknown): string => given ?? `${ownerOf(self)}${key}`
      const replace = (value: unknown): unknown =>
        typeof value === 'function' ? wrapped(value as AnyFunction, nameOf, options) : value
      if (!isStandard) return { ...descriptor, value: replace(descriptor?.value) }
      if (context.kind === 'field') return replace
      if (context.kind === 'accessor') return { init: replace }
      return context.kind === 'class' ? undefined : replace(target)
    }
  }

  function traced(name?: string, second?: TracedOptions | AnyFunction, third?: AnyFunction): unknown {
    const fn = typeof second === 'function' ? second : third
    const options = typeof second === 'object' && second !== null ? second : {}
    if (typeof fn !== 'function') return decorator(name, options)
    return wrapped(fn, () => String(name), options)
  }
  return traced as Traced
}

const operationOf = (
  nameOf: (self: unknown) => string,
  { kind = INTERNAL, attributes, callback }: TracedOptions,
): Operation<Call> => ({
  ...(callback !== true && { callsBack: false as const }),
  start: ({ self }) => ({ name: nameOf(self), kind, attributes: { ...attributes } as Attributes }),
})

/** 'Orders.' of an instance or of the class itself. */
function ownerOf(self: unknown): string {
  const owner = typeof self === 'function' ? self : (self as object | undefined | null)?.constructor
  return owner?.name ? `${owner.name}.` : ''
}

type Step = 'next' | 'return' | 'throw'

/** The generator itself, whose steps run inside a span from the first one on until it is done. */
function generator<G extends Record<Step, AnyFunction>>(
  core: TracerCore,
  operation: Operation<Call>,
  guard: Guard,
  made: G,
  call: Call,
): G {
  let open: OpenCall<Call> | undefined
  let begun = false

  function failed(error: unknown): never {
    call.error = error ?? new Error('threw nothing')
    open?.end(call as Call & Settled)
    throw error
  }
  function stepped(result: IteratorResult<unknown>): IteratorResult<unknown> {
    if (result?.done === true) open?.end(call as Call & Settled)
    return result
  }

  for (const step of ['next', 'return', 'throw'] as const) {
    const original = made[step]
    Reflect.defineProperty(made, step, {
      configurable: true,
      writable: true,
      value: function (this: unknown, ...args: unknown[]) {
        if (!begun && step === 'next') open = begin(core, scope, operation, call, guard)
        begun = true
        if (open === undefined) return Reflect.apply(original, this, args)
        try {
          const result = open.run(original, this, args)
          return types.isPromise(result) ? result.then(stepped as AnyFunction, failed) : stepped(result)
        } catch (error) {
          return failed(error)
        }
      },
    })
  }
  return made
}
