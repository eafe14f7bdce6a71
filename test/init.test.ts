/** Starting from code, starting twice, and starting with what cannot be used. */
import assert from 'node:assert/strict'
import { cpSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { type AppOptions, type Ended, register, runApp } from './helpers/child.js'
import { createCollector, type ReceivedSpan } from './helpers/collector.js'
import { root } from './helpers/root.js'
import { oneTrace } from './helpers/spans.js'

const ASK = `
  const server = express().get('/x/:id', (_, res) => res.end('ok')).listen(0, '127.0.0.1', () => {
    const { port } = server.address()
    http.get({ host: '127.0.0.1', port, path: '/x/1' }, res => res.resume().on('end', () => server.close()))
  })`
const LOADED = `const http = require('node:http'), express = require('express')\n${ASK}`
const ROUTED = ['client GET', 'internal request handler - /x/:id', 'server GET /x/:id']
const SECOND = '[@org/trace] warn: tracing has been started before: the options of this init() are not used'

const named = (spans: ReceivedSpan[]): string[] => spans.map(({ kind, name }) => `${kind} ${name}`).sort()
const ourLines = ({ stderr }: Ended): string[] => stderr.split('\n').filter(line => line.includes('[@org/trace]'))

async function run(options: AppOptions) {
  const collector = await createCollector()
  const ended = await runApp({ collector, ...options })
  await collector.close()
  assert.equal(ended.code, 0, ended.stderr)
  return { ended, spans: collector.spans(), lines: ourLines(ended) }
}

test('init() from CommonJS traces what is loaded after it', async () => {
  const { spans, lines } = await run({ code: `require('@org/trace').init()\n${LOADED}`, preload: 'none' })
  assert.deepEqual([named(spans), lines], [ROUTED, []])
  oneTrace(spans)
})

test('init() from ES modules traces what is loaded after it', async () => {
  const code = `import { init } from '@org/trace'
    import http from 'node:http'
    init()
    const { default: express } = await import('express')
    ${ASK}`
  const { spans, lines } = await run({ code, type: 'esm', preload: 'none' })
  assert.deepEqual([named(spans), lines], [ROUTED, []])
  oneTrace(spans)
})

test('init() names what was loaded before it, and traces the built-in modules all the same', async () => {
  const code = `import { init } from '@org/trace'
    import { get } from 'node:http'
    import express from 'express'
    init()
    const http = { get }
    ${ASK}`
  const { spans, lines } = await run({ code, type: 'esm', preload: 'none' })
  assert.deepEqual(named(spans), ['client GET', 'server GET'])
  assert.equal(lines.length, 1)
  assert.match(
    lines[0] ?? '',
    /^\[@org\/trace\] warn: loaded before @org\/trace and so not traced: (express, router|router, express);/,
  )
})

test('a second init() returns what the first started, and warns', async () => {
  const code = `const { init } = require('@org/trace')
    const first = init({ serviceName: 'first' })
    console.log(init({ serviceName: 'second' }) === first)\n${LOADED}`
  const { ended, spans, lines } = await run({ code, preload: 'none' })
  assert.deepEqual([ended.stdout, named(spans), lines], ['true\n', ROUTED, [SECOND]])
  assert.deepEqual([...new Set(spans.map(({ service }) => service))], ['first'])
})

test('init() after the flag returns what the flag started, and warns', async () => {
  const code = `const { init } = require('@org/trace')
    console.log(init({ serviceName: 'second' }) === init({ serviceName: 'third' }))\n${LOADED}`
  for (const preload of ['import', 'require'] as const) {
    const { ended, spans, lines } = await run({ code, preload, env: { OTEL_SERVICE_NAME: 'first' } })
    assert.deepEqual([ended.stdout, named(spans), lines], ['true\n', ROUTED, [SECOND, SECOND]])
    assert.deepEqual([...new Set(spans.map(({ service }) => service))], ['first'])
  }
})

test('the flag twice, in both forms, is the flag once', async () => {
  const { spans, lines } = await run({ code: LOADED, preload: 'node-options', flags: ['--require', register] })
  assert.deepEqual([named(spans), lines], [ROUTED, []])
})

test('of two copies of this package in one process one traces, and one warning names both', async () => {
  const copy = mkdtempSync(join(tmpdir(), 'trace-copy-'))
  cpSync(join(root, 'dist'), copy, { recursive: true })
  try {
    const inCopy = (file: string): string => JSON.stringify(join(copy, file))
    const ways = [
      `require(${inCopy('register.js')})`,
      `require(${inCopy('index.js')}).init()`,
      `require(${inCopy('index.js')}).init(); require(${inCopy('register.js')})`,
    ]
    for (const way of ways) {
      const { spans, lines } = await run({ code: `${way}\n${LOADED}` })
      assert.deepEqual(named(spans), ROUTED, way)
      assert.deepEqual(
        lines,
        [
          `[@org/trace] warn: two copies of @org/trace in one process: ${join(root, 'dist/start.js')} is used, not ${join(copy, 'start.js')}`,
        ],
        way,
      )
    }
  } finally {
    rmSync(copy, { recursive: true })
  }
})

test('options win over the environment, frozen ones too, and are not changed', async () => {
  const code = `
    const freeze = value => { Object.values(value).filter(item => typeof item === 'object').forEach(freeze); return Object.freeze(value) }
    const options = freeze({ serviceName: 'by code', resourceAttributes: { 'app.own': 'yes' }, sampler: { name: 'always_on' } })
    const before = JSON.stringify(options)
    require('@org/trace').init(options)
    console.log(JSON.stringify(options) === before)\n${LOADED}`
  const env = { OTEL_SERVICE_NAME: 'by environment', OTEL_TRACES_SAMPLER: 'always_off' }
  const collector = await createCollector({ allow: ['app.'] })
  const ended = await runApp({ code, preload: 'none', env, collector })
  await collector.close()
  assert.deepEqual([ended.stdout, ourLines(ended)], ['true\n', []])
  assert.deepEqual(named(collector.spans()), ROUTED)
  for (const { service, resource } of collector.spans())
    assert.deepEqual([service, resource['app.own']], ['by code', 'yes'])
})

test('options that cannot be used are warned about, each in one line, and the application is traced', async () => {
  const bad = [
    `null`,
    `undefined`,
    `5`,
    `'text'`,
    `[]`,
    `new Proxy({}, { get() { throw new Error('no') }, ownKeys() { throw new Error('no') } })`,
  ]
  for (const options of bad) {
    const { ended, spans } = await run({ code: `require('@org/trace').init(${options})\n${LOADED}`, preload: 'none' })
    assert.deepEqual(named(spans), ROUTED, options)
    for (const line of ended.stderr.split('\n').filter(Boolean)) assert.match(line, /^\[@org\/trace\] warn: /, options)
  }
  const { spans, lines } = await run({
    code: `require('@org/trace').init({ serviceName: 5, sampler: { ratio: 'much' }, nonsense: true })\n${LOADED}`,
    preload: 'none',
  })
  assert.deepEqual(named(spans), ROUTED)
  assert.equal(lines.length, 3)
})

test('flush() delivers what has ended, shutdown() ends the recording; neither rejects', async () => {
  const code = `
    const running = require('@org/trace').init()
    const tracer = require('@opentelemetry/api').trace.getTracer('app')
    const end = name => tracer.startSpan(name).end()
    ;(async () => {
      end('first')
      await running.flush()
      end('second')
      console.log(await running.shutdown())
      end('third')
      console.log(await running.shutdown(), await running.flush())
    })()`
  const env = { OTEL_BSP_SCHEDULE_DELAY: '600000' }
  const { ended, spans, lines } = await run({ code, preload: 'none', env })
  assert.deepEqual(
    spans.map(({ name }) => name),
    ['first', 'second'],
  )
  assert.deepEqual([ended.stdout, lines], ['delivered\ndelivered delivered\n', []])
  const down = { ...env, OTEL_EXPORTER_OTLP_ENDPOINT: 'http://127.0.0.1:9', TRACE_EXIT_TIMEOUT_MS: '200' }
  const lost = await run({ code, preload: 'none', env: down })
  assert.equal(lost.ended.stdout, 'failed\ndelivered delivered\n')
})

test('in a thread of module loaders nothing is started', async t => {
  if (!('isInternalThread' in require('node:worker_threads'))) return t.skip('this Node does not tell it')
  const hooks = `data:text/javascript,import 'node:http'; export const resolve = (specifier, context, next) => next(specifier, context)`
  const loader = `data:text/javascript,${encodeURIComponent(`import { register } from 'node:module'; register(${JSON.stringify(hooks)})`)}`
  const env = { OTEL_LOG_LEVEL: 'debug', OTEL_TRACES_EXPORTER: 'none' }
  const { lines } = await run({
    code: `import 'node:http'`,
    type: 'esm',
    preload: 'require',
    flags: ['--import', loader],
    env,
  })
  assert.equal(lines.filter(line => line.includes('debug: http ')).length, 1)
})

test('where the package is gone before the first tracer, code that makes spans goes on as ever, and one line says so', async () => {
  const copy = mkdtempSync(join(tmpdir(), 'trace-copy-'))
  cpSync(join(root, 'dist'), copy, { recursive: true })
  try {
    const code = `
      require(${JSON.stringify(join(copy, 'register.js'))})
      require('node:fs').rmSync(${JSON.stringify(copy)}, { recursive: true })
      const tracer = require('@opentelemetry/api').trace.getTracer('app')
      for (let i = 0; i < 2; i++) console.log(tracer.startActiveSpan('work', span => (span.end(), span.isRecording())))`
    const { ended, spans, lines } = await run({ code, preload: 'none' })
    assert.deepEqual([ended.code, ended.stdout, spans], [0, 'false\nfalse\n', []])
    assert.equal(lines.filter(line => line.includes('tracers make no spans: ')).length, 1, lines.join('\n'))
  } finally {
    rmSync(copy, { recursive: true, force: true })
  }
})

test('where the package was replaced under a running application, spans are lost and said to be, and nothing else', async () => {
  const copy = mkdtempSync(join(tmpdir(), 'trace-copy-'))
  cpSync(join(root, 'dist'), copy, { recursive: true })
  try {
    const code = `
      require(${JSON.stringify(join(copy, 'register.js'))})
      require('node:http')
      require('node:fs').rmSync(${JSON.stringify(copy)}, { recursive: true })
      ${LOADED}`
    const { spans, lines } = await run({ code, preload: 'none' })
    assert.deepEqual(spans, [])
    assert.equal(lines.filter(line => line.includes('spans cannot be delivered: ')).length, 1, lines.join('\n'))
    assert.equal(lines.filter(line => line.includes('express')).length, 1, lines.join('\n'))
    assert.match(lines.at(-1) ?? '', /of 2 spans some were lost \(2 failed\)/)
  } finally {
    rmSync(copy, { recursive: true, force: true })
  }
})
