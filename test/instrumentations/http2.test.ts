/** Node's http2, both sides, by streams and by the API that is compatible with http: the spans, where code runs, and that nothing else changes. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import * as http2 from 'node:http2'
import type { AddressInfo } from 'node:net'
import { test } from 'node:test'
import { runApp } from '../helpers/child.js'
import { createCollector, type ReceivedSpan } from '../helpers/collector.js'
import {
  type Attributes,
  asked,
  askedElsewhere,
  type Expected,
  grouped,
  LEFT,
  read,
  received,
  STATUS,
  span,
  testRows,
  UNANSWERED,
} from '../helpers/rows.js'
import { assertTree, oneTrace } from '../helpers/spans.js'

const TWO = { 'network.protocol.version': '2', 'network.peer.address': '127.0.0.1' }
const failed = (type: string) => ({ ...UNANSWERED, 'error.type': type })
/** A request that ends in one way for the client and in another for the server. */
const ended = (path: string, client: Attributes, server: Attributes) =>
  asked(path, { ...UNANSWERED, ...client }, { ...UNANSWERED, ...server })

const rows: Record<string, Expected> = {
  'each way to ask': {
    spans: [
      asked('/', TWO, { ...TWO, 'client.address': '127.0.0.1', 'server.address': '127.0.0.1', 'url.scheme': 'http' }),
      asked('/frozen'),
      asked('/bare', { method: 'DELETE' }),
      asked('/secret'),
      span('client', 'GET', { 'url.full': /\/text\?sig=REDACTED$/ }, [
        received('/text', { 'url.query': 'sig=REDACTED' }),
      ]),
      asked('/post', { method: 'POST' }),
      span(
        'client',
        'GET',
        { 'url.full': 'http://name.test:99/promised', 'server.address': 'name.test', 'server.port': 99 },
        [received('/promised', { 'server.address': 'name.test', 'server.port': 99 })],
      ),
    ],
  },
  'trace headers of the application': {
    spans: [
      askedElsewhere('/own'),
      asked('/own-baggage'),
      { ...asked('/first'), children: [{ ...received('/first'), children: [asked('/forwarded')] }] },
    ],
    elsewhere: ['/own'],
  },
  'streams, event by event': {
    spans: [asked('/', { method: 'PUT' })],
    contexts: {
      'client connect': 'row',
      'server stream': 'below',
      ...Object.fromEntries(['data', 'end', 'close'].map(event => [`server ${event}`, 'below'])),
      ...Object.fromEntries(
        ['ready', 'response', 'data', 'end', 'finish', 'close'].map(event => [`client ${event}`, 'row']),
      ),
    },
  },
  'requests and responses, event by event': {
    spans: [asked('/', { method: 'POST', [STATUS]: 201 }, { [STATUS]: 201 })],
    contexts: {
      'server request': 'below',
      ...Object.fromEntries(['data', 'end', 'close'].map(event => [`server request ${event}`, 'below'])),
      ...Object.fromEntries(['finish', 'close'].map(event => [`server response ${event}`, 'below'])),
    },
  },
  'a stream and a request at once': { spans: [asked('/')] },
  'many requests of one session': {
    spans: [asked('/1'), asked('/2'), asked('/3')],
    contexts: { 'server /1': 'below', 'server /2': 'below', 'server /3': 'below' },
  },
  'status codes': {
    spans: [
      asked('/200'),
      asked('/302', { [STATUS]: 302 }, { [STATUS]: 302 }),
      asked('/404', { [STATUS]: 404, 'error.type': '404' }, { [STATUS]: 404 }),
      asked('/503', { [STATUS]: 503, 'error.type': '503' }, { [STATUS]: 503, 'error.type': '503' }),
    ],
  },
  'responses without a body that nobody reads': {
    spans: [
      asked('/200', { method: 'HEAD' }),
      asked('/204', { [STATUS]: 204 }, { [STATUS]: 204 }),
      asked('/304', { [STATUS]: 304 }, { [STATUS]: 304 }),
      asked('/200'),
    ],
  },
  'informational responses, trailers and pushed streams': { spans: [asked('/')], contexts: { 'server push': 'below' } },
  'streams that the server resets': {
    spans: [
      [7, 'NGHTTP2_REFUSED_STREAM'],
      [2, 'NGHTTP2_INTERNAL_ERROR'],
      [8, 'NGHTTP2_CANCEL'],
      [0, 'NGHTTP2_NO_ERROR'],
    ].map(([code, type]) => ended(`/${code}`, { 'error.type': type }, { 'error.type': type })),
  },
  'streams that the client gives up': {
    spans: [
      ended('/close', {}, LEFT),
      ended('/close-with-an-error', failed('NGHTTP2_ENHANCE_YOUR_CALM'), failed('NGHTTP2_ENHANCE_YOUR_CALM')),
      ended('/destroy', {}, LEFT),
      ended('/destroy-with-an-error', failed('TypeError'), failed('NGHTTP2_INTERNAL_ERROR')),
      ended('/signal', {}, LEFT),
      asked('/in-the-body', {}, LEFT),
      ended('/timeout', failed('NGHTTP2_CANCEL'), LEFT),
      askedElsewhere('/aborted-before', UNANSWERED),
    ],
  },
  'sessions that end': {
    spans: [
      ended('/destroyed-here', {}, LEFT),
      ended('/destroyed-with-an-error-here', failed('RangeError'), failed('ERR_HTTP2_SESSION_ERROR')),
      ended('/destroyed-there', failed('NGHTTP2_CANCEL'), failed('NGHTTP2_NO_ERROR')),
      ended('/connection-reset', failed('ECONNRESET'), LEFT),
      ended('/connection-closed', failed('NGHTTP2_CANCEL'), LEFT),
      ended('/goaway', failed('ERR_HTTP2_SESSION_ERROR'), LEFT),
    ],
  },
  'a connection that fails': {
    spans: [askedElsewhere('/', { ...failed('ECONNREFUSED'), 'server.address': '127.0.0.1' })],
  },
  'a session that is given up before it is connected': { spans: [askedElsewhere('/', UNANSWERED)] },
  'bad arguments': { spans: [] },
  'an event stream': { spans: [asked('/')] },
  'an answer that fails': {
    spans: [asked('/', { 'error.type': 'NGHTTP2_INTERNAL_ERROR' }, { 'error.type': 'RangeError' })],
  },
  'a file that is sent': { spans: [asked('/')] },
  'a tunnel': {
    spans: [
      span('client', 'CONNECT', { 'url.full': 'http://far.test:8080', 'server.address': 'far.test', [STATUS]: 200 }, [
        span('server', 'CONNECT', { 'url.path': 'far.test:8080', 'server.port': 8080, [STATUS]: 200 }),
      ]),
    ],
  },
  'a secure server that answers HTTP/1, too': {
    spans: ['/two', '/one'].map(path =>
      span('client', 'GET', { 'url.full': new RegExp(`^https://localhost:\\d+${path}$`) }, [
        received(path, {
          'url.scheme': 'https',
          'server.address': 'localhost',
          'network.protocol.version': path === '/two' ? '2' : '1.1',
        }),
      ]),
    ),
    contexts: Object.fromEntries(['2.0', 'end 2.0', '1.1', 'end 1.1'].map(what => [`server ${what}`, 'below'])),
  },
  expectations: { spans: [asked('/', { method: 'POST' })], contexts: { 'server checkContinue': 'below' } },
  'what can be seen of the objects': { spans: [asked('/')] },
}
if ('performServerHandshake' in http2) {
  rows['a session without a server'] = { spans: [asked('/')], contexts: { 'server stream': 'below' } }
}

