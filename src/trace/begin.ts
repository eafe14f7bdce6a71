/** One call of an operation, from its start to its end, with a fence around everything that its author wrote. */
import type { Attributes as ApiAttributes, Context } from '@opentelemetry/api'
import { isSuppressed, PassingContext, ROOT, SPAN_KEY, spanOf, suppressed, withSpan } from '../context/context.js'
import { contextOf, type SilentSpan } from '../context/span-identity.js'
import { active, enter, run, runFresh } from '../context/storage.js'
import { log } from '../diagnostics/log.js'
import { headerGetter, headerSetter, lowerCaseGetter } from '../propagation/headers.js'
import { type Decision, decide, leftOut, type Prospect } from './decide.js'
import { page, TRACE_ID_BYTES } from './ids.js'
import type { OpenCall, Operation, Settled } from './operation.js'
import {
  DEFERRED,
  identityOf,
  NonRecordingSpan,
  type Scope,
  Span,
  type SpanDraft,
  type SpanIdentity,
  type TracedSpan,
} from './span.js'
import { drawIds, started, startSpan, type TracerCore } from './tracer.js'
import { UnsampledRoot } from './unsampled-root.js'

const MAX_THROWS = 10

/** Counts what an operation throws, so that one that keeps failing is left out for good. */
export interface Guard {
  readonly label: string
  throws: number
}

export const createGuard = (label: string): Guard => ({ label, throws: 0 })

function caught(guard: Guard, verb: string, error: unknown): void {
  guard.throws++
  log.debug('%s: %s threw: %s', guard.label, verb, error)
  if (guard.throws === MAX_THROWS) {
    log.warn(
      '%s failed %d times and is switched off; the last failure, in %s: %s',
      guard.label,
      MAX_THROWS,
      verb,
      error,
    )
  }
}

// Inlined by hand in one class, as an open call is made for every traced call: no closures, one shape.
class Opened<M extends object> implements OpenCall<M> {
  private ended = false
  private last: ((span: TracedSpan) => void)[] | undefined = undefined
  private entered: PassingContext | undefined = undefined

  constructor(
    private readonly core: TracerCore,
    readonly span: Span | SilentSpan,
    readonly context: Context,
    private readonly caller: Context,
    private readonly operation: Operation<M>,
    readonly call: M,
    private readonly guard: Guard,
  ) {}

  run<This, Args extends readonly unknown[], R>(fn: (this: This, ...args: Args) => R, self: This, args: Args): R {
    return run(this.context, fn, self, args)
  }

  attempt<This, Args extends readonly unknown[], R>(
    fn: (this: This, ...args: Args) => R,
    self: This,
    args: Args,
    call: M & Settled,
  ): R {
    try {
      return this.operation.inside === 'none' ? Reflect.apply(fn, self, args) : runFresh(this.context, fn, self, args)
    } catch (error) {
      call.error = error ?? new Error('threw nothing')
      this.end(call)
      throw error
    }
  }

  enter(): void {
    const entered = new PassingContext(this.context)
    enter(entered)
    // What was started and not waited for goes on in the context.
    queueMicrotask(() => {
      this.entered = entered
    })
  }

  leave(): void {
    enter(this.caller)
    // An async function that waited has passed its context on to whoever called it.
    if (this.entered !== undefined) this.entered.current = this.caller
  }

  handOver<This, Args extends readonly unknown[], R>(fn: (this: This, ...args: Args) => R, self: This, args: Args): R {
    const here = active()
    if (here === this.context) return run(this.caller, fn, self, args)
    // The application has added baggage, say, or made a span of its own active.
    if (spanOf(here) !== this.span) return Reflect.apply(fn, self, args)
    return run(here.setValue(SPAN_KEY, spanOf(this.caller)), fn, self, args)
  }

  progress(call: M): void {
    if (this.ended || !(this.span instanceof Span)) return
    try {
      this.operation.progress?.(this.span, call)
    } catch (error) {
      caught(this.guard, 'progress', error)
    }
  }

  goesOn(verb: 'outlives' | 'pends', call: M): boolean {
    if (!(this.span instanceof Span)) return false
    try {
      return this.operation[verb]?.(call, this) === true
    } catch (error) {
      caught(this.guard, verb, error)
      return false
    }
  }

  beforeEnd(fn: (span: TracedSpan) => void): void {
    this.last ??= []
    this.last.push(fn)
  }

  end(call: M & Settled): void {
    if (this.ended) return
    this.ended = true
    const { core, span, operation, guard, last } = this
    if (!(span instanceof Span)) return
    if (last !== undefined) before(span, last, guard)
    try {
      if (operation.discard?.(call) === true) {
        core.host.started--
        return
      }
    } catch (error) {
      caught(guard, 'discard', error)
    }
    if (operation.links !== undefined) link(core, operation, call, span, guard)
    try {
      operation.finish?.(span, call)
    } catch (error) {
      caught(guard, 'finish', error)
    }
    if (call.error !== undefined) {
      const { describe } = operation
      span.recordError(call.error, describe === undefined ? undefined : text => described(operation, text, call, guard))
    }
    span.end()
  }
}

function before(span: Span, last: ((span: TracedSpan) => void)[], guard: Guard): void {
  for (const fn of last) {
    try {
      fn(span)
    } catch (error) {
      caught(guard, 'beforeEnd', error)
    }
  }
}

function described<M extends object>(operation: Operation<M>, text: string, call: M, guard: Guard): string {
  try {
    return operation.describe?.(text, call) ?? ''
  } catch (error) {
    caught(guard, 'describe', error)
    return ''
  }
}

