/** The OpenTelemetry API in applications that hold a copy of it, old or new, and OpenTelemetry's own SDK beside us. */
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { suite, test } from 'node:test'
import { pathToFileURL } from 'node:url'
import { type AppOptions, type Ended, register, runApp } from './helpers/child.js'
import { createCollector, type ReceivedSpan } from './helpers/collector.js'
import { writeFolder } from './helpers/folder.js'
import { root } from './helpers/root.js'
import { oneTrace } from './helpers/spans.js'

const at = (...path: string[]): string => JSON.stringify(join(root, ...path))

/** How an ES module gets each copy. */
const copies: Record<string, string> = {
  '1.0': `require(${at('test/versions/api-1.0/node_modules/@opentelemetry/api')})`,
  '1.9': `require('@opentelemetry/api')`,
  '1.10': `require(${at('test/versions/api-1.10/node_modules/@opentelemetry/api')})`,
  '1.10, as ES modules': `await import(${JSON.stringify(
    pathToFileURL(join(root, 'test/versions/api-1.10/node_modules/@opentelemetry/api/dist/index.mjs')).href,
  )})`,
}
const required = Object.entries(copies).filter(([, load]) => load.startsWith('require'))

const REQUIRE = `import { createRequire } from 'node:module'\nconst require = createRequire(import.meta.url)\n`
const ourLines = ({ stderr }: Ended): string[] => stderr.split('\n').filter(line => line.includes('[@org/trace]'))

/** Runs an ES module in which there is `require`; returns what it printed as JSON, one value a line. */
async function run(code: string, options: AppOptions = {}) {
  const collector = await createCollector({ allow: ['app.'] })
  const ended = await runApp({ collector, type: 'esm', code: REQUIRE + code, ...options })
  await collector.close()
  assert.equal(ended.code, 0, ended.stderr)
  const printed = ended.stdout
    .split('\n')
    .filter(Boolean)
    .map(line => JSON.parse(line))
  return { ended, printed, spans: collector.spans() }
}

const names = (spans: ReceivedSpan[]): string[] => spans.map(({ name }) => name).sort()

/** `child < parent < grandparent`, as far as the spans are among those received. */
function line(spans: ReceivedSpan[], name: string): string {
  const found = spans.filter(span => span.name === name)
  assert.equal(found.length, 1, `${found.length} spans are called ${name}: ${names(spans).join(', ')}`)
  const path = []
  for (
    let [span] = found as (ReceivedSpan | undefined)[];
    span !== undefined;
    span = spans.find(other => other.spanId === span?.parentSpanId)
  )
    path.push(span.name)
  return path.join(' < ')
}

const PRINT = `const print = value => console.log(JSON.stringify(value ?? null))\n`
const REMOTE = `{ traceId: 'a'.repeat(32), spanId: 'b'.repeat(16), traceFlags: 1, isRemote: true }`

