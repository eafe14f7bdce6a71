/** workerpool 9 and 10, in applications that run with and without us. */
import assert from 'node:assert/strict'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { pathToFileURL } from 'node:url'
import { type AppOptions, register, runApp, writeApp } from '../helpers/child.js'
import { createCollector, type ReceivedSpan } from '../helpers/collector.js'
import { root } from '../helpers/root.js'
import { assertTree, type ExpectedSpan, oneTrace } from '../helpers/spans.js'

const VERSIONS = {
  '10': createRequire(join(root, 'package.json')).resolve('workerpool'),
  '9': createRequire(join(root, 'test/versions/workerpool-9/package.json')).resolve('workerpool'),
}

const script = (version: '9' | '10'): string =>
  writeApp(`
    const workerpool = require('${VERSIONS[version]}')
    const { trace } = require('@opentelemetry/api')
    const sleep = ms => new Promise(resolve => setTimeout(resolve, ms))
    function add(...args) {
      return [args, this === add, typeof this.worker?.addAbortListener, arguments.length]
    }
    workerpool.worker({
      add,
      async ask(url) { await (await fetch(url)).text(); return 'asked' },
      async wait(ms) { await sleep(ms); workerpool.workerEmit({ waited: true }); return ms },
      fail() { throw Object.assign(new RangeError('failed in the task'), { own: 1 }) },
      async reject() { await sleep(1); workerpool.workerEmit('about to'); throw new RangeError('rejected in the task') },
      big() { const buffer = new ArrayBuffer(8); return new workerpool.Transfer(buffer, [buffer]) },
      active: () => trace.getActiveSpan()?.spanContext().traceId,
      surroundings() {
        const { parentPort } = require('node:worker_threads')
        const source = parentPort ?? process
        return [Object.hasOwn(source, 'on'), Object.hasOwn(source, 'postMessage'), source.listenerCount('message'), process.send?.name]
      },
    }, { onTerminate: () => sleep(1) })
  `)
const scripts = { '10': script('10'), '9': script('9') }

// Workers that are told to end deliver first what they have, within the time that the pool gives them: on a busy machine
// that may be more than its default of one second.
const prelude = (type: AppOptions['type'], version: '9' | '10'): string => `
  ${
    type === 'esm'
      ? `import workerpool from '${pathToFileURL(VERSIONS[version]).href}'
         import { trace } from '@opentelemetry/api'
         import http from 'node:http'
         import { once } from 'node:events'`
      : `const workerpool = require('${VERSIONS[version]}')
         const { trace } = require('@opentelemetry/api')
         const http = require('node:http')
         const { once } = require('node:events')`
  }
  const inSpan = (name, fn) => trace.getTracer('app').startActiveSpan(name, async span => {
    try { return await fn(span) } finally { span.end() }
  })
  const activeTrace = () => trace.getActiveSpan()?.spanContext().traceId
  const say = value => console.log(JSON.stringify(value ?? null))
  const main = fn => fn().catch(error => { console.error(error); process.exitCode = 1 })
  const script = ${JSON.stringify(scripts[version])}
  const told = ({ name, message, own }) => ({ name, message, own })
`

interface Run extends AppOptions {
  version?: '9' | '10'
  /** How many spans to expect. */
  spans: number
  /** Those of workers may be lost, as the workers are terminated. */
  terminates?: boolean
}

/** Runs `body` inside an async function, with us and without, which have to say the same. */
async function run(body: string, { version = '10', spans: count, terminates, ...options }: Run) {
  const collector = await createCollector()
  const app = { code: `${prelude(options.type, version)}\nmain(async () => {\n${body}\n})`, ...options }
  // workerpool does not pass the flags of Node on to processes.
  const env = { ...options.env, NODE_OPTIONS: `--import ${pathToFileURL(register).href}` }
  const [traced, plain] = await Promise.all([
    runApp({ ...app, env, preload: 'none', collector }),
    runApp({ ...app, preload: 'none' }),
  ])
  assert.equal(traced.stderr, plain.stderr)
  assert.equal(traced.stdout, plain.stdout)
  assert.equal(traced.code, 0)
  const expected = () => collector.spans().filter(span => !terminates || /^(exec |request$)/.test(span.name))
  await collector.waitFor(() => expected().length >= count)
  const spans = expected()
  await collector.close()
  assert.equal(spans.length, count, spans.map(span => `${span.kind} ${span.name}`).join(', '))
  const lines = traced.stdout.split('\n').filter(line => line !== '')
  return { spans, said: lines.map(line => JSON.parse(line)) }
}

