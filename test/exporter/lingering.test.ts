/** A collector that reads nothing and name servers that are silent: nothing of ours keeps a process past the time for its end. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { type AddressInfo, connect, createServer, type Server } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { createServer as createSecureServer } from 'node:tls'
import { createAuthority } from '../helpers/certificates.js'
import { type AppOptions, type Ended, runApp } from '../helpers/child.js'
import { createCollector } from '../helpers/collector.js'
import { writeFolder } from '../helpers/folder.js'
import { askingIt, canServeNames, createNameServer } from '../helpers/name-server.js'
import { createSilentHost } from '../helpers/silent-host.js'

const EXIT_MS = 1000
// What starting, making large spans and ending take, on a machine that is busy with something else.
const A_BIT_MS = 3500
const WORK_MS = 300

const ENDINGS: Record<string, string> = {
  'ends by itself': '',
  'calls process.exit': 'process.exit(3)',
  'is ended by SIGTERM': `process.kill(process.pid, 'SIGTERM'); setInterval(() => {}, 1000)`,
  'ends by itself after SIGTERM': `
    const alive = setInterval(() => {}, 1000)
    process.on('SIGTERM', () => clearInterval(alive))
    process.kill(process.pid, 'SIGTERM')`,
}

/** Several batches, of which one is on its way when the process is done. */
const application = (ending: string, bytes = 1): string => `
  const tracer = require('@opentelemetry/api').trace.getTracer('app')
  const text = 'x'.repeat(${bytes})
  for (let i = 0; i < 4; i++) tracer.startSpan('span ' + i, { attributes: { text } }).end()
  setTimeout(() => { console.log('done'); ${ending} }, ${WORK_MS})`

type Same = Pick<Ended, 'code' | 'signal' | 'stdout'>
const same = ({ code, signal, stdout }: Ended): Same => ({ code, signal, stdout })

/** Ends as without us, in its time, and says what became of all. */
async function endsInTime(code: string, options: AppOptions): Promise<void> {
  const without = await runApp({ code, preload: 'none' })
  const ended = await runApp({
    code,
    ...options,
    env: { OTEL_BSP_MAX_EXPORT_BATCH_SIZE: '1', TRACE_EXIT_TIMEOUT_MS: String(EXIT_MS), ...options.env },
  })
  assert.deepEqual(same(ended), same(without))
  assert.match(ended.stderr, /of 4 spans some were lost \((4 unreachable|3 unreachable, 1 unanswered)\)/)
  assert.ok(ended.durationMs < WORK_MS + EXIT_MS + A_BIT_MS, `${ended.durationMs} ms`)
}

const authority = createAuthority()
const OTEL_EXPORTER_OTLP_CERTIFICATE = join(writeFolder({ 'ca.pem': authority.cert }), 'ca.pem')
/** They take connections, and read nothing of what comes. */
const reader = createServer({ pauseOnConnect: true }, socket => socket.unref().on('error', () => {}))
const secureReader = createSecureServer(authority.issue('127.0.0.1'), socket => socket.pause().on('error', () => {}))
const portOf = (server: Server): number => (server.address() as AddressInfo).port

const host = process.platform === 'linux' ? createSilentHost() : undefined
before(async () => {
  for (const server of [reader, secureReader]) await once(server.listen(0, '127.0.0.1').unref(), 'listening')
  await host
})
after(async () => (await host)?.close())

// More than a socket holds, but for gRPC, and less than is too large.
const LARGE = 7_500_000
const LARGE_GRPC = 3_900_000

for (const [how, ending] of Object.entries(ENDINGS)) {
  for (const protocol of ['http/protobuf', 'grpc']) {
    test(`${protocol}: a process with a collector that never reads ${how} in time`, async () => {
      const env = { OTEL_EXPORTER_OTLP_PROTOCOL: protocol, OTEL_EXPORTER_OTLP_CERTIFICATE }
      const code = application(ending, protocol === 'grpc' ? LARGE_GRPC : LARGE)
      await endsInTime(code, { collector: { url: `http://127.0.0.1:${portOf(reader)}` }, env })
      if (ending === '')
        await endsInTime(code, { collector: { url: `https://127.0.0.1:${portOf(secureReader)}` }, env })
    })
  }
}

