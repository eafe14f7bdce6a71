/** What a call means: the verbs that an instrumentation is written in. */
import type { Headers } from '../propagation/headers.js'
import type { Passage } from './passage.js'
import type { SpanDraft, TracedSpan } from './span.js'

/** One run of a method. */
export interface Call<This = any, Args extends readonly unknown[] = any, R = any> {
  self: This
  args: Args
  result?: R
  error?: unknown
}

/** What is known of a call at its end. */
export interface Settled {
  result?: any
  error?: unknown
}

export interface Operation<M extends object> {
  /**
   * What runs inside the call. 'traced': spans that are children of this one (the default). 'none': nothing that is
   * traced, so no context is entered. 'hidden': the call's own business: no spans, even where it has none itself.
   */
  readonly inside?: 'traced' | 'none' | 'hidden'
  /** Polls, heartbeats and the like: of interest inside a trace only, never a trace of their own. */
  readonly needsParent?: true
  /** The names of the headers that `extract` gives are in lower case, as Node's are: no others are looked for. */
  readonly lowerCase?: true
  /** Wrapped methods only: a last argument that is a function is no callback that is told how the call ended. */
  readonly callsBack?: false
  /** Return undefined to leave this call untraced. */
  start(call: M): SpanDraft | undefined
  /** Incoming work only: where the caller's trace headers are. The span becomes their child. */
  extract?(call: M): Headers | undefined
  /** Incoming messages only: what is known of the way here, after which the policy chooses between child and link. */
  message?(call: M): Passage | undefined
  /** Incoming batches only: the trace headers of each message, as known at the end. The span is linked to all of them. */
  links?(call: M): Iterable<Headers | undefined>
  /** Outgoing work only: put the trace headers onto the call, without changing what the customer passed in. */
  inject?(call: M, headers: Record<string, string>): void
  /** Adds what becomes known under way; called by `OpenCall.progress`. */
  progress?(span: TracedSpan, call: M): void
  /**
   * Wrapped methods only: whether the call goes on after its method has returned something that is no promise. Then
   * whoever was given `open` ends it. Where there is this verb, emitters that are returned are not listened to.
   */
  outlives?(call: M, open: OpenCall<M>): boolean
  /** The call has returned a promise, which ends it, unless this sees that `open.end` is called before. */
  pends?(call: M, open: OpenCall<M>): void
  /** True where the end shows that nothing happened, as of a poll that found nothing: there is no span then. */
  discard?(call: M & Settled): boolean
  /** Adds what is only known at the end. The error, if any, is recorded for you afterwards. */
  finish?(span: TracedSpan, call: M & Settled): void
  /** Removes what may not be told from an error's message and stack. */
  describe?(text: string, call: M): string
}

/** An operation that has started. */
export interface OpenCall<M extends object> {
  /** What it was started with. */
  readonly call: M
  /** Recording or not: methods of a span that is not do nothing. */
  readonly span: TracedSpan
  /** Calls `fn` where the call's span is the active one. */
  run<This, Args extends readonly unknown[], R>(fn: (this: This, ...args: Args) => R, self: This, args: Args): R
  /** As `run`, but in no other context where nothing traced is inside; what `fn` throws ends the operation. */
  attempt<This, Args extends readonly unknown[], R>(
    fn: (this: This, ...args: Args) => R,
    self: This,
    args: Args,
    call: M & Settled,
  ): R
  /** Makes the span the active one for what follows in the function that runs, as a loop's body does, until `leave`. */
  enter(): void
  /** Makes active again what was so when the operation started. */
  leave(): void
  /** Calls `fn`, which the call hands over to: the caller's span is active there, with all else that the call put into the context. */
  handOver<This, Args extends readonly unknown[], R>(fn: (this: This, ...args: Args) => R, self: This, args: Args): R
  /** Something more is known of the call. */
  progress(call: M): void
  /** Calls `fn` just before the span ends: for what lasts no longer than it. */
  beforeEnd(fn: (span: TracedSpan) => void): void
  /** Ends the operation, once; later calls do nothing. */
  end(call: M & Settled): void
}
