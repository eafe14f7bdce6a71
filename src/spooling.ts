/** What only a process with a spool loads. */
export { createSpool } from './exporter/spool.js'
export { createSpooledQueue } from './pipeline/spooled.js'