for (const script of ['test/fixtures/http2/app.cjs', 'test/fixtures/http2/app.mjs']) testRows(script, { script }, rows)

const script = 'test/fixtures/http2/app.cjs'

/** One row by itself, which differs from one version of Node to another. */
async function oneRow(name: string) {
  const collector = await createCollector()
  const [withUs, without] = [
    await runApp({ script, args: [name], collector }),
    await runApp({ script, args: [name], preload: 'none' }),
  ]
  const { seen, traceId } = read(withUs.stdout).get(name) ?? assert.fail(withUs.stderr)
  assert.deepEqual(seen, read(without.stdout).get(name)?.seen)
  const spans = collector.spans().filter(span => span.traceId === traceId && span.name !== name)
  await collector.close()
  return { seen: JSON.stringify(seen), spans }
}

test('headers in a list, where Node takes such', async () => {
  const { seen, spans } = await oneRow('headers in a list')
  if (seen.includes('ERR_INVALID_ARG_TYPE') || seen.includes('ERR_HTTP2_INVALID_PSEUDOHEADER')) return
  assertTree(spans, [asked('/list'), askedElsewhere('/list-own')])
})

test('a session that does not take requests any more', async () => {
  const { seen, spans } = await oneRow('a session that does not take requests any more')
  // Until Node 24 the call throws, and there is no request.
  const late = seen.includes('no exception') ? [askedElsewhere('/late', failed('ERR_HTTP2_INVALID_SESSION'))] : []
  assertTree(spans, [asked('/'), ...late])
})

test('where nothing is sampled an application sees the same, and no span is sent', async () => {
  const collector = await createCollector()
  const withUs = await runApp({ script, collector, env: { OTEL_TRACES_SAMPLER: 'always_off' } })
  const without = await runApp({ script, preload: 'none' })
  const seen = ({ stdout }: { stdout: string }) => [...read(stdout).values()].map(row => [row.name, row.seen])
  assert.deepEqual(seen(withUs), seen(without))
  assert.equal(collector.spans().length, 0)
  await collector.close()
})

