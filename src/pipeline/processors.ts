/** The application's own OpenTelemetry span processors, each behind a fence (specification/trace/sdk.md#span-processor). */
import type { Context } from '@opentelemetry/api'
import { ROOT, suppressed } from '../context/context.js'
import { run } from '../context/storage.js'
import { log } from '../diagnostics/log.js'
import type { Limits } from '../trace/limits.js'
import type { Span } from '../trace/span.js'
import type { SpanProcessor } from './foreign.js'
import { type ForeignResource, ReadableSpan } from './readable-span.js'
import { within } from './within.js'

export interface Processors {
  onStart(span: Span, parent: Context): void
  /** Undefined where none of them wants to know. */
  readonly onEnding: ((span: Span) => void) | undefined
  onEnd(span: Span): void
  /** True if a span has ended since the last flush. */
  pending(): boolean
  /** Resolves when each has, or after `timeoutMs`. Never rejects. */
  flush(timeoutMs: number): Promise<void>
  /** As `flush`, once. */
  shutdown(timeoutMs: number): Promise<void>
  /** Says which of them the process does not wait for any longer. */
  lastWords(): void
}

/** The view of a span that all processors and exporters share. */
export type ViewOf = (span: Span) => ReadableSpan

export function createViews(resource: () => ForeignResource, limits: Limits): ViewOf {
  const views = new WeakMap<Span, ReadableSpan>()
  return span => {
    let view = views.get(span)
    if (view === undefined) views.set(span, (view = new ReadableSpan(span, resource(), limits)))
    return view
  }
}

/** They are called in order. What one throws is told of once for each of its methods, and the others go on. */
export function createProcessors(processors: readonly SpanProcessor[], viewOf: ViewOf): Processors {
  const background = suppressed(ROOT)
  const ending = new WeakSet<Span>()
  const listening = processors.filter(({ onEnding }) => typeof onEnding === 'function')
  const waiting = new Set<SpanProcessor>()
  let dirty = false

  function hangs(): void {
    for (const processor of waiting) {
      const name = nameOf(processor)
      log.once(`${name} hangs`, '%s did not deliver its spans in time', name)
    }
  }

  function onEnding(span: Span): void {
    // A processor may end the span itself.
    if (ending.has(span)) return
    ending.add(span)
    for (const processor of listening) fenced(processor, 'onEnding', () => processor.onEnding?.(viewOf(span)))
  }

  async function all(verb: 'forceFlush' | 'shutdown', timeoutMs: number): Promise<void> {
    dirty = false
    const calls = processors.map(async processor => {
      waiting.add(processor)
      try {
        await run(background, () => processor[verb](), undefined, [])
      } catch (error) {
        failed(processor, verb, error)
      }
      waiting.delete(processor)
    })
    if (!(await within(timeoutMs, Promise.all(calls)))) hangs()
  }

  return {
    onStart(span, parent) {
      for (const processor of processors) fenced(processor, 'onStart', () => processor.onStart(viewOf(span), parent))
    },
    onEnding: listening.length === 0 ? undefined : onEnding,
    onEnd(span) {
      dirty = true
      for (const processor of processors) fenced(processor, 'onEnd', () => processor.onEnd(viewOf(span)))
    },
    pending: () => dirty,
    flush: timeoutMs => all('forceFlush', timeoutMs),
    shutdown: timeoutMs => all('shutdown', timeoutMs),
    lastWords: hangs,
  }
}

function fenced(processor: SpanProcessor, verb: string, call: () => void): void {
  try {
    call()
  } catch (error) {
    failed(processor, verb, error)
  }
}

function failed(processor: SpanProcessor, verb: string, error: unknown): void {
  const name = nameOf(processor)
  log.once(`${name} ${verb}`, '%s: %s failed: %s', name, verb, error)
}

const nameOf = (processor: SpanProcessor): string => processor.constructor?.name || 'a span processor'
