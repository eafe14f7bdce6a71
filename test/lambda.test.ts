/** AWS Lambda, whose runtime freezes a process as soon as an invocation has its answer: spans are delivered before that. */
import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import * as nodeModule from 'node:module'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { after, test } from 'node:test'
import { pathToFileURL } from 'node:url'
import { register } from './helpers/child.js'
import { createCollector } from './helpers/collector.js'
import { writeFolder } from './helpers/folder.js'
import { root } from './helpers/root.js'

const running = new Set<ChildProcess>()
after(() => {
  for (const child of running) child.kill('SIGKILL')
})

interface Function {
  files: Record<string, string>
  handler: string
  events?: unknown[]
  env?: Record<string, string>
}

/** Invokes a function once for each event; `onAnswer` is called while it is frozen. Returns what the runtime said. */
async function invoke(
  { files, handler, events = [{}, {}], env }: Function,
  collector: { url: string } | undefined,
  onAnswer: (number: number) => void = () => {},
): Promise<unknown[]> {
  const flags = collector === undefined ? [] : ['--import', pathToFileURL(register).href]
  const script = join(root, 'test', 'fixtures', 'lambda-runtime.mjs')
  const child = spawn(process.execPath, [...flags, script, ...events.map(event => JSON.stringify(event))], {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: {
      PATH: process.env.PATH,
      LAMBDA_TASK_ROOT: join(root, writeFolder(files)),
      _HANDLER: handler,
      AWS_LAMBDA_FUNCTION_NAME: 'checkout',
      // Nothing is sent but what is waited for.
      OTEL_BSP_SCHEDULE_DELAY: '600000',
      OTEL_NODE_RESOURCE_DETECTORS: 'none',
      TRACE_EXIT_TIMEOUT_MS: '15000',
      ...(collector && { OTEL_EXPORTER_OTLP_ENDPOINT: collector.url }),
      ...env,
    },
  })
  running.add(child)
  const timer = setTimeout(() => child.kill('SIGKILL'), 30_000)
  const said: unknown[] = []
  for await (const line of createInterface(child.stdout)) {
    const words = JSON.parse(line)
    said.push(words)
    if (!('result' in words || 'error' in words)) continue
    onAnswer(said.length - 1)
    // Not before it is frozen.
    await new Promise(resolve => setTimeout(resolve, 50))
    child.kill('SIGCONT')
  }
  clearTimeout(timer)
  running.delete(child)
  return said
}

const WORK = `const work = () => require('@opentelemetry/api').trace.getTracer('app').startSpan('work').end()\n`
const IMPORTED = `import api from '@opentelemetry/api'\nconst work = () => api.trace.getTracer('app').startSpan('work').end()\n`

const functions: Record<string, Function & { skip?: string | false }> = {
  'an async function': {
    files: { 'index.js': `${WORK} exports.handler = async ({ n }) => { work(); return n + 1 }` },
    handler: 'index.handler',
    events: [{ n: 1 }, { n: 2 }],
  },
  'a function that rejects': {
    files: { 'index.js': `${WORK} exports.handler = async () => { work(); throw new Error('no') }` },
    handler: 'index.handler',
  },
  'a function with a callback': {
    files: {
      'index.js': `${WORK} exports.handler = (event, context, callback) => setTimeout(() => { work(); callback(null, 'done') }, 20)`,
    },
    handler: 'index.handler',
  },
  'a function with a callback that does not wait for what is left': {
    files: {
      'index.js': `${WORK} exports.handler = (event, context, callback) => {
        context.callbackWaitsForEmptyEventLoop = false
        setInterval(() => {}, 1000)
        setTimeout(() => { work(); callback(new Error('no')) }, 20)
      }`,
    },
    handler: 'index.handler',
  },
  'a function that throws': {
    files: { 'index.js': `${WORK} exports.handler = () => { work(); throw new Error('at once') }` },
    handler: 'index.handler',
  },
  'a thenable': {
    files: {
      'index.js': `${WORK} exports.handler = () => ({ then(resolve) { work(); setTimeout(resolve, 10, 'then') } })`,
    },
    handler: 'index.handler',
  },
  'the old way to answer': {
    files: { 'index.js': `${WORK} exports.handler = (event, context) => { work(); context.succeed('old') }` },
    handler: 'index.handler',
  },
  'a method in a folder': {
    files: { 'src/app.js': `${WORK} exports.api = { v1: { get: async () => { work(); return 'got' } } }` },
    handler: 'src/app.api.v1.get',
  },
  'what a compiler makes of an ES module': {
    files: {
      'index.js': `${WORK} const handler = async () => { work(); return 'built' }
        module.exports = Object.defineProperty({}, '__esModule', { value: true })
        Object.defineProperty(module.exports, 'handler', { get: () => handler, enumerable: true })`,
    },
    handler: 'index.handler',
  },
  'a file .cjs': {
    files: { 'index.cjs': `${WORK} exports.handler = async () => { work(); return 'cjs' }` },
    handler: 'index.handler',
  },
  'a package': {
    files: {
      'node_modules/shop/package.json': '{"name":"shop","version":"1.0.0"}',
      'node_modules/shop/index.js': `${WORK} exports.handler = async () => { work(); return 'shop' }`,
    },
    handler: 'shop.handler',
  },
  'an ES module': {
    files: { 'index.mjs': `${IMPORTED} export const handler = async () => { work(); return 'mjs' }` },
    handler: 'index.handler',
    skip: !('registerHooks' in nodeModule) && 'reached from Node 22.15 on',
  },
  'an ES module by its package': {
    files: {
      'package.json': '{"type":"module"}',
      'index.js': `${IMPORTED} export default async () => { work(); return 'type' }`,
    },
    handler: 'index.default',
    skip: !('registerHooks' in nodeModule) && 'reached from Node 22.15 on',
  },
}

