/** Trace headers as environment variables (specification/context/env-carriers.md): how a trace enters a child process. */
import type { Context, TextMapGetter, TextMapPropagator } from '@opentelemetry/api'
import { ROOT } from '../context/context.js'
import { headersRead } from './format.js'

/** 'traceparent' -> 'TRACEPARENT', 'x-b3-traceid' -> 'X_B3_TRACEID'. */
export const environmentName = (header: string): string => header.toUpperCase().replace(/[^A-Z\d_]/g, '_')

type Carrier = Readonly<Record<string, string | undefined>>

const getter: TextMapGetter<Carrier> = {
  // The other way round: what was no dash in a header's name cannot be known.
  keys: carrier => Object.keys(carrier).map(name => name.toLowerCase().replaceAll('_', '-')),
  get: (carrier, key) => carrier[environmentName(key)],
}

/** What the parent process put into the variables; the root if it put nothing there, or nothing valid. */
export function extractEnvironment(propagator: TextMapPropagator, variables: Carrier): Context {
  // To compile the reading of headers costs 1 ms of a start.
  const carries = headersRead(propagator).some(name => variables[environmentName(name)] !== undefined)
  return carries ? propagator.extract(ROOT, variables, getter) : ROOT
}
