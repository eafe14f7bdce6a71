/** The global fetch, and undici 6 and 7: the spans, where code runs, many requests over few connections, nothing else changed. */
import assert from 'node:assert/strict'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { test } from 'node:test'
import { runApp } from '../helpers/child.js'
import { createCollector } from '../helpers/collector.js'
import { root } from '../helpers/root.js'
import {
  type Attributes,
  asked,
  askedElsewhere,
  type Expected,
  grouped,
  LEFT,
  received,
  STATUS,
  span,
  testRows,
  UNANSWERED,
} from '../helpers/rows.js'
import { oneTrace } from '../helpers/spans.js'

const status = (code: number) => [
  code >= 400 ? { [STATUS]: code, 'error.type': String(code) } : { [STATUS]: code },
  code >= 500 ? { [STATUS]: code, 'error.type': String(code) } : { [STATUS]: code },
]
/** What a request tells that was sent so often before. */
const resent = (times: number, code = 200) => {
  const [client, server] = status(code)
  return [{ ...client, 'http.request.resend_count': times || undefined }, server]
}
const failed = (path: string, type: string, attributes: Attributes = UNANSWERED) =>
  asked(path, { ...attributes, 'error.type': type }, { ...attributes, ...LEFT })
const abandoned = (path: string, attributes: Attributes = UNANSWERED) =>
  asked(path, attributes, { ...attributes, ...LEFT })

const eachWay = (requests: boolean): Expected => ({
  spans: [
    asked('/text', { 'network.peer.address': '127.0.0.1' }),
    asked('/url'),
    ...(requests ? [asked('/request', { method: 'PUT' })] : []),
    asked('/post', { method: 'POST' }),
    asked('/stream', { method: 'POST' }),
    asked('/head', { method: 'HEAD' }),
    asked('/form', { method: 'POST' }),
  ],
  contexts: { 'after headers': 'row', 'after body': 'row' },
})

const fetchRows: Record<string, Expected> = {
  'statuses and redirects': {
    spans: [200, 204, 404, 503, 302, 200].map(code => asked(code === 302 ? '/moved' : `/${code}`, ...status(code))),
  },
  'trace headers of the application': {
    spans: [
      askedElsewhere('/own'),
      asked('/own-baggage'),
      { ...asked('/first'), children: [{ ...received('/first'), children: [asked('/forwarded')] }] },
    ],
    elsewhere: ['/own'],
  },
  'errors of fetch': {
    spans: [
      askedElsewhere('/refused', { ...UNANSWERED, 'error.type': 'ECONNREFUSED' }),
      failed('/reset', 'UND_ERR_SOCKET'),
      failed('/mid', 'UND_ERR_SOCKET', { [STATUS]: 200 }),
    ],
  },
  'fetches that are abandoned': {
    spans: [
      abandoned('/aborted'),
      failed('/with-a-reason', 'RangeError'),
      abandoned('/in-the-body', { [STATUS]: 200 }),
      abandoned('/timeout'),
    ],
  },
  'bodies that are not read': { spans: [asked('/small'), asked('/large')] },
}

const webSocketRows: Record<string, Expected> = {
  'a web socket': {
    spans: [asked('/socket', { [STATUS]: 101 }, { [STATUS]: 101 })],
    contexts: { 'after a message': 'row' },
  },
}

const packageRows: Record<string, Expected> = {
  'each function of the package': {
    spans: [
      asked('/request', { method: 'POST' }),
      span('client', 'GET', { 'url.full': /\/list\?q=1$/ }, [received('/list', { 'url.query': 'q=1' })]),
      asked('/404', ...status(404)),
      asked('/stream'),
      asked('/pipeline', { method: 'PUT' }),
      ...['/Client', '/callback', '/Pool', '/callback', '/agent'].map(path => asked(path)),
    ],
    contexts: {
      'after request': 'row',
      'in the factory of stream': 'row',
      'in the handler of pipeline': 'row',
      'in a callback': 'row',
    },
  },
  'fetch by a dispatcher of the package': { spans: [asked('/own'), asked('/global')] },
  'requests that fail or are abandoned': {
    spans: [
      askedElsewhere('/refused', { ...UNANSWERED, 'error.type': 'ECONNREFUSED' }),
      failed('/reset', 'UND_ERR_SOCKET'),
      abandoned('/silent'),
      failed('/headers-timeout', 'UND_ERR_HEADERS_TIMEOUT', { ...UNANSWERED, 'network.peer.address': '127.0.0.1' }),
      asked('/dumped'),
      asked('/destroyed'),
    ],
  },
  'through a proxy': { spans: [asked('/tunnelled')], elsewhere: [/^127\.0\.0\.1:\d+$/] },
  'a mocked agent': { spans: [] },
  'an upgrade': { spans: [asked('/upgrade', { [STATUS]: 101 }, { [STATUS]: 101 })] },
  'what can be seen of the package': { spans: [] },
}

