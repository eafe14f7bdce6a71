/** piscina 4 and 5, in applications that run with and without us. */
import assert from 'node:assert/strict'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { pathToFileURL } from 'node:url'
import { type AppOptions, runApp, writeApp } from '../helpers/child.js'
import { createCollector, type ReceivedSpan } from '../helpers/collector.js'
import { root } from '../helpers/root.js'
import { assertTree, type ExpectedSpan, oneTrace } from '../helpers/spans.js'

const VERSIONS = {
  '5': createRequire(join(root, 'package.json')).resolve('piscina'),
  '4': createRequire(join(root, 'test/versions/piscina-4/package.json')).resolve('piscina'),
}

const tasks = writeApp(`
  const { trace } = require('@opentelemetry/api')
  if (process.env.TELLS) trace.getTracer('app').startSpan('loaded').end()
  const sleep = ms => new Promise(resolve => setTimeout(resolve, ms))
  const activeTrace = () => trace.getActiveSpan()?.spanContext().traceId
  module.exports = async function (...args) {
    const [{ url, fail, ms = 1 }] = args
    if (url !== undefined) await (await fetch(url)).text()
    await sleep(ms)
    if (fail) throw Object.assign(new RangeError('failed in the task'), { own: 1 })
    return { args: args.length, keys: Object.keys(args[0]), size: args[0].buffer?.byteLength }
  }
  module.exports.active = async () => { await sleep(1); return activeTrace() }
  // What has ended in this worker is delivered: it may be terminated next, and does nothing while it waits for tasks.
  module.exports.flush = async () => { await globalThis[Symbol.for('@org/trace')]?.running.flush() }
  module.exports.listeners = () => require('node:worker_threads').parentPort.eventNames().map(String)
`)

const prelude = (type: AppOptions['type'], version: '4' | '5'): string => `
  ${
    type === 'esm'
      ? `import Piscina from '${pathToFileURL(VERSIONS[version]).href}'
         import { trace, context } from '@opentelemetry/api'
         import http from 'node:http'
         import { once } from 'node:events'`
      : `const Piscina = require('${VERSIONS[version]}')
         const { trace, context } = require('@opentelemetry/api')
         const http = require('node:http')
         const { once } = require('node:events')`
  }
  const inSpan = (name, fn) => trace.getTracer('app').startActiveSpan(name, async span => {
    try { return await fn(span) } finally { span.end() }
  })
  const activeTrace = () => trace.getActiveSpan()?.spanContext().traceId
  const say = value => console.log(JSON.stringify(value ?? null))
  const main = fn => fn().catch(error => { console.error(error); process.exitCode = 1 })
  const filename = ${JSON.stringify(tasks)}
  const told = ({ name, message, code, own }) => ({ name, message, code, own })
`

interface Run extends AppOptions {
  version?: '4' | '5'
  /** How many spans to expect, but for those of `flush`, whose end is not waited for. */
  spans: number
}

/** Runs `body` inside an async function, with us and without, which have to say the same. */
async function run(body: string, { version = '5', spans: count, ...options }: Run) {
  const collector = await createCollector()
  const app = { code: `${prelude(options.type, version)}\nmain(async () => {\n${body}\n})`, ...options }
  const [traced, plain] = await Promise.all([runApp({ ...app, collector }), runApp({ ...app, preload: 'none' })])
  assert.equal(traced.stderr, plain.stderr)
  assert.equal(traced.stdout, plain.stdout)
  assert.equal(traced.code, 0)
  const expected = (spans: readonly ReceivedSpan[]) => spans.filter(span => !span.name.endsWith(' flush'))
  await collector.waitFor(spans => expected(spans).length >= count)
  const spans = expected(collector.spans())
  await collector.close()
  assert.equal(spans.length, count, spans.map(span => `${span.kind} ${span.name}`).join(', '))
  const lines = traced.stdout.split('\n').filter(line => line !== '')
  return { spans, said: lines.map(line => JSON.parse(line)) }
}

const file = tasks.slice(tasks.lastIndexOf('/') + 1)
const request = (children: ExpectedSpan[], name = 'request'): ExpectedSpan => ({ name, kind: 'internal', children })

/** A task: where it was asked for, and where it ran. */
const task = (name: string | undefined, failed?: string, children: ExpectedSpan[] = []): ExpectedSpan => {
  const called = [file, name].filter(part => part !== undefined).join(' ')
  const attributes = { 'code.file.path': tasks, 'code.function.name': name, 'error.type': failed }
  const status = failed === undefined ? ('unset' as const) : ('error' as const)
  const ran = {
    name: called,
    kind: 'internal' as const,
    status,
    attributes: { ...attributes, 'thread.id': 1 },
    children,
  }
  return { name: `run ${called}`, kind: 'internal', status, attributes, children: [ran] }
}

const WAYS = (['5', '4'] as const).flatMap(version => (['cjs', 'esm'] as const).map(type => ({ version, type })))

