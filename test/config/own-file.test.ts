/** The file of our own options: where it is looked for, what wins over it, and how mistakes in it are named. */
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { after, test } from 'node:test'
import { type Environment, readConfig } from '../../src/config/load.js'
import { runApp } from '../helpers/child.js'
import { createCollector } from '../helpers/collector.js'
import { root } from '../helpers/root.js'
import { definitions } from './definitions.js'

const folder = realpathSync(mkdtempSync(join(tmpdir(), 'own-file-')))
after(() => rmSync(folder, { recursive: true }))

function write(file: string, content: unknown): string {
  const path = join(folder, file)
  mkdirSync(dirname(path), { recursive: true })
  writeFileSync(path, typeof content === 'string' ? content : JSON.stringify(content, undefined, 2))
  return path
}

let files = 0
/** With a file of this content, named by TRACE_CONFIG. */
function read(content: unknown, env: Environment = {}, options?: unknown) {
  const file = write(`${++files}.json`, content)
  const found = readConfig(definitions, options, { OTEL_SERVICE_NAME: 'named', TRACE_CONFIG: file, ...env })
  const said = [...found.notes.map(({ text }) => text), ...found.warnings]
  return { ...found, said: said.map(text => text.replaceAll(file, 'FILE')) }
}

test('it has the shape of the options', () => {
  const { config, said } = read({
    resourceAttributes: { region: 'north' },
    exporters: ['otlp', 'console'],
    sampler: { name: 'traceidratio', ratio: 0.5 },
    otlp: { headers: { 'X-Key': 'v' }, endpoint: 'http://collector:4318' },
    limits: { attributeCount: 7 },
    instrumentations: { pg: { parameters: true }, 'aws-sdk': { captureHeaders: ['a'] } },
  })
  assert.deepEqual(said, [])
  assert.deepEqual(config.exporters, ['otlp', 'console'])
  assert.deepEqual([config.sampler.name, config.sampler.ratio], ['traceidratio', 0.5])
  assert.equal(config.otlp.endpoint, 'http://collector:4318/v1/traces')
  assert.deepEqual(config.otlp.headers, { 'x-key': 'v' })
  assert.equal(config.limits.attributeCount, 7)
  assert.deepEqual(config.instrumentations.pg, { parameters: true })
  assert.deepEqual(config.instrumentations['aws-sdk']?.captureHeaders, ['a'])
})

test('code wins over the environment, that over the file, and the file over the default', () => {
  const file = {
    batch: { maxQueueSize: 1001, scheduleDelayMs: 1002, exportTimeoutMs: 1003 },
    otlp: { headers: { a: 'file', b: 'file', c: 'file' } },
  }
  const env = {
    OTEL_BSP_MAX_QUEUE_SIZE: '2001',
    OTEL_BSP_SCHEDULE_DELAY: '2002',
    OTEL_EXPORTER_OTLP_HEADERS: 'a=env,b=env',
  }
  const code = { batch: { maxQueueSize: 3001 }, otlp: { headers: { a: 'code' } } }
  const { config, said } = read(file, env, code)
  assert.deepEqual(said, [])
  assert.deepEqual(config.batch, {
    maxQueueSize: 3001,
    scheduleDelayMs: 2002,
    exportTimeoutMs: 1003,
    maxExportBatchSize: 512,
  })
  assert.deepEqual(config.otlp.headers, { a: 'code', b: 'env', c: 'file' })
})

test('a wrong variable leaves it to the file', () => {
  const { config, said } = read({ batch: { maxQueueSize: 1001 } }, { OTEL_BSP_MAX_QUEUE_SIZE: 'many' })
  assert.equal(config.batch.maxQueueSize, 1001)
  assert.deepEqual(said, ['OTEL_BSP_MAX_QUEUE_SIZE: ignored "many", expected a whole number from 1; using 1001'])
})

test('mistakes are named by file, line and key, and the rest is used', () => {
  const { config, said } = read(`{
  "batch": {
    "maxQueueSize": 0,
    "maxSize": 5, "exportTimeoutMs": "soon",
    "scheduleDelayMs": 7
  },
  "otlp": { "headers": {
      "x-key": 12345
  }, "compression": "gzip" },
  "limits": [],
  "exporters": null,
  "instrumentations": { "pg": { "parameters": 1 }, "oracle": {} }
}`)
  assert.deepEqual(
    said.map(line => line.replace(/, expected .*/, '')),
    [
      'FILE:11: exporters: ignored null',
      'FILE:4: batch.maxSize: ignored ***',
      'FILE:4: batch.exportTimeoutMs: ignored "soon"',
      'FILE:3: batch.maxQueueSize: ignored 0',
      'FILE:10: limits: ignored a value of type object',
      'FILE:7: otlp.headers.x-key: ignored ***',
      'FILE:12: instrumentations.oracle: ignored ***',
      'FILE:12: instrumentations.pg.parameters: ignored 1',
    ],
  )
  assert.equal(config.batch.scheduleDelayMs, 7)
  assert.equal(config.otlp.compression, 'gzip')
})