for (const [version, load] of Object.entries(copies)) {
  const API = `const api = ${load}
    const { context, propagation, trace, ROOT_CONTEXT } = api
    const tracer = trace.getTracer('app', '2.0.0')\n${PRINT}`

  suite(`the API ${version}`, () => {
    test('manual spans join the trace of the request', async () => {
      const { ended, printed, spans } = await run(`${API}
        const { get, createServer } = require('node:http')
        const ask = path => new Promise(resolve =>
          get({ host: '127.0.0.1', port: server.address().port, path }, res => res.resume().on('end', resolve)))
        const server = createServer((req, res) => {
          if (req.url === '/second') return res.end()
          const here = trace.getSpan(context.active())
          print([here.isRecording(), here.spanContext().traceId === req.headers.traceparent.slice(3, 35)])
          print(tracer.startActiveSpan('outer', outer => {
            tracer.startSpan('inner').end()
            tracer.startSpan('given', {}, trace.setSpan(context.active(), outer)).end()
            setTimeout(() => tracer.startActiveSpan('later', { attributes: { 'app.n': 1 } }, async later => {
              await ask('/second')
              later.end()
              outer.end()
              res.end()
            }), 1)
            return 'returned'
          }))
        }).listen(0, '127.0.0.1', () =>
          tracer.startActiveSpan('client', {}, ROOT_CONTEXT, async span => {
            await ask('/first')
            span.end()
            server.close()
          }))`)
      assert.deepEqual([ourLines(ended), printed], [[], [[true, true], 'returned']])
      assert.equal(line(spans, 'inner'), 'inner < outer < GET < GET < client')
      assert.equal(line(spans, 'given'), 'given < outer < GET < GET < client')
      assert.equal(line(spans, 'later'), 'later < outer < GET < GET < client')
      const to = (path: string) => spans.find(({ attributes }) => attributes['url.path'] === path)
      const asked = spans.find(({ spanId }) => spanId === to('/second')?.parentSpanId)
      assert.deepEqual(
        [asked?.parentSpanId, spans.find(({ name }) => name === 'outer')?.parentSpanId],
        [spans.find(({ name }) => name === 'later')?.spanId, to('/first')?.spanId],
      )
      oneTrace(spans)
      assert.deepEqual(spans.find(({ name }) => name === 'later')?.attributes, { 'app.n': 1 })
      const { name, version: scope } = spans.find(span => span.name === 'inner')?.scope ?? {}
      assert.deepEqual([name, scope], ['app', '2.0.0'])
    })

    test('what a span can be told arrives', async () => {
      const { ended, printed, spans } = await run(`${API}
        const { SpanKind, SpanStatusCode } = api
        const span = tracer.startSpan('first name', {
          kind: SpanKind.PRODUCER,
          attributes: { 'app.list': ['a', 'b'] },
          links: [{ context: ${REMOTE}, attributes: { 'app.why': 'because' } }],
        })
        span.setAttribute('app.flag', true).setAttributes({ 'app.n': 1.5 })
        span.addEvent('happened', { 'app.what': 'this' })
        span.recordException(new TypeError('wrong'))
        span.setStatus({ code: SpanStatusCode.ERROR, message: 'failed' })
        span.updateName('second name')
        print([span.isRecording(), trace.getSpan(trace.setSpan(ROOT_CONTEXT, span)) === span])
        span.end()
        print([span.isRecording(), api.isSpanContextValid(span.spanContext())])
        tracer.startSpan('fine').setStatus({ code: SpanStatusCode.OK }).end()`)
      assert.deepEqual(
        [ourLines(ended), printed],
        [
          [],
          [
            [true, true],
            [false, true],
          ],
        ],
      )
      const span = spans.find(({ name }) => name === 'second name')
      assert.deepEqual(span?.attributes, { 'app.list': ['a', 'b'], 'app.flag': true, 'app.n': 1.5 })
      assert.deepEqual([span?.kind, span?.status, span?.statusMessage], ['producer', 'error', 'failed'])
      assert.deepEqual(
        span?.events.map(({ name, attributes }) => [name, attributes['app.what'], attributes['exception.type']]),
        [
          ['happened', 'this', undefined],
          ['exception', undefined, 'TypeError'],
        ],
      )
      assert.deepEqual(
        span?.links.map(({ traceId, spanId, attributes }) => [traceId, spanId, attributes]),
        [['a'.repeat(32), 'b'.repeat(16), { 'app.why': 'because' }]],
      )
      assert.equal(spans.find(({ name }) => name === 'fine')?.status, 'ok')
    })

    test('contexts are carried, bound, and cleared of their span', async () => {
      const { ended, printed, spans } = await run(`${API}
        const { createContextKey } = api
        const { suppressTracing } = require('@opentelemetry/core')
        const key = createContextKey('mine')
        const self = { me: true }
        print(context.with(ROOT_CONTEXT.setValue(key, 1), function (...args) {
          return [this === self, args, context.active().getValue(key)]
        }, self, 'a', 'b'))
        const bound = context.bind(ROOT_CONTEXT.setValue(key, 2), (...args) => [args, context.active().getValue(key)])
        print(bound('c'))
        print(await context.with(ROOT_CONTEXT.setValue(key, 3), async () => {
          await new Promise(resolve => setTimeout(resolve, 1))
          return context.active().getValue(key)
        }))
        print(context.active().getValue(key))
        tracer.startActiveSpan('outer', outer => {
          const here = context.active()
          print([trace.getSpan(here) === outer, trace.getSpanContext(here).spanId === outer.spanContext().spanId,
            trace.getActiveSpan === undefined || trace.getActiveSpan() === outer])
          tracer.startSpan('orphan', {}, trace.deleteSpan(here)).end()
          tracer.startSpan('root', { root: true }).end()
          tracer.startSpan('remote', {}, trace.setSpanContext(here, ${REMOTE})).end()
          const wrapped = trace.wrapSpanContext?.(${REMOTE})
          if (wrapped) tracer.startSpan('wrapped', {}, trace.setSpan(here, wrapped)).end()
          context.with(suppressTracing(here), () => {
            const silent = tracer.startSpan('suppressed')
            print(silent.isRecording())
            silent.end()
          })
          outer.end()
        })`)
      assert.deepEqual(ourLines(ended), [])
      assert.deepEqual(printed, [[true, ['a', 'b'], 1], [['c'], 2], 3, null, [true, true, true], false])
      const byName = Object.fromEntries(spans.map(span => [span.name, span]))
      assert.deepEqual(
        [byName.orphan?.parentSpanId, byName.root?.parentSpanId, byName.remote?.parentSpanId],
        [undefined, undefined, 'b'.repeat(16)],
      )
      assert.equal(byName.remote?.traceId, 'a'.repeat(32))
      assert.equal(byName.suppressed, undefined)
      assert.notEqual(byName.orphan?.traceId, byName.outer?.traceId)
      assert.deepEqual([byName.wrapped?.traceId, byName.wrapped?.parentSpanId], ['a'.repeat(32), 'b'.repeat(16)])
    })

    test('baggage and trace are injected and extracted', async () => {
      const { printed, spans } = await run(`${API}
        tracer.startActiveSpan('sender', sender => {
          const baggage = propagation.createBaggage({ user: { value: 'a b' } })
          const carrier = {}
          propagation.inject(propagation.setBaggage(context.active(), baggage), carrier)
          print([carrier.traceparent === ['00', sender.spanContext().traceId, sender.spanContext().spanId, '03'].join('-'), carrier.baggage])
          print(propagation.fields().sort())
          const there = propagation.extract(ROOT_CONTEXT, carrier)
          print(propagation.getBaggage(there).getEntry('user').value)
          tracer.startSpan('receiver', {}, there).end()
          sender.end()
        })`)
      assert.deepEqual(printed, [[true, 'user=a%20b'], ['baggage', 'traceparent', 'tracestate'], 'a b'])
      assert.equal(line(spans, 'receiver'), 'receiver < sender')
    })

    test('unsampled spans record nothing and pass on the decision', async () => {
      const { printed, spans } = await run(
        `${API}
        tracer.startActiveSpan('dropped', span => {
          const carrier = {}
          propagation.inject(context.active(), carrier)
          print([span.isRecording(), api.isSpanContextValid(span.spanContext()), carrier.traceparent.slice(-2)])
          tracer.startSpan('dropped too').end()
          span.end()
        })`,
        { env: { OTEL_TRACES_SAMPLER: 'always_off' } },
      )
      assert.deepEqual([printed, spans], [[[false, true, '02']], []])
    })

    test('switched off, there is context and propagation but no spans', async () => {
      const { printed, spans } = await run(
        `${API}
        const there = propagation.extract(ROOT_CONTEXT, { traceparent: '00-${'a'.repeat(32)}-${'b'.repeat(16)}-01' })
        context.with(there, () => {
          const carrier = {}
          propagation.inject(context.active(), carrier)
          print(carrier.traceparent)
          print(tracer.startSpan('nothing').isRecording())
        })
        print(trace.setGlobalTracerProvider({ getTracer: () => 'theirs' }))
        print(trace.getTracerProvider().getTracer('x'))`,
        { env: { OTEL_SDK_DISABLED: 'true' } },
      )
      assert.deepEqual(printed, [`00-${'a'.repeat(32)}-${'b'.repeat(16)}-01`, false, true, 'theirs'])
      assert.deepEqual(spans, [])
    })

    test('metrics of another SDK are registered as without us, once', {
      skip: version === '1.0' && 'it has no metrics',
    }, async () => {
      const code = `${API}
        const provider = { getMeter: () => 'theirs' }
        print(api.metrics.getMeter('before') === 'theirs')
        print(api.metrics.setGlobalMeterProvider(provider))
        print(api.metrics.getMeterProvider() === provider)
        print(api.metrics.setGlobalMeterProvider({ getMeter: () => 'second' }))
        print(api.metrics.getMeter('after'))
        tracer.startSpan('span').end()`
      const { ended, printed, spans } = await run(code)
      assert.deepEqual(printed, (await run(code, { preload: 'none' })).printed)
      assert.deepEqual([printed, ourLines(ended), names(spans)], [[false, true, true, false, 'theirs'], [], ['span']])
    })
  })
}

