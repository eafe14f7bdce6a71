// What an application does with Express, whichever version.
const { request } = require('node:http')

/** Starts the application, asks for each path in turn, and observes the answers. */
async function ask(t, app, paths) {
  const server = app.listen(0, '127.0.0.1')
  await t.once(server, 'listening')
  const port = t.alias(server.address().port, 'port')
  t.listeners('server', server)
  for (const path of paths) {
    const [, method, target] = /^(?:(\w+) )?(.*)$/.exec(path)
    const req = request({ port, path: target, method, agent: false, headers: { 'content-type': 'application/json' } })
    req.end(method === 'POST' ? '{"a":1}' : undefined)
    const [res] = await t.once(req, 'response').catch(error => [error])
    if (res instanceof Error) {
      t.observe(path, res)
      continue
    }
    let text = ''
    res.setEncoding('utf8').on('data', chunk => (text += chunk))
    await t.once(res, 'close').catch(() => {})
    t.observe(path, res.statusCode, text.replace(/(<br> &nbsp; &nbsp;at .*?)(<br>.*)?<\/pre>/s, '$1'), res.headers)
  }
  server.close()
  await t.once(server, 'close')
}

const scenes = library => ({
  async 'requests, layer by layer'(t) {
    const express = await t.load(library)
    const app = express()
    const look = (label, ...args) =>
      t.observe(
        label,
        args.length,
        args.map(value => typeof value),
      )
    t.observe('app has', Reflect.ownKeys(app), app.name, app.length)
    t.observe('app.request has', Reflect.ownKeys(Object.getPrototypeOf(app.request)), Reflect.ownKeys(app.request))
    t.observe(
      'use returns the app',
      app.use(function first(...args) {
        look('middleware', ...args)
        const [req, res, next] = args
        t.observe('next is', next.name, next.length, Reflect.ownKeys(next), this === undefined)
        t.observe('req has', Reflect.ownKeys(req), Object.getPrototypeOf(req) === app.request)
        t.observe('res has', Reflect.ownKeys(res), Object.getPrototypeOf(res) === app.response)
        t.observe('listens', res.eventNames(), req.eventNames())
        t.observe('next returns', next())
      }) === app,
    )
    app.use('/json', express.json())
    app.post('/json', (req, res) => res.json({ got: req.body, route: req.route.path, base: req.baseUrl }))
    app.param('id', (_req, _res, next, id, name) => {
      t.observe('param', id, name, next.name, next.length)
      next()
    })
    app
      .route('/route/:id')
      .all((_req, _res, next) => next('route'))
      .get((_req, res) => res.send('not reached'))
    app.get('/route/:id', (req, res) => {
      t.observe('request', req.params, req.url, req.originalUrl, req.path, Reflect.ownKeys(req.route))
      res.status(202).set('X-Own', '1').send(req.params.id)
    })
    const router = express.Router({ mergeParams: true })
    router.use((req, _res, next) => {
      t.observe('mounted', req.baseUrl, req.url, req.params)
      next()
    })
    router.get(
      ['/a', /^\/b.*$/],
      (_req, _res, next) => t.observe('next returns', next.name, next.length, Reflect.ownKeys(next), next()),
      [(_req, _res, next) => next(), (req, res) => res.send(req.baseUrl + req.route.path)],
    )
    router.get('/leave', (_req, _res, next) => next('router'))
    app.use(['/mount/:name', '/other'], router)
    app.use('/mount', (_req, res) => res.send('left'))
    const inner = express()
    inner.on('mount', parent => t.observe('mount', parent === app))
    inner.get('/page', (req, res) => res.send(req.app === inner ? inner.path() : 'outer'))
    app.use('/inner', inner)
    t.observe(
      'stack',
      (app._router ?? app.router).stack.map(({ name, handle, route }) => [
        name,
        handle.name,
        handle.length,
        route?.path,
        route?.methods,
      ]),
    )
    t.observe('layer has', Reflect.ownKeys((app._router ?? app.router).stack.at(-1)))
    await ask(t, app, [
      '/none',
      'POST /json',
      '/route/7',
      '/mount/x/a',
      '/other/bcd',
      '/mount/x/leave',
      '/inner/page',
      'HEAD /route/1',
      'OPTIONS /route/1',
    ])
  },

  async 'errors and their handlers'(t) {
    const express = await t.load(library)
    const app = express()
    app.set('env', 'production')
    app.get('/throws', () => {
      throw new Error('of the application')
    })
    app.get('/rejects', async () => {
      if (library === 'express') throw Object.assign(new TypeError('of the application'), { status: 418 })
    })
    app.get('/rejects', (_req, res) => res.end())
    app.get('/next', (_req, _res, next) =>
      next(Object.assign(new Error('given'), { statusCode: 400, headers: { a: '1' } })),
    )
    app.get('/text', (_req, _res, next) => next('text'))
    app.get('/null', (_req, _res, next) => next(null))
    app.get('/twice', (_req, res, next) => {
      res.send('once')
      next()
    })
    app.get('/late', (_req, res, next) => {
      res.write('begun')
      next(new Error('late'))
    })
    app.get('/handled', (_req, _res, next) => next(new Error('handled')))
    app.use('/handled', function onError(...args) {
      const [error, req, res, next] = args
      t.observe('error handler', error, args.length, next.name, next.length, req.path)
      res.status(503).send('sorry')
    })
    app.use('/handled', (error, _req, res, _next) => {
      t.observe('error handler', error)
      if (error.message === 'handled') res.status(503).send('sorry')
    })
    app.use((error, _req, _res, next) => {
      t.observe('passes on', error)
      next(error)
    })
    const paths = ['/throws', '/next', '/text', '/null', '/twice', '/late', '/handled', '/%']
    await ask(t, app, library === 'express' ? ['/rejects', ...paths] : paths)
  },

  async 'what is misused'(t) {
    const express = await t.load(library)
    const app = express()
    for (const [label, call] of [
      ['use of nothing', () => app.use()],
      ['use of text', () => app.use('/path')],
      ['use of null', () => app.use('/path', null)],
      ['use of an empty list', () => app.use([])],
      ['get of text', () => app.get('/path', 'text')],
      ['get of nothing', () => app.get('/path')],
      ['bad path', () => app.get('/(', () => {})],
      ['Router without new', () => express.Router().name],
      ['handle without a request', () => app.handle()],
      // Express 4 calls it later, so that nobody can catch what comes of it.
      ['router without a callback', () => library === 'express' && express.Router()({ url: '/', method: 'GET' }, {})],
      ['route without a handler', () => express.Router().route('/x').get()],
    ]) {
      const result = await t.outcome(label, () => {
        const returned = call()
        return returned === app ? 'the app' : typeof returned
      })
      t.observe(label, result)
    }
    app.get('/', (_req, res) => res.end())
    await ask(t, app, ['/'])
  },

  async 'a request that no server has received'(t) {
    const express = await t.load(library)
    const app = express()
    const router = express.Router()
    router.get('/a', (req, _res, next) => {
      t.observe('handler', Reflect.ownKeys(req), next.name, next.length)
      next('given')
    })
    const req = { url: '/a', method: 'GET' }
    router(req, {}, t.heard('router'))
    t.observe('request', req)
    app.get('/', (_req, res) => res.end())
    await ask(t, app, ['/'])
  },
})

const crashes = library => ({
  async 'a handler throws after it has waited'(t) {
    const express = await t.load(library)
    const app = express()
    app.get('/', (req, res) => {
      t.observe('request', req.url)
      setImmediate(() => {
        res.write('begun')
        throw new Error('of the application')
      })
    })
    await ask(t, app, ['/'])
    await new Promise(() => {})
  },
})

module.exports = { scenes, crashes }
