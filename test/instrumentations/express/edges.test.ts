/** Express 4 and 5 where applications do the unusual: routes, errors, clients that leave, names, files. */
import assert from 'node:assert/strict'
import { request as send } from 'node:http'
import { after, before, suite, test } from 'node:test'
import { type RunningApp, startApp } from '../../helpers/child.js'
import { type Collector, createCollector, type ReceivedSpan } from '../../helpers/collector.js'
import { assertTree, type ExpectedSpan, oneTrace } from '../../helpers/spans.js'

const MS = 10_000
const isServer = (span: ReceivedSpan): boolean => span.kind === 'server'

/** The route of a handler's span, or that with those below it. */
type Handler = string | [string, ...Handler[]]

interface Expected {
  request: string
  headers?: Record<string, string>
  status?: number
  /** Undefined: the server span has none. */
  route: string | undefined
  /** The routes of the spans of its handlers, in their order; by default one, of the route. */
  handlers?: Handler[]
  /** Of the handlers' spans: those that failed, by number. */
  failing?: number[]
  /** The messages of the exceptions, all on the server span. */
  errors?: string[]
  failed?: true
}

const star = (major: number) => (major === 4 ? '/star/*' : '/star/*rest')

const expectations = (major: number): Expected[] => [
  // Middleware without a path, before handlers with and without parameters; a router that is used at several places.
  { request: 'GET /here/me/leaf', route: '/here/:who/leaf' },
  { request: 'GET /here/me/p/7', route: '/here/:who/p/:id' },
  { request: 'GET /there/leaf', route: '/there/leaf' },
  { request: 'GET /there/p/7', route: '/there/p/:id' },
  { request: 'GET /list-a/leaf', route: '/list-a,/list-b/:n/leaf' },
  { request: 'GET /list-b/2/p/7', route: '/list-a,/list-b/:n/p/:id' },
  { request: 'GET /re-12/leaf', route: String.raw`^\/re-(\d+)/leaf` },
  { request: 'GET /deep/1/2/3/p/4', route: '/deep/:a/:b/:c/p/:id' },
  { request: 'GET /deep/1/2/3/none', status: 404, route: undefined, handlers: [] },
  { request: 'GET /early/7', status: 304, route: '/early', handlers: [] },
  { request: 'GET /case/Strict', route: '/case/Strict' },
  { request: 'GET /case/strict', status: 404, route: undefined, handlers: [] },
  { request: 'GET /account/get', route: '/account/get', handlers: ['/account/get', '/account/get'] },
  { request: 'GET /api/under', route: '/api/under' },
  { request: 'GET /both', route: '/both' },
  // Parameters.
  { request: 'GET /items/7', route: '/items/:item' },
  { request: 'GET /items/skip', route: '/items/:other' },
  { request: 'GET /items/bad', status: 500, route: '/items/:item', handlers: [], errors: ['bad item'], failed: true },
  { request: 'GET /many/1-2', route: '/many/:x-:y' },
  // Routes.
  { request: 'GET /route', route: '/route', handlers: ['/route', '/route', '/route'] },
  { request: 'PUT /route', route: '/route', handlers: ['/route', '/route', '/route'] },
  { request: 'HEAD /options', route: '/options' },
  { request: 'OPTIONS /options', route: undefined, handlers: [] },
  { request: 'GET /arr', route: String.raw`^\/arr(ay)?$,/array-text` },
  { request: 'GET /star/a/b/c', route: star(major) },
  { request: 'GET /nowhere/7', status: 404, route: undefined, handlers: [] },
  { request: 'GET /twice', route: '/twice', failing: [0], errors: [/headers/.source] },
  { request: 'GET /next-twice', route: '/next-twice', handlers: ['/next-twice', '/next-twice'] },
  { request: 'GET /leave', route: '/leave', handlers: [['/leave', '/leave'], '/leave'] },
  // Files.
  { request: 'GET /file', route: '/file' },
  { request: 'GET /no-file', status: 404, route: '/no-file', errors: ['ENOENT'] },
  { request: 'GET /download', route: '/download' },
  { request: 'GET /stream', route: '/stream' },
  { request: 'GET /rendered/good', route: '/rendered/:name' },
  { request: 'GET /rendered/bad', status: 500, route: '/rendered/:name', errors: ['bad view'], failed: true },
  { request: 'GET /rendered-by/good', route: '/rendered-by/:name' },
  {
    request: 'GET /rendered-by/bad',
    status: 500,
    route: '/rendered-by/:name',
    failing: [0],
    errors: ['bad view'],
    failed: true,
  },
  { request: 'GET /static/app.cjs', route: '/static', handlers: [] },
  { request: 'GET /static/none.cjs', status: 404, route: undefined, handlers: [] },
  // Names.
  { request: 'GET /named/symbol', route: '/named/symbol' },
  { request: 'GET /named/object', route: '/named/object' },
  { request: 'GET /named/empty', route: '/named/empty' },
  { request: 'GET /named/long', route: '/named/long' },
  { request: 'GET /named/frozen', route: '/named/frozen' },
  { request: 'GET /named/bound', route: '/named/bound' },
  { request: 'GET /named/class', route: '/named/class' },
  { request: 'GET /all-names/end', route: '/all-names/end' },
  // Errors.
  ...['frozen', 'bare', 'status-text', 'cyclic'].map(
    (name): Expected => ({
      request: `GET /error/${name}`,
      status: 500,
      route: `/error/${name}`,
      failing: [0],
      errors: [name.replace('-text', '')],
      failed: true,
    }),
  ),
  { request: 'GET /error/number', status: 500, route: '/error/number', failing: [0], failed: true },
  { request: 'GET /error/symbol', status: 500, route: '/error/symbol', failing: [0], failed: true },
  { request: 'GET /error/undefined', status: 404, route: undefined, handlers: ['/error/undefined'] },
  { request: 'GET /sub/fails', status: 502, route: '/sub/fails', failing: [0], errors: ['in sub'], failed: true },
  {
    request: 'GET /guarded/throws',
    status: 503,
    route: '/guarded/throws',
    failing: [0],
    errors: ['guarded', 'instead'],
    failed: true,
  },
  {
    request: 'GET /recovering/fails',
    route: '/recovering/fails',
    handlers: ['/recovering/fails', '/recovering/fails'],
    failing: [0],
    errors: ['recovered'],
  },
  // The same request again.
  { request: 'GET /again', route: '/items/:item', handlers: [['/again', '/items/:item']] },
  { request: 'GET /rewritten', route: '/items/:rewritten', handlers: ['/rewritten', '/items/:rewritten'] },
  // Other hosts, other listeners.
  { request: 'GET /hosted/7', headers: { host: 'own.example' }, route: '/hosted/:x' },
  { request: 'GET /hosted/7', headers: { host: 'other.example' }, status: 404, route: undefined, handlers: [] },
  { request: 'GET /elsewhere/7', route: undefined, handlers: [] },
  { request: 'GET /seen', route: '/seen' },
  ...(major === 5 ? asynchronous : []),
]

