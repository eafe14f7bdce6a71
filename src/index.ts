/** The public API of `@org/trace`, and nothing else. */
export type { Options } from './config/options.js'
export type { Running } from './start.js'
export { init } from './start.js'