for (const [version, load] of required) {
  test(`a tracer taken from the API ${version} before init() makes spans after it`, async () => {
    const { ended, spans } = await run(
      `const { trace, context } = ${load}
      const early = trace.getTracer('early')
      early.startSpan('too early').end()
      require('@org/trace').init()
      early.startActiveSpan('outer', span => { trace.getTracer('late').startSpan('inner').end(); span.end() })`,
      { preload: 'none' },
    )
    assert.deepEqual([ourLines(ended), names(spans)], [[], ['inner', 'outer']])
    assert.equal(line(spans, 'inner'), 'inner < outer')
  })
}

test('copies of several versions in one process share one trace', async () => {
  const { spans } = await run(`
    const tracers = [${Object.values(copies).join(', ')}].map(api => api.trace.getTracer('app'))
    const nest = ([tracer, ...rest], depth = 0) =>
      tracer?.startActiveSpan('depth ' + depth, span => { nest(rest, depth + 1); span.end() })
    nest(tracers)`)
  assert.equal(line(spans, 'depth 3'), 'depth 3 < depth 2 < depth 1 < depth 0')
})

test('a context that is attached stays active until its token is disposed of', async () => {
  const { ended, printed, spans } = await run(`${PRINT}
    const { context, trace } = ${copies['1.10']}
    const tracer = trace.getTracer('app')
    const outer = tracer.startSpan('outer')
    const token = context.attach(trace.setSpan(context.active(), outer))
    tracer.startSpan('inside').end()
    token.dispose()
    tracer.startSpan('outside').end()
    print(trace.getActiveSpan() === undefined)
    outer.end()`)
  assert.deepEqual([ourLines(ended), printed], [[], [true]])
  assert.equal(line(spans, 'inside'), 'inside < outer')
  assert.equal(line(spans, 'outside'), 'outside')
})

