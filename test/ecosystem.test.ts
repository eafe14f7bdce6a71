/** OpenTelemetry objects of others in `init`: the real ones, of the SDKs 1.x and 2.x and of vendors, and what they cannot break. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:http'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { type AppOptions, runApp } from './helpers/child.js'
import { createCollector } from './helpers/collector.js'
import { root } from './helpers/root.js'
import { redis } from './helpers/services.js'
import { oneTrace } from './helpers/spans.js'

const versions = ['1', '2'].map(major => ({
  major,
  setup: `const need = require('node:module').createRequire(${JSON.stringify(join(root, `test/versions/otel-sdk-${major}/package.json`))})`,
}))
const sdk2 = (versions[1] as { setup: string }).setup

const WORK = `
  const { trace } = need('@opentelemetry/api')
  const tracer = trace.getTracer('app', '3.1.4')
  tracer.startActiveSpan('outer', { kind: 1, attributes: { flag: true, list: ['a', 'b'], n: 1.5 } }, outer => {
    tracer.startActiveSpan('inner', inner => { inner.addEvent('half'); inner.setStatus({ code: 2, message: 'no' }); inner.end() })
    outer.end()
  })`

async function run(options: AppOptions, expected: number) {
  const collector = await createCollector()
  const ended = await runApp({ collector, preload: 'none', ...options })
  const spans = expected > 0 ? await collector.waitFor(expected) : collector.spans()
  await collector.close()
  assert.equal(ended.code, 0, ended.stderr)
  return { ended, spans, names: spans.map(({ name }) => name).sort() }
}

for (const { major, setup } of versions) {
  describe(`of SDK ${major}.x`, () => {
    test('an in-memory exporter behind a simple processor sees what is exported', async () => {
      const { ended, names } = await run(
        {
          code: `${setup}
          const { InMemorySpanExporter, SimpleSpanProcessor } = need('@opentelemetry/sdk-trace-base')
          const memory = new InMemorySpanExporter()
          require('@org/trace').init({ spanProcessors: [new SimpleSpanProcessor(memory)], serviceName: 'eco' })
          ${WORK}
          setImmediate(() => console.log(JSON.stringify(memory.getFinishedSpans().map(span => [
            span.name, span.kind, span.status, span.attributes, span.events.length, span.resource.attributes['service.name'],
            (span.instrumentationScope ?? span.instrumentationLibrary).name, span.ended]))))`,
        },
        2,
      )
      assert.deepEqual(JSON.parse(ended.stdout), [
        ['inner', 0, { code: 2, message: 'no' }, {}, 1, 'eco', 'app', true],
        ['outer', 1, { code: 0 }, { flag: true, list: ['a', 'b'], n: 1.5 }, 0, 'eco', 'app', true],
      ])
      assert.deepEqual([names, ended.stderr], [['inner', 'outer'], ''])
    })

    test('a batch processor delivers what it holds at the end of the process', async () => {
      const { names } = await run(
        {
          code: `${setup}
          const { BatchSpanProcessor } = need('@opentelemetry/sdk-trace-base')
          const { OTLPTraceExporter } = need('@opentelemetry/exporter-trace-otlp-http')
          require('@org/trace').init({ exporters: [], spanProcessors: [new BatchSpanProcessor(new OTLPTraceExporter())] })
          ${WORK}`,
        },
        2,
      )
      assert.deepEqual(names, ['inner', 'outer'])
    })

    test('the OTLP exporter in place of ours', async () => {
      const { spans, ended } = await run(
        {
          code: `${setup}
          const { OTLPTraceExporter } = need('@opentelemetry/exporter-trace-otlp-http')
          require('@org/trace').init({ spanExporter: new OTLPTraceExporter() })
          ${WORK}`,
        },
        2,
      )
      oneTrace(spans)
      const outer = spans.find(({ name }) => name === 'outer')
      assert.deepEqual(outer?.attributes, { flag: true, list: ['a', 'b'], n: 1.5 })
      assert.deepEqual([spans.length, ended.stderr], [2, ''])
    })

    test('the Zipkin exporter', async () => {
      const bodies: any[] = []
      const server = createServer(async (req, res) => {
        let text = ''
        for await (const part of req) text += part
        bodies.push(...JSON.parse(text))
        res.writeHead(202).end()
      }).listen(0, '127.0.0.1')
      await once(server, 'listening')
      const { port } = server.address() as { port: number }
      await run(
        {
          code: `${setup}
          const { ZipkinExporter } = need('@opentelemetry/exporter-zipkin')
          require('@org/trace').init({ serviceName: 'eco', spanExporter: new ZipkinExporter({ url: 'http://127.0.0.1:${port}/api/v2/spans' }) })
          ${WORK}`,
        },
        0,
      )
      server.close()
      const [inner, outer] = ['inner', 'outer'].map(name => bodies.find(span => span.name === name))
      assert.deepEqual([inner.parentId, inner.traceId], [outer.id, outer.traceId])
      assert.deepEqual(outer.localEndpoint, { serviceName: 'eco' })
      assert.deepEqual([outer.kind, outer.tags['otel.scope.name'] ?? 'app'], ['SERVER', 'app'])
      assert.deepEqual([inner.annotations.length, inner.tags['otel.status_code'], inner.tags.error], [1, 'ERROR', 'no'])
      assert.ok(Number.isInteger(inner.duration))
    })
  })
}

test('the baggage processor puts baggage on spans', async () => {
  const { spans } = await run(
    {
      code: `${sdk2}
      const { BaggageSpanProcessor, ALLOW_ALL_BAGGAGE_KEYS } = need('@opentelemetry/baggage-span-processor')
      require('@org/trace').init({ spanProcessors: [new BaggageSpanProcessor(ALLOW_ALL_BAGGAGE_KEYS)] })
      const { context, propagation } = need('@opentelemetry/api')
      const baggage = propagation.createBaggage({ tenant: { value: 'acme' } })
      context.with(propagation.setBaggage(context.active(), baggage), () => { ${WORK} })`,
    },
    2,
  )
  assert.deepEqual(
    spans.map(({ attributes }) => attributes.tenant),
    ['acme', 'acme'],
  )
})

test("a vendor's processor gets the spans it looks for", async () => {
  const { ended, names } = await run(
    {
      code: `${sdk2}
      const { LangfuseSpanProcessor } = need('@langfuse/otel')
      const { InMemorySpanExporter } = need('@opentelemetry/sdk-trace-base')
      const memory = new InMemorySpanExporter()
      const options = { publicKey: 'pk', secretKey: 'sk', baseUrl: 'http://127.0.0.1:1', exporter: memory, exportMode: 'immediate' }
      const processor = new LangfuseSpanProcessor({ ...options, shouldExportSpan: () => true })
      require('@org/trace').init({ spanProcessors: [processor] })
      ${WORK}
      processor.forceFlush().then(() => console.log(memory.getFinishedSpans().map(({ name }) => name).sort().join()))`,
    },
    2,
  )
  assert.deepEqual([names, ended.stdout], [['inner', 'outer'], 'inner,outer\n'])
})

test('a sampler, an id generator, a propagator and a resource of others', async () => {
  const { spans } = await run(
    {
      code: `${sdk2}
      const { resourceFromAttributes } = need('@opentelemetry/resources')
      let n = 0
      const sampler = {
        shouldSample: (context, traceId, name) =>
          ({ decision: name === 'left out' ? 0 : 2, attributes: { 'sampled.by': 'own' } }),
        toString: () => 'own',
      }
      require('@org/trace').init({
        sampler,
        resource: resourceFromAttributes({ 'service.name': 'named', shards: 3 }),
        idGenerator: {
          generateTraceId: () => 'abcdef'.padEnd(32, '0'),
          generateSpanId: () => String(++n).padStart(16, '0'),
        },
        propagator: { inject: (context, carrier, setter) => setter.set(carrier, 'x-own', '1'), extract: context => context, fields: () => ['x-own'] },
      })
      const { propagation, context } = need('@opentelemetry/api')
      const headers = {}
      propagation.inject(context.active(), headers)
      if (headers['x-own'] !== '1') throw new Error('not injected')
      ${WORK}
      tracer.startSpan('left out').end()`,
    },
    2,
  )
  assert.deepEqual(spans.map(({ name, spanId, traceId }) => [name, spanId, traceId]).sort(), [
    ['inner', '2'.padStart(16, '0'), 'abcdef'.padEnd(32, '0')],
    ['outer', '1'.padStart(16, '0'), 'abcdef'.padEnd(32, '0')],
  ])
  assert.deepEqual(
    spans.map(({ attributes }) => attributes['sampled.by']),
    ['own', 'own'],
  )
  assert.deepEqual([spans[0]?.resource['service.name'], spans[0]?.resource.shards], ['named', 3])
})

describe('instrumentations of OpenTelemetry contrib', () => {
  const LOAD = `const DataLoader = need('dataloader')
      const loader = new DataLoader(async keys => keys.map(key => key * 2))
      const Redis = need('ioredis')
      const client = new Redis(process.env.REDIS)
      const { trace } = need('@opentelemetry/api')
      trace.getTracer('app').startActiveSpan('request', async span => {
        await loader.load(1)
        await client.set('ecosystem', '1')
        span.end()
        client.disconnect()
      })`
  const check = (spans: { name: string; parentSpanId?: string | undefined; spanId: string }[]) => {
    const request = spans.find(({ name }) => name === 'request')
    for (const name of ['dataloader.load', 'set']) {
      const found = spans.find(span => span.name === name)
      assert.equal(found?.parentSpanId, request?.spanId, `${name} of ${spans.map(span => span.name)}`)
    }
  }

  test('given as objects', async () => {
    const { spans } = await run(
      {
        env: { REDIS: redis() },
        code: `${sdk2}
        const { DataloaderInstrumentation } = need('@opentelemetry/instrumentation-dataloader')
        const { IORedisInstrumentation } = need('@opentelemetry/instrumentation-ioredis')
        require('@org/trace').init({ instrumentations: [new DataloaderInstrumentation(), new IORedisInstrumentation({ enabled: false })] })
        ${LOAD}`,
      },
      3,
    )
    oneTrace(spans)
    check(spans)
  })

  test('named by TRACE_INSTRUMENTATIONS', async () => {
    const { spans, ended } = await run(
      {
        preload: 'import',
        cwd: join(root, 'test/versions/otel-sdk-2'),
        env: {
          REDIS: redis(),
          TRACE_INSTRUMENTATIONS:
            '@opentelemetry/instrumentation-dataloader, @opentelemetry/instrumentation-ioredis, not-there, dataloader',
        },
        code: `${sdk2}\n${LOAD}`,
      },
      3,
    )
    oneTrace(spans)
    check(spans)
    const lines = ended.stderr.split('\n').filter(line => line !== '')
    assert.match(lines[0] ?? '', /TRACE_INSTRUMENTATIONS: not-there could not be loaded: .*Cannot find module/)
    assert.match(ended.stderr, /TRACE_INSTRUMENTATIONS: dataloader exports no instrumentation/)
  })
})

test('objects that throw, hang or say nonsense stop nothing, and are told of once each', async () => {
  const { ended, names } = await run(
    {
      env: { TRACE_EXIT_TIMEOUT_MS: '300' },
      code: `${sdk2}
      const broken = verb => () => { throw new Error(verb + ' is broken') }
      class Broken {
        onStart = broken('onStart'); onEnding = broken('onEnding'); onEnd = broken('onEnd')
        forceFlush = () => new Promise(() => {}); shutdown = broken('shutdown')
      }
      require('@org/trace').init({
        exporters: ['otlp'],
        spanProcessors: [new Broken(), { onStart: 1 }],
        spanExporter: { export: broken('export'), shutdown: broken('shutdown') },
        sampler: { shouldSample: () => ({ decision: 'yes' }) },
        idGenerator: { generateTraceId: () => 'x', generateSpanId: broken('generateSpanId') },
        propagator: { inject: broken('inject'), extract: broken('extract'), fields: broken('fields') },
        instrumentations: [{ instrumentationName: 'bad', setTracerProvider: broken('setTracerProvider'), getConfig() {}, enable() {} }],
      })
      const { propagation, context } = need('@opentelemetry/api')
      propagation.inject(context.active(), {})
      propagation.extract(context.active(), {})
      ${WORK}`,
    },
    2,
  )
  assert.deepEqual(names, ['inner', 'outer'])
  const lines = ended.stderr.split('\n').filter(line => line !== '')
  for (const expected of [
    /spanProcessors\.1: ignored, expected an object with onStart/,
    /Broken: onStart failed: .*onStart is broken/,
    /Broken: onEnding failed/,
    /Broken: onEnd failed/,
    /Broken did not deliver its spans in time/,
    /the span exporter failed: .*export is broken/,
    /the sampler failed, so spans are sampled as their parents are: .*the decision is yes/,
    /the id generator failed, so ids are random/,
    /the propagator failed to inject/,
    /the propagator failed to extract/,
    /the instrumentation bad could not be enabled/,
  ]) {
    assert.equal(lines.filter(line => expected.test(line)).length, 1, `${expected} in\n${ended.stderr}`)
  }
})

test('a flush and a shutdown by the provider, with time limits and results', async () => {
  const { ended, names } = await run(
    {
      code: `${sdk2}
      const running = require('@org/trace').init()
      ${WORK}
      const provider = trace.getTracerProvider()
      ;(async () => {
        console.log(await provider.forceFlush())
        console.log(await running.shutdown({ timeoutMs: 1000 }))
        tracer.startSpan('after').end()
        console.log(await running.flush())
      })()`,
    },
    2,
  )
  assert.deepEqual([ended.stdout, names], ['delivered\ndelivered\ndelivered\n', ['inner', 'outer']])
})

test('the exporter of init is flushed and shut down with the rest', async () => {
  const { ended } = await run(
    {
      code: `${sdk2}
      const said = []
      const exporter = {
        export(spans, done) { said.push('export ' + spans.length); done({ code: 0 }) },
        async forceFlush() { said.push('flush') },
        async shutdown() { said.push('shutdown') },
      }
      const running = require('@org/trace').init({ spanExporter: exporter })
      ${WORK}
      ;(async () => {
        await running.flush()
        await running.shutdown()
        await running.shutdown()
        console.log(said.join())
      })()`,
    },
    0,
  )
  assert.equal(ended.stdout, 'export 2,flush,flush,shutdown\n')
})

test('a flush that takes too long, and one that fails, say so', async () => {
  const silent = createServer(() => {}).listen(0, '127.0.0.1')
  await once(silent, 'listening')
  const { port } = silent.address() as { port: number }
  const app = (url: string, timeoutMs: number) =>
    runApp({
      preload: 'none',
      env: { OTEL_EXPORTER_OTLP_ENDPOINT: url, TRACE_EXIT_TIMEOUT_MS: '50', OTEL_EXPORTER_OTLP_TIMEOUT: '20000' },
      code: `${sdk2}
      const running = require('@org/trace').init()
      ${WORK}
      running.flush({ timeoutMs: ${timeoutMs} }).then(result => { console.log(result); process.exit() })`,
    })
  const [late, refused] = await Promise.all([app(`http://127.0.0.1:${port}`, 100), refusing()])
  silent.close().closeAllConnections()
  assert.deepEqual([late.stdout, refused.stdout], ['timeout\n', 'failed\n'])

  async function refusing() {
    const server = createServer((req, res) => req.resume().on('end', () => res.writeHead(400).end())).listen(
      0,
      '127.0.0.1',
    )
    await once(server, 'listening')
    const ended = await app(`http://127.0.0.1:${(server.address() as { port: number }).port}`, 20_000)
    server.close()
    return ended
  }
})

// Resolved here, so that a package that was not installed fails this file at once.
for (const name of ['@opentelemetry/sdk-trace-base', '@langfuse/otel', '@opentelemetry/baggage-span-processor'])
  createRequire(join(root, 'test/versions/otel-sdk-2/package.json')).resolve(name)