test('what is sent in the very end of a process ends in time too', async () => {
  const env = { OTEL_BSP_SCHEDULE_DELAY: '600000', OTEL_BSP_MAX_EXPORT_BATCH_SIZE: '512' }
  await endsInTime(application('', LARGE), { collector: { url: `http://127.0.0.1:${portOf(reader)}` }, env })
})

test('with a spool, what a collector that never reads was sent is kept for the next process', async () => {
  const TRACE_SPOOL = mkdtempSync(join(tmpdir(), 'lingering-'))
  const env = { TRACE_SPOOL, TRACE_EXIT_TIMEOUT_MS: String(EXIT_MS), OTEL_BSP_MAX_EXPORT_BATCH_SIZE: '1' }
  const url = `http://127.0.0.1:${portOf(reader)}`
  const first = await runApp({ code: application('', LARGE), collector: { url }, env })
  assert.ok(!first.stderr.includes('lost'), first.stderr)
  assert.ok(first.durationMs < WORK_MS + EXIT_MS + A_BIT_MS, `${first.durationMs} ms`)
  const collector = await createCollector()
  await runApp({ code: 'setTimeout(() => {}, 1000)', collector, env })
  assert.deepEqual(
    collector.spans().map(({ name }) => name),
    ['span 0', 'span 1', 'span 2', 'span 3'],
  )
  await collector.close()
  rmSync(TRACE_SPOOL, { recursive: true })
})

test('a process with work of its own waits for a collector that is slow to read, as long as a batch may take', async () => {
  const collector = await createCollector()
  let connections = 0
  const slow = createServer({ pauseOnConnect: true }, socket => {
    connections++
    const onward = connect(collector.port, '127.0.0.1')
    setTimeout(() => socket.pipe(onward).pipe(socket), 4 * EXIT_MS)
  }).listen(0, '127.0.0.1')
  await once(slow, 'listening')
  const code = `
    const attributes = { text: 'x'.repeat(${LARGE}) }
    require('@opentelemetry/api').trace.getTracer('app').startSpan('one', { attributes }).end()
    setTimeout(() => {}, ${6 * EXIT_MS})`
  const env = { TRACE_EXIT_TIMEOUT_MS: String(EXIT_MS) }
  const { stderr } = await runApp({ code, collector: { url: `http://127.0.0.1:${portOf(slow)}` }, env })
  assert.equal(stderr, '')
  assert.equal(collector.spans().length, 1)
  assert.equal(connections, 1)
  slow.close()
  await collector.close()
})

test('a connect that nobody answers is given up in less than its own time', { skip: !host }, async () => {
  const code = `
    require('@opentelemetry/api').trace.getTracer('app').startSpan('one').end()
    const sinceMs = performance.now()
    process.on('exit', () => console.log(Math.round(performance.now() - sinceMs)))`
  const collector = { url: `http://127.0.0.1:${(await host)?.port}` }
  const { stdout, stderr } = await runApp({ code, collector, env: { TRACE_EXIT_TIMEOUT_MS: '200' } })
  assert.match(stderr, /of 1 spans some were lost \(1 unreachable\)/)
  // Of 1500.
  assert.ok(Number(stdout) >= 200 && Number(stdout) < 1200, `${stdout} ms`)
})

const noNames = canServeNames().then(can => (can ? false : 'no name server of ours can be here'))

test('a name for which no server answers keeps no process', async t => {
  const skip = await noNames
  if (skip) return t.skip(skip)
  const server = await createNameServer('other.example')
  for (const ending of Object.values(ENDINGS)) {
    await endsInTime(askingIt(application(ending), 'example'), {
      preload: 'none',
      collector: { url: 'http://collector.example:4318' },
    })
  }
  server.close()
})

test('a name for which a server answers in one of the domains to look in leads to the collector', async t => {
  const skip = await noNames
  if (skip) return t.skip(skip)
  const server = await createNameServer('collector.example')
  const collector = await createCollector()
  const code = askingIt(`require('@opentelemetry/api').trace.getTracer('app').startSpan('one').end()`, 'example')
  const { stderr } = await runApp({ code, preload: 'none', collector: { url: `http://collector:${collector.port}` } })
  assert.equal(stderr, '')
  assert.equal(collector.spans().length, 1)
  assert.ok(server.asked.includes('collector'))
  server.close()
  await collector.close()
})