const request = (children: ExpectedSpan[], name = 'request'): ExpectedSpan => ({ name, kind: 'internal', children })

/** A task: where it was asked for, and where it ran. */
const task = (name: string, failed?: string, children: ExpectedSpan[] = []): ExpectedSpan => {
  const attributes = { 'code.function.name': name, 'error.type': failed }
  const status = failed === undefined ? ('unset' as const) : ('error' as const)
  const ran = { name, kind: 'internal' as const, status, attributes, children }
  return { name: `exec ${name}`, kind: 'internal', status, attributes, children: [ran] }
}

const WAYS = (['10', '9'] as const).flatMap(version =>
  (['thread', 'process'] as const).flatMap(worker =>
    (['cjs', 'esm'] as const).map(type => ({ version, worker, type })),
  ),
)

for (const { worker, ...way } of WAYS) {
  describe(`workerpool ${way.version} in ${way.type}, ${worker}`, () => {
    test('tasks are of the trace of who asked for them', async () => {
      const { spans, said } = await run(
        `const server = http.createServer((req, res) => res.end()).listen(0, '127.0.0.1')
        await once(server, 'listening')
        const url = 'http://127.0.0.1:' + server.address().port
        const pool = workerpool.pool(script, { workerType: '${worker}', maxWorkers: 1, workerTerminateTimeout: 30_000 })
        await inSpan('request', async () => {
          const params = Object.freeze([1, { two: 2 }])
          say(await pool.exec('add', params))
          say(await pool.exec('ask', [url]))
          if (await pool.exec('active') !== activeTrace()) say('not of our trace')
          const events = []
          say([await pool.exec('wait', [5], Object.freeze({ on: event => events.push(event) })), events])
          say(await pool.exec('fail').catch(told))
          say(await pool.exec('reject', []).catch(told))
          say(await pool.exec('nothing').catch(told))
        })
        await pool.terminate()
        server.close()`,
        { ...way, spans: 17 },
      )
      assert.deepEqual(said[0].toSpliced(2, 1), [[1, { two: 2 }], true, 2])
      assert.deepEqual(said[2], [5, [{ waited: true }]])
      oneTrace(spans)
      const asked = [{ name: 'GET', kind: 'client' as const, children: [{ name: 'GET', kind: 'server' as const }] }]
      assertTree(spans, [
        request([
          task('add'),
          task('ask', undefined, asked),
          task('active'),
          task('wait'),
          // The library's answers have no class.
          task('fail', 'Error'),
          task('reject', 'Error'),
          task('nothing', 'Error'),
        ]),
      ])
    })

    test('functions that are sent as text, and what a proxy calls', async () => {
      const { spans, said } = await run(
        `const pool = workerpool.pool({ workerType: '${worker}', maxWorkers: 1, workerTerminateTimeout: 30_000 })
        const named = workerpool.pool(script, { workerType: '${worker}', maxWorkers: 1, workerTerminateTimeout: 30_000 })
        await inSpan('request', async () => {
          say(await pool.exec(function sum(a, b) { return [a + b, arguments.length] }, [1, 2]))
          say(await pool.exec((a, b) => a * b, [2, 3]))
          const proxy = await named.proxy()
          say(Object.keys(proxy).sort())
          say(await proxy.add(3))
        })
        await pool.terminate()
        await named.terminate()`,
        { ...way, spans: 7 },
      )
      assert.deepEqual(said.slice(0, 2), [[3, 2], 6])
      oneTrace(spans)
      assertTree(spans, [request([task('sum'), task('run'), task('add')])])
    })

    test('tasks at the same time, queued in one worker, keep to their traces', async () => {
      const { spans } = await run(
        `const pool = workerpool.pool(script, { workerType: '${worker}', maxWorkers: 1, workerTerminateTimeout: 30_000 })
        await Promise.all(['a', 'b', 'c'].map((name, i) => inSpan(name, () => pool.exec('wait', [5 - i]))))
        await pool.exec('add', [])
        await pool.terminate()`,
        { ...way, spans: 11 },
      )
      for (const name of 'abc') {
        const { traceId } = spans.find(span => span.name === name) as ReceivedSpan
        assertTree(
          spans.filter(span => span.traceId === traceId),
          [request([task('wait')], name)],
        )
      }
      const { traceId } = spans.find(span => span.name === 'add') as ReceivedSpan
      assertTree(
        spans.filter(span => span.traceId === traceId),
        [task('add')],
      )
    })

    test('promises, listeners and methods are as without us', async () => {
      await run(
        `const pool = workerpool.pool(script, { workerType: '${worker}', maxWorkers: 1, workerTerminateTimeout: 30_000 })
        const promise = pool.exec('wait', [1])
        say([promise instanceof workerpool.Promise, Object.keys(promise), promise.pending])
        await promise
        say([promise.resolved, pool.exec.name, pool.exec.length, workerpool.worker.name, workerpool.worker.length])
        say(await pool.exec('surroundings'))
        say(pool.stats())
        try { pool.exec('add', 1) } catch (error) { say(told(error)) }
        try { pool.exec(1) } catch (error) { say(told(error)) }
        ${worker === 'thread' ? `say((await pool.exec('big')).byteLength)` : ''}
        await pool.terminate()`,
        { ...way, spans: worker === 'thread' ? 7 : 5 },
      )
    })
  })
}

