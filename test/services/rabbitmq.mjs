/** RabbitMQ, by Debian's package. */
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import amqplib from 'amqplib'
import { freePort } from '../free-port.mjs'
import { serverUrl, start } from './server.mjs'

// The one on the path is a script for root, which runs it as another user.
const COMMAND = '/usr/lib/rabbitmq/bin/rabbitmq-server'

export async function rabbitmq({ folder, atExit, own }) {
  const url = await serverUrl({
    service: 'RabbitMQ',
    given: own ? undefined : urlOf(process.env.TEST_RABBITMQ_PORT ?? 5672),
    answers,
    command: COMMAND,
    debian: 'rabbitmq-server',
    startOwn: lines => startOwn(folder, atExit, lines),
  })
  return { TEST_RABBITMQ_URL: url }
}

async function startOwn(folder, atExit, lines) {
  const [port, distPort, epmdPort] = [await freePort(), await freePort(), await freePort()]
  const own = join(folder, 'rabbitmq')
  mkdirSync(own)
  writeFileSync(join(own, 'enabled_plugins'), '[].')
  // The Erlang port mapper would outlive the node as a daemon, so it runs as a child of its own.
  const epmd = start('epmd', ['-address', '127.0.0.1', '-port', String(epmdPort)], lines, { HOME: own })
  const server = start(COMMAND, [], lines, {
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
  })
  atExit.push(server.kill, epmd.kill)
  return { url: urlOf(port), isRunning: server.isRunning }
}

const urlOf = port => `amqp://guest:guest@127.0.0.1:${port}`

async function answers(url) {
  const connection = await amqplib.connect(url, { timeout: 3000 })
  await connection.close()
}
