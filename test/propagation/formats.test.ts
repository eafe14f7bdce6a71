/** Every format of headers through an application: requests in and out, messages, a child process, and queues with limits. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer, type IncomingHttpHeaders, request } from 'node:http'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import { test } from 'node:test'
import { runApp, startApp } from '../helpers/child.js'
import { createCollector, type ReceivedSpan } from '../helpers/collector.js'
import { mqtt, sqs, uniqueName } from '../helpers/services.js'
import { LOW, SPAN, TRACE } from './told.js'

const XRAY_ROOT = `Root=1-${TRACE.slice(0, 8)}-${TRACE.slice(8)}`

/** What comes in, and what goes out for the trace and the span that sends it. */
const FORMATS: Record<string, { came: Record<string, string>; goes: (trace: string, span: string) => object }> = {
  tracecontext: {
    came: { traceparent: `00-${TRACE}-${SPAN}-01`, tracestate: 'a=b' },
    goes: (trace, span) => ({ traceparent: `00-${trace}-${span}-01`, tracestate: 'a=b' }),
  },
  b3: { came: { b3: `${TRACE}-${SPAN}-d` }, goes: (trace, span) => ({ b3: `${trace}-${span}-d` }) },
  b3multi: {
    came: { 'X-B3-TraceId': TRACE, 'X-B3-SpanId': SPAN, 'X-B3-Sampled': '1', 'X-B3-ParentSpanId': SPAN },
    goes: (trace, span) => ({ 'x-b3-traceid': trace, 'x-b3-spanid': span, 'x-b3-sampled': '1' }),
  },
  jaeger: {
    came: { 'uber-trace-id': `${TRACE}:${SPAN}:0:3`, 'uberctx-tier': 'a%20b' },
    goes: (trace, span) => ({ 'uber-trace-id': `${trace}:${span}:0:03`, 'uberctx-tier': 'a%20b' }),
  },
  ottrace: {
    came: { 'ot-tracer-traceid': LOW, 'ot-tracer-spanid': SPAN, 'ot-tracer-sampled': 'true', 'ot-baggage-tier': 'a b' },
    goes: (trace, span) => ({
      'ot-tracer-traceid': trace.slice(16),
      'ot-tracer-spanid': span,
      'ot-tracer-sampled': 'true',
      'ot-baggage-tier': 'a b',
    }),
  },
  xray: {
    came: { 'X-Amzn-Trace-Id': `${XRAY_ROOT};Parent=${SPAN};Sampled=?;Lineage=1:2` },
    goes: (trace, span) => ({
      'x-amzn-trace-id': `Root=1-${trace.slice(0, 8)}-${trace.slice(8)};Parent=${span};Sampled=1`,
    }),
  },
}

/** Each request that comes in makes one that goes out, a message, and a process that makes a span. */
const APP = `
  const { execFile } = require('node:child_process')
  const http = require('node:http')
  const mqtt = require('mqtt')
  const { promisify } = require('node:util')
  const { TOPIC, TARGET, BROKER } = process.env
  const inner = "require('@opentelemetry/api').trace.getTracer('app').startSpan('inner').end();" +
    "console.log(JSON.stringify(process.env))"
  const client = mqtt.connect(BROKER, { protocolVersion: 5 })
  client.on('connect', () => client.subscribe(TOPIC, () => server.listen(0, '127.0.0.1', () => console.log('ready ' + server.address().port))))
  const server = http.createServer(async (req, res) => {
    const message = new Promise(resolve => client.once('message', (topic, payload, packet) => resolve(packet.properties.userProperties)))
    await new Promise(resolve => http.get(TARGET, answer => answer.resume().on('end', resolve)))
    client.publish(TOPIC, 'x')
    const { stdout } = await promisify(execFile)(process.execPath, ['-e', inner])
    res.end(JSON.stringify({ environment: JSON.parse(stdout), message: { ...await message } }))
  })
  process.on('SIGTERM', () => { server.close(); client.end() })
`

/** The variable that a header becomes. */
const inEnvironment = (headers: object): object =>
  Object.fromEntries(Object.entries(headers).map(([name, value]) => [name.toUpperCase().replaceAll('-', '_'), value]))

function assertHas(actual: object, expected: object): void {
  const entries = Object.keys(expected).map(name => [name, (actual as Record<string, unknown>)[name]])
  assert.deepEqual(Object.fromEntries(entries), expected)
}

