/** What makes spans in this thread, once it does: in one place for all copies of this package. */
import type { TracerCore } from './trace/tracer.js'

export const KEY = Symbol.for('@org/trace')

export interface Making {
  /** Nothing makes spans where tracing is disabled. */
  readonly core?: TracerCore
}

export const coreNow = (): TracerCore | undefined => (globalThis as { [KEY]?: Making })[KEY]?.core