/**
 * Starts an operation. Undefined means that the call goes through as if we were not there: the operation declined or
 * threw, spans are suppressed here, or the trace is not sampled and nothing below needs to know.
 */
export function begin<M extends object>(
  core: TracerCore,
  scope: Scope,
  operation: Operation<M>,
  call: M,
  guard: Guard,
): Opened<M> | undefined {
  if (guard.throws >= MAX_THROWS) return undefined
  const caller = active()
  if (isSuppressed(caller)) return undefined

  let context = operation.extract === undefined ? caller : extracted(core, operation, call, guard)
  let parent = identityOf(spanOf(context))
  let origin: SpanIdentity | undefined
  if (operation.message !== undefined && parent !== undefined && isLinked(core, operation, call, guard)) {
    origin = parent
    parent = undefined
    context = context.deleteValue(SPAN_KEY)
  }
  const hidden = operation.inside === 'hidden'
  const left = parent === undefined && operation.needsParent === true
  if (left && !hidden) return undefined

  // Sampling comes first: the path without a span is the most common one where sampling is used at all.
  const idAt = drawIds(parent)
  const bytes = page
  let draft: SpanDraft | undefined
  let decision: Decision | undefined
  if (core.decider !== undefined && !left) {
    draft = drafted(operation, call, guard)
    if (draft === undefined) return undefined
    const prospect = prospectOf(draft, context, parent, origin, bytes, idAt)
    decision = decide(core.decider, prospect)
    if (!decision.recorded) context = withSpan(context, leftOut(decision, prospect))
  }
  if (decision === undefined ? left || !core.sampler(parent, bytes, idAt - TRACE_ID_BYTES) : !decision.recorded) {
    const inherited = decision === undefined ? undecided(context, parent, bytes, idAt) : context
    if (!left) inject(core, operation, call, inherited, guard)
    if (!hidden && (inherited === caller || operation.inside === 'none')) return undefined
    const within = hidden ? suppressed(inherited) : inherited
    return new Opened(core, spanOf(inherited) as SilentSpan, within, caller, operation, call, guard)
  }

  draft ??= drafted(operation, call, guard)
  if (draft === undefined) return undefined

  const span = startSpan(core, scope, parent, draft, spanOf(context), undefined, idAt, bytes, decision)
  if (origin !== undefined) span.linkTo(origin)
  if (core.host.onStart !== undefined || decision !== undefined) started(core, span, context, decision)
  const own = withSpan(context, span)
  inject(core, operation, call, own, guard)
  return new Opened(core, span, hidden ? suppressed(own) : own, caller, operation, call, guard)
}

/** Where the decision not to sample was made here, what runs inside is told so. */
function undecided(context: Context, parent: SpanIdentity | undefined, bytes: Buffer, idAt: number): Context {
  if (parent === undefined) return withSpan(context, new UnsampledRoot(bytes, idAt))
  if ((parent.traceFlags & DEFERRED) === 0) return context
  const { traceId, spanId, traceFlags, traceState } = parent
  return withSpan(context, new NonRecordingSpan(traceId, spanId, traceFlags & ~DEFERRED, traceState, true))
}

function drafted<M extends object>(operation: Operation<M>, call: M, guard: Guard): SpanDraft | undefined {
  try {
    return operation.start(call)
  } catch (error) {
    caught(guard, 'start', error)
    return undefined
  }
}

function prospectOf(
  { name, kind, attributes }: SpanDraft,
  context: Context,
  parent: SpanIdentity | undefined,
  origin: SpanIdentity | undefined,
  bytes: Buffer,
  idAt: number,
): Prospect {
  const set = Object.entries(attributes).filter(([, value]) => value !== undefined)
  const links = origin === undefined ? [] : [{ context: contextOf(origin) }]
  return { context, parent, bytes, idAt, name, kind, attributes: Object.fromEntries(set) as ApiAttributes, links }
}

function extracted<M extends object>(core: TracerCore, operation: Operation<M>, call: M, guard: Guard): Context {
  // From the root, as the code that delivers incoming work may run in the context of whoever opened the connection.
  try {
    const headers = operation.extract?.(call)
    if (headers === undefined) return ROOT
    return core.propagator.extract(ROOT, headers, operation.lowerCase === true ? lowerCaseGetter : headerGetter)
  } catch (error) {
    caught(guard, 'extract', error)
    return ROOT
  }
}

function isLinked<M extends object>(core: TracerCore, operation: Operation<M>, call: M, guard: Guard): boolean {
  try {
    return core.isLinked(operation.message?.(call))
  } catch (error) {
    caught(guard, 'message', error)
    return false
  }
}

function link<M extends object>(core: TracerCore, operation: Operation<M>, call: M, span: Span, guard: Guard): void {
  try {
    for (const headers of operation.links?.(call) ?? []) {
      if (headers === undefined) continue
      const to = identityOf(spanOf(core.propagator.extract(ROOT, headers, headerGetter)))
      if (to !== undefined) span.linkTo(to)
    }
  } catch (error) {
    caught(guard, 'links', error)
  }
}

function inject<M extends object>(
  core: TracerCore,
  operation: Operation<M>,
  call: M,
  context: Context,
  guard: Guard,
): void {
  if (operation.inject === undefined) return
  try {
    const headers: Record<string, string> = {}
    core.propagator.inject(context, headers, headerSetter)
    operation.inject(call, headers)
  } catch (error) {
    caught(guard, 'inject', error)
  }
}
