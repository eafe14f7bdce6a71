/** Applications with the samplers of the environment and of `init`: what is exported, and what goes on to others. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { test } from 'node:test'
import { type AppOptions, type Ended, runApp } from '../helpers/child.js'
import { createCollector, type ReceivedSpan } from '../helpers/collector.js'
import { SPAN_ID, traceIdOf } from '../helpers/sampling.js'

interface Made {
  name: string
  traceId: string
  flags: number
  recording: boolean
  /** As it goes on to others. */
  tracestate: string | undefined
}

/** `make(name, options, carrier)` makes a span below what the carrier holds, and a child of it; both are printed. */
const MAKING = `
  const { context, propagation, ROOT_CONTEXT, trace } = require('@opentelemetry/api')
  const tracer = trace.getTracer('test')
  const told = (name, span, active) => {
    const carrier = {}
    propagation.inject(active, carrier)
    const { traceId, traceFlags } = span.spanContext()
    console.log(JSON.stringify({ name, traceId, flags: traceFlags, recording: span.isRecording(), tracestate: carrier.tracestate }))
  }
  function make(name, options = {}, carrier = {}) {
    const outer = propagation.extract(ROOT_CONTEXT, carrier)
    const span = tracer.startSpan(name, options, outer)
    const active = trace.setSpan(outer, span)
    told(name, span, active)
    const child = tracer.startSpan(name + ' child', {}, active)
    told(name + ' child', child, trace.setSpan(active, child))
    child.end()
    span.end()
  }`

async function run(options: AppOptions): Promise<{ ended: Ended; made: Made[]; spans: ReceivedSpan[] }> {
  const collector = await createCollector()
  const ended = await runApp({ collector, ...options, code: `${MAKING}\n${options.code}` })
  await collector.close()
  assert.equal(ended.code, 0, ended.stderr)
  const lines = ended.stdout.split('\n').filter(line => line.startsWith('{'))
  return { ended, made: lines.map(line => JSON.parse(line) as Made), spans: collector.spans() }
}

const parent = (randomness: string, flags: string, tracestate?: string): string =>
  JSON.stringify({ traceparent: `00-${traceIdOf(randomness)}-${SPAN_ID}-${flags}`, tracestate })

for (const name of ['traceidratio', 'parentbased_traceidratio']) {
  test(`${name}: roots are sampled by their trace id, and say by which threshold`, async () => {
    const { ended, made, spans } = await run({
      code: `for (let i = 0; i < 200; i++) make('root')`,
      env: { OTEL_TRACES_SAMPLER: name, OTEL_TRACES_SAMPLER_ARG: '0.25' },
    })
    assert.equal(ended.stderr, '')
    assert.equal(made.length, 400)
    for (const { traceId, flags, recording, tracestate } of made) {
      const kept = traceId.slice(18) >= 'c'
      assert.equal(recording, kept)
      assert.equal(flags, kept ? 0x03 : 0x02)
      assert.equal(tracestate, kept ? 'ot=th:c' : undefined)
    }
    const kept = made.filter(({ recording }) => recording)
    assert.ok(kept.length > 40 && kept.length < 180, `${kept.length} of 400`)
    assert.equal(spans.length, kept.length)
    for (const span of spans) assert.equal(span.traceState, 'ot=th:c')
  })
}

test('traceidratio: the flag of the parent does not count, the randomness that it tells does', async () => {
  const { ended, made, spans } = await run({
    code: `
      make('high', {}, ${parent('c', '02', 'a=1')})
      make('low', {}, ${parent('b', '03', 'a=1,ot=th:8;x:1')})
      make('told high', {}, ${parent('0', '00', 'ot=rv:c0000000000000')})
      make('told low', {}, ${parent('f', '01', 'ot=rv:bfffffffffffff')})`,
    env: { OTEL_TRACES_SAMPLER: 'traceidratio', OTEL_TRACES_SAMPLER_ARG: '0.25' },
  })
  assert.equal(ended.stderr, '')
  const states = made.map(({ name, tracestate }) => `${name}: ${tracestate}`)
  assert.deepEqual(
    states.filter(state => !state.includes('child')),
    ['high: ot=th:c,a=1', 'low: ot=x:1,a=1', 'told high: ot=th:c;rv:c0000000000000', 'told low: ot=rv:bfffffffffffff'],
  )
  assert.deepEqual(spans.map(({ name, traceState }) => `${name}: ${traceState}`).sort(), [
    'high child: ot=th:c,a=1',
    'high: ot=th:c,a=1',
    'told high child: ot=th:c;rv:c0000000000000',
    'told high: ot=th:c;rv:c0000000000000',
  ])
})

