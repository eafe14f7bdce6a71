/** Express 4 and 5, CommonJS and ES modules: routes, handlers, layers, errors, and that the application notices nothing. */
import assert from 'node:assert/strict'
import { after, before, suite, test } from 'node:test'
import { type RunningApp, startApp } from '../helpers/child.js'
import { type Collector, createCollector, type ReceivedSpan } from '../helpers/collector.js'
import { assertTree, type ExpectedSpan, oneTrace, type SpanTree, tree } from '../helpers/spans.js'

interface Answer {
  status: number
  body: string
}

/** What a request has to give: the name and the route of its server span, and the error told there. */
interface Expected {
  request: string
  status?: number
  /** Undefined: the server span has none, and is named by its method. */
  route: string | undefined
  error?: string
  failed?: true
}

const anything = (major: number) => (major === 4 ? '*' : '/*rest')

const expectations = (major: number): Expected[] => [
  { request: 'GET /', route: '/' },
  { request: 'GET /plain', route: '/plain' },
  { request: 'HEAD /plain', route: '/plain' },
  { request: 'OPTIONS /plain', route: anything(major) },
  { request: 'GET /slash', route: '/slash/' },
  { request: 'GET /slash/', route: '/slash/' },
  { request: 'GET /plain/', route: '/plain' },
  { request: 'GET /two', route: '/one,/two' },
  { request: 'GET /reg', route: String.raw`^\/re(g|x)$` },
  { request: 'PATCH /all', route: '/all' },
  { request: 'POST /chained', route: '/chained' },
  { request: 'GET /skipped', route: '/skip:ped' },
  { request: 'GET /early', route: '/early' },
  // Routers in routers, applications in applications, routers called by hand.
  { request: 'GET /api/acme/users', route: '/api/:org/users' },
  { request: 'GET /api/acme/users/', route: '/api/:org/users' },
  { request: 'GET /api/acme/users/7?x=1', route: '/api/:org/users/:id' },
  { request: 'GET /api/acme/users/leave', route: '/api/:org/users/leave' },
  { request: 'GET /sub/status', route: '/sub/status' },
  { request: 'GET /list/in', route: '/list/in' },
  { request: 'GET /direct/1', route: '/direct/:x' },
  { request: 'GET /composed/deep/end', route: '/composed/deep/end' },
  // Middleware that answers at a path of its own.
  { request: 'POST /graph', route: '/graph' },
  // Nothing answers, although routes were passed.
  { request: 'GET /graph', status: 404, route: undefined },
  { request: 'GET /nowhere', status: 404, route: undefined },
  { request: 'GET /api/acme/users/7/posts', status: 404, route: undefined },
  // The parameters of a route fail before it is entered.
  { request: 'GET /api/acme/users/nobody', status: 404, route: '/api/:org/users/:id', error: 'no such user' },
  {
    request: 'GET /api/acme/users/broken',
    status: 500,
    route: '/api/:org/users/:id',
    error: 'bad parameter',
    failed: true,
  },
  // Errors: thrown, passed, rejected, text; rendered by the application or by Express.
  { request: 'GET /sub/fail', status: 500, route: '/sub/fail', error: 'in sub', failed: true },
  { request: 'GET /throws', status: 500, route: '/throws', error: 'thrown', failed: true },
  { request: 'GET /nexts', status: 500, route: '/nexts', error: 'passed', failed: true },
  { request: 'GET /rejects', status: 500, route: '/rejects', error: 'rejected', failed: true },
  { request: 'GET /text', status: 500, route: '/text', error: 'only text', failed: true },
  { request: 'GET /own', status: 500, route: '/own', error: 'own', failed: true },
  { request: 'GET /default', status: 500, route: '/default', error: 'default page', failed: true },
  { request: 'GET /hostile', status: 500, route: '/hostile', failed: true },
  // Errors that were dealt with.
  { request: 'GET /refused', status: 403, route: '/refused', error: 'refused' },
  { request: 'GET /handled', route: '/handled', error: 'handled' },
  // What middleware puts into the context survives.
  { request: 'GET /baggage', route: '/baggage' },
  { request: 'GET /stored', route: '/stored' },
  { request: 'GET /manual', route: '/manual' },
  { request: 'GET /marked', route: '/marked' },
  { request: 'GET /seen', route: '/seen' },
]

