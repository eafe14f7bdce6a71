/** What becomes of the spans of worker threads that are ended: the main thread delivers them. */
import assert from 'node:assert/strict'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { test } from 'node:test'
import { register, runApp } from './helpers/child.js'
import { createCollector, type ReceivedSpan } from './helpers/collector.js'
import { root } from './helpers/root.js'

// Never sent by time or size while the process lives.
const LATE = { OTEL_BSP_SCHEDULE_DELAY: '600000' }
const TRACER = `const tracer = require('@opentelemetry/api').trace.getTracer('app', '1.0.0')\n`

const named = (spans: readonly ReceivedSpan[], name: string): ReceivedSpan[] =>
  spans.filter(span => span.name.startsWith(name))

/** Every span once, and nothing said. */
async function delivers(code: string, expected: Record<string, number>, env: Record<string, string> = LATE) {
  const collector = await createCollector()
  const ended = await runApp({ code, collector, env })
  const spans = collector.spans()
  assert.equal(ended.code, 0, ended.stderr)
  assert.equal(ended.stderr, '')
  assert.equal(new Set(spans.map(({ spanId }) => spanId)).size, spans.length)
  for (const [name, count] of Object.entries(expected))
    assert.equal(named(spans, name).length, count, `${name}: ${spans.map(span => span.name).join()}`)
  await collector.close()
  return { spans, ended, requests: collector.requests }
}

test('a thread that is terminated in the middle of its work loses nothing that has ended', async () => {
  const { spans, ended, requests } = await delivers(
    `${TRACER}
    const { Worker, isMainThread, parentPort } = require('worker_threads')
    if (isMainThread) {
      const worker = new Worker(__filename)
      worker.once('message', async () => {
        console.log(await worker.terminate(), process.listenerCount('worker'), worker.listenerCount('exit'))
        tracer.startSpan('main').end()
      })
    } else {
      for (let i = 0; i < 100; i++) tracer.startSpan('work ' + i, { attributes: { i, text: 'é'.repeat(i) } }).end()
      parentPort.postMessage('ended')
      for (;;);
    }`,
    { work: 100, main: 1 },
  )
  assert.equal(ended.stdout, '1 0 0\n')
  assert.equal(requests.length, 1)
  const work = named(spans, 'work')
  assert.deepEqual(
    work.map(({ attributes }) => attributes.i),
    [...Array(100).keys()].map(BigInt).map(Number),
  )
  assert.equal(work[99]?.attributes.text, 'é'.repeat(99))
  assert.deepEqual(work[0]?.scope.name, 'app')
})

test('a thread that ends by itself, calls process.exit or throws', async () => {
  await delivers(
    `${TRACER}
    const { Worker, isMainThread, workerData } = require('worker_threads')
    if (isMainThread) for (const how of ['ends', 'exits', 'throws']) new Worker(__filename, { workerData: how }).on('error', () => {})
    else {
      tracer.startSpan(workerData).end()
      if (workerData === 'exits') process.exit(6)
      if (workerData === 'throws') throw new Error('boom')
    }`,
    { ends: 1, exits: 1, throws: 1 },
  )
})

test('threads that are alive when the process exits', async () => {
  await delivers(
    `${TRACER}
    const { Worker, isMainThread, parentPort } = require('worker_threads')
    if (isMainThread) {
      let ready = 0
      for (let i = 0; i < 3; i++) new Worker(__filename).on('message', () => { if (++ready === 3) process.exit(0) })
    } else {
      for (let i = 0; i < 10; i++) tracer.startSpan('work').end()
      parentPort.postMessage('ended')
      setInterval(() => {}, 1000)
    }`,
    { work: 30 },
  )
})

test('more than the memory between the threads holds, while the main thread is busy', async () => {
  const { spans } = await delivers(
    `${TRACER}
    const { Worker, isMainThread } = require('worker_threads')
    if (isMainThread) {
      new Worker(__filename)
      setTimeout(() => { for (const until = Date.now() + 1500; Date.now() < until;); }, 100)
    } else {
      const text = 'x'.repeat(1000)
      for (let i = 0; i < 2000; i++) tracer.startSpan('work', { attributes: { i, text } }).end()
    }`,
    { work: 2000 },
    { OTEL_BSP_MAX_QUEUE_SIZE: '100000' },
  )
  assert.deepEqual(
    spans.map(({ attributes }) => attributes.i),
    [...Array(2000).keys()],
  )
})

test('what did not fit and was never read is counted', async () => {
  const collector = await createCollector()
  const code = `${TRACER}
    const { Worker, isMainThread, parentPort } = require('worker_threads')
    if (isMainThread) new Worker(__filename).once('message', function () { this.terminate() })
    else {
      const text = 'x'.repeat(10000)
      for (let i = 0; i < 500; i++) tracer.startSpan('work', { attributes: { text } }).end()
      parentPort.postMessage('ended')
      for (;;);
    }`
  const ended = await runApp({ code, collector, env: { ...LATE, OTEL_LOG_LEVEL: 'info' } })
  const { length } = collector.spans()
  assert.ok(length > 50 && length < 500, `${length}`)
  assert.match(ended.stderr, new RegExp(`of 500 spans some were lost \\(${500 - length} full\\)`))
  const health = JSON.parse(/health: (.*)/.exec(ended.stderr)?.[1] ?? '')
  assert.equal(health['otel.sdk.span.started'], 500)
  assert.equal(health['otel.sdk.span.live'], 0)
  assert.equal(health['otel.sdk.exporter.span.exported'].success, length)
  await collector.close()
})

