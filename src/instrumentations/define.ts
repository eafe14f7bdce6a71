/** The shape of one instrumentation, and the words to write it in. */
import type { SemanticAttributes } from '../semconv.js'
import type { OpenCall, Operation } from '../trace/operation.js'
import { CLIENT, CONSUMER, INTERNAL, PRODUCER, SERVER, type SpanDraft, type SpanKind } from '../trace/span.js'

export type { Call, OpenCall, Operation, Settled } from '../trace/operation.js'
export type { SpanDraft, TracedSpan } from '../trace/span.js'

export type Category = 'database' | 'framework' | 'http' | 'messaging' | 'process' | 'schedule'

/** An option of one instrumentation: its default, and the sentence that documents it. */
export interface Option<T> {
  readonly default: T
  readonly about: string
  /** The only values it takes, if they are few. */
  readonly values?: readonly T[]
  /** A variable that stands for this option of several instrumentations; its own comes first. */
  readonly env?: string
}

export interface Instrumentation<Options extends object = any> {
  /** Configuration key, scope name, file name and test name. */
  name: string
  /** For people. */
  title: string
  category: Category
  options?: { [K in keyof Options]: Option<Options[K]> }
  modules?: ModuleTarget<Options>[]
  channels?: ChannelTarget<Options>[]
}

export interface ModuleTarget<Options> {
  /** 'pg', '@redis/client', 'http'. */
  name: string
  /** A range such as `>=8 <9`; for built-in modules, of Node. */
  versions: string
  /** Inside the package, without a leading './'; absent means what `require(name)` returns. */
  file?: string
  /** Where the file is an ES module: what `patch` may replace in its exports, by the names in that file. */
  replaces?: readonly string[]
  /** Of a built-in module: the functions that lead to all that is traced. It is patched when one is called, as many load it and call none. */
  calls?: readonly string[]
  patch(exports: any, kit: Kit<Options>): void
}

export interface ChannelTarget<Options> {
  /** A diagnostics channel that the library publishes itself. */
  name: string
  /** What a message means; called synchronously, wherever the library publishes. */
  listen(kit: Kit<Options>): (message: any) => void
}

/** What `patch` and `listen` are given: the only way from an instrumentation to the rest. */
export interface Kit<Options> {
  readonly options: Readonly<Options>
  /** Of the library; of Node for built-in modules and channels. */
  readonly version: string
  /** The names of the headers that may carry a trace, as OTEL_PROPAGATORS chooses them; baggage may have others. */
  readonly headerNames: readonly string[]
  /** Wraps a method: every call becomes an operation. */
  trace<T extends object, K extends keyof T>(target: T, method: K, operation: MethodOperation<T[K]>): void
  /** Wraps a method without a span. */
  wrap<T extends object, K extends keyof T>(target: T, method: K, wrapper: (original: T[K]) => T[K]): void
  /** Runs a method's last argument, a callback, in the context of whoever called the method. */
  bindCallback<T extends object, K extends keyof T>(target: T, method: K): void
  /** The environment variable that carries a trace header. */
  environmentName(header: string): string
  /** The headers that carry what is active now; none where nothing is. Never throws. */
  headers(): Record<string, string>
  /** What runs in no context of its own is of the trace that these headers carry, as long as that is not old. */
  adopt(headers: Record<string, string>): void
  /** A function that runs in the context that is active now. */
  bind<F extends (...args: any[]) => unknown>(fn: F): F
  /** A function that runs in no context: for what outlives the call that causes it, as a connection does. */
  detach<F extends (...args: any[]) => unknown>(fn: F): F
  /** Calls `fn` in the context that is active, if it is of the call's trace, and else where the call's span is the active one. */
  rejoin<This, Args extends readonly unknown[], R>(
    open: OpenCall<any>,
    fn: (this: This, ...args: Args) => R,
    self: This,
    args: Args,
  ): R
  /** Starts an operation whose end is not the return of a function. Undefined: leave this call alone. */
  begin<M extends object>(operation: Operation<M>, call: M): OpenCall<M> | undefined
}

/** The operation of a method: its calls have the method's `this`, arguments and result. */
export type MethodOperation<F> = Operation<any> & (F extends (...args: any[]) => unknown ? unknown : never)

export const defineInstrumentation = <Options extends object = Record<never, never>>(
  definition: Instrumentation<Options>,
): Instrumentation<Options> => definition

const draft =
  (kind: SpanKind) =>
  (name: string, attributes: SemanticAttributes): SpanDraft =>
    new Draft(name, kind, attributes as SpanDraft['attributes'])

// A class for the reason of `MethodCall`.
class Draft implements SpanDraft {
  constructor(
    readonly name: string,
    readonly kind: SpanKind,
    readonly attributes: SpanDraft['attributes'],
  ) {}
}

// Drafts are made by these functions because TypeScript checks a literal for unknown keys only where it is passed on.
export const internal = draft(INTERNAL)
export const server = draft(SERVER)
export const client = draft(CLIENT)
export const producer = draft(PRODUCER)
export const consumer = draft(CONSUMER)

export const flag = (byDefault: boolean, about: string): Option<boolean> => ({ default: byDefault, about })
export const choice = <T extends string>(values: readonly T[], byDefault: T, about: string): Option<T> => ({
  default: byDefault,
  about,
  values,
})
