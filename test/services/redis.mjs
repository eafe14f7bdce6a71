/** Redis, by Debian's package. */
import { freePort } from '../free-port.mjs'
import { converse, serverUrl, start } from './server.mjs'

export async function redis({ folder, atExit }) {
  const url = await serverUrl({
    service: 'Redis',
    given: urlOf(process.env.TEST_REDIS_PORT ?? 6379),
    answers: url => converse(url, 'PING\r\n', heard => String(heard) === '+PONG\r\n'),
    command: 'redis-server',
    debian: 'redis-server',
    async startOwn(lines) {
      const port = await freePort()
      const settings = ['--bind', '127.0.0.1', '--port', String(port), '--dir', folder, '--save', '']
      const { isRunning, kill } = start('redis-server', settings, lines)
      atExit.push(kill)
      return { url: urlOf(port), isRunning }
    },
  })
  return { TEST_REDIS_URL: url }
}

const urlOf = port => `redis://127.0.0.1:${port}`