async function ask(app: RunningApp, request: string): Promise<Answer> {
  const [method, path] = request.split(' ') as [string, string]
  const response = await fetch(app.url + path, { method })
  return { status: response.status, body: await response.text() }
}

const MS = 10_000
const isServer = (span: ReceivedSpan): boolean => span.kind === 'server'

/** The spans of one request, once its server span has come. */
async function spansOf(collector: Collector, app: RunningApp, request: string): Promise<ReceivedSpan[]> {
  const seen = collector.spans().length
  await ask(app, request).catch(() => {})
  const spans = await collector.waitFor(all => all.slice(seen).some(isServer), MS)
  const own = spans.slice(seen)
  oneTrace(own)
  return own
}

/** The names of a trace, each child below its parent. */
const outline = (nodes: SpanTree[], depth = 0): string[] =>
  nodes.flatMap(({ name, children }) => ['  '.repeat(depth) + name, ...outline(children, depth + 1)])

const applications = [
  { major: 5, type: 'cjs' },
  { major: 5, type: 'mjs' },
  { major: 4, type: 'cjs' },
  { major: 4, type: 'mjs' },
] as const

const start = (major: number, type: string, collector: Collector | undefined, layers: string): Promise<RunningApp> =>
  startApp({
    script: `test/fixtures/express/express-${major}.${type}`,
    preload: collector === undefined ? 'none' : 'import',
    ...(collector && { collector }),
    // Without it the page of an error shows its stack, which has our frames in it.
    env: { NODE_ENV: 'production', TRACE_EXPRESS_LAYERS: layers },
  })

