/** Starts the servers that tests talk to, unless one is running already, and stops what it started. */
import { execFileSync, spawn } from 'node:child_process'
import { chmodSync, existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import amqplib from 'amqplib'
import pg from 'pg'
import { freePort } from './free-port.mjs'
import { startPostgres } from './postgres-server.mjs'

const RABBITMQ_SERVER = '/usr/lib/rabbitmq/bin/rabbitmq-server'
const POSTGRES_STARTS_WITHIN_MS = 30_000
const RABBITMQ_STARTS_WITHIN_MS = 60_000

/** Each returns the environment that tells tests where the service is. */
const starters = { postgres, rabbitmq, sqs }

/**
 * Starts those of the named services that do not answer yet. Returns the environment for the tests and a `stop`.
 * Throws an error that names the service that cannot be had.
 */
export async function startServices(names) {
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
    for (const name of names) Object.assign(env, await starters[name]({ folder, atExit, atStop }))
  } catch (error) {
    await stop()
    throw error
  }
  return { env, stop }
}

async function postgres({ folder, atExit, atStop }) {
  const password = process.env.PGPASSWORD
  const given = postgresUrl(process.env.TEST_POSTGRES_PORT ?? 5432, password)
  if (await connects(() => postgresAnswers(given))) return { TEST_POSTGRES_URL: given }

  const port = await freePort()
  const own = postgresUrl(port, 'postgres')
  const lines = []
  await unless('PostgreSQL', given, lines, async () => {
    const server = await startPostgres(folder, port, lines)
    atExit.push(server.kill)
    atStop.push(server.stop)
    await answering(() => postgresAnswers(own), server.isRunning, POSTGRES_STARTS_WITHIN_MS)
  })
  return { TEST_POSTGRES_URL: own }
}

const postgresUrl = (port, password) =>
  `postgres://postgres${password ? `:${encodeURIComponent(password)}` : ''}@127.0.0.1:${port}/postgres`

async function postgresAnswers(connectionString) {
  const client = new pg.Client({ connectionString, connectionTimeoutMillis: 3000 })
  await client.connect()
  await client.end()
}

async function rabbitmq({ folder, atExit }) {
  const given = rabbitmqUrl(process.env.TEST_RABBITMQ_PORT ?? 5672)
  if (await connects(() => rabbitmqAnswers(given))) return { TEST_RABBITMQ_URL: given }

  if (!existsSync(RABBITMQ_SERVER)) {
    const lines = []
    await unless('RabbitMQ', given, lines, () => aptInstall('rabbitmq-server', lines))
    // Debian may have started what it installed.
    if (await connects(() => rabbitmqAnswers(given))) return { TEST_RABBITMQ_URL: given }
  }

  const [port, distPort, epmdPort] = [await freePort(), await freePort(), await freePort()]
  const own = join(folder, 'rabbitmq')
  mkdirSync(own)
  writeFileSync(join(own, 'enabled_plugins'), '[].')
  const lines = []
  // The Erlang port mapper would outlive the node as a daemon, so it runs as a child of its own.
  const epmd = start('epmd', ['-address', '127.0.0.1', '-port', String(epmdPort)], { HOME: own }, lines)
  const server = start(
    RABBITMQ_SERVER,
    [],
    {
      HOME: own,
      ERL_EPMD_PORT: String(epmdPort),
      ERL_EPMD_ADDRESS: '127.0.0.1',
      RABBITMQ_NODENAME: `trace-test-${process.pid}@localhost`,
      RABBITMQ_NODE_IP_ADDRESS: '127.0.0.1',
      RABBITMQ_NODE_PORT: String(port),
      RABBITMQ_DIST_PORT: String(distPort),
      RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS: '-kernel inet_dist_use_interface {127,0,0,1}',
      RABBITMQ_CONFIG_FILE: join(own, 'rabbitmq'),
      RABBITMQ_MNESIA_BASE: join(own, 'data'),
      RABBITMQ_LOG_BASE: join(own, 'log'),
      RABBITMQ_ENABLED_PLUGINS_FILE: join(own, 'enabled_plugins'),
    },
    lines,
  )
  atExit.push(server.kill, epmd.kill)

  const url = rabbitmqUrl(port)
  await unless('RabbitMQ', given, lines, async () => {
    await answering(
      () => rabbitmqAnswers(url),
      () => !server.ended(),
      RABBITMQ_STARTS_WITHIN_MS,
    )
  })
  return { TEST_RABBITMQ_URL: url }
}

const rabbitmqUrl = port => `amqp://guest:guest@127.0.0.1:${port}`

async function rabbitmqAnswers(url) {
  const connection = await amqplib.connect(url, { timeout: 3000 })
  await connection.close()
}

async function sqs({ atStop }) {
  const { buildApp } = await import('fauxqs')
  const app = buildApp({ logger: false })
  // Its own `startFauxqs` listens on every interface.
  const url = await app.listen({ port: 0, host: '127.0.0.1' })
  atStop.push(() => app.close())
  return { TEST_SQS_URL: url }
}

/** Waits until a server that was started answers. */
async function answering(attempt, isRunning, withinMs) {
  const giveUp = Date.now() + withinMs
  while (!(await connects(attempt))) {
    if (!isRunning()) throw new Error('it ended at once')
    if (Date.now() > giveUp) throw new Error(`it took longer than ${withinMs} ms`)
    await sleep(100)
  }
}

const connects = attempt =>
  attempt().then(
    () => true,
    () => false,
  )

/** Runs `attempt`; if it fails, says in one line which service cannot be had and why. */
async function unless(service, given, lines, attempt) {
  try {
    return await attempt()
  } catch (error) {
    const reason = [error?.message, lines.at(-1)].filter(Boolean).join('; ').replaceAll('\n', ' ')
    const place = given.replace(/\/\/.*@/, '//')
    throw new Error(`${service} is needed: none answers at ${place}, and none could be started: ${reason}`)
  }
}

function aptInstall(name, lines) {
  const apt = (...args) =>
    execFileSync('apt-get', args, {
      env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' },
      stdio: ['ignore', 'ignore', 'pipe'],
    })
  console.log(`installing ${name} by apt-get`)
  try {
    apt('update')
    apt('install', '-y', '--no-install-recommends', name)
  } catch (error) {
    // Where services may not be started, apt-get fails after it has installed the files.
    if (existsSync(RABBITMQ_SERVER)) return
    lines.push(String(error.stderr ?? '').trim())
    throw new Error(`apt-get could not install ${name}`)
  }
}

/** A child in a process group of its own, so that `kill` reaches its children as well. */
function start(command, args, env, lines) {
  const child = spawn(command, args, {
    env: { PATH: process.env.PATH, ...env },
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let ended = false
  child.once('exit', () => {
    ended = true
  })
  child.once('error', error => {
    ended = true
    lines.push(error.message)
  })
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', chunk => lines.push(...String(chunk).trim().split('\n').filter(Boolean)))
  }
  return {
    ended: () => ended,
    kill() {
      if (ended || child.pid === undefined) return
      process.kill(-child.pid, 'SIGKILL')
    },
  }
}
