/** The specification's compliance matrix, section "Environment Variables": each test has the name of its row, and shows what the variable does. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:http'
import { join } from 'node:path'
import { test } from 'node:test'
import { runApp } from '../helpers/child.js'
import { createCollector, type ReceivedSpan } from '../helpers/collector.js'
import { writeFolder } from '../helpers/folder.js'
import { root } from '../helpers/root.js'

const WORK = `
  const { context, propagation, trace, ROOT_CONTEXT } = require('@opentelemetry/api')
  const tracer = trace.getTracer('app')
  const link = { context: { traceId: '1'.repeat(32), spanId: '2'.repeat(16), traceFlags: 1 }, attributes: { a: 1, b: 2, c: 3 } }
  const span = tracer.startSpan('work', { links: [link, link, link] })
  for (const key of ['a', 'b', 'c']) span.setAttribute(key, 'long text').addEvent(key, { a: 1, b: 2, c: 'long text' })
  span.end()
  const headers = {}
  propagation.inject(trace.setSpan(ROOT_CONTEXT, span), headers)
  console.log(Object.keys(headers).sort().join())`

/** Runs an application with the environment; `url` puts the collector's address into it. */
async function run(env: Record<string, string> | ((url: string) => Record<string, string>), code = WORK) {
  const collector = await createCollector()
  const own = typeof env === 'function' ? { env: env(collector.url) } : { env, collector }
  const ended = await runApp({ code, ...own })
  await collector.close()
  assert.equal(ended.code, 0, ended.stderr)
  return { spans: collector.spans(), requests: collector.requests, ended }
}

async function workOf(env: Record<string, string>): Promise<ReceivedSpan> {
  const { spans } = await run(env)
  assert.equal(spans.length, 1)
  return spans[0] as ReceivedSpan
}

test('OTEL_SDK_DISABLED', async () => {
  const { spans, ended } = await run({ OTEL_SDK_DISABLED: 'TRUE' })
  assert.deepEqual([spans.length, ended.stdout], [0, '\n'])
})

test('OTEL_RESOURCE_ATTRIBUTES', async () => {
  const { resource } = await workOf({ OTEL_RESOURCE_ATTRIBUTES: 'deployment.environment.name=test,team=a%20b' })
  assert.deepEqual([resource['deployment.environment.name'], resource.team], ['test', 'a b'])
})

test('OTEL_SERVICE_NAME', async () => {
  const { resource } = await workOf({ OTEL_SERVICE_NAME: 'shop', OTEL_RESOURCE_ATTRIBUTES: 'service.name=other' })
  assert.equal(resource['service.name'], 'shop')
})

test('OTEL_LOG_LEVEL', async () => {
  const [loud, silent] = await Promise.all([
    run({ OTEL_LOG_LEVEL: 'debug' }),
    run({ OTEL_LOG_LEVEL: 'none', OTEL_BSP_SCHEDULE_DELAY: 'nonsense' }),
  ])
  assert.match(loud.ended.stderr, /\[@org\/trace\] debug: \S+ \S+ patched/)
  assert.equal(silent.ended.stderr, '')
})

test('OTEL_PROPAGATORS', async () => {
  const { ended } = await run({ OTEL_PROPAGATORS: 'b3multi, tracecontext, b3multi' })
  assert.equal(ended.stdout, 'traceparent,x-b3-sampled,x-b3-spanid,x-b3-traceid\n')
})

test('OTEL_BSP_*', async () => {
  const many = `const tracer = require('@opentelemetry/api').trace.getTracer('app')
    for (let n = 0; n < 10; n++) tracer.startSpan('work').end()`
  const { spans, requests } = await run(
    {
      OTEL_BSP_MAX_QUEUE_SIZE: '6',
      OTEL_BSP_MAX_EXPORT_BATCH_SIZE: '3',
      OTEL_BSP_SCHEDULE_DELAY: '100',
      OTEL_BSP_EXPORT_TIMEOUT: '5000',
    },
    many,
  )
  assert.deepEqual([spans.length, requests.length], [6, 2])
})

test('OTEL_EXPORTER_OTLP_*', async () => {
  const { spans, requests } = await run(url => ({
    OTEL_EXPORTER_OTLP_ENDPOINT: 'http://127.0.0.1:9',
    OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: `${url}/v1/traces`,
    OTEL_EXPORTER_OTLP_PROTOCOL: 'http/json',
    OTEL_EXPORTER_OTLP_HEADERS: 'x-key=a%20b',
    OTEL_EXPORTER_OTLP_COMPRESSION: 'gzip',
    OTEL_EXPORTER_OTLP_TIMEOUT: '5000',
  }))
  const { headers } = requests[0] as { headers: Record<string, string | string[] | undefined> }
  assert.equal(spans.length, 1)
  assert.deepEqual(
    [headers['content-type'], headers['x-key'], headers['content-encoding']],
    ['application/json', 'a b', 'gzip'],
  )
})