for (const version of ['10', '9'] as const) {
  test(`workerpool ${version}: cancelled, late and unfinished tasks end as they do without us`, async () => {
    const { spans } = await run(
      `const pool = workerpool.pool(script, { workerType: 'thread', maxWorkers: 1, workerTerminateTimeout: 100 })
      await inSpan('request', async () => {
        await pool.exec('add', [])
        const running = pool.exec('wait', [60_000])
        const queued = pool.exec('add', [])
        queued.cancel()
        say(await queued.catch(told))
        running.cancel()
        say(await running.catch(told))
        const other = workerpool.pool(script, { workerType: 'thread', maxWorkers: 1, workerTerminateTimeout: 100 })
        say(await other.exec('wait', [60_000]).timeout(50).catch(told))
        await other.terminate()
        const third = workerpool.pool(script, { workerType: 'thread', maxWorkers: 1, workerTerminateTimeout: 30_000 })
        const ended = third.exec('wait', [60_000]).catch(told)
        await third.terminate(true)
        say(await ended)
        await pool.terminate(true)
      })`,
      { version, spans: 6, terminates: true },
    )
    const types = spans.filter(span => span.name.startsWith('exec ')).map(span => span.attributes['error.type'])
    assert.deepEqual(types.sort(), ['CancellationError', 'CancellationError', 'Error', 'TimeoutError', undefined])
  })

  test(`workerpool ${version}: a worker is not of the trace that it is made in`, async () => {
    const { spans } = await run(
      `const pool = await inSpan('request', async () => {
        const pool = workerpool.pool({ workerType: 'process', maxWorkers: 1, workerTerminateTimeout: 30_000 })
        await pool.exec(function first() { setTimeout(() => fetch('http://127.0.0.1:1').catch(() => {}), 1) })
        return pool
      })
      await pool.exec(function second() {
        return [Object.keys(process.env).filter(name => name === 'TRACEPARENT')]
      }).then(say)
      await pool.terminate()`,
      { version, spans: 5 },
    )
    const { traceId } = spans.find(span => span.name === 'request') as ReceivedSpan
    assertTree(
      spans.filter(span => span.traceId === traceId),
      [request([task('first')])],
    )
    assertTree(
      spans.filter(span => span.traceId !== traceId),
      [task('second')],
    )
  })
}