test('traceidratio: calls of libraries are sampled as spans of the application are', async () => {
  const { spans, made } = await run({
    code: `
      const http = require('node:http')
      const server = http.createServer((req, res) => {
        console.log(JSON.stringify({ name: 'asked', traceId: req.headers.traceparent.slice(3, 35), tracestate: req.headers.tracestate }))
        res.end()
      }).listen(0, '127.0.0.1', async () => {
        for (let i = 0; i < 60; i++) await new Promise(done => http.get({ host: '127.0.0.1', port: server.address().port }, res => res.resume().on('end', done)))
        server.close()
      })`,
    env: { OTEL_TRACES_SAMPLER: 'traceidratio', OTEL_TRACES_SAMPLER_ARG: '0.5' },
  })
  assert.equal(made.length, 60)
  for (const { traceId, tracestate } of made)
    assert.equal(tracestate, traceId.slice(18) >= '8' ? 'ot=th:8' : undefined, traceId)
  const kept = made.filter(({ tracestate }) => tracestate !== undefined)
  assert.ok(kept.length > 10 && kept.length < 50)
  assert.equal(spans.length, 2 * kept.length)
  for (const span of spans) assert.equal(span.traceState, 'ot=th:8')
})

const inCode = (sampler: string, code: string): AppOptions => ({
  preload: 'none',
  code: `
    const { init, samplers } = require('@org/trace')
    init({ sampler: ${sampler} })
    ${code}`,
})

test('samplers of init: rules by kind and attributes, with attributes added', async () => {
  const sampler = `samplers.parentThreshold(samplers.ruleBased([
    { attributePatterns: { key: 'url.path', included: ['/health*'] }, sampler: samplers.alwaysOff() },
    { spanKinds: ['server'], sampler: samplers.annotating({ kept: 'server' }, samplers.probability(1)) },
  ]))`
  const { ended, made, spans } = await run(
    inCode(
      sampler,
      `make('health', { kind: 1, attributes: { 'url.path': '/healthz' } })
       make('server', { kind: 1, attributes: { 'url.path': '/' } })
       make('internal')`,
    ),
  )
  assert.equal(ended.stderr, '')
  assert.deepEqual(
    made.map(({ name, recording }) => `${name}: ${recording}`),
    [
      'health: false',
      'health child: false',
      'server: true',
      'server child: true',
      'internal: false',
      'internal child: false',
    ],
  )
  const [child, server] = spans.sort((a, b) => Number(a.name > b.name) - Number(a.name < b.name)).reverse()
  assert.deepEqual([child?.name, child?.traceState, child?.attributes], ['server child', 'ot=th:0', {}])
  assert.deepEqual(
    [server?.name, server?.traceState, server?.attributes],
    ['server', 'ot=th:0', { 'url.path': '/', kept: 'server' }],
  )
  assert.equal(spans.length, 2)
})

test('samplers of init: what is only recorded is not exported, and what is below it is not sampled', async () => {
  const { made, spans } = await run(inCode(`samplers.alwaysRecord(samplers.alwaysOff())`, `make('recorded')`))
  assert.deepEqual(
    made.map(({ name, recording, flags }) => [name, recording, flags]),
    [
      ['recorded', true, 0x02],
      ['recorded child', true, 0x02],
    ],
  )
  assert.deepEqual(spans, [])
})

test('parentbased_jaeger_remote: the initial rate, then the strategy, without a span of the asking', async () => {
  const asked: unknown[] = []
  const server = createServer((req, res) => {
    asked.push([req.url, req.headers.traceparent])
    res.end(JSON.stringify({ strategyType: 'PROBABILISTIC', probabilisticSampling: { samplingRate: 1 } }))
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  const { ended, made, spans } = await run({
    code: `
      make('early')
      setTimeout(() => {
        make('late')
        make('below', {}, ${parent('0', '00')})
      }, 500)`,
    env: {
      OTEL_SERVICE_NAME: 'my shop',
      OTEL_TRACES_SAMPLER: 'parentbased_jaeger_remote',
      OTEL_TRACES_SAMPLER_ARG: `endpoint=http://127.0.0.1:${port},pollingIntervalMs=100,initialSamplingRate=0`,
    },
  })
  server.closeAllConnections()
  server.close()
  assert.equal(ended.stderr, '')
  assert.deepEqual(
    made.map(({ name, recording }) => [name, recording]),
    [
      ['early', false],
      ['early child', false],
      ['late', true],
      ['late child', true],
      ['below', false],
      ['below child', false],
    ],
  )
  assert.ok(asked.length > 1)
  for (const request of asked) assert.deepEqual(request, ['/sampling?service=my+shop', undefined])
  assert.deepEqual(spans.map(({ name, traceState }) => `${name}: ${traceState}`).sort(), [
    'late child: ot=th:0',
    'late: ot=th:0',
  ])
})
