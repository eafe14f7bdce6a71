/** Worker threads, in applications that run with and without us. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { type AppOptions, runApp } from '../helpers/child.js'
import { createCollector } from '../helpers/collector.js'
import { assertTree, oneTrace } from '../helpers/spans.js'

/** What every application here starts with; its workers run the same file. */
function prelude(type: AppOptions['type']): string {
  const names = 'getEnvironmentData, isMainThread, parentPort, SHARE_ENV, setEnvironmentData, Worker, workerData'
  const imports =
    type === 'esm'
      ? `import { ${names} } from 'node:worker_threads'
         import { once } from 'node:events'
         import { trace } from '@opentelemetry/api'
         import { fileURLToPath } from 'node:url'
         const file = fileURLToPath(import.meta.url)`
      : `const { ${names} } = require('worker_threads')
         const { once } = require('node:events')
         const { trace } = require('@opentelemetry/api')
         const file = __filename`
  return `${imports}
    const inSpan = (name, fn) => trace.getTracer('app').startActiveSpan(name, async span => {
      try { return await fn(span) } finally { span.end() }
    })
    const sleep = ms => new Promise(resolve => setTimeout(resolve, ms))
    const say = value => console.log(JSON.stringify(value ?? null))
    const main = fn => fn().catch(error => { console.error(error); process.exitCode = 1 })
    const ended = worker => once(worker, 'exit')
  `
}

interface Run extends AppOptions {
  /** How many spans to expect. */
  spans: number
}

/** Runs the code with us and without, which has to say the same. Returns what it said and its spans. */
async function run(code: string, { spans: count, ...options }: Run) {
  const collector = await createCollector()
  const app = { code: prelude(options.type) + code, ...options }
  const [traced, plain] = await Promise.all([runApp({ ...app, collector }), runApp({ ...app, preload: 'none' })])
  assert.equal(traced.stderr, plain.stderr)
  assert.equal(traced.code, plain.code)
  assert.equal(traced.stdout, plain.stdout)
  const spans = await collector.waitFor(count)
  await collector.close()
  assert.equal(spans.length, count, spans.map(span => `${span.kind} ${span.name}`).join(', '))
  const lines = traced.stdout.split('\n').filter(line => line !== '')
  return { spans, said: lines.map(line => JSON.parse(line)) }
}

const internal = (name: string) => ({ name, kind: 'internal' as const })

for (const type of ['cjs', 'esm'] as const) {
  describe(`worker_threads in ${type}`, () => {
    test('a worker goes on with the trace that is active where it is made, whatever its environment', async () => {
      const { spans } = await run(
        `main(async () => {
          if (isMainThread) {
            await inSpan('request', async () => {
              await ended(new Worker(file, { workerData: 'as usual' }))
              await ended(new Worker(file, { workerData: 'shared', env: SHARE_ENV }))
              await ended(new Worker(file, { workerData: 'own', env: { ...process.env, OWN: 'x' } }))
            })
            await ended(new Worker(file, { workerData: 'outside' }))
          } else await inSpan(workerData, async () => {
            await sleep(1)
            await inSpan('within ' + workerData, () => sleep(1))
          })
        })`,
        { type, spans: 9 },
      )
      const outside = spans.filter(span => span.name.endsWith('outside'))
      const inside = spans.filter(span => !outside.includes(span))
      oneTrace(inside)
      oneTrace(outside)
      assert.notEqual(inside[0]?.traceId, outside[0]?.traceId)
      const working = (name: string) => ({ ...internal(name), children: [internal(`within ${name}`)] })
      assertTree(inside, [{ ...internal('request'), children: ['as usual', 'shared', 'own'].map(working) }])
      assertTree(outside, [working('outside')])
    })

    test('a worker of a worker, and workers that are made at the same time', async () => {
      const { spans } = await run(
        `main(async () => {
          if (isMainThread) {
            await Promise.all(['a', 'b'].map(name => inSpan(name, () => ended(new Worker(file, { workerData: name + '1' })))))
          } else if (workerData.endsWith('1')) {
            await inSpan(workerData, () => ended(new Worker(file, { workerData: workerData + '2' })))
          } else await inSpan(workerData, () => sleep(1))
        })`,
        { type, spans: 6 },
      )
      for (const name of ['a', 'b']) {
        const third = { ...internal(`${name}12`) }
        assertTree(
          spans.filter(span => span.name.startsWith(name)),
          [{ ...internal(name), children: [{ ...internal(`${name}1`), children: [third] }] }],
        )
      }
    })
  })
}

test('a worker sees what it sees without us, and so does who makes it', async () => {
  const { said } = await run(
    `main(async () => {
      if (isMainThread) {
        setEnvironmentData('mine', { key: 1 })
        class Own extends Worker {
          constructor(options) { super(file, options) }
        }
        await inSpan('request', async () => {
          for (const options of [{}, { env: SHARE_ENV }, { env: { A: 1, NODE_OPTIONS: '' } }, { workerData: null }, { argv: ['x'] }]) {
            Object.freeze(options)
            const own = new Own(options)
            say([own instanceof Own, own instanceof Worker, own.constructor === Own, Object.keys(own), own.eventNames()])
            const exited = once(own, 'exit')
            say((await once(own, 'message'))[0])
            await exited
          }
          for (const make of [() => new Worker(), () => Worker(file), () => new Worker(file, { env: 1 }), () => new Worker('x')]) {
            try { make() } catch (error) { say([error.name, error.code, error.message]) }
          }
        })
        say([Worker.name, Worker.length, Object.getOwnPropertyNames(Worker), Object.keys(process.env).sort()
          .filter(name => !/^(OTEL|TRACE)_/.test(name))])
      } else {
        const names = Object.keys(process.env).sort().filter(name => !/^(OTEL|TRACE)_/.test(name))
        parentPort.postMessage([names, workerData ?? null, process.argv.slice(2), getEnvironmentData('mine')])
      }
    })`,
    { spans: 1, preload: 'import' },
  )
  assert.deepEqual(said[1][3], { key: 1 })
  assert.ok(!JSON.stringify(said).includes('TRACEPARENT'))
})

test('a process that was started within a trace hands it to its workers', async () => {
  const { spans } = await run(
    `main(async () => {
      if (isMainThread) {
        await ended(new Worker(file))
        await inSpan('request', () => ended(new Worker(file)))
      } else await inSpan('work', () => sleep(1))
    })`,
    { spans: 3, env: { TRACEPARENT: `00-${'a'.repeat(32)}-${'b'.repeat(16)}-01` } },
  )
  assertTree(spans, [internal('work'), { ...internal('request'), children: [internal('work')] }])
  assert.deepEqual([...new Set(spans.map(span => span.traceId))], ['a'.repeat(32)])
})

test('what is not sampled is not sampled in the worker', async () => {
  await run(
    `main(async () => {
      if (isMainThread) await inSpan('request', () => ended(new Worker(file, { env: { ...process.env, OTEL_TRACES_SAMPLER: 'parentbased_always_on' } })))
      else await inSpan('work', () => sleep(1))
    })`,
    { spans: 0, env: { OTEL_TRACES_SAMPLER: 'parentbased_always_off' } },
  )
})
