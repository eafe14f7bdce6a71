/** What the application knows of an error, told to a span. */
import { spanOf } from './context/context.js'
import { active } from './context/storage.js'
import { messageOf } from './trace/errors.js'
import { Span, STATUS_ERROR } from './trace/span.js'

/** A span of the API. */
export interface Recording {
  recordException(error: any): void
  setStatus(status: { code: number; message?: string }): unknown
}

/**
 * Marks the active span, or the one given, as failed, and records the error with the chain of its causes as an exception
 * event: once in a trace, however many spans see it. Does nothing without a span. Never throws.
 */
export function recordError(error: unknown, span: Recording | undefined = spanOf(active())): void {
  if (span instanceof Span) span.recordError(error)
  else if (span !== undefined) {
    try {
      span.recordException(error)
      span.setStatus({ code: STATUS_ERROR, message: messageOf(error) })
    } catch {
      // Anything can be thrown, even what throws when it is read.
    }
  }
}