for (const way of WAYS) {
  describe(`piscina ${way.version} in ${way.type}`, () => {
    for (const atomics of ['0', '1']) {
      test(`a task is one trace with who asked for it, ${atomics === '0' ? 'woken by memory' : 'by messages'}`, async () => {
        const { spans, said } = await run(
          `const server = http.createServer((req, res) => res.end()).listen(0, '127.0.0.1')
          await once(server, 'listening')
          const url = 'http://127.0.0.1:' + server.address().port
          const pool = new Piscina({ filename, maxThreads: 1, minThreads: 1 })
          await inSpan('request', async () => {
            const given = Object.freeze({ url })
            say(await pool.run(given))
            if (await pool.run({}, { name: 'active' }) !== activeTrace()) say('not of our trace')
            const buffer = new ArrayBuffer(8)
            say(await pool.run({ buffer }, { transferList: [buffer] }))
            say(buffer.byteLength)
            say(await pool.run({ fail: true }).catch(told))
          })
          await pool.run({}, { name: 'flush' })
          await pool.destroy()
          server.close()`,
          { ...way, spans: 11, env: { PISCINA_DISABLE_ATOMICS: atomics } },
        )
        assert.deepEqual(said.at(-1), { name: 'RangeError', message: 'failed in the task' })
        oneTrace(spans)
        const asked = [{ name: 'GET', kind: 'client' as const, children: [{ name: 'GET', kind: 'server' as const }] }]
        assertTree(spans, [
          request([task(undefined, undefined, asked), task('active'), task(undefined), task(undefined, 'RangeError')]),
        ])
      })
    }

    test('tasks at the same time, in few workers, keep to their traces', async () => {
      const { spans, said } = await run(
        `const pool = new Piscina({ filename, maxThreads: 1, concurrentTasksPerWorker: 3 })
        const same = await Promise.all([...'abcdef'].map((name, i) => inSpan(name, async () => {
          const ran = await pool.run({ ms: 10 * (i % 3) })
          return [ran.args, trace.getActiveSpan()?.name ?? name]
        })))
        say(same.map(([args]) => args))
        await pool.run({}, { name: 'flush' })
        await pool.destroy()`,
        { ...way, spans: 18 },
      )
      assert.deepEqual(said, [[1, 1, 1, 1, 1, 1]])
      for (const name of 'abcdef') {
        const { traceId } = spans.find(span => span.name === name) as ReceivedSpan
        assertTree(
          spans.filter(span => span.traceId === traceId),
          [request([task(undefined)], name)],
        )
      }
    })
  })
}

for (const version of ['5', '4'] as const) {
  test(`piscina ${version}: a task that no span is around is a trace, and the worker is of no trace`, async () => {
    const { spans } = await run(
      `const pool = await inSpan('request', async () => {
        const pool = new Piscina({ filename, maxThreads: 1, minThreads: 1 })
        await pool.run({})
        return pool
      })
      await pool.run({})
      await pool.run({}, { name: 'flush' })
      await pool.destroy()`,
      { version, spans: 6, env: { TELLS: 'yes' } },
    )
    const { traceId } = spans.find(span => span.name === 'request') as ReceivedSpan
    assertTree(
      spans.filter(span => span.traceId === traceId),
      [request([task(undefined)])],
    )
    const others = spans.filter(span => span.traceId !== traceId)
    assert.equal(new Set(others.map(span => span.traceId)).size, 2)
    assertTree(others, [{ name: 'loaded', kind: 'internal' }, task(undefined)])
  })

  test(`piscina ${version}: refused, aborted and unfinished tasks end as they do without us`, async () => {
    const { spans } = await run(
      `const pool = new Piscina({ filename, maxThreads: 1, minThreads: 1 })
      await inSpan('request', async () => {
        say(await pool.run({}, null).catch(told))
        say(await pool.run({}, { filename: 1 }).catch(told))
        const controller = new AbortController()
        const running = pool.run({ ms: 60_000 }, { signal: controller.signal }).catch(told)
        const queued = pool.run({}, { signal: controller.signal }).catch(told)
        await new Promise(resolve => setTimeout(resolve, 50))
        controller.abort()
        say([await running, await queued])
        say(await pool.run({ f() {} }).catch(({ name }) => name))
        const last = pool.run({ ms: 60_000 }).catch(told)
        await new Promise(resolve => setTimeout(resolve, 50))
        await pool.destroy()
        say(await last)
      })`,
      { version, spans: 7 },
    )
    const asked = spans.filter(span => span.name.startsWith('run '))
    assert.equal(asked.length, 6)
    for (const { status } of asked) assert.equal(status, 'error')
  })

  test(`piscina ${version}: classes, listeners and functions are as without us`, async () => {
    await run(
      `const pool = new Piscina({ filename, maxThreads: 1, minThreads: 1 })
      const { run } = Piscina.prototype
      say([run.name, run.length, Piscina.name, pool instanceof Piscina, pool.eventNames()])
      say(await pool.run({}, { name: 'listeners' }))
      const promise = pool.run({})
      say([promise.constructor === Promise, Object.keys(promise)])
      await promise
      say([pool.completed, pool.threads.length, Object.keys(pool.threads[0])])
      await pool.run({}, { name: 'flush' })
      await pool.destroy()`,
      { version, spans: 4 },
    )
  })
}