test('OTEL_EXPORTER_ZIPKIN_*', async () => {
  const bodies: { name: string }[] = []
  const server = createServer(async (req, res) => {
    let text = ''
    for await (const part of req) text += part
    bodies.push(...JSON.parse(text))
    res.writeHead(202).end()
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as { port: number }
  await run({
    OTEL_TRACES_EXPORTER: 'zipkin',
    OTEL_EXPORTER_ZIPKIN_ENDPOINT: `http://127.0.0.1:${port}/api/v2/spans`,
    OTEL_EXPORTER_ZIPKIN_TIMEOUT: '5000',
  })
  server.close()
  assert.deepEqual(
    bodies.map(({ name }) => name),
    ['work'],
  )
})

test('OTEL_TRACES_EXPORTER', async () => {
  const [none, stdout] = await Promise.all([
    run({ OTEL_TRACES_EXPORTER: 'none' }),
    run({ OTEL_TRACES_EXPORTER: 'otlp, OTLP/stdout' }),
  ])
  assert.equal(none.spans.length, 0)
  assert.equal(stdout.spans.length, 1)
  assert.match(stdout.ended.stdout, /^\{"resourceSpans":/m)
})

test('OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT', async () => {
  const { attributes } = await workOf({ OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT: '2', OTEL_ATTRIBUTE_COUNT_LIMIT: '1' })
  assert.deepEqual(Object.keys(attributes), ['a', 'b'])
})

test('OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT', async () => {
  const { attributes } = await workOf({
    OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT: '4',
    OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT: '2',
  })
  assert.equal(attributes.a, 'long')
})

test('OTEL_SPAN_EVENT_COUNT_LIMIT', async () => {
  const { events } = await workOf({ OTEL_SPAN_EVENT_COUNT_LIMIT: '2' })
  assert.deepEqual(
    events.map(({ name }) => name),
    ['a', 'b'],
  )
})

test('OTEL_SPAN_LINK_COUNT_LIMIT', async () => {
  assert.equal((await workOf({ OTEL_SPAN_LINK_COUNT_LIMIT: '2' })).links.length, 2)
})

test('OTEL_EVENT_ATTRIBUTE_COUNT_LIMIT', async () => {
  const { events, links } = await workOf({ OTEL_EVENT_ATTRIBUTE_COUNT_LIMIT: '1' })
  assert.deepEqual([events[0]?.attributes, links[0]?.attributes], [{ a: 1 }, { a: 1, b: 2, c: 3 }])
})

test('OTEL_LINK_ATTRIBUTE_COUNT_LIMIT', async () => {
  const { links } = await workOf({ OTEL_LINK_ATTRIBUTE_COUNT_LIMIT: '1' })
  assert.deepEqual(links[0]?.attributes, { a: 1 })
})

test('OTEL_TRACES_SAMPLER', async () => {
  const { spans } = await run({ OTEL_TRACES_SAMPLER: 'Always_Off' })
  assert.equal(spans.length, 0)
})

test('OTEL_TRACES_SAMPLER_ARG', async () => {
  const many = `const tracer = require('@opentelemetry/api').trace.getTracer('app')
    for (let n = 0; n < 1000; n++) tracer.startSpan('work').end()`
  const { spans } = await run({ OTEL_TRACES_SAMPLER: 'traceidratio', OTEL_TRACES_SAMPLER_ARG: '0.5' }, many)
  assert.ok(spans.length > 400 && spans.length < 600, `${spans.length} of 1000`)
})

test('OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT', async () => {
  const { attributes, events } = await workOf({ OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT: '4' })
  assert.deepEqual([attributes.a, events[0]?.attributes.c], ['long', 'long'])
})

test('OTEL_ATTRIBUTE_COUNT_LIMIT', async () => {
  const { attributes, events, links } = await workOf({ OTEL_ATTRIBUTE_COUNT_LIMIT: '1' })
  assert.deepEqual(
    [attributes, events[0]?.attributes, links[0]?.attributes].map(given => Object.keys(given ?? {}).length),
    [1, 1, 1],
  )
})

test('OTEL_CONFIG_FILE', async () => {
  const folder = writeFolder({
    'trace.yaml': `file_format: "1.0"
resource:
  attributes:
    - { name: service.name, value: "\${SHOP:-nobody}" }
propagator:
  composite: [{ b3: }]
tracer_provider:
  processors:
    - batch:
        exporter:
          otlp_http: { endpoint: "\${COLLECTOR}/v1/traces" }
`,
  })
  const { spans, ended } = await run(url => ({
    OTEL_CONFIG_FILE: join(root, folder, 'trace.yaml'),
    OTEL_SERVICE_NAME: 'not this',
    SHOP: 'from the file',
    COLLECTOR: url,
  }))
  assert.deepEqual([spans.length, spans[0]?.resource['service.name'], ended.stdout], [1, 'from the file', 'b3\n'])
})
