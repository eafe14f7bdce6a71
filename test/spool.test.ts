/** The spool as a user meets it: processes that end, are killed, share it, and disks that are full or not there. */
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { once } from 'node:events'
import {
  appendFileSync,
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { type AppOptions, type Ended, register, runApp, startApp } from './helpers/child.js'
import { type Collector, createCollector } from './helpers/collector.js'

const base = mkdtempSync(join(tmpdir(), 'spool-'))
after(() => rmSync(base, { recursive: true }))
let folders = 0

const NOWHERE = { url: 'http://127.0.0.1:9' }
const ended = (...names: string[]): string =>
  `for (const name of ${JSON.stringify(names)}) require('@opentelemetry/api').trace.getTracer('app').startSpan(name).end()\n`
// Longer than a span waits to be written.
const LATER = 300
const idle = (ms = 1000): string => `setTimeout(() => {}, ${ms})`
const names = (...collectors: Collector[]): string[] =>
  collectors.flatMap(collector => collector.spans().map(span => span.name))
const ourLines = ({ stderr }: Ended): string[] => stderr.split('\n').filter(line => line.includes('[@org/trace]'))

/** Processes of one service over one spool. */
function setUp(more: Record<string, string> = {}) {
  const path = join(base, String(++folders))
  const env = { OTEL_SERVICE_NAME: 'shop', TRACE_SPOOL: path, ...more }
  return {
    path,
    folder: join(path, 'shop'),
    files: () => readdirSync(join(path, 'shop')).sort(),
    app: (code: string, collector: { url: string }, options: AppOptions = {}) =>
      runApp({ code, collector, ...options, env: { ...env, ...options.env } }),
    start: (code: string, collector: { url: string }) => startApp({ code, collector, env }),
  }
}

const endings: Record<string, string> = {
  'ends by itself': '',
  'calls process.exit': 'process.exit()',
  'calls process.exit later': `setTimeout(() => process.exit(), ${LATER})`,
  'throws an uncaught exception': `setTimeout(() => { throw new Error('boom') }, ${LATER})`,
  'is killed by SIGTERM': `process.kill(process.pid, 'SIGTERM'); setInterval(() => {}, 1000)`,
  'is killed by SIGKILL': `setTimeout(() => process.kill(process.pid, 'SIGKILL'), ${LATER})`,
}

test('what a dead collector did not take is sent by the next process, oldest first, however the ones before ended', async () => {
  const { app, files } = setUp()
  for (const [what, code] of Object.entries(endings)) {
    const late = await app(ended(what) + code, NOWHERE)
    assert.deepEqual(
      ourLines(late).filter(line => line.includes('lost')),
      [],
    )
  }
  assert.equal(files().length, Object.keys(endings).length)
  const collector = await createCollector()
  const next = await app(idle(), collector)
  assert.deepEqual(ourLines(next), [])
  assert.deepEqual(names(collector), Object.keys(endings))
  assert.deepEqual(files(), [])
  await collector.close()
})

test('a process goes on with what it has when the collector is back, and sends nothing twice', async () => {
  const { start, files } = setUp()
  const gone = await createCollector()
  await gone.close()
  const process = await start(
    `let n = 0; console.log('ready 1')
    const timer = setInterval(() => {
      require('@opentelemetry/api').trace.getTracer('app').startSpan(String(n++)).end()
      if (n === 200) clearInterval(timer)
    }, 20)
    setInterval(() => {}, 1000)`,
    gone,
  )
  await new Promise(resolve => setTimeout(resolve, 2500))
  const back = await createCollector({ port: gone.port })
  const spans = await back.waitFor(200, 20_000)
  assert.deepEqual(
    spans.map(span => span.name),
    spans.map((_, i) => String(i)),
  )
  // The answer to the last of them may be on its way still.
  for (let i = 0; i < 50 && files().length > 0; i++) await new Promise(resolve => setTimeout(resolve, 100))
  assert.deepEqual(files(), [])
  await process.stop('SIGTERM')
  await back.close()
})

for (const protocol of ['http/json', 'grpc']) {
  const own = { OTEL_EXPORTER_OTLP_PROTOCOL: protocol }
  const grpc = protocol === 'grpc'

  test(`${protocol}: what a dead collector did not take is sent by the next process, of either protocol, once`, async () => {
    const { app, files } = setUp()
    for (const [what, code] of Object.entries(endings)) await app(ended(what) + code, NOWHERE, { env: own })
    assert.equal(files().length, Object.keys(endings).length)
    const collector = await createCollector({ grpc })
    assert.deepEqual(ourLines(await app(idle(), collector, { env: own })), [])
    assert.deepEqual(names(collector), Object.keys(endings))
    assert.deepEqual(files(), [])
    await collector.close()

    await app(ended('of grpc or JSON'), NOWHERE, { env: own })
    const other = await createCollector()
    await app(idle(), other)
    assert.deepEqual(names(other), ['of grpc or JSON'])
    await other.close()
  })

  test(`${protocol}: a collector that comes back, and takes a batch in parts or not yet, gets each span once`, async () => {
    const { app, files } = setUp(own)
    await app(ended('a', 'b', 'c', 'd'), NOWHERE)
    let asked = 0
    const collector = await createCollector({
      grpc,
      respond: () => {
        asked++
        if (asked === 1) return grpc ? { grpc: { code: 14 } } : { status: 503 }
        // What is too large is divided.
        if (asked === 2) return grpc ? { grpc: { code: 8, message: 'larger than max' } } : { status: 413 }
        return {}
      },
    })
    await app(idle(3000), collector)
    assert.equal(asked, 4)
    assert.deepEqual(names(collector), ['a', 'b', 'c', 'd'])
    assert.deepEqual(files(), [])
    await collector.close()
  })
}

test('beside other exporters the collector has the spool, and each gets every span once', async () => {
  const { app, files } = setUp()
  const zipkin: string[] = []
  const server = createServer(async (req, res) => {
    let text = ''
    for await (const part of req) text += part
    zipkin.push(...JSON.parse(text).map(({ name }: { name: string }) => name))
    res.writeHead(202).end()
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const file = join(base, `${folders}.jsonl`)
  const env = {
    OTEL_TRACES_EXPORTER: 'otlp,otlp/file,zipkin',
    TRACE_OTLP_FILE: file,
    OTEL_EXPORTER_ZIPKIN_ENDPOINT: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
  }
  for (const [what, code] of Object.entries(endings)) {
    const late = await app(ended(what) + code, NOWHERE, { env })
    assert.deepEqual(
      ourLines(late).filter(line => line.includes('lost')),
      [],
      what,
    )
  }
  const all = Object.keys(endings)
  const written = readFileSync(file, 'utf8').matchAll(/"spanId":"\w+","name":"([^"]+)"/g)
  assert.deepEqual(
    [...written].map(([, name]) => name),
    all,
  )
  assert.deepEqual(zipkin, all)
  assert.equal(files().length, all.length)
  const collector = await createCollector()
  await app(idle(), collector, { env })
  server.close()
  assert.deepEqual(names(collector), all)
  assert.deepEqual([files(), zipkin], [[], all])
  await collector.close()
})

test('a process of another service leaves it alone, and one that lives keeps what is its own', async () => {
  const { app, start, files } = setUp()
  const living = await start(`${ended('living')}console.log('ready 1'); setInterval(() => {}, 1000)`, NOWHERE)
  await app(ended('gone'), NOWHERE)
  const collector = await createCollector()
  await app(idle(), collector, { env: { OTEL_SERVICE_NAME: 'other' } })
  assert.deepEqual(names(collector), [])
  await app(idle(), collector)
  assert.deepEqual(names(collector), ['gone'])
  await living.stop('SIGKILL')
  await app(idle(), collector)
  assert.deepEqual(names(collector), ['gone', 'living'])
  assert.deepEqual(files(), [])
  await collector.close()
})

test('of many processes that start at once each span is sent by one', async () => {
  const { app, files } = setUp()
  const gone = Array.from({ length: 12 }, (_, i) => `gone ${i}`)
  await Promise.all(gone.map(name => app(ended(name), NOWHERE)))
  assert.equal(files().length, 12)
  const collector = await createCollector()
  await Promise.all(Array.from({ length: 4 }, (_, i) => app(ended(`own ${i}`) + idle(), collector)))
  assert.deepEqual(names(collector).sort(), [...gone, 'own 0', 'own 1', 'own 2', 'own 3'].sort())
  assert.deepEqual(files(), [])
  await collector.close()
})

test('beyond the limit the oldest are dropped, counted and said once', async () => {
  const { app } = setUp({ TRACE_SPOOL_MAX_BYTES: '20000', OTEL_BSP_MAX_EXPORT_BATCH_SIZE: '10' })
  const numbers = Array.from({ length: 400 }, (_, i) => String(i))
  const outage = await app(ended(...numbers), NOWHERE)
  const evicted = Number(/some were lost \((\d+) evicted\)/.exec(outage.stderr)?.[1])
  assert.equal(ourLines(outage).filter(line => line.includes('the spool is full')).length, 1, outage.stderr)
  const collector = await createCollector()
  await app(idle(), collector)
  assert.deepEqual(names(collector), numbers.slice(evicted))
  assert.ok(evicted > 100 && evicted < 400, String(evicted))
  await collector.close()
})

/** Runs a process whose spool is a file system of its own of so many bytes. */
const MOUNT = 'mount -t tmpfs -o size="$SIZE" tmpfs "$TRACE_SPOOL" && exec "$@"'
function canMount(): boolean {
  try {
    execFileSync('unshare', ['-rm', 'true'], { stdio: 'ignore' })
    return true
  } catch {
    return false
  }
}

/** The code of an application that runs `code`, with us, where the spool is such a file system. */
const onItsOwnDisk = (code: string): string => `
  if (process.env.MOUNTED === undefined) {
    process.env.MOUNTED = '1'
    const args = ['-rm', 'sh', '-c', ${JSON.stringify(MOUNT)}, 'sh', process.execPath, '--require', ${JSON.stringify(register)}, __filename]
    require('node:child_process').spawn('unshare', args, { stdio: 'inherit' }).on('exit', code => (process.exitCode = code))
  } else { ${code} }`

test('a folder that cannot be written to any more is said once; what ends from then on waits in memory and arrives', {
  skip: !canMount(),
}, async () => {
  const { path, app } = setUp({ SIZE: '1m' })
  mkdirSync(path)
  const collector = await createCollector({ respond: { status: 503 } })
  const code = onItsOwnDisk(`
    require('node:child_process').execFileSync('mount', ['-t', 'tmpfs', '-o', 'ro', 'tmpfs', process.env.TRACE_SPOOL])
    ${ended('one', 'two')}
    setTimeout(() => {}, 7000)`)
  const running = app(code, collector, { preload: 'none' })
  await new Promise(resolve => setTimeout(resolve, 3000))
  collector.respond = {}
  const result = await running
  assert.deepEqual([result.code, result.stdout], [0, ''])
  assert.equal(
    ourLines(result).filter(line => /cannot be written \((EROFS|EACCES)\)/.test(line)).length,
    1,
    result.stderr,
  )
  assert.deepEqual(names(collector), ['one', 'two'])
  await collector.close()
})

test('a full disk is said once; what does not fit waits in memory and arrives', { skip: !canMount() }, async () => {
  const { path, app } = setUp({ SIZE: '64k', OTEL_BSP_MAX_EXPORT_BATCH_SIZE: '50', OTEL_BSP_MAX_QUEUE_SIZE: '100000' })
  mkdirSync(path)
  const first = await createCollector()
  await first.close()
  const code = onItsOwnDisk(`
  let n = 0
  const timer = setInterval(() => {
    for (let i = 0; i < 20; i++) require('@opentelemetry/api').trace.getTracer('app').startSpan(String(n++)).end()
    if (n === 2000) clearInterval(timer)
  }, 10)
  setTimeout(() => {}, 9000)`)
  const running = app(code, first, { preload: 'none' })
  await new Promise(resolve => setTimeout(resolve, 3000))
  const back = await createCollector({ port: first.port })
  const result = await running
  assert.equal(result.code, 0, result.stderr)
  assert.equal(ourLines(result).filter(line => /cannot be written \(ENOSPC\)/.test(line)).length, 1, result.stderr)
  assert.ok(!result.stderr.includes('lost'), result.stderr)
  assert.deepEqual(
    names(back)
      .map(Number)
      .sort((a, b) => a - b),
    Array.from({ length: 2000 }, (_, i) => i),
  )
  await back.close()
})

test('a spool that cannot be is said in one line, and all goes on without it', async () => {
  const file = join(base, 'file')
  writeFileSync(file, '')
  const open = join(base, 'open')
  mkdirSync(join(open, 'shop'), { recursive: true })
  chmodSync(join(open, 'shop'), 0o777)
  const paths = [file, join(file, 'below'), '/proc/spool', open]
  for (const path of paths) {
    const collector = await createCollector()
    const { app } = setUp({ TRACE_SPOOL: path })
    const result = await app(`${ended('one')}console.log('fine')`, collector)
    assert.deepEqual([result.code, result.stdout], [0, 'fine\n'])
    assert.deepEqual(names(collector), ['one'])
    assert.equal(ourLines(result).length, 1, result.stderr)
    assert.match(ourLines(result)[0] as string, /warn: no spool in .*, spans wait in memory: /)
    await collector.close()
  }
})

test('a damaged file is said in one line, and what can be read of it and all others arrive', async () => {
  const { app, folder, files } = setUp()
  for (const name of ['one', 'two', 'three']) await app(ended(name), NOWHERE)
  const [first = '', second = ''] = files()
  appendFileSync(join(folder, first), 'half a sp')
  writeFileSync(join(folder, second), Buffer.alloc(500, 7))
  const collector = await createCollector()
  const result = await app(idle(), collector)
  assert.deepEqual(names(collector), ['one', 'three'])
  assert.equal(ourLines(result).length, 1, result.stderr)
  assert.match(ourLines(result)[0] as string, /warn: a file in the spool is damaged/)
  assert.deepEqual(files(), [])
  await collector.close()
})

test('spans that end after the last write are all that SIGKILL takes', async () => {
  const { app } = setUp()
  await app(
    `${ended('written')}setTimeout(() => { ${ended('lost')}process.kill(process.pid, 'SIGKILL') }, ${LATER})`,
    NOWHERE,
  )
  const collector = await createCollector()
  await app(idle(), collector)
  assert.deepEqual(names(collector), ['written'])
  await collector.close()
})

test('spans of a worker thread that is terminated outlive it, and the process', async () => {
  const { app } = setUp()
  const code = `
    const { Worker, isMainThread } = require('worker_threads')
    if (isMainThread) {
      const worker = new Worker(__filename)
      worker.on('message', () => worker.terminate())
    } else {
      ${ended('of the worker')}
      require('worker_threads').parentPort.postMessage('ended')
      for (;;);
    }`
  await app(code, NOWHERE)
  const collector = await createCollector()
  await app(idle(), collector)
  assert.deepEqual(names(collector), ['of the worker'])
  await collector.close()
})
