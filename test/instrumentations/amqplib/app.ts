/** Applications of amqplib, in two versions of it, against a RabbitMQ. */
import assert from 'node:assert/strict'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { type AppOptions, runApp } from '../../helpers/child.js'
import { createCollector, type ReceivedSpan } from '../../helpers/collector.js'
import { root } from '../../helpers/root.js'
import { uniqueName } from '../../helpers/services.js'

interface Run extends AppOptions {
  /** 2 is the newest; 0.10 the oldest line that is supported. */
  version?: '2' | '0.10'
  /** How many spans to expect. */
  spans: number
  /** More to import, by name: packages, or files. */
  imports?: Record<string, string>
  /** The application ends by killing itself, so that nothing ends before it does. */
  kills?: boolean
}

const oldest = createRequire(join(root, 'test/versions/amqplib-0.10/package.json'))
const files = {
  '2': ['amqplib', 'amqplib/callback_api'],
  '0.10': [oldest.resolve('amqplib'), oldest.resolve('amqplib/callback_api')],
}

/** What every application here starts with. Its queues are exclusive: they go when its connection does. */
export function prelude(type: AppOptions['type'], version: '2' | '0.10', more: Record<string, string> = {}): string {
  const [promises = '', callbacks = ''] = files[version]
  const url = (file: string) => (file.startsWith('/') ? pathToFileURL(file).href : file)
  const own = Object.entries(more).map(([name, from]) =>
    type === 'esm' ? `import * as ${name} from '${url(from)}'` : `const ${name} = require('${from}')`,
  )
  const imports =
    type === 'esm'
      ? `import { connect } from '${url(promises)}'
         import callbackApi from '${url(callbacks)}'
         import { context, trace } from '@opentelemetry/api'
         import { suppressTracing } from '@opentelemetry/core'`
      : `const { connect } = require('${promises}')
         const callbackApi = require('${callbacks}')
         const { context, trace } = require('@opentelemetry/api')
         const { suppressTracing } = require('@opentelemetry/core')`
  return `${imports}
    ${own.join('\n')}
    const url = process.env.AMQP_URL
    const queue = process.env.QUEUE
    const body = Buffer.from('body')
    const inSpan = (name, fn) => trace.getTracer('app').startActiveSpan(name, async span => {
      try { return await fn(span) } finally { span.end(); await apart() }
    })
    // Traces that begin within the same millisecond have no order.
    const apart = () => sleep(2)
    const activeTrace = () => trace.getActiveSpan()?.spanContext().traceId
    const activeSpan = () => trace.getActiveSpan()?.spanContext().spanId
    const untraced = fn => context.with(suppressTracing(context.active()), fn)
    const sleep = ms => new Promise(resolve => setTimeout(resolve, ms))
    const deferred = () => { let resolve; const promise = new Promise(r => { resolve = r }); return { promise, resolve } }
    const say = value => console.log(JSON.stringify(value))
    const main = fn => fn().catch(error => { console.error(error); process.exitCode = 1 })
  `
}

/** Runs the code as an application that connects to the test's RabbitMQ. Returns what it said, line by line, and its spans. */
async function runWith(
  address: string,
  code: string,
  { version = '2', spans: count, imports = {}, kills = false, env, ...options }: Run,
) {
  const collector = await createCollector()
  const queue = uniqueName('amqplib')
  const ended = await runApp({
    code: prelude(options.type, version, imports) + code,
    collector,
    env: { AMQP_URL: address, QUEUE: queue, ...env },
    ...options,
  })
  assert.equal(ended.stderr, '')
  assert.equal(ended.signal ?? ended.code, kills ? 'SIGKILL' : 0)
  const spans = await collector.waitFor(count)
  await collector.close()
  assert.equal(spans.length, count, spans.map(span => `${span.kind} ${span.name}`).join(', '))
  const lines = ended.stdout.split('\n').filter(line => line !== '')
  return { spans, queue, said: lines.map(line => JSON.parse(line)) }
}

export const one = (spans: ReceivedSpan[], name: string): ReceivedSpan => {
  const found = spans.filter(span => span.name === name)
  assert.equal(found.length, 1, `${found.length} spans are named ${name}: ${spans.map(span => span.name)}`)
  return found[0] as ReceivedSpan
}

/** Runs applications that connect to the RabbitMQ at this address. */
export const applications = (address: string) => ({
  run: (code: string, options: Run) => runWith(address, code, options),
})
