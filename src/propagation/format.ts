/** What a format of trace headers is. */
import type { TextMapPropagator } from '@opentelemetry/api'

/** A propagator whose `fields` are the headers that it writes. */
export interface Format extends TextMapPropagator {
  /** Headers that it takes as well. */
  readonly alsoReads?: readonly string[]
}

/** The headers that a propagator looks for; those of a name that has only a prefix are not among them. */
export const headersRead = (propagator: Format): string[] => [...propagator.fields(), ...(propagator.alsoReads ?? [])]