const LATE = {
  'before there is a server, by require': ['cjs', `const http2 = require('node:http2'); serve(http2)`],
  'before there is a server, by import': ['esm', `import http2 from 'http2'; serve(http2)`],
  'when another server has had connections': [
    'cjs',
    `const net = require('node:net')
    const other = net.createServer(socket => socket.end()).listen(0, () => {
      net.connect(other.address().port).resume().on('close', () => {
        other.close()
        setImmediate(() => import('node:http2').then(serve))
      })
    })`,
  ],
  'by getBuiltinModule': ['cjs', `serve((process.getBuiltinModule ?? require)('node:http2'))`],
} as const

for (const [when, [type, load]] of Object.entries(LATE)) {
  test(`http2 is patched once, in time, if it is loaded ${when}`, async () => {
    const collector = await createCollector()
    const code = `
      ${load}
      function serve({ connect, createServer }) {
        const server = createServer((req, res) => res.end(req.url)).listen(0, () => {
          const session = connect('http://localhost:' + server.address().port)
          session.request({ ':path': '/first' }).resume().on('close', () => session.close(() => server.close()))
        })
      }`
    const { code: exit, stderr } = await runApp({ code, type, collector, env: { OTEL_LOG_LEVEL: 'debug' } })
    assert.equal(exit, 0, stderr)
    assertTree(collector.spans(), [asked('/first')])
    assert.equal(stderr.match(/debug: http2 \S+ patched/g)?.length, 1)
    await collector.close()
  })
}

const FIRST = {
  'by require': ['cjs', `const { connect } = require('http2')`, `connect(URL)`],
  'by import': ['esm', `import { connect } from 'node:http2'`, `connect(URL)`],
  promised: ['cjs', `const connect = require('util').promisify(require('http2').connect)`, `await connect(URL)`],
} as const

for (const [how, [type, load, open]] of Object.entries(FIRST)) {
  test(`a process that loads http2 is patched when it connects, ${how}`, async () => {
    const collector = await createCollector()
    const server = http2.createServer((_req, res) => res.end()).listen(0, '127.0.0.1')
    await once(server, 'listening')
    const { port } = server.address() as AddressInfo
    const code = `
      ${load}
      const URL = 'http://127.0.0.1:${port}'
      console.error('loaded')
      async function main() {
        const session = ${open}
        session.request({ ':path': '/first' }).resume().on('close', () => session.close())
      }
      main()`
    const { code: exit, stderr } = await runApp({ code, type, collector, env: { OTEL_LOG_LEVEL: 'debug' } })
    server.close()
    assert.equal(exit, 0, stderr)
    assertTree(collector.spans(), [askedElsewhere('/first')])
    assert.match(stderr, /^loaded$.*debug: http2 \S+ patched$/ms)
    await collector.close()
  })
}

test('whoever took a function of http2 before init is traced', async () => {
  const collector = await createCollector()
  const code = `
    const { connect, createServer } = require('http2')
    require('@org/trace').init()
    const server = createServer((req, res) => res.end()).listen(0, () => {
      const session = connect('http://localhost:' + server.address().port)
      session.request({ ':path': '/first' }).resume().on('close', () => session.close(() => server.close()))
    })`
  const { code: exit, stderr } = await runApp({ code, collector, preload: 'none' })
  assert.equal(exit, 0, stderr)
  assertTree(collector.spans(), [asked('/first')])
  await collector.close()
})

test('http2 is not loaded for our sake, and nothing is patched without it', async () => {
  const code = `
    const http = require('node:http')
    const server = http.createServer((_req, res) => res.end()).listen(0, () => {
      http.get({ port: server.address().port, agent: false }, res => res.resume().on('end', () => server.close()))
    })
    process.on('exit', () => console.log(process.moduleLoadList.includes('NativeModule http2')))`
  const { stdout, stderr } = await runApp({ code, env: { OTEL_LOG_LEVEL: 'debug', OTEL_TRACES_EXPORTER: 'none' } })
  assert.equal(stdout, 'false\n')
  assert.doesNotMatch(stderr, /http2/)
})

test('a handler that throws ends the process as without us, and the span that tells why arrives', async () => {
  const code = `
    const http2 = require('node:http2')
    const server = http2.createServer(() => { throw new RangeError('of the handler') })
    server.listen(0, () => {
      http2.connect('http://localhost:' + server.address().port).on('error', () => {}).request().on('error', () => {})
    })`
  const collector = await createCollector()
  const [withUs, without] = [await runApp({ code, collector }), await runApp({ code, preload: 'none' })]
  assert.deepEqual([withUs.code, withUs.stdout], [without.code, without.stdout])
  const server = collector.spans().find(span => span.kind === 'server')
  assert.deepEqual([server?.status, server?.attributes['error.type']], ['error', 'RangeError'])
  await collector.close()
})

