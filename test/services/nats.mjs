/** NATS with JetStream, by Debian's package. */
import { join } from 'node:path'
import { freePort } from '../free-port.mjs'
import { converse, serverUrl, start } from './server.mjs'

export async function nats({ folder, atExit }) {
  const url = await serverUrl({
    service: 'NATS with JetStream',
    given: urlOf(process.env.TEST_NATS_PORT ?? 4222),
    // The server speaks first, and tells what it has.
    answers: url => converse(url, undefined, heard => /^INFO .*"jetstream": ?true.*\r\n/.test(String(heard))),
    command: 'nats-server',
    debian: 'nats-server',
    async startOwn(lines) {
      const port = await freePort()
      const settings = ['-a', '127.0.0.1', '-p', String(port), '-js', '-sd', join(folder, 'nats')]
      const { isRunning, kill } = start('nats-server', settings, lines)
      atExit.push(kill)
      return { url: urlOf(port), isRunning }
    },
  })
  return { TEST_NATS_URL: url }
}

const urlOf = port => `nats://127.0.0.1:${port}`