/** Another implementation, as small as can be: it prints what it makes. */
const RIVAL = `
  const span = name => ({ spanContext: () => ({ traceId: 'c'.repeat(32), spanId: 'd'.repeat(16), traceFlags: 1 }),
    isRecording: () => true, setAttribute() {}, end: () => console.log(JSON.stringify('rival made ' + name)) })
  const rival = { getTracer: () => ({ startSpan: span }) }
  console.log(JSON.stringify(require('@opentelemetry/api').trace.setGlobalTracerProvider(rival)))`

const REQUEST = `
  const http = require('node:http')
  const server = http.createServer((req, res) => res.end()).listen(0, '127.0.0.1', () =>
    http.get({ host: '127.0.0.1', port: server.address().port }, res => res.resume().on('end', () => server.close())))`

test('another SDK that was started before us does the tracing alone, and one warning says so', async () => {
  const folder = writeFolder({ 'rival.cjs': RIVAL })
  const code = `${REQUEST}\nrequire('@opentelemetry/api').trace.getTracer('app').startSpan('manual').end()`
  const flags = ['--require', join(root, folder, 'rival.cjs'), '--import', pathToFileURL(register).href]
  const { ended, printed, spans } = await run(code, { preload: 'none', flags })
  assert.deepEqual(printed, [true, 'rival made manual'])
  assert.deepEqual(ourLines(ended), [
    '[@org/trace] warn: another OpenTelemetry SDK runs in this process: @org/trace leaves the tracing to it',
  ])
  assert.deepEqual(spans, [])
  const off = await run(code, { preload: 'none', flags, env: { OTEL_SDK_DISABLED: 'true' } })
  assert.deepEqual([off.printed, ourLines(off.ended)], [[true, 'rival made manual'], []])
})

for (const [version, load] of Object.entries(copies)) {
  test(`another SDK that is started after us, by the API ${version}, makes no spans, and one warning says so`, async () => {
    const { ended, printed, spans } = await run(
      `const api = ${load}
      ${RIVAL.replace("require('@opentelemetry/api')", 'api')}
      api.trace.setGlobalTracerProvider(rival)
      api.trace.getTracer('app').startSpan('manual').end()
      ${REQUEST}`,
    )
    assert.deepEqual(printed, [false])
    assert.equal(ourLines(ended).length, 1, ended.stderr)
    assert.match(ourLines(ended)[0] ?? '', /warn: another OpenTelemetry SDK was started in this process/)
    assert.deepEqual(names(spans), ['GET', 'GET', 'manual'])
  })
}