const asynchronous: Expected[] = [
  {
    request: 'GET /async/rejects',
    status: 500,
    route: '/async/rejects',
    failing: [0],
    errors: ['rejected'],
    failed: true,
  },
  {
    request: 'GET /async/nothing',
    status: 500,
    route: '/async/nothing',
    failing: [0],
    errors: ['Rejected promise'],
    failed: true,
  },
  {
    request: 'GET /async/middleware',
    status: 500,
    route: '/async/middleware',
    handlers: [],
    errors: ['in middleware'],
    failed: true,
  },
  {
    request: 'GET /async/users/7',
    status: 500,
    route: '/async/users/:user',
    handlers: [],
    errors: ['in param'],
    failed: true,
  },
  { request: 'GET /async/handled', status: 418, route: '/async/handled', errors: ['teapot'] },
]

function handlerSpan(handler: Handler, failed = false): ExpectedSpan {
  const [route, ...below] = [handler].flat() as [string, ...Handler[]]
  return {
    name: `request handler - ${route}`,
    kind: 'internal',
    status: failed ? 'error' : 'unset',
    attributes: { 'http.route': route },
    children: below.map(one => handlerSpan(one)),
  }
}

interface Answer {
  status: number | undefined
  headers: Record<string, unknown>
  body: string
}

/** By a connection of its own, with the headers that are given and no others. */
function ask(app: RunningApp, { request, headers }: Pick<Expected, 'request' | 'headers'>): Promise<Answer> {
  const [method, path] = request.split(' ') as [string, string]
  return new Promise((resolve, reject) => {
    const req = send({ port: app.port, host: '127.0.0.1', method, path, headers, agent: false }, res => {
      let body = ''
      const { date: _, ...rest } = res.headers
      res.setEncoding('utf8').on('data', chunk => (body += chunk))
      res.on('close', () => resolve({ status: res.statusCode, headers: rest, body }))
    })
    req.on('error', reject).end()
  })
}

// Frames of ours stand in the stacks.
const withoutFrames = (text: string): string => text.replace(/^ +at .*\n/gm, '')

const start = (major: number, type: string, collector?: Collector, env = {}): Promise<RunningApp> =>
  startApp({
    script: `test/fixtures/express/edges-${major}.${type}`,
    preload: collector === undefined ? 'none' : 'import',
    ...(collector && { collector }),
    env: { NODE_ENV: 'production', ...env },
  })

