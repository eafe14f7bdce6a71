/** Applications on pg, and the spans that they may make. */
import assert from 'node:assert/strict'
import { type AppOptions, runApp } from '../../helpers/child.js'
import { createCollector, type ReceivedSpan } from '../../helpers/collector.js'
import { postgres } from '../../helpers/services.js'
import type { ExpectedSpan } from '../../helpers/spans.js'

/** What every application here starts with. */
export function prelude(type: AppOptions['type']): string {
  const imports =
    type === 'esm'
      ? `import * as exported from 'pg'
         import Cursor from 'pg-cursor'
         import QueryStream from 'pg-query-stream'
         import { trace } from '@opentelemetry/api'
         import { EventEmitter, once } from 'node:events'
         const pg = exported.default
         // Node sees no names in the oldest versions.
         const { Client, Pool, Query } = 'Client' in exported ? exported : pg`
      : `const pg = require('pg')
         const { Client, Pool, Query } = pg
         const Cursor = require('pg-cursor')
         const QueryStream = require('pg-query-stream')
         const { trace } = require('@opentelemetry/api')
         const { EventEmitter, once } = require('node:events')`
  return `${imports}
    const connectionString = process.env.PG_URL
    const inSpan = (name, fn) => trace.getTracer('app').startActiveSpan(name, async span => {
      try { return await fn(span) } finally { span.end() }
    })
    const activeName = () => trace.getActiveSpan()?.name
    const activeTrace = () => trace.getActiveSpan()?.spanContext().traceId
    const sleep = ms => new Promise(resolve => setTimeout(resolve, ms))
    const called = fn => new Promise(resolve => fn((...args) => resolve(args)))
    const say = value => console.log(JSON.stringify(value ?? null))
    const connected = async options => {
      const client = new Client({ connectionString, ...options })
      await client.connect()
      return client
    }
    // Without waiting for connections that nobody ends now.
    const main = fn => fn().catch(error => { console.error(error); process.exit(1) })
  `
}

export interface Run extends AppOptions {
  /** How many spans to expect; by default as many as come. */
  spans?: number
  /** In a span of that name: the order of spans is that of their start only within a trace. */
  inside?: string
}

/** Runs `body`, inside an async function, as an application. Returns what it said, and its spans. */
export async function run(body: string, { spans: count, inside, env, ...options }: Run) {
  const collector = await createCollector()
  const fn = `async () => {\n${body}\n}`
  const ended = await runApp({
    code: `${prelude(options.type)}\nmain(${inside === undefined ? fn : `() => inSpan('${inside}', ${fn})`})`,
    collector,
    env: { PG_URL: postgres(), ...env },
    flags: ['--no-deprecation'],
    ...options,
  })
  assert.equal(ended.stderr, '')
  assert.equal(ended.code, 0)
  // An application that has ended has sent all of its spans.
  const spans = count === undefined || count === 0 ? collector.spans() : await collector.waitFor(count)
  await collector.close()
  assert.equal(spans.length, count ?? spans.length, spans.map(span => `${span.kind} ${span.name}`).join(', '))
  const lines = ended.stdout.split('\n').filter(line => line !== '')
  return { spans, said: lines.map(line => JSON.parse(line)) }
}

export const query = (name: string, attributes: Record<string, unknown> = {}): ExpectedSpan => ({
  name,
  kind: 'client',
  attributes,
})
export const failed = (name: string, attributes: Record<string, unknown> = {}): ExpectedSpan => ({
  ...query(name, attributes),
  status: 'error',
})
export const caller = (name: string, ...children: ExpectedSpan[]): ExpectedSpan => ({
  name,
  kind: 'internal',
  children,
})

export const one = (spans: ReceivedSpan[], name: string): ReceivedSpan => {
  const found = spans.filter(span => span.name === name)
  assert.equal(found.length, 1, `${found.length} spans are named ${name}`)
  return found[0] as ReceivedSpan
}
