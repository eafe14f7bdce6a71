/** What only processes with a spool, and worker threads, load. */
export { createMailbox } from './exporter/mailbox.js'
export { createSpool } from './exporter/spool.js'
export { createSpooledQueue } from './pipeline/spooled.js'
