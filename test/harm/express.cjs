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

  async 'errors of every kind'(t) {
    const express = await t.load(library)
    const app = express()
    app.set('env', 'production')
    const errors = {
      frozen: Object.freeze(new Error('frozen')),
      bare: Object.assign(Object.create(null), { status: 500 }),
      number: 5,
      symbol: Symbol('own'),
      nothing: undefined,
      route: 'route',
    }
    for (const [name, error] of Object.entries(errors)) {
      app.get(`/throws/${name}`, () => {
        throw error
      })
      app.get(`/next/${name}`, (_req, _res, next) => next(error))
    }
    if (library === 'express') {
      app.get('/rejects', () => Promise.reject())
      app.param('bad', async () => {
        throw new Error('in a parameter')
      })
      app.get('/param/:bad', (_req, res) => res.send('not reached'))
      app.get('/late', async (_req, res) => {
        res.send('answered')
        throw new Error('too late')
      })
    }
    const guarded = express.Router()
    guarded.get('/fails', (_req, _res, next) => next(errors.frozen))
    guarded.use((_error, _req, _res, next) => next())
    guarded.get('/fails', (_req, res) => res.send('went on'))
    app.use('/guarded', guarded)
    app.use((error, req, res, next) => {
      t.observe('handles', req.path, error, req.route?.path)
      if (error instanceof Error) next(error)
      else res.status(500).send('sorry')
    })
    const names = Object.keys(errors)
    const paths = [...names.map(name => `/throws/${name}`), ...names.map(name => `/next/${name}`), '/guarded/fails']
    await ask(t, app, library === 'express' ? [...paths, '/rejects', '/param/7', '/late'] : paths)
  },

  async 'files, answers given twice, and functions of any name'(t) {
    const express = await t.load(library)
    const app = express()
    app.set('env', 'production')
    const named = (name, fn) => Object.defineProperty(fn, 'name', { value: name })
    for (const name of [Symbol('own'), 5, '', undefined, { toString: () => 'own' }]) {
      app.use(named(name, (_req, _res, next) => next()))
    }
    const frozen = Object.freeze(
      Object.assign(
        function own(_req, res) {
          res.send('frozen')
        },
        { mark: 1 },
      ),
    )
    app.get('/frozen', frozen)
    app.get('/file', (_req, res) => t.observe('sendFile returns', res.sendFile(__filename, t.heard('sent'))))
    app.get('/no-file', (_req, res) => res.sendFile(`${__dirname}/none`))
    app.use('/static', express.static(__dirname))
    app.get('/twice', (_req, res) => {
      res.send('once')
      res.send('twice')
    })
    app.get('/next-twice', (_req, _res, next) => {
      t.observe('first', next())
      t.observe('second', next())
    })
    app.get('/next-twice', (req, res) => {
      t.observe('route', req.route.path, Reflect.ownKeys(req.route), Reflect.ownKeys(req.route.stack[0]))
      res.end('once')
    })
    app.get('/again', (req, res, next) => {
      req.url = '/frozen'
      t.observe('handle returns', app.handle(req, res, next))
    })
    const layer = (app._router ?? app.router).stack.find(({ route }) => route?.path === '/frozen').route.stack[0]
    t.observe('layer', layer.handle === frozen, layer.handle.mark, layer.name)
    await ask(t, app, [
      '/frozen',
      '/file',
      '/no-file',
      '/static/none',
      '/twice',
      '/next-twice',
      '/again',
      'OPTIONS /file',
      'HEAD /file',
    ])
  },

  async 'a listener among others, and a client that leaves'(t) {
    const express = await t.load(library)
    const { createServer } = require('node:http')
    const app = express()
    app.get('/here', (req, res) => res.send(String(req.before)))
    const left = new Promise(resolve => {
      app.get('/leaves', (req, res) => {
        const heard = []
        for (const event of ['aborted', 'close', 'error'])
          req.on(event, error => heard.push([`req ${event}`, error?.code]))
        for (const event of ['close', 'finish', 'error'])
          res.on(event, error => heard.push([`res ${event}`, error?.code]))
        t.observe('listens', res.eventNames(), req.eventNames())
        res.on('close', () => setTimeout(() => resolve([heard, res.writableEnded, res.write('late')]), 50))
      })
    })
    const server = createServer()
    server.on('request', req => {
      req.before = true
    })
    server.on('request', app)
    server.on('request', (_req, res) => t.observe('after', res.writableEnded))
    server.listen(0, '127.0.0.1')
    await t.once(server, 'listening')
    t.observe('is listener', server.listeners('request')[1] === app)
    const { port } = server.address()
    const req = request({ port, path: '/here', agent: false }).end()
    const [res] = await t.once(req, 'response')
    await t.once(res.resume(), 'close')
    const leaving = request({ port, path: '/leaves', agent: false })
      .on('error', () => {})
      .end()
    setTimeout(() => leaving.destroy(), 100)
    t.observe('left', ...(await left))
    server.close()
    await t.once(server, 'close')
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