for (const [name, { came, goes }] of Object.entries(FORMATS)) {
  test(`${name} goes on through requests, messages and processes`, async () => {
    const collector = await createCollector()
    const requests: IncomingHttpHeaders[] = []
    const target = createServer((req, res) => {
      requests.push(req.headers)
      res.end()
    }).listen(0, '127.0.0.1')
    await once(target, 'listening')
    const app = await startApp({
      collector,
      code: APP,
      preload: 'node-options',
      env: {
        OTEL_PROPAGATORS: name,
        BROKER: mqtt(),
        TOPIC: uniqueName('formats'),
        TARGET: `http://127.0.0.1:${(target.address() as AddressInfo).port}`,
      },
    })
    const asked = request(app.url, { headers: came }).end()
    const [answer] = await once(asked, 'response')
    const { environment, message } = JSON.parse(await text(answer))
    const spans = await collector.waitFor(6)
    const ended = await app.stop()
    target.close()
    await collector.close()
    assert.equal(ended.stderr, '')

    const one = (kind: string, start: string): ReceivedSpan => {
      const found = spans.filter(span => span.kind === kind && span.name.startsWith(start))
      assert.equal(found.length, 1, `${kind} ${start}: ${spans.map(span => `${span.kind} ${span.name}`)}`)
      return found[0] as ReceivedSpan
    }
    const trace = name === 'ottrace' ? LOW.padStart(32, '0') : TRACE
    for (const span of spans) assert.equal(span.traceId, trace, span.name)
    const server = one('server', 'GET')
    assert.equal(server.parentSpanId, SPAN)
    const [http, sent, processed, program, inner] = [
      one('client', 'GET'),
      one('producer', 'publish'),
      one('consumer', 'process'),
      one('client', 'node'),
      one('internal', 'inner'),
    ] as const
    assert.equal(http.parentSpanId, server.spanId)
    assert.equal(sent.parentSpanId, server.spanId)
    assert.equal(program.parentSpanId, server.spanId)
    assert.equal(processed.parentSpanId, sent.spanId)
    assert.equal(inner.parentSpanId, program.spanId)

    assertHas(requests[0] as object, goes(trace, http.spanId))
    assertHas(message, goes(trace, sent.spanId))
    assertHas(environment, inEnvironment(goes(trace, program.spanId)))
    const others = Object.keys({ ...requests[0], ...message }).filter(header =>
      /^(?:trace|b3|x-|uber|ot-)/.test(header),
    )
    assert.deepEqual(others.sort(), Object.keys(goes('', '')).sort())
  })
}

test('several formats go out together, and whichever comes in is gone on with', async () => {
  const code = `
    const http = require('node:http')
    const server = http.createServer((req, res) => res.end(JSON.stringify(req.headers)))
    const relay = http.createServer((req, res) =>
      http.get({ port: server.address().port, host: '127.0.0.1', headers: req.headers['forward'] ? { b3: req.headers['forward'] } : {} },
        answer => answer.pipe(res)))
    server.listen(0, '127.0.0.1', () => relay.listen(0, '127.0.0.1', () => console.log('ready ' + relay.address().port)))
    process.on('SIGTERM', () => { server.close(); relay.close() })`
  const collector = await createCollector()
  const names = Object.keys(FORMATS)
  const app = await startApp({ collector, code, env: { OTEL_PROPAGATORS: [...names, 'baggage', 'b3'].join() } })
  const ask = async (headers: Record<string, string>): Promise<Record<string, string>> => {
    const [answer] = await once(request(app.url, { headers, agent: false }).end(), 'response')
    return JSON.parse(await text(answer))
  }
  for (const name of names) {
    const { came } = FORMATS[name] as (typeof FORMATS)[string]
    const arrived = await ask(came)
    const trace = name === 'ottrace' ? LOW.padStart(32, '0') : TRACE
    assert.equal(arrived.traceparent?.slice(3, 35), trace, name)
    const spanId = arrived.traceparent?.slice(36, 52) as string
    for (const key of ['b3', 'x-b3-spanid', 'uber-trace-id', 'ot-tracer-spanid', 'x-amzn-trace-id'])
      assert.ok(arrived[key]?.includes(spanId), `${key}: ${arrived[key]}`)
  }
  // The application's own header of another trace: none of ours beside it.
  const left = await ask({ forward: `${'1'.repeat(32)}-${SPAN}-1` })
  assert.equal(left.b3, `${'1'.repeat(32)}-${SPAN}-1`)
  assert.equal(left.traceparent, undefined)
  // Of the same trace: forwarded, and so replaced.
  const forwarded = await ask({ b3: `${TRACE}-${SPAN}-1`, forward: `${TRACE}-${SPAN}-1` })
  assert.equal(forwarded.b3, `${TRACE}-${forwarded.traceparent?.slice(36, 52)}-1`)
  assert.notEqual(forwarded.traceparent?.slice(36, 52), SPAN)
  await app.stop()
  await collector.close()
})