for (const { major, type } of applications) {
  suite(`express ${major}, ${type}`, () => {
    let collector: Collector
    let app: RunningApp
    before(async () => {
      collector = await createCollector()
      app = await start(major, type, collector, 'handler')
    })
    after(async () => {
      await app.stop()
      await collector.close()
    })

    for (const { request, status = 200, route, error, failed } of expectations(major)) {
      test(request, async () => {
        const method = request.slice(0, request.indexOf(' '))
        const spans = await spansOf(collector, app, request)
        const server = spans.find(isServer) as ReceivedSpan
        assert.equal(server.name, route === undefined ? method : `${method} ${route}`)
        assert.equal(server.attributes['http.route'], route)
        assert.equal(server.attributes['http.response.status_code'], status)
        assert.equal(server.status, failed ? 'error' : 'unset')
        assert.equal(server.attributes['error.type'], failed ? String(status) : undefined)
        if (failed) assert.equal(server.statusMessage ?? '', error ?? '')

        const told = spans.flatMap(span =>
          span.events.filter(({ name }) => name === 'exception').map(event => [span, event] as const),
        )
        assert.deepEqual(
          told.map(([span, event]) => [span.kind, event.attributes['exception.message']]),
          error === undefined ? [] : [['server', error]],
        )
      })
    }

    test('the application answers as without us', async () => {
      const bare = await start(major, type, undefined, 'handler')
      const seen = collector.spans().filter(isServer).length
      const requests = expectations(major).map(({ request }) => request)
      // Without us the API has no place for baggage.
      const expected = new Map([['GET /baggage', { status: 200, body: 'me' }]])
      for (const request of requests) if (!expected.has(request)) expected.set(request, await ask(bare, request))
      await bare.stop()
      for (const request of requests) assert.deepEqual(await ask(app, request), expected.get(request), request)
      await collector.waitFor(spans => spans.filter(isServer).length === seen + requests.length, MS)
    })

    test('each handler of a route has a span, none nests in another', async () => {
      const spans = await spansOf(collector, app, 'GET /several')
      const handler = (name: string, children: string[]): ExpectedSpan => ({
        name: 'request handler - /several',
        kind: 'internal',
        attributes: { 'http.route': '/several', 'code.function.name': name },
        children: children.map(child => ({ name: child, kind: 'internal' })),
      })
      assertTree(spans, [
        {
          name: 'GET /several',
          kind: 'server',
          children: [
            { name: 'in first', kind: 'internal' },
            handler('load', ['in load']),
            handler('check', ['in check']),
            handler('respond', ['in respond', 'later']),
          ],
        },
      ])
      const [load, check, respond] = spans
        .filter(span => span.name.startsWith('request handler'))
        .sort((a, b) => Number(a.start - b.start)) as [ReceivedSpan, ReceivedSpan, ReceivedSpan]
      assert.ok(load.end <= check.start)
      assert.ok(check.end - check.start >= 4_000_000n, 'an asynchronous handler lasts until it calls next')
      assert.ok(check.end <= respond.start)
      assert.ok(respond.end - respond.start >= 4_000_000n, 'a handler that answers later lasts until it has')
    })

    test('a handler that fails has a failed span, one that refuses has not', async () => {
      const statusOf = async (path: string) => {
        const spans = await spansOf(collector, app, `GET ${path}`)
        const handler = spans.find(span => span.name === `request handler - ${path}`)
        return [handler?.status, handler?.statusMessage, handler?.attributes['error.type']]
      }
      assert.deepEqual(await statusOf('/throws'), ['error', 'thrown', 'TypeError'])
      assert.deepEqual(await statusOf('/rejects'), ['error', 'rejected', 'Error'])
      assert.deepEqual(await statusOf('/handled'), ['error', 'handled', 'Error'])
      assert.deepEqual(await statusOf('/refused'), ['unset', undefined, undefined])
      assert.deepEqual(await statusOf('/plain'), ['unset', undefined, undefined])
    })

    test('an error that cuts the response off', async () => {
      const spans = await spansOf(collector, app, 'GET /cut')
      const server = spans.find(isServer)
      assert.equal(server?.status, 'error')
      assert.equal(server?.statusMessage, 'cut off')
      assert.equal(server?.events.length, 1)
    })

    test('a span that the application makes active around next() is the parent of what follows', async () => {
      const spans = await spansOf(collector, app, 'GET /manual')
      assert.deepEqual(outline(tree(spans)), ['GET /manual', '  in first', '  around', '    request handler - /manual'])
    })

    test('fifty requests at once, each with its own trace', async () => {
      const seen = collector.spans().length
      const delays = Array.from({ length: 50 }, (_, i) => 1 + ((i * 7) % 50))
      await Promise.all(delays.map(ms => ask(app, `GET /wait/${ms}`)))
      const spans = (await collector.waitFor(all => all.slice(seen).filter(isServer).length === 50, MS)).slice(seen)
      const byTrace = new Map<string, ReceivedSpan[]>()
      for (const span of spans) byTrace.set(span.traceId, [...(byTrace.get(span.traceId) ?? []), span])
      assert.equal(byTrace.size, 50)
      for (const own of byTrace.values()) {
        const ms = String(own.find(isServer)?.attributes['url.path']).slice('/wait/'.length)
        assert.deepEqual(outline(tree(own)), [
          'GET /wait/:ms',
          '  in first',
          '  request handler - /wait/:ms',
          `    waited ${ms}`,
        ])
      }
    })
  })

  suite(`the layers of express ${major}, ${type}`, () => {
    test('all: middleware, routers, applications and error middleware have spans', async () => {
      const collector = await createCollector()
      const app = await start(major, type, collector, 'all')
      const nested = await spansOf(collector, app, 'GET /api/acme/users/7')
      const failing = await spansOf(collector, app, 'GET /sub/fail')
      const own = await spansOf(collector, app, 'GET /own')
      await app.stop()
      await collector.close()

      const setUp = major === 4 ? ['  middleware - query', '  middleware - expressInit'] : []
      const setUpBelow = setUp.map(name => `  ${name}`)
      const common = [...setUp, '  middleware - first', '    in first', '  middleware - second']
      assert.deepEqual(outline(tree(nested)), [
        'GET /api/:org/users/:id',
        ...common,
        '  router - /api',
        '    router - /api/:org/users',
        '      request handler - /api/:org/users/:id',
      ])
      assert.deepEqual(outline(tree(failing)), [
        'GET /sub/fail',
        ...common,
        '  router - /sub',
        ...setUpBelow,
        '    request handler - /sub/fail',
        '  error middleware - <anonymous>',
        '  error middleware - <anonymous>',
      ])
      assert.deepEqual(
        failing
          .filter(span => span.status === 'error')
          .map(({ name }) => name)
          .sort(),
        ['GET /sub/fail', 'request handler - /sub/fail', 'router - /sub'],
      )
      assert.equal(failing.flatMap(span => span.events).length, 1)
      assert.deepEqual(outline(tree(own)), [
        'GET /own',
        ...common,
        '  request handler - /own',
        '  error middleware - <anonymous>',
      ])
    })

    test('none: the server span has route and error all the same', async () => {
      const collector = await createCollector()
      const app = await start(major, type, collector, 'none')
      const several = await spansOf(collector, app, 'GET /several')
      const failing = await spansOf(collector, app, 'GET /api/acme/users/broken')
      await app.stop()
      await collector.close()
      const manual = ['in first', 'in load', 'in check', 'in respond', 'later']
      assert.deepEqual(outline(tree(several)), ['GET /several', ...manual.map(name => `  ${name}`)])
      assert.deepEqual(outline(tree(failing)), ['GET /api/:org/users/:id', '  in first'])
      assert.equal(failing.find(isServer)?.statusMessage, 'bad parameter')
      assert.equal(failing.find(isServer)?.events.length, 1)
    })
  })
}

