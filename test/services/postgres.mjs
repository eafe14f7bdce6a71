/** PostgreSQL, from the binaries of an npm package. */
import pg from 'pg'
import { freePort } from '../free-port.mjs'
import { startPostgres } from '../postgres-server.mjs'
import { serverUrl } from './server.mjs'

export async function postgres({ folder, atExit, atStop, own }) {
  const url = await serverUrl({
    service: 'PostgreSQL',
    given: own ? undefined : urlOf(process.env.TEST_POSTGRES_PORT ?? 5432, process.env.PGPASSWORD),
    answers,
    async startOwn(lines) {
      const port = await freePort()
      const { isRunning, kill, stop } = await startPostgres(folder, port, lines)
      atExit.push(kill)
      atStop.push(stop)
      return { url: urlOf(port, 'postgres'), isRunning }
    },
  })
  return { TEST_POSTGRES_URL: url }
}

const urlOf = (port, password) =>
  `postgres://postgres${password ? `:${encodeURIComponent(password)}` : ''}@127.0.0.1:${port}/postgres`

async function answers(connectionString) {
  const client = new pg.Client({ connectionString, connectionTimeoutMillis: 3000 })
  await client.connect()
  await client.end()
}