const redirected = (times: number) => [asked('/moved', ...resent(0, 302)), asked('/there', ...resent(times))]
const retried = ['/retried', '/retried-by-agent'].flatMap(path => [
  asked(path, ...resent(0, 503)),
  asked(path, ...resent(1)),
])

testRows(
  'the fetch of Node',
  { script: 'test/fixtures/undici/node.cjs' },
  {
    'fetch, each way': eachWay(true),
    ...fetchRows,
    ...('WebSocket' in globalThis ? webSocketRows : {}),
  },
)
// Undici 5 may take the place of 6.
const older = createRequire(join(root, 'package.json'))('test-undici-6/node_modules/undici')
for (const file of ['undici-6.cjs', 'undici-7.cjs', 'undici-7.mjs']) {
  const isOlder = file === 'undici-6.cjs'
  const sockets = isOlder && older.WebSocket === undefined ? {} : webSocketRows
  const retries = isOlder && older.interceptors?.retry === undefined ? [] : retried
  // Undici 5 follows redirects out of sight.
  const redirects = redirected(isOlder && older.interceptors?.redirect === undefined ? 0 : 1)
  const resends = { 'retries and redirects': { spans: [...retries, ...redirects] } }
  const cache = { 'answers from a cache': { spans: isOlder ? [] : [asked('/cached'), asked('/other')] } }
  const rows = { 'fetch, each way': eachWay(false), ...fetchRows, ...sockets, ...packageRows, ...cache, ...resends }
  testRows(file, { script: `test/fixtures/undici/${file}`, flags: ['--disable-warning=UNDICI-WS'] }, rows)
}

const pools: Record<string, string> = {
  'the fetch of Node': `const ask = path => fetch(origin + path).then(res => res.text())`,
  'a pool of undici 6': `
    const { Pool } = require('test-undici-6/node_modules/undici')
    const pool = new Pool(origin, { connections: 2 })
    const ask = path => pool.request({ path, method: 'GET' }).then(({ body }) => body.text())`,
  'a pool of undici 7': `
    const { Pool } = require('undici')
    const pool = new Pool(origin, { connections: 2 })
    const ask = path => pool.request({ path, method: 'GET' }).then(({ body }) => body.text())`,
  'pools of undici 7 in a balanced one': `
    const { BalancedPool } = require('undici')
    const pool = new BalancedPool(origin, { connections: 2 })
    const ask = path => pool.request({ path, method: 'GET' }).then(({ body }) => body.text())`,
  'a pool of undici 7 with an interceptor': `
    const { Pool, interceptors } = require('undici')
    const pool = new Pool(origin, { connections: 2 }).compose(interceptors.retry())
    const ask = path => pool.request({ origin, path, method: 'GET' }).then(({ body }) => body.text())`,
  'an agent of undici 7 with interceptors': `
    const { Agent, interceptors } = require('undici')
    const pool = new Agent({ connections: 2 })
    const dispatcher = pool.compose(interceptors.retry(), interceptors.redirect({ maxRedirections: 1 }), interceptors.dump())
    const ask = path => dispatcher.request({ origin, path, method: 'GET' }).then(({ body }) => body.text())`,
}

for (const [what, code] of Object.entries(pools)) {
  test(`of many requests at once by ${what}, each stays in its own trace`, async () => {
    const collector = await createCollector()
    const { code: exit, stderr } = await runApp({
      collector,
      code: `
        const http = require('node:http')
        const tracer = require('@opentelemetry/api').trace.getTracer('app')
        const server = http.createServer((req, res) => setTimeout(() => res.end(req.url), 1))
        server.listen(0, async () => {
          const origin = 'http://127.0.0.1:' + server.address().port
          ${code}
          const all = Array.from({ length: 100 }, (_, i) => tracer.startActiveSpan('/' + i, async span => {
            await ask('/' + i)
            tracer.startSpan('answered /' + i).end()
            span.end()
          }))
          await Promise.all(all)
          process.exit(0)
        })`,
    })
    assert.equal(exit, 0, stderr)
    const traces = grouped(collector.spans())
    assert.equal(traces.size, 100)
    for (const spans of traces.values()) {
      oneTrace(spans)
      const path = spans.find(span => span.parentSpanId === undefined)?.name
      const names = spans.map(span => `${span.kind} ${span.attributes['url.path'] ?? span.name}`).sort()
      assert.deepEqual(names, ['client GET', `internal ${path}`, `internal answered ${path}`, `server ${path}`].sort())
    }
    await collector.close()
  })
}

