/** Trace headers as environment variables (specification/context/env-carriers.md): how a trace enters a child process. */
import type { Context, TextMapGetter, TextMapPropagator } from '@opentelemetry/api'
import { ROOT } from '../context/context.js'

/** 'traceparent' -> 'TRACEPARENT', 'x-b3-traceid' -> 'X_B3_TRACEID'. */
export const environmentName = (header: string): string => header.toUpperCase().replace(/[^A-Z\d_]/g, '_')

type Carrier = Readonly<Record<string, string | undefined>>

const getter: TextMapGetter<Carrier> = {
  keys: Object.keys,
  get: (carrier, key) => carrier[environmentName(key)],
}

/** What the parent process put into the variables; the root if it put nothing there, or nothing valid. */
export function extractEnvironment(propagator: TextMapPropagator, variables: Carrier): Context {
  // To compile the reading of headers costs 1 ms of a start.
  const carries = propagator.fields().some(field => variables[environmentName(field)] !== undefined)
  return carries ? propagator.extract(ROOT, variables, getter) : ROOT
}