test('threads that end more spans in a moment than the main thread has room for', async () => {
  await delivers(
    `${TRACER}
    const { Worker, isMainThread } = require('worker_threads')
    if (isMainThread) for (let i = 0; i < 2; i++) new Worker(__filename)
    else for (let i = 0; i < 3000; i++) tracer.startSpan('work').end()`,
    { work: 6000 },
    {},
  )
})

test('threads that are terminated at any moment leave a whole number of spans, and the others are counted', async () => {
  const collector = await createCollector()
  const code = `${TRACER}
    const { Worker, isMainThread, workerData } = require('worker_threads')
    if (isMainThread) (async () => {
      for (let i = 0; i < 20; i++) {
        const worker = new Worker(__filename, { workerData: i })
        await new Promise(resolve => worker.once('message', resolve))
        for (const until = performance.now() + Math.random() * 5; performance.now() < until;);
        await worker.terminate()
      }
    })()
    else for (let i = 0; ; i++) {
      tracer.startSpan('work', { attributes: { worker: workerData, i } }).end()
      if (i === 0) require('worker_threads').parentPort.postMessage('begun')
    }`
  const ended = await runApp({ code, collector, env: { OTEL_LOG_LEVEL: 'info', OTEL_BSP_MAX_QUEUE_SIZE: '100000' } })
  const spans = collector.spans()
  for (let worker = 0; worker < 20; worker++) {
    const own = spans.filter(({ attributes }) => attributes.worker === worker).map(({ attributes }) => attributes.i)
    assert.ok(own.length > 0)
    assert.deepEqual(own, [...own.keys()])
  }
  const health = JSON.parse(/health: (.*)/.exec(ended.stderr)?.[1] ?? '')
  const lost = Number(/some were lost \((\d+) full\)/.exec(ended.stderr)?.[1] ?? 0)
  assert.equal(health['otel.sdk.span.started'], spans.length + lost)
  assert.equal(health['otel.sdk.exporter.span.exported'].success, spans.length)
  await collector.close()
})

test('flush in a thread waits until the main thread has delivered', async () => {
  const collector = await createCollector()
  const code = `${TRACER}
    const { Worker, isMainThread } = require('worker_threads')
    if (isMainThread) new Worker(__filename)
    else {
      tracer.startSpan('work').end()
      require('@org/trace').init().flush().then(console.log)
    }`
  assert.equal((await runApp({ code, collector, env: LATE })).stdout, 'delivered\n')
  assert.equal(collector.spans().length, 1)
  collector.respond = { status: 400 }
  assert.equal((await runApp({ code, collector, env: LATE })).stdout, 'failed\n')
  await collector.close()
})

test('a thread with a configuration, or a maker, of its own delivers by itself', async () => {
  const collector = await createCollector()
  const other = await createCollector()
  const code = `${TRACER}
    const { Worker, isMainThread, workerData } = require('worker_threads')
    if (isMainThread) new Worker(__filename, { workerData: 1, env: { ...process.env, OTEL_EXPORTER_OTLP_ENDPOINT: '${other.url}' } })
    else if (workerData === 1) {
      tracer.startSpan('outer').end()
      new Worker(__filename, { workerData: 2 })
    } else tracer.startSpan('inner').end()`
  const ended = await runApp({ code, collector, env: LATE })
  assert.equal(ended.stderr, '')
  assert.equal(collector.spans().length, 0)
  assert.deepEqual(
    other
      .spans()
      .map(({ name }) => name)
      .sort(),
    ['inner', 'outer'],
  )
  await collector.close()
  await other.close()
})

test('threads of a main thread that is not traced deliver by themselves', async () => {
  const collector = await createCollector()
  const code = `${TRACER}
    const { Worker, isMainThread } = require('worker_threads')
    if (isMainThread) new Worker(__filename, { execArgv: ['--require', ${JSON.stringify(register)}] })
    else tracer.startSpan('work').end()`
  const ended = await runApp({ code, collector, preload: 'none' })
  assert.equal(ended.stderr, '')
  assert.equal(collector.spans().length, 1)
  await collector.close()
})

const older = (name: string, version: number): string =>
  createRequire(join(root, `test/versions/${name}-${version}/package.json`)).resolve(name)

for (const [version, library] of Object.entries({ 4: older('piscina', 4), 5: 'piscina' })) {
  test(`piscina ${version}: its threads, which it terminates, lose nothing`, async () => {
    await delivers(
      `const { Piscina } = require(${JSON.stringify(library)})
      const { isMainThread } = require('worker_threads')
      ${TRACER}
      module.exports = i => tracer.startSpan('work ' + i).end()
      if (isMainThread) (async () => {
        const pool = new Piscina({ filename: __filename, maxThreads: 2 })
        await Promise.all([...Array(20).keys()].map(i => pool.run(i)))
        await pool.destroy()
      })()`,
      { work: 20 },
    )
  })
}

for (const [version, library] of Object.entries({ 9: older('workerpool', 9), 10: 'workerpool' })) {
  test(`workerpool ${version}: its threads, which it terminates, lose nothing`, async () => {
    await delivers(
      `const workerpool = require(${JSON.stringify(library)})
      const { isMainThread } = require('worker_threads')
      ${TRACER}
      if (isMainThread) (async () => {
        const pool = workerpool.pool(__filename, { workerType: 'thread', maxWorkers: 2 })
        await Promise.all([...Array(20).keys()].map(i => pool.exec('work', [i])))
        // What takes too long is terminated, and its thread with it.
        await pool.exec('hang').timeout(200).catch(error => console.log(error.name))
        await pool.terminate(true)
      })()
      else workerpool.worker({
        work: i => tracer.startSpan('own ' + i).end(),
        hang() {
          tracer.startSpan('hung', { root: true }).end()
          for (;;);
        },
      })`,
      { own: 20, 'exec work': 20, hung: 1 },
    )
  })
}
