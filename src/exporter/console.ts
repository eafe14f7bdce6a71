/** Finished traces as waterfalls for the eyes of a person, in place of a collector. */
import type { EndedSpan, STATUS_ERROR } from '../trace/span.js'
import { type WaterfallSpan, waterfall } from './waterfall.js'

export interface ConsoleSink {
  add(span: EndedSpan): void
  /** Prints what is waiting, finished or not. */
  flush(): void
}

/** Where the text will be read; `process.stdout` and `process.stderr` are such. */
export interface Terminal {
  readonly columns?: number
  hasColors?(): boolean
}

/** What is known of one trace; `dropped` spans came when it held too many. */
interface Collected {
  readonly spans: EndedSpan[]
  dropped: number
  timer: NodeJS.Timeout | undefined
}

const QUIET_MS = 100
const MAX_SPANS_OF_A_TRACE = 1000
const MAX_SPANS = 5000
const MAX_PRINTED = 1000
const DEFAULT_WIDTH = 100
const MAX_WIDTH = 160
const ERROR: typeof STATUS_ERROR = 2

/**
 * Prints the spans that this process has of a trace 100 ms after the last of them, once one without a parent here has ended;
 * what ends later is printed by itself. Holds 5000 spans, then the oldest trace is printed early; of one trace it keeps 1000
 * and says how many more there were.
 */
export function createConsoleSink(write: (text: string) => void, terminal: Terminal = process.stderr): ConsoleSink {
  const traces = new Map<string, Collected>()
  // What these still send comes after their root: it will not be waited for again.
  const printed = new Set<string>()
  let held = 0

  function print(traceId: string, { spans, dropped, timer }: Collected): void {
    clearTimeout(timer)
    traces.delete(traceId)
    held -= spans.length
    printed.add(traceId)
    if (printed.size > MAX_PRINTED) printed.delete(printed.values().next().value as string)
    const width = Math.min(terminal.columns ?? DEFAULT_WIDTH, MAX_WIDTH)
    try {
      const lines = waterfall(spans.map(shown), { width, colour: terminal.hasColors?.() === true })
      if (dropped > 0) lines.push(`  ⋯ and ${dropped} spans more than can be shown`)
      write(`${lines.join('\n')}\n\n`)
    } catch {
      // The terminal is closed or full (EAGAIN): the application must not fail for a picture.
    }
  }

  return {
    add(span) {
      let trace = traces.get(span.traceId)
      if (trace === undefined) {
        trace = { spans: [], dropped: 0, timer: undefined }
        traces.set(span.traceId, trace)
      }
      const isLocalRoot = span.parentSpanId === undefined || span.parentIsRemote
      if (trace.timer !== undefined) trace.timer.refresh()
      else if (isLocalRoot || printed.has(span.traceId)) {
        const { traceId } = span
        const finished = trace
        trace.timer = setTimeout(() => print(traceId, finished), QUIET_MS).unref()
      }
      if (trace.spans.length >= MAX_SPANS_OF_A_TRACE && !isLocalRoot) {
        trace.dropped++
        return
      }
      trace.spans.push(span)
      held++
      const [oldest] = held > MAX_SPANS ? traces : []
      if (oldest !== undefined) print(...oldest)
    },

    flush() {
      for (const [traceId, trace] of traces) print(traceId, trace)
    },
  }
}

const shown = (span: EndedSpan): WaterfallSpan => ({
  traceId: span.traceId,
  spanId: span.spanId,
  parentSpanId: span.parentSpanId,
  name: span.name,
  kind: span.kind,
  startMs: span.startMs,
  endMs: span.endMs,
  error: span.statusCode === ERROR,
  errorMessage: span.statusMessage,
  attributes: span.attributes,
  links: span.links,
})
