/** What makes spans: a file of its own, which is loaded with the first module, channel or tracer that needs it. */
import type { TracerProvider } from '@opentelemetry/api'
import type { Config } from './config/options.js'
import type { Kit } from './instrumentations/define.js'
import { setHttpRules } from './instrumentations/shared/http.js'
import { createKit } from './kit.js'
import { setIds } from './trace/ids.js'
import type { Scope } from './trace/span.js'
import { createTracerProvider, type TracerCore } from './trace/tracer.js'

export interface Tracing {
  readonly provider: TracerProvider
  createKit<Options extends object>(scope: Scope, options: Options, version: string): Kit<Options>
}

/** `generateId`, if any, makes the ids of the spans of this thread. */
export function createTracing(
  core: TracerCore,
  { http, async: { maxAgeMs } }: Pick<Config, 'http' | 'async'>,
  generateId?: (bytes: number) => Buffer,
): Tracing {
  setHttpRules(http)
  if (generateId !== undefined) setIds(generateId)
  return {
    provider: createTracerProvider(core),
    createKit: (scope, options, version) => createKit(core, scope, options, version, maxAgeMs),
  }
}