for (const major of [5, 4]) {
  for (const type of ['cjs', 'mjs']) {
    suite(`express ${major}, ${type}`, () => {
      let collector: Collector
      let app: RunningApp
      let bare: RunningApp
      before(async () => {
        collector = await createCollector()
        app = await start(major, type, collector)
        bare = await start(major, type)
      })
      after(async () => {
        const { stderr } = await app.stop()
        const { stderr: expected } = await bare.stop()
        assert.equal(withoutFrames(stderr), withoutFrames(expected))
        await collector.close()
      })

      async function spansOf(action: () => Promise<unknown>): Promise<ReceivedSpan[]> {
        const seen = collector.spans().length
        await action()
        const spans = (await collector.waitFor(all => all.slice(seen).some(isServer), MS)).slice(seen)
        oneTrace(spans)
        return spans
      }

      for (const expected of expectations(major)) {
        const { request, status = 200, route, errors = [], failed, failing = [] } = expected
        const { handlers = route === undefined ? [] : [route] } = expected
        test(`${request} ${expected.headers?.host ?? ''}`, async () => {
          let answer: Answer | undefined
          const spans = await spansOf(async () => {
            answer = await ask(app, expected)
          })
          assert.deepEqual(answer, await ask(bare, expected), 'the answer is as without us')
          const method = request.slice(0, request.indexOf(' '))
          assertTree(spans, [
            {
              name: route === undefined ? method : `${method} ${route}`,
              kind: 'server',
              status: failed ? 'error' : 'unset',
              attributes: {
                'http.route': route,
                'http.response.status_code': status,
                'error.type': failed ? String(status) : undefined,
              },
              children: handlers.map((handler, i) => handlerSpan(handler, failing.includes(i))),
            },
          ])
          const told = spans.flatMap(span =>
            span.events.map(event => [span.kind, event.attributes['exception.message']]),
          )
          assert.equal(told.length, errors.length, JSON.stringify(told))
          for (const [i, [kind, message]] of told.entries()) {
            assert.equal(kind, 'server')
            assert.match(String(message), new RegExp(errors[i] as string))
          }
        })
      }

      test('a client that leaves, and a handler that never answers', async () => {
        for (const [path, route] of [
          ['/never', '/never'],
          ['/slow/300', '/slow/:ms'],
          ['/half', '/half'],
        ] as const) {
          const leaving = await spansOf(
            () =>
              new Promise<void>(resolve => {
                const req = send({ port: app.port, host: '127.0.0.1', path, agent: false })
                req.on('error', () => {}).on('close', resolve)
                req.end()
                setTimeout(() => req.destroy(), 60)
              }),
          )
          const server = leaving.find(isServer)
          assert.equal(server?.name, `GET ${route}`)
          assert.equal(server?.attributes['http.route'], route)
          assert.deepEqual(
            leaving.filter(span => span.kind === 'internal').map(({ name }) => name),
            [`request handler - ${route}`],
          )
          const handler = leaving.find(span => span.kind === 'internal')
          assert.ok(handler !== undefined && server !== undefined && handler.end <= server.end)
          // Not from its start: how soon the request has come depends on the machine.
          const rest = server.end - handler.end
          assert.ok(rest * 2n <= server.end - server.start, 'a handler lasts until the request is over')
        }
      })

      test('layers of any name, however often they run, do not turn the spans of others off', async () => {
        const every = await createCollector()
        const all = await start(major, type, every, { TRACE_EXPRESS_LAYERS: 'all' })
        const times = 12
        for (let i = 0; i < times; i++) assert.equal((await ask(all, { request: 'GET /all-names/end' })).body, 'end')
        const { stderr } = await all.stop()
        await every.close()
        assert.equal(stderr, '')
        const handlers = every.spans().filter(({ name }) => name === 'request handler - /all-names/end')
        assert.equal(handlers.length, times)
        const middleware = every.spans().filter(({ name }) => /^middleware - (<anonymous>|x+)$/.test(name))
        assert.equal(middleware.length, 6 * times)
      })

      if (major === 5) {
        test('a handler that rejects after it has answered', async () => {
          const expected = { request: 'GET /async/late' }
          let answer: Answer | undefined
          const spans = await spansOf(async () => {
            answer = await ask(app, expected)
          })
          assert.deepEqual(answer, await ask(bare, expected))
          const server = spans.find(isServer)
          assert.equal(server?.status, 'unset')
          assert.equal(server?.attributes['http.route'], '/async/late')
        })
      }
    })
  }
}
