/** Applications on Bull and BullMQ, each with queues of its own in the test's Redis. */
import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { Redis } from 'ioredis'
import { type AppOptions, runApp } from '../../helpers/child.js'
import { createCollector, type ReceivedSpan } from '../../helpers/collector.js'
import { root } from '../../helpers/root.js'
import { uniqueName } from '../../helpers/services.js'

export interface Run extends AppOptions {
  /** 'bull', 'bullmq', or 'bullmq-4', the oldest major that is supported. */
  library: 'bull' | 'bullmq' | 'bullmq-4'
  /** How many spans to expect; by default as many as come. */
  spans?: number
  code?: never
}

/** Several of these applications run at a time, some with sandboxes of their own. */
const WAIT_MS = 40_000

const requireFor = (library: Run['library']): NodeJS.Require =>
  createRequire(join(root, library === 'bullmq-4' ? 'test/versions/bullmq-4' : '', 'package.json'))

const fileOf = (library: Run['library']): string => requireFor(library).resolve(library === 'bull' ? 'bull' : 'bullmq')

/** Which one it is: where versions are tested, others take the places of those that the project has. */
export const majorOf = (library: Run['library']): number => {
  const { version } = requireFor(library)(library === 'bull' ? 'bull/package.json' : 'bullmq/package.json')
  return Number.parseInt(version, 10)
}

/** What every application here starts with. */
function prelude(type: AppOptions['type'], library: Run['library']): string {
  const file = fileOf(library)
  const from = library === 'bullmq-4' ? file : library
  const imports =
    type === 'esm'
      ? `import ${library === 'bull' ? 'Bull' : '* as lib'} from '${library === 'bullmq-4' ? pathToFileURL(from).href : from}'
         import { existsSync } from 'node:fs'
         import { createRequire } from 'node:module'
         import { context, trace } from '@opentelemetry/api'
         import { suppressTracing } from '@opentelemetry/core'`
      : `const ${library === 'bull' ? 'Bull' : 'lib'} = require('${from}')
         const { existsSync } = require('node:fs')
         const { createRequire } = require('node:module')
         const { context, trace } = require('@opentelemetry/api')
         const { suppressTracing } = require('@opentelemetry/core')`
  return `${imports}
    const { hostname, port } = new URL(process.env.REDIS_URL)
    const connection = { host: hostname, port: Number(port) || 6379, maxRetriesPerRequest: null }
    const name = process.env.QUEUE
    const prefix = process.env.PREFIX
    /** The library's own copy. */
    const { default: Redis } = createRequire('${file}')('ioredis')
    const open = []
    const keep = closeable => { open.push(closeable); return closeable }
    const inSpan = (name, fn) => trace.getTracer('app').startActiveSpan(name, async span => {
      try { return await fn(span) } finally { span.end(); await sleep(2) }
    })
    const activeTrace = () => trace.getActiveSpan()?.spanContext().traceId
    const activeName = () => trace.getActiveSpan()?.name ?? null
    const sleep = ms => new Promise(resolve => setTimeout(resolve, ms))
    const deferred = () => { let resolve; const promise = new Promise(r => { resolve = r }); return { promise, resolve } }
    /** All spans that the test waits for have arrived: a thread that is terminated takes along what it has not sent. */
    const seen = async () => { while (!existsSync(process.env.SEEN)) await sleep(20) }
    /** Resolves when the worker has told so often of such an event. */
    const times = (worker, event, count) => new Promise(resolve => worker.on(event, () => { if (--count === 0) resolve() }))
    const say = value => console.log(JSON.stringify(value ?? null))
    const main = fn => fn()
      .then(async () => { for (const one of open.reverse()) await one.close() })
      .catch(error => { console.error(error); process.exitCode = 1 })
    ${library === 'bull' ? BULL : BULLMQ}
  `
}

const BULL = `
    const newQueue = opts => keep(new Bull(name, { prefix, redis: { host: connection.host, port: connection.port }, ...opts }))
`
const BULLMQ = `
    const { Queue, Worker, FlowProducer } = lib
    const newQueue = opts => keep(new Queue(name, { connection, prefix, ...opts }))
    const newWorker = (processor, opts) => keep(new Worker(opts?.name ?? name, processor, { connection, prefix, ...opts }))
`

/** `run` runs the code, in an async function, as an application. Returns what it said, line by line, and its spans. */
export function applications(redis: string) {
  const { hostname, port } = new URL(redis)
  return {
    /** Where Redis is, as spans tell of it. */
    server: { 'server.address': hostname, 'server.port': Number(port) },

    async run(body: string, { library, spans: count, env, ...options }: Run) {
      const collector = await createCollector()
      const queue = uniqueName('queue')
      const prefix = uniqueName('test')
      try {
        const seen = join(root, 'build', 'apps', `${queue}.seen`)
        const ending = runApp({
          timeoutMs: 50_000,
          ...options,
          code: `${prelude(options.type, library)}\nmain(async () => {\n${body}\n})`,
          collector,
          env: { REDIS_URL: redis, QUEUE: queue, PREFIX: prefix, SEEN: seen, ...env },
        })
        if (count) await collector.waitFor(count, WAIT_MS).finally(() => writeFileSync(seen, ''))
        const ended = await ending
        assert.equal(ended.stderr, '')
        assert.equal(ended.code, 0)
        const spans = collector.spans()
        await collector.close()
        const names = spans.map(({ kind, name }) => `${kind} ${name}`).join(', ')
        assert.equal(spans.length, count ?? spans.length, `spans: ${names}`)
        const said = ended.stdout.split('\n').filter(line => line !== '')
        return { spans, queue, said: said.map(line => JSON.parse(line)) }
      } finally {
        await forget(redis, prefix)
      }
    },
  }
}

async function forget(redis: string, prefix: string): Promise<void> {
  const client = new Redis(redis)
  const keys = await client.keys(`${prefix}:*`)
  if (keys.length > 0) await client.del(...keys)
  await client.quit()
}

/** The only span of that name. */
export function one(spans: readonly ReceivedSpan[], name: string): ReceivedSpan {
  const found = spans.filter(span => span.name === name)
  assert.equal(found.length, 1, `${found.length} spans are named ${name}: ${spans.map(span => span.name)}`)
  return found[0] as ReceivedSpan
}

/** That the span begins a trace of its own, with one link, to that other. */
export function assertLinked(span: ReceivedSpan | undefined, to: ReceivedSpan): void {
  assert.equal(span?.parentSpanId, undefined)
  assert.notEqual(span?.traceId, to.traceId)
  assert.deepEqual(
    span?.links.map(({ traceId, spanId }) => [traceId, spanId]),
    [[to.traceId, to.spanId]],
  )
}
