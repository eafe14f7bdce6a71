/** OTLP JSON in files and on standard output, by real processes. */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { pathToFileURL } from 'node:url'
import { createFileWrite } from '../../src/exporter/file.js'
import { createCheckers, type SpanModel } from '../helpers/checkers.js'
import { type AppOptions, register, runApp, writeApp } from '../helpers/child.js'
import { createCollector } from '../helpers/collector.js'
import { requestOf } from '../helpers/ended-span.js'

const folder = mkdtempSync(join(tmpdir(), 'trace-file-'))
after(() => rmSync(folder, { recursive: true }))

// Never flushed by time or size while the process lives: what arrives was written on the way out.
const LATE = { OTEL_BSP_SCHEDULE_DELAY: '600000' }
const SPANS = (count: number, attributes = '{}'): string => `
  const tracer = require('@opentelemetry/api').trace.getTracer('app', '1.0.0')
  for (let i = 0; i < ${count}; i++) tracer.startSpan('span ' + i, { attributes: ${attributes} }).end()\n`

/** The spans in the lines that are OTLP JSON, judged as what a collector receives; other lines are the application's. */
async function spansIn(text: string): Promise<SpanModel[]> {
  const checkers = await createCheckers({ allow: ['text'] })
  const spans = text
    .split('\n')
    .filter(line => line.startsWith('{'))
    .flatMap(line => checkers.jsonRequest(line).resourceSpans ?? [])
    .flatMap(({ scopeSpans = [] }) => scopeSpans.flatMap(scope => scope.spans ?? []))
  checkers.finish()
  return spans
}

