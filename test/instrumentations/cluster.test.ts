/** Workers of `node:cluster`: they go on in the trace that forked them, and what they are sent does not. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { type AppOptions, runApp } from '../helpers/child.js'
import { createCollector, type ReceivedSpan } from '../helpers/collector.js'
import { assertTree, type ExpectedSpan, oneTrace } from '../helpers/spans.js'

type Type = NonNullable<AppOptions['type']>

/** What every application here starts with. */
function prelude(type: Type): string {
  const load = (names: string, module: string): string =>
    type === 'esm' ? `import ${names.replaceAll(':', ' as')} from '${module}'` : `const ${names} = require('${module}')`
  return `${load('cluster', 'node:cluster')}
    ${load('http', 'node:http')}
    ${load('net', 'node:net')}
    ${load('{ once }', 'node:events')}
    ${load('{ context, trace }', '@opentelemetry/api')}
    const inSpan = (name, fn) => trace.getTracer('app').startActiveSpan(name, async span => {
      try { return await fn(span) } finally { span.end() }
    })
    /** Sends what comes to the workers, from outside of traces. Resolves to the answers. */
    const ask = (port, ...paths) => context.with(trace.deleteSpan(context.active()), () =>
      Promise.all(paths.map(async path => (await fetch('http://127.0.0.1:' + port + path)).text())))
    const listening = async () => (await once(cluster, 'listening'))[1].port
    const say = value => console.log(JSON.stringify(value ?? null))
    const main = fn => fn().catch(error => { console.error(error); process.exitCode = 1 })
  `
}

interface Run extends Pick<AppOptions, 'env'> {
  type?: Type
  /** How many spans to expect. */
  spans: number
}

/** Runs what the primary and what its workers do, with us and without. Returns what they said, and their spans. */
async function run(primary: string, worker: string, { spans: count, type = 'cjs', env }: Run) {
  const collector = await createCollector()
  const body = `if (cluster.isPrimary) { ${primary} } else { ${worker} }`
  // What is not delivered when a process ends is not delivered at all.
  const app = { type, code: `${prelude(type)}\nmain(async () => {${body}})`, env: { OTEL_BSP_SCHEDULE_DELAY: '60000' } }
  const [traced, plain] = await Promise.all([
    runApp({ ...app, env: { ...app.env, ...env }, collector }),
    runApp({ ...app, preload: 'none' }),
  ])
  assert.equal(traced.stderr, plain.stderr)
  assert.equal(traced.code, plain.code)
  assert.equal(traced.stdout, plain.stdout)
  const spans = await collector.waitFor(count)
  await collector.close()
  assert.equal(spans.length, count, spans.map(span => `${span.kind} ${span.name}`).join(', '))
  const lines = traced.stdout.split('\n').filter(line => line !== '')
  return { spans, said: lines.map(line => JSON.parse(line)) }
}

const forked = (children: ExpectedSpan[] = [], exitCode = 0): ExpectedSpan => ({
  name: 'node',
  kind: 'client',
  status: exitCode === 0 ? 'unset' : 'error',
  attributes: { 'process.exit.code': exitCode },
  children,
})

const own = (name: string, children: ExpectedSpan[] = []): ExpectedSpan => ({ name, kind: 'internal', children })

const startOf = (spans: ReceivedSpan[]): ReceivedSpan[] => {
  const traceId = spans.find(span => span.name === 'start')?.traceId
  return spans.filter(span => span.traceId === traceId)
}

/** The others are requests, each a trace that begins with whoever asked and goes on in a worker. */
function assertRequests(spans: ReceivedSpan[], count: number, children: ExpectedSpan[] = []): void {
  const starting = startOf(spans)
  const requests = spans.filter(span => !starting.includes(span))
  const traceIds = new Set(requests.map(span => span.traceId))
  assert.equal(traceIds.size, count)
  for (const traceId of traceIds) {
    const parts = requests.filter(span => span.traceId === traceId)
    oneTrace(parts)
    assertTree(parts, [{ name: 'GET', kind: 'client', children: [{ name: 'GET', kind: 'server', children }] }])
    const [client, server] = ['client', 'server'].map(kind => parts.find(span => span.kind === kind))
    assert.notEqual(client?.resource['process.pid'], server?.resource['process.pid'])
  }
}

const SERVE = `await inSpan('starting', () => {})
  const server = http.createServer((req, res) => inSpan('handling', () => res.end(req.url)))
  server.listen(0, '127.0.0.1')`