test('of many requests at once over one session, each stays in its own trace', async () => {
  const code = `
    import { connect, createServer } from 'node:http2'
    import { trace } from '@opentelemetry/api'
    const tracer = trace.getTracer('app')
    const server = createServer((req, res) => req.resume().on('end', () => setTimeout(() => {
      tracer.startSpan('received ' + req.url).end()
      res.end(req.url)
    }, 1)))
    server.listen(0, async () => {
      const session = connect('http://localhost:' + server.address().port)
      const ask = path => new Promise(resolve => {
        const stream = session.request({ ':path': path, ':method': 'POST' })
        stream.on('response', () => tracer.startSpan('answered ' + path).end()).resume().on('close', resolve)
        stream.end(path)
      })
      await Promise.all(Array.from({ length: 100 }, (_, i) => tracer.startActiveSpan('/' + i, async span => {
        await ask('/' + i)
        span.end()
      })))
      session.close(() => server.close())
    })`
  const collector = await createCollector()
  const { code: exit, stderr } = await runApp({ code, type: 'esm', collector })
  assert.equal(exit, 0, stderr)
  const traces = grouped(collector.spans())
  assert.equal(traces.size, 100)
  for (const spans of traces.values()) {
    oneTrace(spans)
    const path = spans.find(span => span.parentSpanId === undefined)?.name
    const names = ['POST', 'POST', path, `received ${path}`, `answered ${path}`].sort()
    assert.deepEqual(spans.map(span => span.name).sort(), names)
  }
  await collector.close()
})

/** Spans of requests, as kind, path and version. */
const told = (spans: readonly ReceivedSpan[]) =>
  spans
    .filter(({ kind }) => kind === 'client' || kind === 'server')
    .map(
      ({ kind, attributes }) => `${kind} ${attributes['url.path'] ?? new URL(String(attributes['url.full'])).pathname}`,
    )
    .sort()

for (const undici of ['undici', 'test-undici-6/node_modules/undici']) {
  test(`requests of ${undici} over HTTP/2 are told of once`, async () => {
    const code = `
      const { readFileSync } = require('node:fs')
      const { Agent, request, fetch } = require('${undici}')
      const pem = name => readFileSync('test/fixtures/http/' + name + '.pem')
      const { createSecureServer } = require('node:http2')
      const server = createSecureServer({ key: pem('key'), cert: pem('cert') }, (req, res) => res.end(req.httpVersion))
      server.listen(0, async () => {
        const dispatcher = new Agent({ allowH2: true, connect: { rejectUnauthorized: false } })
        const origin = 'https://localhost:' + server.address().port
        for (let i = 0; i < 2; i++) console.log(await request(origin + '/request', { dispatcher }).then(({ body }) => body.text()))
        console.log(await fetch(origin + '/fetch', { dispatcher }).then(res => res.text()))
        await dispatcher.destroy()
        server.close()
      })`
    const collector = await createCollector()
    const { stdout, stderr } = await runApp({ code, collector })
    assert.equal(stdout, '2.0\n2.0\n2.0\n', stderr)
    const spans = collector.spans()
    for (const own of grouped(spans).values()) oneTrace(own)
    assert.equal(grouped(spans).size, 3)
    const [fetched, asked] = ['/fetch', '/request']
    assert.deepEqual(told(spans), [
      `client ${fetched}`,
      ...Array(2).fill(`client ${asked}`),
      `server ${fetched}`,
      ...Array(2).fill(`server ${asked}`),
    ])
    await collector.close()
  })
}

test('a route of express at a server of both versions is told', async () => {
  const code = `
    const { readFileSync } = require('node:fs')
    const express = require('express')
    const pem = name => readFileSync('test/fixtures/http/' + name + '.pem')
    const app = express().get('/users/:id', (req, res) => res.send('ok'))
    const options = { key: pem('key'), cert: pem('cert'), allowHTTP1: true }
    const server = require('node:http2').createSecureServer(options, app).listen(0, () => {
      const options = { port: server.address().port, path: '/users/1', rejectUnauthorized: false, agent: false }
      require('node:https').get(options, res => res.resume().on('end', () => server.close()))
    })`
  const collector = await createCollector()
  const { code: exit, stderr } = await runApp({ code, collector })
  assert.equal(exit, 0, stderr)
  const server = collector.spans().find(span => span.kind === 'server')
  assert.equal(server?.name, 'GET /users/:id')
  await collector.close()
})