for (const [what, { skip, ...fn }] of Object.entries(functions)) {
  test(`${what}: answers as without us, and its spans are delivered before it is frozen`, { skip }, async () => {
    const collector = await createCollector()
    const arrived: string[][] = []
    const said = await invoke(fn, collector, () => arrived.push(collector.spans().map(({ name }) => name)))
    assert.deepEqual(said, await invoke(fn, undefined))
    const one = ['work', 'checkout']
    assert.deepEqual(arrived, [one, [...one, ...one]])
    await collector.close()
  })
}

test('an invocation is a span, of which all that it does is a part', async () => {
  const collector = await createCollector()
  const traceparent = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01'
  const events = [{}, { requestContext: {}, headers: { Traceparent: traceparent } }]
  const files = { 'index.js': `${WORK} exports.handler = async () => { work(); throw new TypeError('no') }` }
  await invoke({ files, handler: 'index.handler', events }, collector)
  const [work, first, , second] = collector.spans()
  assert.equal(work?.parentSpanId, first?.spanId)
  assert.deepEqual(first?.attributes, {
    'cloud.resource_id': 'arn:aws:lambda:eu-west-1:123456789012:function:checkout',
    'error.type': 'TypeError',
    'faas.coldstart': true,
    'faas.invocation_id': 'request-0',
    'faas.trigger': 'other',
  })
  assert.equal(first?.kind, 'server')
  assert.equal(first?.status, 'error')
  assert.deepEqual([second?.attributes['faas.coldstart'], second?.attributes['faas.trigger']], [false, 'http'])
  assert.equal(second?.parentSpanId, traceparent.slice(36, 52))
  await collector.close()
})

test('an invocation that ends without an answer ends its span with the next one', async () => {
  const collector = await createCollector()
  const arrived: string[][] = []
  const files = {
    'index.js': `${WORK} exports.handler = ({ last }) => { work(); if (last) return Promise.resolve(1) }`,
  }
  const fn = { files, handler: 'index.handler', events: [{}, { last: true }] }
  const said = await invoke(fn, collector, () => arrived.push(collector.spans().map(({ name }) => name)))
  assert.deepEqual(said, await invoke(fn, undefined))
  assert.deepEqual(arrived, [['work'], ['work', 'checkout', 'checkout', 'work']])
  await collector.close()
})

test('a handler that streams its answer is left alone', async () => {
  const collector = await createCollector()
  const files = {
    'index.js': `exports.handler = async (event, stream) => { stream.write('a'); stream.write('b'); stream.end() }
      exports.handler[Symbol.for('aws.lambda.runtime.handler.streaming')] = 'response'`,
  }
  const fn = { files, handler: 'index.handler' }
  assert.deepEqual(await invoke(fn, collector), await invoke(fn, undefined))
  assert.deepEqual(collector.spans(), [])
  await collector.close()
})

test('a handler that is not there fails as without us', async () => {
  const collector = await createCollector()
  for (const handler of ['index.other', 'index.other.than', 'nowhere.handler', 'broken.handler']) {
    const files = { 'index.js': 'exports.handler = 1; exports.other = undefined', 'broken.js': `throw new Error('no')` }
    const fn = { files, handler }
    const [said, without] = [await invoke(fn, collector), await invoke(fn, undefined)]
    assert.equal(said.length, 1)
    assert.deepEqual(Object.keys(said[0] as object), Object.keys(without[0] as object))
  }
  await collector.close()
})

test('a collector that hangs holds an answer no longer than the time for an end, and than what remains to the function', async () => {
  const collector = await createCollector({ respond: { hang: true } })
  const files = { 'index.js': `${WORK} exports.handler = async () => { work(); return 1 }` }
  for (const env of [{ TRACE_EXIT_TIMEOUT_MS: '300' }, { REMAINING_MS: '350' }] as Record<string, string>[]) {
    const sinceMs = performance.now()
    const said = await invoke({ files, handler: 'index.handler', env }, collector)
    assert.deepEqual(said.slice(1), [{ result: 1 }, { result: 1 }, { ended: true }])
    assert.ok(performance.now() - sinceMs < 8000, 'of 15 seconds for each')
  }
  await collector.close()
})