test('what is no JSON is named by its line, and nothing of it is used', () => {
  const cases: [text: string, said: string][] = [
    ['', 'FILE:1: expected a value; the file is not used'],
    ['{', 'FILE:1: expected a key in double quotes; the file is not used'],
    ['{\n  "disabled": true,\n}', 'FILE:3: expected a key in double quotes; the file is not used'],
    ['{\n  "disabled": true\n  "batch": {}\n}', 'FILE:3: expected , or }; the file is not used'],
    ["{\n\n  'disabled': true }", 'FILE:3: expected a key in double quotes; the file is not used'],
    ['{\n  "disabled": yes\n}', 'FILE:2: expected a value; the file is not used'],
    ['{\n  "disabled"\n: true\n} x', 'FILE:4: expected nothing more; the file is not used'],
    ['// options\n{}', 'FILE:1: expected a value; the file is not used'],
    ['{ "a": 01 }', 'FILE:1: expected a value; the file is not used'],
    ['{ "a": "\n" }', 'FILE:1: expected a value; the file is not used'],
  ]
  for (const [text, expected] of cases) {
    const { config, said } = read(text)
    assert.deepEqual(said, [expected], text)
    assert.equal(config.disabled, false)
  }
})

test('hostile files do no harm', () => {
  for (const text of [
    'null',
    '[]',
    '"text"',
    '5',
    '{"__proto__":{"disabled":true},"constructor":{"prototype":{"x":1}}}',
    `${'['.repeat(100_000)}`,
    `${'{"a":'.repeat(50_000)}1${'}'.repeat(50_000)}`,
    'x'.repeat(2_000_000),
    '\0\0\0',
    '{"batch":{"maxQueueSize":1e999,"scheduleDelayMs":-0}}',
    `{"${'k'.repeat(10_000)}":1,"a\\nb":2,"%s":3}`,
  ]) {
    const { config, said } = read(text)
    assert.ok(said.length > 0, text.slice(0, 50))
    for (const line of said) {
      // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what must not be in it.
      assert.doesNotMatch(line, /[\x00-\x1f]/)
      assert.ok(line.length < 600)
    }
    assert.equal(config.disabled, false)
  }
  assert.equal(({} as { x?: unknown }).x, undefined)
})

test('a byte order mark is none of it', () => assert.equal(read('\ufeff{"disabled":true}').config.disabled, true))

test('a file that is named and cannot be read is said', () => {
  const said = (file: string): string[] =>
    readConfig([], undefined, { TRACE_CONFIG: file }).notes.map(({ text }) => text)
  assert.deepEqual(said('/nowhere/x.json'), ['/nowhere/x.json cannot be read (ENOENT); it is not used'])
  assert.deepEqual(said(folder), [`${folder} is no regular file; it is not used`])
  assert.deepEqual(said('/dev/zero'), ['/dev/zero is no regular file; it is not used'])
  assert.deepEqual(said('a\nb'), ['"a\\nb" cannot be read (ENOENT); it is not used'])
  const pipe = join(folder, 'pipe')
  execFileSync('mkfifo', [pipe])
  assert.deepEqual(said(pipe), [`${pipe} is no regular file; it is not used`])
})

test("it is looked for beside the application's package.json, then in the working directory", async () => {
  const code = `console.log(require(${JSON.stringify(join(root, 'build/src/config/load.js'))}).loadConfig([]).otlpFile)`
  write('shop/package.json', '{"name":"shop"}')
  const app = write('shop/src/app.js', code)
  write('elsewhere/trace.config.json', { otlpFile: 'of the working directory' })
  const found = async (cwd: string): Promise<string> =>
    execFileSync(process.execPath, [app], { cwd: join(folder, cwd), encoding: 'utf8', env: {} }).trim()
  assert.equal(await found('shop'), 'traces.jsonl')
  assert.equal(await found('elsewhere'), 'of the working directory')
  write('shop/trace.config.json', { otlpFile: 'of the application' })
  assert.equal(await found('elsewhere'), 'of the application')
})

test('an application is configured by it, in the main thread and in workers', async () => {
  const collector = await createCollector()
  write('app/package.json', '{"name":"app"}')
  write('app/trace.config.json', {
    serviceName: 'from the file',
    otlp: { endpoint: collector.url },
    batch: { scheduleDelayMs: 10 },
  })
  const span = `require(${JSON.stringify(join(root, 'node_modules/@opentelemetry/api'))}).trace.getTracer('t').startSpan('one').end()`
  const app = write(
    'app/app.js',
    `const { Worker, isMainThread } = require('node:worker_threads')\n${span}\nif (isMainThread) new Worker(__filename)`,
  )
  const ended = await runApp({ code: `require(${JSON.stringify(app)})`, cwd: join(folder, 'app') })
  await collector.close()
  assert.equal(ended.code, 0, ended.stderr)
  assert.equal(ended.stderr, '')
  assert.deepEqual(
    collector.spans().map(({ name, resource }) => [name, resource['service.name']]),
    [
      ['one', 'from the file'],
      ['one', 'from the file'],
    ].slice(0, collector.spans().length),
  )
  assert.ok(collector.spans().length >= 1)
})
