// node:http and node:https, as servers and as clients.
const { readFileSync } = require('node:fs')
const { join } = require('node:path')
const { promisify } = require('node:util')
const { MESSAGE, RESPONSE, serve, watch } = require('../http.cjs')

const pem = name => readFileSync(join(__dirname, '..', '..', 'fixtures', 'http', `${name}.pem`))
module.exports = {
  libraries: ['node:http', 'node:https'],
  scenes: {
    async 'what is sent'(t) {
      const http = await t.load('node:http')
      const { get } = http
      const { port, url, close } = await t.rawServer('the server')
      const header = name => ({ hostname: '127.0.0.1', port, path: `/${name}`, headers: { B: '1', a: ['2', '3'] } })
      const frozen = Object.freeze({ ...header('frozen'), headers: Object.freeze({ Own: 'x' }) })
      const open = header('open')
      const ends = [
        ['text', () => http.get(`${url}/text`)],
        ['URL', () => http.get(new URL(`${url}/url?a=b#c`))],
        ['options', () => http.get(header('options'))],
        ['text and options', () => http.get(`${url}/a`, { path: '/b', method: 'delete' })],
        ['frozen', () => http.get(frozen)],
        ['open', () => http.get(open)],
        ['flat headers', () => http.get({ ...header('flat'), headers: ['Host', 'x', 'A', '1', 'A', '2'] })],
        [
          'pairs',
          () =>
            http.get({
              ...header('pairs'),
              headers: [
                ['Host', 'x'],
                ['A', '1'],
              ],
            }),
        ],
        ['expect', () => http.get({ ...header('expect'), headers: { Expect: '100-continue' } })],
        ['basic', () => http.get({ ...header('basic'), auth: 'user:password' })],
        ['own agent', () => http.get({ ...header('agent'), agent: new http.Agent({ keepAlive: true }) })],
        ['no agent', () => http.get({ ...header('no-agent'), agent: false, setHost: false })],
        ['body', () => http.request({ ...header('body'), method: 'POST' }).end('body')],
        [
          'late',
          () => {
            const req = http.request({ ...header('late'), method: 'PUT' })
            req.setHeader('Late', ['1', '2'])
            req.removeHeader('b')
            req.write('one')
            return req.end(Buffer.from('two'))
          },
        ],
        [
          'constructed',
          () => {
            const req = new http.ClientRequest({ ...header('constructed') })
            return req.end()
          },
        ],
        ['detached', () => get(header('detached'))],
        ['this', () => get.call('this', header('this'))],
      ]
      for (const [label, make] of ends) {
        const req = make()
        t.observe(
          `${label} is`,
          req instanceof http.ClientRequest,
          req.constructor === http.ClientRequest,
          Reflect.ownKeys(req),
        )
        t.observe(`${label} has headers`, req.getHeaders(), req.method, req.path, req.host)
        await watch(t, label, req)
        req.agent?.destroy?.()
      }
      t.observe('given', frozen, open)
      await close()
    },

    async 'a request and its response, event by event'(t) {
      const http = await t.load('node:http')
      const { server, port, close } = await serve(t, http, (req, res) => {
        t.observe(
          'server gets',
          req.method,
          req.url,
          Object.keys(req.headers).filter(name => name !== 'traceparent'),
        )
        t.observe('server has', Reflect.ownKeys(req), Reflect.ownKeys(res), req.constructor === http.IncomingMessage)
        t.listeners('request at the server', req)
        t.listeners('response at the server', res)
        t.name(req, 'request at the server')
        t.name(res, 'response at the server')
        t.hear('request at the server', req, MESSAGE)
        t.hear('response at the server', res, RESPONSE)
        res.setHeader('X-Own', 'a')
        t.observe('writeHead returns', res.writeHead(201, 'Made', { 'X-More': ['1', '2'] }))
        t.observe('write returns', res.write('one', t.heard('write')))
        t.observe('end returns', res.end('two', t.heard('end')))
      })
      t.hear('server', server, ['error', 'close', 'clientError'])
      t.listeners('server', server)
      const req = http.request({ port, method: 'POST', path: '/path' })
      t.observe('end of the request returns', req.end('body', t.heard('end of the request')) === req)
      await watch(t, 'request', req)
      t.listeners('agent', http.globalAgent)
      await close()
    },

    async 'requests that fail'(t) {
      const http = await t.load('node:http')
      const { server, port, close } = await serve(t, http, (req, res) => {
        if (req.url === '/reset') req.socket.destroy()
        else if (req.url === '/cut') res.write('begun', () => req.socket.destroy())
        else if (req.url === '/silent') t.hear('response at the server', res, RESPONSE)
        else if (req.url === '/500') res.writeHead(500).end('failed')
      })
      server.on('clientError', (error, socket) => {
        t.observe('clientError', error)
        socket.destroy()
      })
      for (const path of ['/reset', '/cut', '/500']) await watch(t, path, http.get({ port, path, agent: false }))
      // Long enough for the server to have got it, on a busy machine, too.
      const timed = http.get({ port, path: '/silent', timeout: 500, agent: false })
      timed.on('timeout', () => timed.destroy())
      await watch(t, 'timed out', timed)
      const destroyed = http.get({ port, path: '/silent', agent: false })
      t.observe('destroy returns', destroyed.destroy(new Error('enough')) === destroyed)
      await watch(t, 'destroyed', destroyed)
      const aborted = http.get({ port, path: '/silent', agent: false })
      aborted.abort()
      await watch(t, 'aborted', aborted)
      const controller = new AbortController()
      const signalled = http.get({ port, path: '/silent', agent: false, signal: controller.signal })
      controller.abort()
      await watch(t, 'signalled', signalled)
      await watch(t, 'refused', http.get({ port: 1, agent: false }))
      await watch(t, 'unknown', http.get({ host: 'name.invalid', agent: false }))
      await close()
      for (const bad of [
        [],
        [undefined],
        [null],
        [5],
        ['no url'],
        ['ftp://127.0.0.1/'],
        [{ protocol: 'ftp:' }],
        [{ path: 'with space' }],
        [{ method: 'WITH SPACE' }],
        [{ method: 5 }],
        [{ headers: { 'with space': 'x' } }],
        [{ headers: { a: undefined } }],
        [{ headers: ['odd'] }],
        [{ headers: 'text' }],
        [{ agent: {} }],
        [{ hostname: 5 }],
        [{ insecureHTTPParser: 5 }],
        [
          {
            get port() {
              throw new Error('of the application')
            },
          },
        ],
        ['http://127.0.0.1:1/', 5],
        ['http://127.0.0.1:1/', null, 'no function'],
      ]) {
        for (const method of ['request', 'get']) {
          const req = await t.outcome(`${method} with bad arguments`, () => http[method](...bad))
          req?.on('error', error => t.observe('later', error)).end()
          if (req !== undefined) await t.once(req, 'close').catch(() => {})
        }
      }
    },

    async 'servers that are asked for more than a page'(t) {
      const http = await t.load('node:http')
      const { server, port, close } = await serve(t, http, (req, res) => res.end(req.method))
      t.observe('createServer is', server.constructor === http.Server, Reflect.ownKeys(server))
      server.on('checkContinue', (_req, res) => {
        t.observe('checkContinue')
        res.writeContinue(t.heard('writeContinue'))
        res.writeEarlyHints({ link: '</a.css>; rel=preload' }, t.heard('writeEarlyHints'))
        res.end('continued')
      })
      server.on('checkExpectation', (_req, res) => res.writeHead(417).end())
      // On a busy machine the client hears that its request is written only after the server has had it.
      const written = () => new Promise(resolve => setTimeout(resolve, 20))
      server.on('upgrade', async (_req, socket, head) => {
        await written()
        t.observe('upgrade', socket.constructor.name, head)
        socket.end('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: own\r\n\r\nraw')
      })
      server.on('connect', async (_req, socket, head) => {
        await written()
        t.observe('connect', socket.constructor.name, head)
        socket.end('HTTP/1.1 200 OK\r\n\r\ntunnel')
      })
      for (const options of [
        { headers: { Expect: '100-continue' } },
        { headers: { Expect: 'wonders' } },
        { method: 'HEAD' },
        { headers: { Connection: 'Upgrade', Upgrade: 'own' } },
        { method: 'CONNECT', path: 'host:1' },
      ]) {
        const req = http.request({ port, agent: false, ...options }).end()
        req.on('connect', (_res, socket) =>
          socket
            .on('error', () => {})
            .on('close', () => t.observe('tunnel is closed'))
            .resume(),
        )
        req.on('upgrade', (_res, socket) => socket.on('close', () => t.observe('upgraded is closed')).resume())
        await watch(t, JSON.stringify(options), req)
      }
      t.observe('emit of nothing', server.emit('nothing'), server.emit('request', {}, { end() {} }))
      await t.outcome('emit without a request', () => server.emit('request'))
      await close()
    },

    async 'https, and what else is exported'(t) {
      const https = await t.load('node:https')
      const http = await t.load('node:http')
      const { server, port, close } = await serve(t, https, (req, res) => res.end(req.url), {
        cert: pem('cert'),
        key: pem('key'),
      })
      t.observe('server is', server instanceof https.Server, Reflect.ownKeys(server))
      const options = { port, path: '/secret', rejectUnauthorized: false, agent: false }
      await watch(t, 'request', https.get(options))
      await watch(t, 'distrusted', https.get({ ...options, rejectUnauthorized: true }))
      const get = promisify((given, done) => http.get(given, res => done(null, res)).on('error', done))
      await t.outcome('promisified', () => get({ port: 1 }))
      await t.outcome('https of http', () => https.get('http://127.0.0.1/'))
      await close()
    },

    async 'a class and an agent of the application'(t) {
      const http = await t.load('node:http')
      class Request extends http.IncomingMessage {
        own() {
          return 'own'
        }
        emit(event, ...args) {
          if (event === 'end') t.observe('emit of the application', event)
          return super.emit(event, ...args)
        }
      }
      class Response extends http.ServerResponse {}
      class Agent extends http.Agent {
        createConnection(...args) {
          t.observe('createConnection', args.length, Object.keys(args[0]))
          return super.createConnection(...args)
        }
      }
      const handle = (req, res) => {
        t.observe('classes', req.own(), req.constructor === Request, res.constructor === Response)
        req.resume().on('end', () => res.end('done'))
      }
      const { port, close } = await serve(t, http, handle, { IncomingMessage: Request, ServerResponse: Response })
      const agent = new Agent({ keepAlive: true, maxSockets: 1 })
      await Promise.all([1, 2, 3].map(n => watch(t, `request ${n}`, http.get({ port, path: `/${n}`, agent }))))
      t.observe(
        'agent has',
        Reflect.ownKeys(agent),
        Object.keys(agent.sockets).length,
        Object.keys(agent.freeSockets).length,
      )
      agent.destroy()
      await close()
    },
  },

  crashes: {
    async 'a handler throws'(t) {
      const http = await t.load('node:http')
      const { port } = await serve(t, http, req => {
        t.observe('request', req.url)
        throw new Error('of the application')
      })
      http.get({ port }).on('error', () => {})
      await new Promise(() => {})
    },

    async 'nobody listens to an error'(t) {
      const http = await t.load('node:http')
      t.observe('request is', http.get({ port: 1, host: '127.0.0.1' }).constructor === http.ClientRequest)
      await new Promise(resolve => setTimeout(resolve, 5_000))
    },

    async 'a callback throws'(t) {
      const http = await t.load('node:http')
      const { port } = await serve(t, http, (_req, res) => res.end())
      http.get({ port }, res => {
        t.observe('response', res.statusCode)
        throw Object.assign(new TypeError('of the application'), { code: 'OWN' })
      })
      await new Promise(() => {})
    },

    async 'a promise that nobody waits for'(t) {
      const http = await t.load('node:http')
      const { port } = await serve(t, http, async req => {
        t.observe('request', req.url)
        throw new Error('of the application')
      })
      http.get({ port }).on('error', () => {})
      await new Promise(() => {})
    },
  },
}