for (const type of ['cjs', 'esm'] as const) {
  describe(`cluster in ${type}`, () => {
    for (const policy of ['SCHED_RR', 'SCHED_NONE']) {
      test(`forked within a trace, ${policy}: the start belongs to it, and requests do not`, async () => {
        const { spans, said } = await run(
          `cluster.schedulingPolicy = cluster.${policy}
          await inSpan('start', async () => {
            const workers = [cluster.fork(), cluster.fork({ OWN: 'x' })]
            const [port] = await Promise.all([listening(), ...workers.map(worker => once(worker, 'listening'))])
            say(await ask(port, '/a', '/b', '/c'))
            say(await Promise.all(workers.map(async worker => { worker.disconnect(); return once(worker, 'exit') })))
          })`,
          SERVE,
          { type, spans: 14 },
        )
        assert.deepEqual(said, [
          ['/a', '/b', '/c'],
          [
            [0, null],
            [0, null],
          ],
        ])
        assertTree(startOf(spans), [own('start', [forked([own('starting')]), forked([own('starting')])])])
        assertRequests(spans, 3, [own('handling')])
      })
    }

    test('forked by a process that was started within a trace, at its top', async () => {
      const traceId = 'a'.repeat(32)
      const { spans } = await run(
        `const worker = cluster.fork()
        const port = await listening()
        await ask(port, '/a')
        worker.disconnect()
        await once(worker, 'exit')`,
        SERVE,
        { type, spans: 5, env: { TRACEPARENT: `00-${traceId}-${'b'.repeat(16)}-01` } },
      )
      const inIt = spans.filter(span => span.traceId === traceId)
      assertTree(inIt, [forked([own('starting')])])
    })

    test('connections that the primary accepts and hands over', async () => {
      const { spans, said } = await run(
        `await inSpan('start', async () => {
          const worker = cluster.fork()
          await once(worker, 'message')
          const server = net.createServer({ pauseOnConnect: true }, socket => worker.send('connection', socket))
          await once(server.listen(0, '127.0.0.1'), 'listening')
          say(await ask(server.address().port, '/a', '/b'))
          server.close()
          worker.disconnect()
          say(await once(worker, 'exit'))
        })`,
        `const server = http.createServer((req, res) => inSpan('handling', () => {
          res.writeHead(200, { connection: 'close' }).end(req.url)
        }))
        process.on('message', (message, socket) => { server.emit(message, socket); socket.resume() })
        process.send('ready')`,
        { type, spans: 8 },
      )
      assert.deepEqual(said, [
        ['/a', '/b'],
        [0, null],
      ])
      assertTree(startOf(spans), [own('start', [forked()])])
      assertRequests(spans, 2, [own('handling')])
    })
  })
}

test('a worker that is forked when another ends is none of the trace that forked the first', async () => {
  const { spans } = await run(
    `let left = 2
    cluster.on('exit', () => { if (left-- > 0) cluster.fork({ LEFT: left }) })
    cluster.on('message', () => inSpan('told', () => {}))
    await inSpan('start', () => { cluster.fork({ LEFT: 2 }) })`,
    `await inSpan('starting ' + process.env.LEFT, () => {})
    process.send('ready', () => process.exit(4))`,
    { spans: 8 },
  )
  assertTree(startOf(spans), [own('start', [forked([own('starting 2')], 4)])])
  const others = spans.filter(span => span.parentSpanId === undefined && span.name !== 'start')
  assert.deepEqual(others.map(({ name }) => name).sort(), ['starting 0', 'starting 1', 'told', 'told', 'told'])
})

describe('how workers end: nothing is lost, and codes, signals and events are as without us', () => {
  const ENDS = {
    'worker.disconnect() by the primary': ['worker.disconnect()', ''],
    'worker.kill() by the primary': ['worker.kill()', ''],
    'worker.kill("SIGINT") by the primary': ['worker.kill("SIGINT")', ''],
    'worker.process.kill() by the primary': ['worker.process.kill()', ''],
    'cluster.disconnect()': ['cluster.disconnect(() => events.push("all disconnected"))', ''],
    'worker.send() and then disconnect()': ['worker.send("go on"); worker.disconnect()', ''],
    'worker.disconnect() in the worker': ['worker.send("go on")', 'cluster.worker.disconnect()'],
    'worker.kill() in the worker': ['worker.send("go on")', 'cluster.worker.kill()'],
    'process.disconnect() in the worker': ['worker.send("go on")', 'process.disconnect()'],
    'process.exit() in the worker': ['worker.send("go on")', 'process.exit(3)'],
    'an exit code and process.disconnect() in the worker': [
      'worker.send("go on")',
      'process.exitCode = 5; process.disconnect()',
    ],
  }
  for (const [name, [ends, inWorker]] of Object.entries(ENDS)) {
    test(name, async () => {
      const { said } = await run(
        `const worker = cluster.fork()
        const events = []
        const port = await listening()
        for (const event of ['disconnect', 'exit']) {
          worker.on(event, (...args) => events.push([event, ...args, worker.exitedAfterDisconnect]))
        }
        await ask(port, '/a')
        ${ends}
        await once(worker, 'exit')
        await new Promise(resolve => setTimeout(resolve, 50))
        say(events)`,
        `process.on('message', message => { ${inWorker} })\n${SERVE}`,
        { spans: 4 },
      )
      assert.ok(said[0].some(([event]: [string]) => event === 'exit'))
    })
  }

  test('the primary ends, and its workers with it', async () => {
    await run(
      `cluster.fork()
      await ask(await listening(), '/a')
      process.exit(6)`,
      SERVE,
      { spans: 4 },
    )
  })
})
