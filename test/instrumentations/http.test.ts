/** Node's http and https, both sides, asked in every way: the spans, where code runs, and that nothing else changes. */
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import { runApp } from '../helpers/child.js'
import { createCollector } from '../helpers/collector.js'
import { root } from '../helpers/root.js'
import {
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

const rows: Record<string, Expected> = {
  'each signature': {
    spans: [
      asked('/text'),
      asked('/url'),
      asked('/options'),
      asked('/text-and-options', { method: 'POST' }),
      asked('/url-and-options', { method: 'PUT' }),
      asked('/path-of-options'),
      asked('/like', { method: 'PATCH' }),
      asked('/class'),
      asked('/no-callback'),
    ],
  },
  'headers in each form': {
    spans: ['object', 'flat', 'pairs', 'none', 'empty', 'expect', 'no-prototype'].map(form => asked(`/${form}`)),
  },
  // Without a header of that name nothing tells the port.
  'agents of other kinds, and none': {
    spans: ['/agent', '/none'].map(path =>
      span('client', 'GET', { 'url.full': `http://localhost${path}`, 'server.port': 80, [STATUS]: 200 }, [
        received(path, { 'server.address': undefined }),
      ]),
    ),
  },
  'trace headers of the application': {
    spans: [
      ...['/own', '/own-flat', '/own-pairs', '/own-expect'].map(path => askedElsewhere(path)),
      asked('/own-baggage'),
    ],
    elsewhere: ['/own', '/own-flat', '/own-pairs', '/own-expect'],
  },
  'a forwarded traceparent of the same trace': {
    spans: [
      {
        ...asked('/first'),
        children: [{ ...received('/first'), children: [asked('/object'), asked('/flat'), asked('/expect')] }],
      },
    ],
  },
  'a connection that is kept alive': {
    spans: ['/1', '/2', '/3'].map(path => asked(path, { method: 'POST' })),
    contexts: {
      ...Object.fromEntries(['socket', 'finish', 'response', 'close'].map(event => [`client ${event}`, 'row'])),
      ...Object.fromEntries(
        [1, 2, 3].flatMap(n => ['', ' end', ' finish', ' close'].map(event => [`server /${n}${event}`, 'below'])),
      ),
    },
  },
  'pipelined requests': {
    spans: ['/1', '/2', '/3'].map(path => received(path)),
    unordered: true,
    contexts: { 'server /1': 'below', 'server /2': 'below', 'server /3': 'below' },
  },
  'pipelined requests of a client that leaves': {
    spans: [
      received('/1', { ...UNANSWERED, ...LEFT }),
      received('/2', { [STATUS]: 201, ...LEFT }),
      received('/3', { ...UNANSWERED, ...LEFT }),
    ],
    unordered: true,
  },
  'bodies that are streamed': {
    spans: ['/events', '/iterated', '/piped'].map(path => asked(path, { method: 'POST' })),
    contexts: {
      'server data': 'below',
      'server end': 'below',
      'server after iteration': 'below',
      'server pipeline': 'below',
      'client data': 'row',
      'client after end': 'row',
    },
  },
  'responses without a body that nobody reads': {
    spans: [
      asked('/head', { method: 'HEAD' }),
      asked('/204', { [STATUS]: 204 }, { [STATUS]: 204 }),
      asked('/304', { [STATUS]: 304 }, { [STATUS]: 304 }),
      asked('/200'),
    ],
  },
  'a response that nobody listens for': { spans: [asked('/')] },
  'a body that nobody reads': { spans: [asked('/')] },
  'bodies that nobody reads, over connections that are kept': {
    spans: [
      asked('/small'),
      asked('/broken', { 'error.type': 'ECONNRESET' }, LEFT),
      asked('/large', { 'error.type': 'ECONNRESET' }, LEFT),
    ],
  },
  'status codes': {
    spans: [
      asked('/200'),
      asked('/302', { [STATUS]: 302 }, { [STATUS]: 302 }),
      asked('/404', { [STATUS]: 404, 'error.type': '404' }, { [STATUS]: 404 }),
      asked('/503', { [STATUS]: 503, 'error.type': '503' }, { [STATUS]: 503, 'error.type': '503' }),
    ],
  },
  'a client that leaves before its answer': { spans: [asked('/before', UNANSWERED, { ...UNANSWERED, ...LEFT })] },
  'a client that leaves in the middle of its answer': {
    spans: [asked('/', {}, LEFT)],
    contexts: { 'server close': 'below' },
  },
  'an event stream': { spans: [asked('/')] },
  'a server that closes in the middle of its answer': { spans: [asked('/', { 'error.type': 'ECONNRESET' }, LEFT)] },
  'an answer that fails': { spans: [asked('/', { 'error.type': 'ECONNRESET' }, { 'error.type': 'RangeError' })] },
  'a request that is destroyed': {
    spans: [
      asked('/destroy', UNANSWERED, { ...UNANSWERED, ...LEFT }),
      asked('/destroy-with-an-error', { ...UNANSWERED, 'error.type': 'TypeError' }, { ...UNANSWERED, ...LEFT }),
      asked('/abort', UNANSWERED, { ...UNANSWERED, ...LEFT }),
      asked('/destroy-on-timeout', { ...UNANSWERED, 'error.type': 'ECONNRESET' }, { ...UNANSWERED, ...LEFT }),
      askedElsewhere('/before-it-is-sent', UNANSWERED),
    ],
  },
  'a signal': {
    spans: [
      asked('/aborted', UNANSWERED, { ...UNANSWERED, ...LEFT }),
      asked('/timeout', UNANSWERED, { ...UNANSWERED, ...LEFT }),
      askedElsewhere('/aborted-before', UNANSWERED),
    ],
  },
  'a connection that fails': {
    spans: [
      askedElsewhere('/', { ...UNANSWERED, 'error.type': 'ECONNREFUSED', 'server.address': '127.0.0.1' }),
      askedElsewhere('/', { ...UNANSWERED, 'error.type': 'ENOTFOUND', 'server.address': 'nowhere.test' }),
    ],
  },
  'an error that nobody listens for': { spans: [askedElsewhere('/', { ...UNANSWERED, 'error.type': 'ECONNREFUSED' })] },
  'bad arguments': { spans: [] },
  'an upgrade': {
    spans: [
      asked('/taken', { [STATUS]: 101 }, { [STATUS]: 101 }),
      asked('/refused', { [STATUS]: 401, 'error.type': '401' }, UNANSWERED),
    ],
    contexts: { 'server upgrade': 'below', 'client upgrade': 'row' },
  },
  'a function that is replaced': { spans: [asked('/after')] },
  'a tunnel': {
    spans: [
      span('client', 'CONNECT', { 'url.full': /^http:\/\/127\.0\.0\.1:\d+$/, [STATUS]: 200 }, [
        span('server', 'CONNECT', { 'url.path': /^127\.0\.0\.1:\d+$/, [STATUS]: 200 }),
      ]),
      asked('/inside'),
    ],
  },
  expectations: {
    spans: [
      {
        ...asked('/continue', { method: 'POST' }),
        children: [
          { ...received('/continue', { method: 'POST' }), children: [{ name: 'before it goes on', kind: 'internal' }] },
        ],
      },
      asked('/other', { [STATUS]: 417, 'error.type': '417' }, { [STATUS]: 417 }),
    ],
  },
  'informational responses': { spans: [asked('/')] },
  'ways to a server': {
    spans: [
      asked('/six', { 'server.address': '::1', 'network.peer.address': '::1' }, { 'server.address': '::1' }),
      asked('/six-url', { 'server.address': '::1' }, { 'server.address': '::1' }),
      span('client', 'GET', { 'url.full': 'http://localhost/socket', 'server.address': /trace-\d+\.sock$/ }, [
        received('/socket', { 'client.address': undefined }),
      ]),
      asked('/no-agent', { 'network.peer.address': '127.0.0.1' }, { 'client.address': '127.0.0.1' }),
      asked('/connection'),
      span(
        'client',
        'GET',
        {
          'url.full': 'http://REDACTED:REDACTED@target.test:8080/proxied?sig=REDACTED&a=b',
          'server.address': 'target.test',
          'server.port': 8080,
        },
        [received('/proxied', { 'url.query': 'sig=REDACTED&a=b' })],
      ),
      span('client', 'GET', { 'url.full': /\/host\?Signature=REDACTED$/, 'server.address': 'localhost' }, [
        received('/host', { 'url.query': 'Signature=REDACTED', 'server.address': 'liar.test', 'server.port': 99 }),
      ]),
    ],
  },
  'credentials of an address': {
    spans: ['/text', '/url', '/auth', '/own'].map(path =>
      span('client', 'GET', { 'url.full': new RegExp(String.raw`^http://(127\.0\.0\.1|localhost):\d+${path}$`) }, [
        received(path),
      ]),
    ),
  },
  'odd requests': {
    spans: [
      received('//', { 'server.address': undefined, 'server.port': undefined }),
      received('*', { method: 'OPTIONS' }),
      received('/whole', { 'url.query': 'a' }),
      received('/%zz', {
        method: 'HTTP',
        'http.request.method': '_OTHER',
        'http.request.method_original': 'PROPFIND',
        'server.address': 'host',
        'server.port': 80,
      }),
      received('/old', { 'network.protocol.version': '1.0', 'server.address': undefined }),
    ],
    unordered: true,
    elsewhere: Array(5).fill('/parent'),
  },
  'servers of other classes': { spans: [asked('/own'), asked('/forwarded')] },
  'requests that are not from a connection': { spans: [] },
  'events that an application makes up': { spans: [askedElsewhere('/', UNANSWERED)] },
  https: {
    spans: [
      span('client', 'GET', { 'url.full': /^https:\/\/localhost:\d+\/text$/ }, [
        received('/text', { 'url.scheme': 'https' }),
      ]),
      span('client', 'POST', { 'url.full': /^https:\/\/127\.0\.0\.1:\d+\/options$/ }, [
        received('/options', { method: 'POST', 'url.scheme': 'https' }),
      ]),
      span('client', 'GET', { 'url.full': /^https:\/\/localhost:\d+\/url$/ }, [
        received('/url', { 'server.address': 'x', 'server.port': 443 }),
      ]),
      span('client', 'GET', { ...UNANSWERED, 'error.type': 'DEPTH_ZERO_SELF_SIGNED_CERT' }),
    ],
  },
  'work that goes on after the answer': {
    spans: [{ ...asked('/'), children: [{ ...received('/'), children: [{ name: 'afterwards', kind: 'internal' }] }] }],
  },
  'addresses that are told by whoever asks': {
    spans: [asked('/', {}, { 'client.address': '127.0.0.1', 'server.address': '127.0.0.1', 'url.scheme': 'http' })],
  },
  'an upgrade that nobody takes': { spans: [asked('/')] },
  trailers: { spans: [asked('/', { method: 'POST' })] },
  'a connection that is closed when it is used again': {
    spans: [
      asked('/first'),
      asked('/reused', { ...UNANSWERED, 'error.type': 'ECONNRESET' }, { ...UNANSWERED, ...LEFT }),
      asked('/again'),
    ],
  },
  'responses that go nowhere': { spans: [received('/event', { 'client.address': undefined })] },
  'what can be seen of the objects': { spans: [asked('/')] },
}

for (const script of ['test/fixtures/http/app.cjs', 'test/fixtures/http/app.mjs']) testRows(script, { script }, rows)

test('a server of another protocol may have requests, too', async () => {
  const code = `
    const { trace } = require('@opentelemetry/api')
    const tell = (...args) => console.log(JSON.stringify(args), trace.getActiveSpan())
    const server = require('node:net').createServer().on('request', tell)
    for (const args of [[{ method: 'GET', url: '/', headers: {} }, {}], ['text'], []]) server.emit('request', ...args)`
  const collector = await createCollector()
  const ended = await runApp({ code, collector })
  const told = ['[{"method":"GET","url":"/","headers":{}},{}]', '["text"]', '[]']
  assert.deepEqual([ended.stdout, ended.stderr], [told.map(args => `${args} undefined\n`).join(''), ''])
  assert.equal(collector.spans().length, 0)
  await collector.close()
})

test('servers and agents that were made before tracing began are traced', async () => {
  const collector = await createCollector()
  const { code, stderr } = await runApp({
    collector,
    preload: 'none',
    code: `
      const http = require('node:http')
      const early = new http.Agent({ keepAlive: true })
      const server = http.createServer((req, res) => res.end(req.url)).listen(0, '127.0.0.1', () => {
        require('${join(root, 'dist/index.js')}').init()
        http.get({ port: server.address().port, host: '127.0.0.1', path: '/early', agent: early }, res => {
          res.resume().on('end', () => { early.destroy(); server.close() })
        })
      })`,
  })
  assert.equal(stderr, '')
  assert.equal(code, 0)
  const spans = await collector.waitFor(2)
  await collector.close()
  assertTree(spans, [asked('/early')])
})

test('what a process does not use is not loaded for our sake', async () => {
  const code = 'console.log(process.moduleLoadList.map(entry => entry.split(" ")[1]).join())'
  const { stdout } = await runApp({ code })
  const loaded = stdout.trim().split(',')
  assert.ok(loaded.includes('fs'))
  assert.deepEqual(
    ['http', 'net', 'stream', 'worker_threads', 'child_process', 'crypto', 'zlib', 'inspector'].filter(name =>
      loaded.includes(name),
    ),
    [],
  )
})

test('where nothing is sampled an application sees the same, and no span is sent', async () => {
  const script = 'test/fixtures/http/app.cjs'
  const collector = await createCollector()
  const withUs = await runApp({ script, collector, env: { OTEL_TRACES_SAMPLER: 'always_off' } })
  const without = await runApp({ script, preload: 'none' })
  const seen = ({ stdout }: { stdout: string }) => [...read(stdout).values()].map(row => [row.name, row.seen])
  assert.deepEqual(seen(withUs), seen(without))
  assert.equal(collector.spans().length, 0)
  await collector.close()
})

test('a handler that throws ends the process as without us, and the span that tells why arrives', async () => {
  const code = `
    const http = require('node:http')
    const server = http.createServer(() => { throw new RangeError('of the handler') })
    server.listen(0, () => http.get({ port: server.address().port }).on('error', () => {}))`
  const collector = await createCollector()
  const [withUs, without] = [await runApp({ code, collector }), await runApp({ code, preload: 'none' })]
  assert.deepEqual([withUs.code, withUs.stdout], [without.code, without.stdout])
  assert.match(withUs.stderr, /RangeError: of the handler/)
  const server = collector.spans().find(span => span.kind === 'server')
  assert.deepEqual([server?.status, server?.attributes['error.type']], ['error', 'RangeError'])
  assert.equal(server?.events[0]?.attributes['exception.message'], 'of the handler')
  await collector.close()
})

test('a request is of no trace that its server or its connection was opened in', async () => {
  const code = `
    const http = require('node:http')
    const net = require('node:net')
    const tracer = require('@opentelemetry/api').trace.getTracer('app')
    const server = http.createServer((req, res) => {
      tracer.startSpan('handled ' + req.url).end()
      req.resume().on('end', () => {
        tracer.startSpan('read ' + req.url).end()
        res.end()
      })
    })
    tracer.startActiveSpan('opens', span => server.listen(0, () => {
      const socket = net.connect(server.address().port)
      const head = path => 'POST ' + path + ' HTTP/1.1\\r\\nHost: a\\r\\nContent-Length: 4\\r\\n\\r\\n'
      socket.write(head('/1') + 'body')
      socket.once('data', () => {
        socket.write(head('/2') + 'bo')
        setTimeout(() => socket.end('dy'), 20)
      })
      socket.on('close', () => server.close())
      span.end()
    }))`
  const collector = await createCollector()
  const { code: exit, stderr } = await runApp({ code, collector })
  assert.equal(exit, 0, stderr)
  const traces = [...grouped(collector.spans()).values()]
  const told = traces.map(spans => {
    oneTrace(spans)
    return spans.map(({ name, attributes }) => attributes['url.path'] ?? name).sort()
  })
  assert.deepEqual(told.sort(), [['/1', 'handled /1', 'read /1'], ['/2', 'handled /2', 'read /2'], ['opens']])
  await collector.close()
})

test('a response without a body has ended with its headers, whoever reads it', async () => {
  const code = `
    const http = require('node:http')
    const server = http.createServer((_req, res) => res.end()).listen(0, () => {
      const agent = new http.Agent({ keepAlive: true })
      http.request({ port: server.address().port, agent, method: 'HEAD' }, () => process.exit(0)).end()
    })`
  const collector = await createCollector()
  await runApp({ code, collector })
  assert.ok(collector.spans().some(span => span.kind === 'client'))
  await collector.close()
})

test('of many requests at once over few connections, each stays in its own trace', async () => {
  const code = `
    import { Agent, createServer, request } from 'node:http'
    import { trace } from '@opentelemetry/api'
    const tracer = trace.getTracer('app')
    const agent = new Agent({ maxSockets: 2 })
    const ask = path => new Promise(resolve => {
      request({ port: server.address().port, agent, path, method: 'POST' }, res => {
        tracer.startSpan('answered ' + path).end()
        res.resume().on('end', resolve)
      }).on('error', () => resolve()).end(path, () => tracer.startSpan('sent ' + path).end())
    })
    const server = createServer((req, res) => {
      req.resume().on('end', () => {
        tracer.startSpan('received ' + req.url).end()
        // The next one is sent by a connection that is made because this one breaks.
        if (req.url.endsWith('0')) req.socket.destroy()
        else res.end(req.url)
      })
    })
    server.listen(0, async () => {
      await Promise.all(Array.from({ length: 100 }, (_, i) => tracer.startActiveSpan('/' + i, async span => {
        await ask('/' + i)
        span.end()
      })))
      agent.destroy()
      server.close()
    })`
  const collector = await createCollector()
  const { code: exit, stderr } = await runApp({ code, type: 'esm', collector })
  assert.equal(exit, 0, stderr)
  const traces = grouped(collector.spans())
  assert.equal(traces.size, 100)
  for (const spans of traces.values()) {
    oneTrace(spans)
    const path = spans.find(span => span.parentSpanId === undefined)?.name
    const own = [path, `received ${path}`, `sent ${path}`, ...(path?.endsWith('0') ? [] : [`answered ${path}`])]
    const names = ['POST', 'POST', ...own].sort()
    assert.deepEqual(spans.map(span => span.name).sort(), names)
    assert.equal(spans.find(span => span.kind === 'server')?.attributes['url.path'], path)
  }
  await collector.close()
})
