/** Starts the servers that tests talk to, unless one is running already, and stops what it started. */
import { chmodSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { kafka } from './services/kafka.mjs'
import { mqtt } from './services/mqtt.mjs'
import { nats } from './services/nats.mjs'
import { postgres } from './services/postgres.mjs'
import { rabbitmq } from './services/rabbitmq.mjs'
import { redis } from './services/redis.mjs'
import { sqs } from './services/sqs.mjs'

/** Each returns the environment that tells tests where the service is. */
export const starters = { kafka, mqtt, nats, postgres, rabbitmq, redis, sqs }

/**
 * Starts those of the named services that do not answer yet; `own`: PostgreSQL and RabbitMQ even if they do. Returns the
 * environment for the tests and a `stop`.
 * Throws an error that names the service that cannot be had.
 */
export async function startServices(names, { own = false } = {}) {
  const folder = mkdtempSync(join(tmpdir(), 'trace-test-'))
  // PostgreSQL does not run as root: the folder of its data has to let user postgres through.
  chmodSync(folder, 0o755)
  const atExit = []
  const atStop = []
  const cleanUp = () => {
    for (const end of atExit.splice(0)) end()
    rmSync(folder, { recursive: true, force: true, maxRetries: 5 })
  }
  process.once('exit', cleanUp)
  const stop = async () => {
    for (const end of atStop.splice(0)) await end()
    process.off('exit', cleanUp)
    cleanUp()
  }
  const env = {}
  try {
    for (const name of names) Object.assign(env, await starters[name]({ folder, atExit, atStop, own }))
  } catch (error) {
    await stop()
    throw error
  }
  return { env, stop }
}