/** Does what an instrumentation of OpenTelemetry's own does around a server and a client. */
const INSTRUMENTED = `
  const { context, propagation, trace, ROOT_CONTEXT } = require('@opentelemetry/api')
  const theirs = trace.getTracer('@opentelemetry/instrumentation-http', '0.200.0')
  const redis = trace.getTracer('@opentelemetry/instrumentation-redis', '0.200.0')
  const http = require('node:http')
  const { emit } = http.Server.prototype
  http.Server.prototype.emit = function (event, req) {
    if (event !== 'request') return emit.apply(this, arguments)
    const parent = propagation.extract(ROOT_CONTEXT, req.headers)
    const span = theirs.startSpan('GET /theirs', { kind: 1 }, parent)
    return context.with(trace.setSpan(parent, span), () => {
      const handled = emit.apply(this, arguments)
      span.end()
      return handled
    })
  }
  const server = http.createServer((req, res) => {
    theirs.startActiveSpan('middleware', span => { redis.startSpan('GET key').end(); span.end() })
    res.end()
  }).listen(0, '127.0.0.1', () => {
    const span = theirs.startSpan('GET theirs', { kind: 2 })
    context.with(trace.setSpan(context.active(), span), () => {
      const headers = {}
      propagation.inject(context.active(), headers)
      http.get({ host: '127.0.0.1', port: server.address().port, headers }, res => res.resume().on('end', () => {
        span.end()
        server.close()
      }))
    })
  })`

test('an instrumentation of OpenTelemetry for what is traced already makes no spans; one for something else makes its own', async () => {
  const { ended, spans } = await run(INSTRUMENTED)
  assert.deepEqual(names(spans), ['GET', 'GET', 'GET key'])
  assert.equal(line(spans, 'GET key'), 'GET key < GET < GET')
  assert.deepEqual(ourLines(ended), [
    '[@org/trace] warn: @opentelemetry/instrumentation-http runs beside @org/trace: its spans are left out, as http is traced already; remove it, or set OTEL_NODE_DISABLED_INSTRUMENTATIONS=http',
  ])
})

test('an instrumentation of OpenTelemetry does the work of one of ours that is switched off', async () => {
  const { ended, spans } = await run(INSTRUMENTED, { env: { OTEL_NODE_DISABLED_INSTRUMENTATIONS: 'http' } })
  assert.deepEqual(names(spans), ['GET /theirs', 'GET key', 'GET theirs', 'middleware'])
  assert.equal(line(spans, 'GET key'), 'GET key < middleware < GET /theirs < GET theirs')
  assert.deepEqual(ourLines(ended), [])
})

test('a request that both instrumentations put headers on has each header once', async () => {
  const { printed, spans } = await run(`${PRINT}
    const { context, propagation, trace } = require('@opentelemetry/api')
    const theirs = trace.getTracer('@opentelemetry/instrumentation-undici')
    const requests = require('node:diagnostics_channel').channel('undici:request:create')
    requests.subscribe(({ request }) => {
      const span = theirs.startSpan('GET', { kind: 2 })
      const headers = {}
      propagation.inject(trace.setSpan(context.active(), span), headers)
      for (const [name, value] of Object.entries(headers)) request.addHeader(name, value)
    })
    const server = require('node:http').createServer((req, res) => {
      print(req.rawHeaders.filter(name => name.toLowerCase() === 'traceparent').length)
      res.end()
    }).listen(0, '127.0.0.1', () =>
      trace.getTracer('app').startActiveSpan('outer', async span => {
        await (await fetch('http://127.0.0.1:' + server.address().port)).text()
        span.end()
        server.close()
      }))`)
  assert.deepEqual([printed, names(spans)], [[1], ['GET', 'GET', 'outer']])
  oneTrace(spans)
})

test("what OpenTelemetry's parts say of themselves is said in one line, and its logger may be set", async () => {
  const { ended } = await run(`
    const { diag, DiagLogLevel } = require('@opentelemetry/api')
    diag.error('exporter', new Error('broken\\npipe'))
    diag.info('nobody asked')
    const noted = []
    const note = text => noted.push(text)
    diag.setLogger({ error: note, warn() {}, info: note, debug: note, verbose: note }, DiagLogLevel.INFO)`)
  assert.deepEqual(ended.stderr.trim().split('\n'), ['[@org/trace] error: exporter Error: broken pipe'])
})
