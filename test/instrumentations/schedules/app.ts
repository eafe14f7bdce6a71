/** Applications that run functions by a schedule, each with us and without. */
import assert from 'node:assert/strict'
import { type AppOptions, runApp } from '../../helpers/child.js'
import { createCollector, type ReceivedSpan } from '../../helpers/collector.js'
import type { ExpectedSpan } from '../../helpers/spans.js'

export interface Schedule extends AppOptions {
  /** What the application starts with: its imports. */
  prelude: string
  /** How many spans to expect, those of processes that the application starts aside; 'some' where nobody stops the schedule in time. */
  spans: number | 'some'
  /** What the application ends with. By default 0. */
  exit?: number
}

export interface Ran {
  spans: ReceivedSpan[]
  /** Line by line. */
  said: any[]
  stderr: string
}

export const importing = (type: AppOptions['type'], what: string, from: string): string =>
  type === 'esm' ? `import ${what} from '${from}'` : `const ${what} = require('${from}')`

/** How often an application is run again that was late: cron runs a job once more then, though it was stopped. */
const AGAIN = 3

/** Runs `body` in an async function, and once more without us: it has to say the same. */
export async function runJobs(body: string, schedule: Schedule, again = AGAIN): Promise<Ran> {
  const { prelude, spans: count, exit = 0, type, ...options } = schedule
  const code = `${prelude}
    ${importing(type, '{ trace }', '@opentelemetry/api')}
    const sleep = ms => new Promise(resolve => setTimeout(resolve, ms))
    const say = value => console.log(JSON.stringify(value ?? null))
    const inSpan = async (name, fn) => trace.getTracer('app').startActiveSpan(name, async span => {
      try { return await fn() } finally { span.end() }
    })
    const deferred = () => { let resolve; const promise = new Promise(r => { resolve = r }); return { promise, resolve } }
    const main = async () => {
      ${body}
    }
    main().catch(error => { console.error(error); process.exitCode = 70 })`
  const collector = await createCollector()
  // croner asks for such timeouts where the machine is late.
  const flags = ['--disable-warning=TimeoutNegativeWarning']
  const given: AppOptions = { code, type, flags, timeoutMs: 25_000, ...options }
  const [traced, plain] = await Promise.all([runApp({ ...given, collector }), runApp({ ...given, preload: 'none' })])
  if (again > 0 && [traced, plain].some(ran => isLate(ran.stdout) || isLate(ran.stderr))) {
    await collector.close()
    return runJobs(body, schedule, again - 1)
  }
  assert.equal(traced.code, exit, traced.stderr)
  assert.equal(punctual(traced.stdout), punctual(plain.stdout))
  assert.equal(plain.code, exit)
  if (exit === 0) assert.equal(punctual(traced.stderr), punctual(plain.stderr))
  const from = (all: ReceivedSpan[]) => all.filter(span => span.scope.name !== '@org/trace/child-process')
  await collector.waitFor(all => from(all).length >= (count === 'some' ? 1 : count))
  const spans = from(collector.spans())
  await collector.close()
  if (count !== 'some') assert.equal(spans.length, count, spans.map(span => `${span.kind} ${span.name}`).join(', '))
  const lines = punctual(traced.stdout)
    .split('\n')
    .filter(line => line !== '')
  return { spans, said: lines.map(line => JSON.parse(line)), stderr: traced.stderr }
}

/** Without what libraries say of a machine that is late. */
const punctual = (output: string): string => output.replace(/^.*missed execution.*\n/gim, '')

const isLate = (output: string): boolean => punctual(output) !== output

export const named = (spans: ReceivedSpan[], name: string): ReceivedSpan[] => spans.filter(span => span.name === name)

/** A span of the job's, or of the application's. */
export const internal = (
  name: string,
  attributes: ExpectedSpan['attributes'] = {},
  ...children: ExpectedSpan[]
): ExpectedSpan => ({ name, kind: 'internal', attributes, children })

export const failed = (span: ExpectedSpan): ExpectedSpan => ({ ...span, status: 'error' })

/** Every one of the runs is a trace of its own, linked to the span in which it was scheduled. */
export function assertLinked(runs: ReceivedSpan[], to: ReceivedSpan | undefined): void {
  assert.equal(new Set([...runs, ...(to ? [to] : [])].map(span => span.traceId)).size, runs.length + (to ? 1 : 0))
  for (const run of runs) {
    assert.equal(run.parentSpanId, undefined)
    const linked = run.links.map(link => [link.traceId, link.spanId])
    assert.deepEqual(linked, to === undefined ? [] : [[to.traceId, to.spanId]])
  }
}

export const messages = (span: ReceivedSpan | undefined): unknown[] | undefined =>
  span?.events.map(event => event.attributes['exception.message'])