const withoutLines = (text: string): string => text.replace(/^\{.*\n/gm, '')

const endings: Record<string, string> = {
  'ends by itself': '',
  'calls process.exit': 'process.exit(3)',
  'throws an uncaught exception': `setTimeout(() => { throw new Error('boom') })`,
  'is killed by SIGTERM': `process.kill(process.pid, 'SIGTERM'); setInterval(() => {}, 1000)`,
}

for (const [what, code] of Object.entries(endings)) {
  test(`otlp/stdout: a process that ${what} has written all, and its own lines are whole`, async () => {
    const app: AppOptions = { code: `console.log('first')\n${SPANS(700)} console.log('last')\n${code}` }
    const without = await runApp({ ...app, preload: 'none' })
    const { stdout, ...ended } = await runApp({ ...app, env: { ...LATE, OTEL_TRACES_EXPORTER: 'otlp/stdout' } })
    assert.deepEqual([ended.code, ended.signal], [without.code, without.signal])
    assert.equal(withoutLines(stdout), 'first\nlast\n')
    assert.equal(new Set((await spansIn(stdout)).map(({ spanId }) => spanId)).size, 700)
  })
}

test('otlp/stdout: while the process lives a batch is a line', async () => {
  const env = { OTEL_BSP_SCHEDULE_DELAY: '20', OTEL_TRACES_EXPORTER: 'otlp/stdout' }
  const code = `${SPANS(1)} setTimeout(() => { tracer.startSpan('later').end(); setTimeout(() => console.log('own'), 500) }, 500)`
  const { stdout } = await runApp({ code, env })
  const lines = stdout.trim().split('\n')
  assert.equal(lines.length, 3)
  assert.equal(lines[2], 'own')
  assert.equal((await spansIn(stdout)).length, 2)
})

test('otlp/stdout: a reader that is gone, or does not read, changes nothing for the application', async () => {
  const attributes = `{ text: 'x'.repeat(10_000) }`
  // What the application printed before makes its pipe one that does not block.
  const code = `console.log('own')\n${SPANS(400, attributes)}\nprocess.on('exit', code => process.stderr.write('exit ' + code + '\\n'))`
  for (const isGone of [true, false]) {
    const child = spawn(process.execPath, ['--import', pathToFileURL(register).href, writeApp(code)], {
      env: { ...LATE, OTEL_TRACES_EXPORTER: 'otlp/stdout', TRACE_EXIT_TIMEOUT_MS: '5000' },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    let stderr = ''
    child.stderr.setEncoding('utf8').on('data', text => (stderr += text))
    if (isGone) child.stdout.once('data', () => child.stdout.destroy())
    const [exitCode] = await once(child, 'exit')
    assert.equal(exitCode, 0, stderr)
    const lines = stderr.trim().split('\n')
    assert.match(
      lines.find(line => line.includes('standard output does')) ?? '',
      isGone ? /standard output does not take spans \(EPIPE\)/ : /\(nobody reads it\); they are dropped$/,
    )
    assert.match(stderr, /of 400 spans some were lost \(\d+ unreachable\); they go to standard output/)
    child.stdout.destroy()
  }
})

test('otlp/file: several processes append to one file, which is private', async () => {
  const file = join(folder, 'traces.jsonl')
  const env = { OTEL_TRACES_EXPORTER: 'otlp/file', TRACE_OTLP_FILE: file }
  const ends = await Promise.all([1, 2, 3].map(() => runApp({ code: SPANS(1000), env })))
  for (const { stdout, stderr, code } of ends) assert.deepEqual([stdout, stderr, code], ['', '', 0])
  assert.equal((await spansIn(readFileSync(file, 'utf8'))).length, 3000)
  assert.equal(statSync(file).mode & 0o777, 0o600)
})

test('otlp/file: without a name it is traces.jsonl, where the process was started', async () => {
  const cwd = mkdtempSync(join(folder, 'cwd-'))
  const env = { OTEL_TRACES_EXPORTER: 'otlp/file' }
  await runApp({ code: SPANS(2), env, cwd })
  assert.equal((await spansIn(readFileSync(join(cwd, 'traces.jsonl'), 'utf8'))).length, 2)
})

test('otlp/file: what cannot be written is said once, and counted', async () => {
  const env = { OTEL_TRACES_EXPORTER: 'otlp/file', TRACE_OTLP_FILE: join(folder, 'no', 'such', 'folder') }
  const { stdout, stderr, code } = await runApp({
    code: `${SPANS(1200)} setTimeout(() => console.log('runs'), 300)`,
    env,
  })
  assert.deepEqual([stdout, code], ['runs\n', 0])
  const [first, second, ...more] = stderr.trim().split('\n')
  assert.match(first ?? '', /warn: .*folder does not take spans \(ENOENT\); they are dropped$/)
  assert.match(second ?? '', /of 1200 spans some were lost \(1200 unreachable\); they go to .*folder$/)
  assert.deepEqual(more, [])
})

test('every destination gets all spans', async () => {
  const file = join(folder, 'all.jsonl')
  const collector = await createCollector()
  const env = { ...LATE, OTEL_TRACES_EXPORTER: 'console,otlp/file,otlp,otlp/stdout', TRACE_OTLP_FILE: file }
  const { stdout, stderr, code } = await runApp({ code: `${SPANS(60)} process.exit(2)`, collector, env })
  assert.equal(code, 2)
  assert.equal(collector.spans().length, 60)
  assert.equal((await spansIn(stdout)).length, 60)
  assert.equal((await spansIn(readFileSync(file, 'utf8'))).length, 60)
  assert.equal(stderr.match(/span \d+ /g)?.length, 60)
  await collector.close()
})

test('one destination in trouble costs the others nothing', async () => {
  const env = {
    OTEL_TRACES_EXPORTER: 'otlp,otlp/stdout',
    OTEL_EXPORTER_OTLP_ENDPOINT: 'http://127.0.0.1:9',
    OTEL_BSP_MAX_QUEUE_SIZE: '100',
    OTEL_BSP_MAX_EXPORT_BATCH_SIZE: '10',
  }
  const code = `${SPANS(0)} let n = 0
    const timer = setInterval(() => { for (let i = 0; i < 20; i++) tracer.startSpan('s').end(); if (++n === 20) clearInterval(timer) }, 10)`
  const { stdout, stderr } = await runApp({ code, env })
  assert.equal((await spansIn(stdout)).length, 400)
  assert.match(stderr, /of 400 spans some were lost/)
})

test('a file of 256 MiB is set aside, in place of the one before it', () => {
  const file = join(folder, 'large.jsonl')
  const write = createFileWrite(file)
  writeFileSync(file, '')
  truncateSync(file, 256 * 1024 * 1024 - 10)
  assert.equal(write(requestOf(1)), 'sent')
  assert.ok(!existsSync(file))
  assert.ok(statSync(`${file}.1`).size > 256 * 1024 * 1024)
  assert.equal(write(requestOf(1)), 'sent')
  assert.ok(statSync(file).size < 10_000)
})