test('a decision that is left to us is made here, by the sampler for roots', async () => {
  const code = `
    const http = require('node:http')
    const server = http.createServer((req, res) => res.end()).listen(0, '127.0.0.1', () => console.log('ready ' + server.address().port))
    process.on('SIGTERM', () => server.close())`
  for (const [sampler, expected] of Object.entries({ parentbased_always_on: 1, parentbased_always_off: 0 })) {
    const collector = await createCollector()
    const app = await startApp({ collector, code, env: { OTEL_PROPAGATORS: 'b3', OTEL_TRACES_SAMPLER: sampler } })
    const [answer] = await once(request(app.url, { headers: { b3: `${TRACE}-${SPAN}` } }).end(), 'response')
    await text(answer)
    await app.stop()
    await collector.close()
    assert.deepEqual(
      collector.spans().map(span => [span.traceId, span.parentSpanId]),
      Array.from({ length: expected }, () => [TRACE, SPAN]),
      sampler,
    )
  }
})

test('a process that was started in a trace of the format goes on in it, and so do its own programs', async () => {
  const collector = await createCollector()
  const code = `
    const { execSync } = require('node:child_process')
    require('@opentelemetry/api').trace.getTracer('app').startActiveSpan('work', span => {
      console.log(JSON.stringify([execSync('echo $B3').toString().trim(), process.env.B3]))
      span.end()
    })`
  const came = `${TRACE}-${SPAN}-1`
  const { stdout, stderr } = await runApp({ collector, code, env: { OTEL_PROPAGATORS: 'b3', B3: came } })
  assert.equal(stderr, '')
  const spans = await collector.waitFor(2)
  await collector.close()
  const [work, program] = ['work', 'sh'].map(name => spans.find(span => span.name === name) as ReceivedSpan)
  assert.equal(work?.parentSpanId, SPAN)
  assert.deepEqual(JSON.parse(stdout), [`${TRACE}-${program?.spanId}-1`, came])
})

test('of several formats as much goes with a message of SQS as has room in it, the trace first', async () => {
  const collector = await createCollector()
  const code = `
    const { CreateQueueCommand, ReceiveMessageCommand, SendMessageCommand, SQSClient } = require('@aws-sdk/client-sqs')
    const { context, propagation, trace } = require('@opentelemetry/api')
    const credentials = { accessKeyId: 'x', secretAccessKey: 'y' }
    const client = new SQSClient({ endpoint: process.env.ENDPOINT, region: 'eu-west-1', credentials })
    const text = StringValue => ({ DataType: 'String', StringValue })
    const own = count => Object.fromEntries(Array.from({ length: count }, (_, i) => ['own' + i, text('x')]))
    async function main() {
      const { QueueUrl } = await client.send(new CreateQueueCommand({ QueueName: process.env.QUEUE }))
      const entries = { tenant: { value: 'a' }, 'dotted.key': { value: '1' }, empty: { value: '' } }
      const active = propagation.setBaggage(context.active(), propagation.createBaggage(entries))
      for (const [count, names] of [[0, ['All']], [7, ['All']], [9, []]]) {
        await context.with(active, () =>
          client.send(new SendMessageCommand({ QueueUrl, MessageBody: 'x', MessageAttributes: own(count) })))
        const { Messages } = await client.send(new ReceiveMessageCommand({ QueueUrl, WaitTimeSeconds: 5, MessageAttributeNames: names }))
        for (const message of Messages) {
          trace.getTracer('app').startSpan('handled').end()
          const baggage = propagation.getBaggage(context.active())?.getAllEntries().map(([key]) => key) ?? []
          const seen = Object.keys(message.MessageAttributes ?? {}).filter(name => !name.startsWith('own'))
          console.log(JSON.stringify([seen.sort(), baggage.sort()]))
        }
      }
    }
    main()`
  const env = {
    OTEL_PROPAGATORS: 'baggage,jaeger,b3multi',
    OTEL_NODE_DISABLED_INSTRUMENTATIONS: 'http',
    ENDPOINT: sqs(),
    QUEUE: uniqueName('formats'),
    AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED: 'true',
  }
  const { stdout, stderr } = await runApp({ collector, code, env, flags: ['--no-warnings'] })
  assert.equal(stderr, '')
  const said = stdout.trim().split('\n')
  const b3 = ['x-b3-sampled', 'x-b3-spanid', 'x-b3-traceid']
  assert.deepEqual(
    said.map(line => JSON.parse(line)),
    [
      [['baggage', 'uber-trace-id', 'uberctx-tenant', ...b3].sort(), ['dotted.key', 'empty', 'tenant']],
      [['uber-trace-id', 'x-b3-spanid', 'x-b3-traceid'], []],
      [[], []],
    ],
  )
  const spans = await collector.waitFor(9)
  await collector.close()
  const sent = spans.filter(span => span.kind === 'producer')
  const processed = spans.filter(span => span.kind === 'consumer')
  assert.equal(processed.length, 3)
  for (const [at, span] of processed.entries()) assert.equal(span.parentSpanId, sent[at]?.spanId, String(at))
})