test('an unsampled request is left alone', async () => {
  const collector = await createCollector()
  const app = await startApp({
    script: 'test/fixtures/express/express-5.cjs',
    collector,
    env: { OTEL_TRACES_SAMPLER: 'always_off' },
  })
  assert.deepEqual(await ask(app, 'GET /several'), { status: 200, body: 'several' })
  assert.equal((await ask(app, 'GET /throws')).status, 500)
  await app.stop()
  await collector.close()
  assert.deepEqual(collector.spans(), [])
})

test('the router of Express 5 by itself', async () => {
  const collector = await createCollector()
  const code = `
    const http = require('node:http')
    const Router = require('router')
    const users = Router()
    users.get('/:id', (req, res) => res.end(req.params.id))
    users.get('/:id/posts', (_req, _res, next) => next(new TypeError('no posts')))
    const router = Router().use('/users', users)
    const server = http.createServer((req, res) => {
      router(req, res, error => { res.statusCode = error ? 500 : 404; res.end(error?.message ?? 'nothing') })
    })
    server.listen(0, () => console.log('ready ' + server.address().port))`
  const app = await startApp({ code, collector })
  const answers = [
    ['GET /users/7', { status: 200, body: '7' }, ['GET /users/:id', '  request handler - /users/:id']],
    [
      'GET /users/7/posts',
      { status: 500, body: 'no posts' },
      ['GET /users/:id/posts', '  request handler - /users/:id/posts'],
    ],
    ['GET /nowhere', { status: 404, body: 'nothing' }, ['GET']],
  ] as const
  for (const [request, answer, spans] of answers) {
    assert.deepEqual(outline(tree(await spansOf(collector, app, request))), spans)
    assert.deepEqual(await ask(app, request), answer)
    await collector.waitFor(all => all.filter(isServer).length % 2 === 0, MS)
  }
  await app.stop()
  await collector.close()
})

test('an application of Express 4 in one of Express 5, and the other way round', async () => {
  const collector = await createCollector()
  const code = `
    const five = require('express')
    const four = require('test-express-4/node_modules/express')
    const answer = (req, res) => res.json([req.baseUrl, req.params])
    const inner = (express, deeper) => {
      const app = express()
      app.get('/in/:id', answer)
      app.get('/fails', () => { throw new TypeError('inner') })
      return deeper ? app.use('/deeper', deeper) : app
    }
    const app = five()
    app.use('/old/:who', inner(four, inner(five)))
    app.use('/router', four.Router().get('/leaf', answer))
    app.get('/after', answer)
    app.use((error, req, res, next) => res.status(500).send(error.message))
    const server = app.listen(0, '127.0.0.1', () => console.log('ready ' + server.address().port))`
  const env = { NODE_ENV: 'production' }
  const app = await startApp({ code, collector, env, flags: ['--no-deprecation'] })
  const plain = await startApp({ code, preload: 'none', env, flags: ['--no-deprecation'] })
  const routes = [
    ['GET /old/a/in/7', '/old/:who/in/:id'],
    ['GET /old/a/deeper/in/7', '/old/:who/deeper/in/:id'],
    ['GET /old/a/fails', '/old/:who/fails'],
    ['GET /router/leaf', '/router/leaf'],
    ['GET /after', '/after'],
    ['GET /old/a/nowhere', undefined],
  ] as const
  for (const [request, route] of routes) {
    const spans = await spansOf(collector, app, request)
    const handled = route === undefined ? ['GET'] : [`GET ${route}`, `  request handler - ${route}`]
    assert.deepEqual(outline(tree(spans)), handled)
    assert.deepEqual(await ask(app, request), await ask(plain, request))
    await collector.waitFor(all => all.filter(isServer).length % 2 === 0, MS)
  }
  await app.stop()
  await plain.stop()
  await collector.close()
})
