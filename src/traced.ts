/** A span for each call of a function of the application's own. */
import { coreNow } from './making.js'
import type { AttributeValue } from './semconv.js'
import { createTraced } from './wrapping.js'

type AnyFunction = (...args: any[]) => any

export interface TracedOptions {
  /** The API's `SpanKind`: 0 internal, which is the default, 1 server, 2 client, 3 producer, 4 consumer. */
  readonly kind?: 0 | 1 | 2 | 3 | 4
  /** Of every span. */
  readonly attributes?: Readonly<Record<string, AttributeValue>>
  /** The last argument is a callback, Node's way: the span ends when it is called, and fails with its first argument. */
  readonly callback?: boolean
}

export interface Traced {
  /**
   * A function that does what `fn` does, with a span around each call: until it returns or throws, until its promise or
   * emitter is done, until a generator that it returns is, or until it has called back. The span is the active one
   * inside. `this`, arguments, results and errors go through unchanged, as do name, length and properties of the function.
   *
   * @example
   * const charge = traced('charge card', async order => { ... })
   */
  <F extends AnyFunction>(name: string, fn: F): F
  <F extends AnyFunction>(name: string, options: TracedOptions, fn: F): F
  /**
   * A decorator of methods, accessors and fields that hold functions, of the standard and of TypeScript before it. The
   * name is by default `Class.method`.
   *
   * @example
   * class Orders { @traced() async place(order) { ... } }
   */
  (name?: string, options?: TracedOptions): (target: any, context: any, descriptor?: any) => any
}

export const traced: Traced = createTraced(coreNow)
