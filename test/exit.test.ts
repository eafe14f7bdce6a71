/** How a process goes away with us: what has ended is delivered, and it dies as it would have died without us. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type AppOptions, type Ended, runApp, startApp } from './helpers/child.js'
import { createCollector } from './helpers/collector.js'

// Never flushed by time or size while the process lives: what arrives was delivered on the way out.
const LATE = { OTEL_BSP_SCHEDULE_DELAY: '600000' }
const SPAN = `require('@opentelemetry/api').trace.getTracer('app').startSpan('last').end()\n`

type Same = Pick<Ended, 'code' | 'signal' | 'stdout'>
const same = ({ code, signal, stdout }: Ended): Same => ({ code, signal, stdout })

const endings: Record<string, string> = {
  'ends by itself': `${SPAN} console.log('done')`,
  'ends by itself with an exit code': `${SPAN} process.exitCode = 7`,
  'calls process.exit in the turn of the span': `${SPAN} console.log('bye'); process.exit(3)`,
  'calls process.exit later': `${SPAN} setTimeout(() => process.exit(4), 20)`,
  'throws an uncaught exception': `${SPAN} setTimeout(() => { throw new Error('boom') }, 10)`,
  'rejects unheard': `${SPAN} Promise.reject(new Error('unheard'))`,
  'ends a span in its own exit listener': `process.on('exit', () => { ${SPAN} })`,
  'throws in its own exit listener': `${SPAN} process.on('exit', () => { throw new Error('late') })`,
  'kills itself with SIGTERM': `${SPAN} process.kill(process.pid, 'SIGTERM'); setInterval(() => console.log('alive'), 1000)`,
  'kills itself with SIGINT': `${SPAN} process.kill(process.pid, 'SIGINT'); setInterval(() => console.log('alive'), 1000)`,
  'kills itself with SIGHUP': `${SPAN} process.kill(process.pid, 'SIGHUP'); setInterval(() => console.log('alive'), 1000)`,
  'listens to SIGHUP and goes on': `${SPAN} process.on('SIGHUP', () => { console.log('reloaded'); setTimeout(() => process.exit(0), 20) }); process.kill(process.pid, 'SIGHUP'); setInterval(() => {}, 1000)`,
  'is a cluster worker that is disconnected': `const cluster = require('cluster')
    if (cluster.isPrimary) cluster.fork().on('message', () => cluster.disconnect(() => console.log('disconnected'))).on('exit', (code, signal) => console.log(code, signal))
    else { ${SPAN} process.send('ended'); setInterval(() => {}, 1000).unref() }`,
  'is a cluster worker with a server, that disconnects itself': `const cluster = require('cluster')
    if (cluster.isPrimary) cluster.fork().on('exit', (code, signal) => console.log(code, signal)).on('disconnect', () => console.log('disconnected'))
    else require('net').createServer().listen(0, () => { ${SPAN} cluster.worker.disconnect() })`,
  'is a cluster worker that exits when it is disconnected': `const cluster = require('cluster')
    if (cluster.isPrimary) cluster.fork().on('message', () => cluster.disconnect()).on('exit', (code, signal) => console.log(code, signal))
    else { ${SPAN} process.on('disconnect', () => process.exit(8)); process.send('ended'); setInterval(() => {}, 1000) }`,
  'is a cluster worker that is killed': `const cluster = require('cluster')
    if (cluster.isPrimary) { const worker = cluster.fork(); worker.on('message', () => worker.process.kill()).on('exit', (code, signal) => console.log(code, signal)) }
    else { ${SPAN} process.send('ended'); setInterval(() => {}, 1000) }`,
  'is a cluster worker whose primary is gone': `const cluster = require('cluster')
    if (cluster.isPrimary) cluster.fork().on('message', () => process.exit(9))
    else { ${SPAN} process.send('ended'); setInterval(() => {}, 1000) }`,
  'counts beforeExit': `${SPAN} let n = 0; process.on('beforeExit', () => { console.log('beforeExit', ++n); if (n < 3) setTimeout(() => {}, 5) })`,
  'listens to SIGTERM and exits': `${SPAN} process.on('SIGTERM', () => { console.log('own'); process.exit(5) }); process.kill(process.pid, 'SIGTERM'); setInterval(() => {}, 1000)`,
  'listens once to SIGTERM': `${SPAN} process.once('SIGTERM', () => { console.log('once'); process.kill(process.pid, 'SIGTERM') }); process.kill(process.pid, 'SIGTERM'); setInterval(() => {}, 1000)`,
  'takes its listener away again': `${SPAN} const f = () => {}; process.on('SIGINT', f); process.off('SIGINT', f); process.kill(process.pid, 'SIGINT'); setInterval(() => {}, 1000)`,
  'uses signal-exit': `${SPAN} require('signal-exit').onExit((code, signal) => console.log('signal-exit', code, signal)); process.kill(process.pid, 'SIGTERM'); setInterval(() => {}, 1000)`,
}

for (const [what, code] of Object.entries(endings)) {
  test(`a process that ${what} ends as without us, and its last span arrives`, async () => {
    const collector = await createCollector()
    const without = await runApp({ code, preload: 'none', env: LATE })
    const withUs = await runApp({ code, collector, env: LATE })
    assert.deepEqual(same(withUs), same(without))
    assert.deepEqual(
      collector.spans().map(span => span.name),
      ['last'],
    )
    await collector.close()
  })
}

// More than several batches hold.
const MANY = 1900
const SPANS = `for (let i = 0; i < ${MANY}; i++) require('@opentelemetry/api').trace.getTracer('app').startSpan(String(i)).end()\n`
const alive = 'setInterval(() => {}, 1000)'

const ends: Record<string, string> = {
  'by itself': SPANS,
  'by process.exit': `${SPANS} process.exit(3)`,
  'by an uncaught exception': `${SPANS} throw new Error('boom')`,
  'by a rejection that nobody handles': `${SPANS} Promise.reject(new Error('unheard'))`,
  'by SIGTERM': `${SPANS} process.kill(process.pid, 'SIGTERM'); ${alive}`,
  'by SIGINT': `${SPANS} process.kill(process.pid, 'SIGINT'); ${alive}`,
  'by SIGHUP': `${SPANS} process.kill(process.pid, 'SIGHUP'); ${alive}`,
  'in a listener of beforeExit': `process.once('beforeExit', () => { ${SPANS} })`,
  'as a cluster worker that is disconnected': `const cluster = require('cluster')
    if (cluster.isPrimary) cluster.fork().on('message', () => cluster.disconnect()).on('exit', (code, signal) => console.log(code, signal))
    else { ${SPANS} process.send('ended') }`,
  'as a worker thread that is terminated': `const { Worker, isMainThread, parentPort } = require('worker_threads')
    if (isMainThread) { const worker = new Worker(__filename); worker.on('message', () => worker.terminate()).on('exit', code => console.log(code)) }
    else { ${SPANS} parentPort.postMessage('ended'); ${alive} }`,
  'as a worker thread that throws': `const { Worker, isMainThread } = require('worker_threads')
    if (isMainThread) new Worker(__filename).on('error', error => console.log(error.message)).on('exit', code => console.log(code))
    else { ${SPANS} throw new Error('boom') }`,
}

for (const [how, code] of Object.entries(ends)) {
  test(`what ends ${how} as without us loses none of many spans, in several batches`, async () => {
    const collector = await createCollector({ respond: { delayMs: 20 } })
    const without = await runApp({ code, preload: 'none' })
    assert.deepEqual(same(await runApp({ code, collector, env: LATE })), same(without))
    const names = new Set(collector.spans().map(({ name }) => name))
    assert.deepEqual([names.size, collector.spans().length], [MANY, MANY])
    await collector.close()
  })
}

for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) {
  test(`a server without a listener dies of ${signal}, and its last span arrives`, async () => {
    const collector = await createCollector()
    const app = await startApp({ ...server, collector, env: LATE })
    await (await fetch(app.url)).text()
    const ended = await app.stop(signal)
    assert.deepEqual([ended.code, ended.signal], [null, signal])
    assert.deepEqual(
      collector.spans().map(span => span.name),
      ['GET'],
    )
    await collector.close()
  })
}

const server: AppOptions = {
  code: `const s = require('http').createServer((q, r) => r.end('ok')).listen(0, () => console.log('ready ' + s.address().port))`,
}

test('no listener of ours is seen on the process', async () => {
  const events = [
    'SIGTERM',
    'SIGINT',
    'SIGHUP',
    'exit',
    'beforeExit',
    'uncaughtException',
    'unhandledRejection',
    'warning',
  ]
  const code = `console.log(${JSON.stringify(events)}.map(event => process.listenerCount(event)).join())`
  // Not by --import, which adds a listener of Node's own.
  const [without, withUs] = await Promise.all([runApp({ code, preload: 'none' }), runApp({ code, preload: 'require' })])
  assert.equal(withUs.stdout, without.stdout)
})

test('nothing that was delivered before is sent again on exit', async () => {
  const collector = await createCollector()
  await runApp({ code: `${SPAN} setTimeout(() => { ${SPAN} process.exit(0) }, 500)`, collector })
  assert.equal(collector.spans().length, 2)
  await collector.close()
})

test('an unreachable collector delays no exit and changes no exit code; what is lost is said once', async () => {
  const env = { ...LATE, OTEL_EXPORTER_OTLP_ENDPOINT: 'http://127.0.0.1:9' }
  for (const code of [`${SPAN} process.exit(3)`, `${SPAN} process.exitCode = 3`, `${SPAN} throw new Error('boom')`]) {
    const without = await runApp({ code, preload: 'none' })
    const ended = await runApp({ code, env })
    assert.deepEqual(same(ended), same(without))
    assert.equal(ended.stderr.match(/@org\/trace\] warn: of 1 spans/g)?.length, 1, ended.stderr)
    assert.ok(
      ended.durationMs < without.durationMs + 10_000,
      `${ended.durationMs} ms, ${without.durationMs} without us`,
    )
  }
})

test('a hanging collector delays no exit past the deadline', async () => {
  const collector = await createCollector({ respond: { hang: true } })
  const env = { ...LATE, TRACE_EXIT_TIMEOUT_MS: '700' }
  for (const code of [`${SPAN} process.exit(3)`, `${SPAN} process.exitCode = 3`]) {
    const ended = await runApp({ code, collector, env })
    assert.equal(ended.code, 3)
    assert.match(ended.stderr, /of 1 spans some were lost \(1 (unreachable|unanswered)\)/)
    assert.ok(ended.durationMs > 700 && ended.durationMs < 8000, `${ended.durationMs} ms`)
  }
  await collector.close()
})

test('a batch on its way to a slow collector does not keep the process alive, and arrives once', async () => {
  const collector = await createCollector({ respond: { delayMs: 400 } })
  const ended = await runApp({ code: `${SPAN} setTimeout(() => {}, 200)`, collector })
  assert.equal(ended.code, 0)
  assert.equal(collector.spans().length, 1)
  await collector.close()
})

test('in AWS Lambda the spans of an invocation are sent when it ends, all at once, as the process is frozen after that', async () => {
  const collector = await createCollector()
  const code = `
    const { context, trace } = require('@opentelemetry/api')
    const tracer = trace.getTracer('app')
    tracer.startActiveSpan('invocation', span => { tracer.startSpan('within').end(); span.end() })
    console.log('ready 1')
    setInterval(() => {}, 1000)`
  const app = await startApp({ code, collector, env: { ...LATE, AWS_LAMBDA_FUNCTION_NAME: 'checkout' } })
  const spans = await collector.waitFor(2)
  assert.deepEqual(
    spans.map(span => span.name),
    ['within', 'invocation'],
  )
  assert.equal(collector.requests.length, 1)
  await app.stop('SIGKILL')
  await collector.close()
})

test('a worker thread delivers its last span', async () => {
  const collector = await createCollector()
  const code = `
    const { Worker, isMainThread } = require('worker_threads')
    if (isMainThread) new Worker(__filename).on('exit', code => console.log('worker', code))
    else { ${SPAN} if (process.argv[2] !== 'x') process.exit(6) }`
  const ended = await runApp({ code, collector, env: LATE })
  assert.equal(ended.stdout, 'worker 6\n')
  assert.equal(collector.spans().length, 1)
  await collector.close()
})
