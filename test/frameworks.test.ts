/** Frameworks that trace themselves through the OpenTelemetry API: their spans and ours are one trace. */
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import { runApp } from './helpers/child.js'
import { createCollector, type ReceivedSpan } from './helpers/collector.js'
import { root } from './helpers/root.js'
import { redis, uniqueName } from './helpers/services.js'
import { oneTrace } from './helpers/spans.js'

const FROM = JSON.stringify(join(root, 'test/versions/frameworks/package.json'))
const NEED = `const need = require('node:module').createRequire(${FROM})`

async function run(code: string, expected: number, env: Record<string, string> = {}) {
  const collector = await createCollector({
    allow: ['gen_ai.system', 'ai.', 'gen_ai.', 'operation.name', 'resource.name', 'bullmq.'],
  })
  const ended = await runApp({ collector, code, env })
  const spans = await collector.waitFor(expected)
  await collector.close()
  assert.equal(ended.code, 0, ended.stderr)
  return { spans, ended }
}

const parentOf = (spans: ReceivedSpan[], name: string, kind = 'internal'): string | undefined => {
  const span = spans.find(candidate => candidate.name === name && candidate.kind === kind)
  assert.ok(span, `${name} is not among ${spans.map(({ name }) => name)}`)
  return spans.find(({ spanId }) => spanId === span.parentSpanId)?.name
}

test('the AI SDK: a generation is below the request, and the call to the model below the generation', async () => {
  const { spans } = await run(
    `${NEED}
    const http = require('node:http')
    const { generateText } = need('ai')
    const { MockLanguageModelV2 } = need('ai/test')
    const { trace } = need('@opentelemetry/api')
    const server = http.createServer((_, res) => res.end('hello')).listen(0, '127.0.0.1', async () => {
      const model = new MockLanguageModelV2({
        async doGenerate() {
          const answer = await fetch('http://127.0.0.1:' + server.address().port + '/v1/chat')
          const text = await answer.text()
          const usage = { inputTokens: 1, outputTokens: 1, totalTokens: 2 }
          return { finishReason: 'stop', usage, content: [{ type: 'text', text }], warnings: [] }
        },
      })
      await trace.getTracer('app').startActiveSpan('request', async span => {
        const { text } = await generateText({ model, prompt: 'hi', experimental_telemetry: { isEnabled: true } })
        if (text !== 'hello') throw new Error(text)
        span.end()
      })
      server.close()
      server.closeAllConnections()
    })`,
    5,
  )
  oneTrace(spans)
  assert.equal(parentOf(spans, 'ai.generateText'), 'request')
  assert.equal(parentOf(spans, 'ai.generateText.doGenerate'), 'ai.generateText')
  assert.equal(parentOf(spans, 'GET', 'client'), 'ai.generateText.doGenerate')
})

test("bullmq-otel: its spans, ours and the worker's are one trace", async () => {
  const queue = uniqueName('otel')
  const { spans } = await run(
    `${NEED}
    const { Queue, Worker } = need('bullmq')
    const { BullMQOtel } = need('bullmq-otel')
    const { trace } = need('@opentelemetry/api')
    const url = new URL(process.env.REDIS)
    const options = { connection: { host: url.hostname, port: Number(url.port) }, telemetry: new BullMQOtel('app') }
    const tracer = trace.getTracer('app')
    const queue = new Queue('${queue}', options)
    const worker = new Worker('${queue}', async () => tracer.startActiveSpan('work', span => span.end()), options)
    worker.once('completed', async () => {
      await worker.close()
      await queue.obliterate({ force: true })
      await queue.close()
    })
    tracer.startActiveSpan('request', async span => {
      await queue.add('job', {})
      span.end()
    })`,
    6,
    { REDIS: redis() },
  )
  const request = spans.find(({ name }) => name === 'request')
  const work = spans.find(({ name }) => name === 'work')
  assert.equal(work?.traceId, request?.traceId, spans.map(({ name, traceId }) => `${name} ${traceId}`).join('\n'))
})
