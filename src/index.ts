/** The public API of `@org/trace`, and nothing else. */
export type { Options } from './config/options.js'
export type { HealthReport } from './diagnostics/health.js'
export type { Running } from './start.js'
export { health, init } from './start.js'
