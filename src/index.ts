/** The public API of `@org/trace`, and nothing else. */
export type { Components, Options } from './components.js'
export type { HealthReport } from './diagnostics/health.js'
export { type Recording, recordError } from './record-error.js'
export type { FlushOptions, FlushResult, Running } from './start.js'
export { health, init } from './start.js'
export { type Traced, type TracedOptions, traced } from './traced.js'