test('a request of the one copy of undici by a dispatcher of the other is told of once', async () => {
  const collector = await createCollector()
  const { stdout, stderr } = await runApp({
    collector,
    code: `
      const { Agent, request, setGlobalDispatcher, interceptors } = require('undici')
      const server = require('node:http').createServer((req, res) => res.end(req.url)).listen(0, async () => {
        const origin = 'http://127.0.0.1:' + server.address().port
        const text = async path => console.log(await (await fetch(origin + path)).text())
        await text('/own')
        const agent = new Agent()
        setGlobalDispatcher(agent.compose(interceptors.retry()))
        await text('/of-the-package')
        console.log(await (await request(origin + '/request')).body.text())
        await agent.close()
        server.close()
        setTimeout(() => process.exit(), 200)
      })`,
  })
  assert.equal(stdout, '/own\n/of-the-package\n/request\n', stderr)
  for (const path of ['/own', '/of-the-package', '/request']) {
    const own = [...grouped(collector.spans()).values()].filter(spans =>
      spans.some(({ attributes }) => attributes['url.path'] === path),
    )
    assert.deepEqual(
      own.map(spans => spans.map(({ kind }) => kind).sort()),
      [['client', 'server']],
    )
    oneTrace(own[0] ?? [])
  }
  await collector.close()
})

test('a response of fetch that nobody reads has a span once it is garbage', async () => {
  const collector = await createCollector()
  await runApp({
    collector,
    flags: ['--expose-gc'],
    code: `
      const server = require('node:http').createServer((_req, res) => res.end('x'.repeat(10_000_000))).listen(0, async () => {
        const origin = 'http://127.0.0.1:' + server.address().port
        console.log((await fetch(origin + '/unread')).status)
        for (let i = 0; i < 20; i++) {
          gc()
          await new Promise(resolve => setTimeout(resolve, 10))
        }
        process.exit()
      })`,
  })
  const client = collector.spans().find(({ kind }) => kind === 'client')
  assert.deepEqual([client?.status, client?.attributes[STATUS]], ['unset', 200])
  await collector.close()
})

test('an exchange that is over is let go, though its request lives on', async () => {
  const collector = await createCollector()
  const { stdout, stderr } = await runApp({
    collector,
    flags: ['--expose-gc'],
    code: `
      const { subscribe } = require('node:diagnostics_channel')
      let request, response
      subscribe('undici:request:create', message => { request = message.request })
      subscribe('undici:request:headers', message => { response = new WeakRef(message.response) })
      const held = async () => {
        await new Promise(resolve => setTimeout(resolve, 20))
        gc()
        return response.deref() !== undefined
      }
      let rest
      const server = require('node:http').createServer((_req, res) => {
        res.write('te')
        rest = () => res.end('xt')
      }).listen(0, async () => {
        const answer = await fetch('http://127.0.0.1:' + server.address().port)
        const before = await held()
        rest()
        await answer.text()
        console.log(request.path, before, await held())
        process.exit()
      })`,
  })
  // What it holds until its end shows that the garbage collector was asked, and that nobody else holds it.
  assert.equal(stdout, '/ true false\n', stderr)
  assert.equal(collector.spans().length, 2)
  await collector.close()
})

test('an event stream has a span when its reader leaves, and that is no failure of the one who asked', async () => {
  const collector = await createCollector()
  await runApp({
    collector,
    code: `
      const server = require('node:http').createServer((_req, res) => {
        res.writeHead(200, { 'content-type': 'text/event-stream' }).write('data: 1\\n\\n')
      }).listen(0, async () => {
        const response = await fetch('http://127.0.0.1:' + server.address().port + '/events')
        const reader = response.body.getReader()
        await reader.read()
        await reader.cancel('enough')
        setTimeout(() => server.closeAllConnections(), 20)
        server.close()
      })`,
  })
  oneTrace(collector.spans())
  assert.deepEqual(
    collector
      .spans()
      .map(({ kind, status }) => [kind, status])
      .sort(),
    [
      ['client', 'unset'],
      ['server', 'unset'],
    ],
  )
  await collector.close()
})
