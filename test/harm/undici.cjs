// What an application does with undici, whichever version.
const REQUESTS = [
  ['get', {}],
  ['query and headers', { query: { a: 1 }, headers: { B: '1', a: ['2', '3'] } }],
  ['flat headers', { headers: ['A', '1', 'B', '2'] }],
  ['body', { method: 'POST', body: 'text' }],
  ['bytes', { method: 'PUT', body: new Uint8Array([1, 2, 3]) }],
  ['own method', { method: 'PROPFIND' }],
]

/** Answers by the path; `/reset` ends the connection. */
const answers = (req, res) => {
  if (req.url === '/reset') req.socket.destroy()
  else if (req.url === '/cut') res.write('begun', () => req.socket.destroy())
  else if (req.url === '/500') res.writeHead(500).end('failed')
  else if (req.url === '/redirect') res.writeHead(302, { location: '/found' }).end()
  else if (req.url !== '/silent') res.setHeader('X-Own', ['1', '2']).end(`${req.method} ${req.url}`)
}

async function serve(t) {
  // Not traced, and so not in what is observed: it is the undici of the application that is looked at.
  const { createServer } = require('node:http')
  const server = createServer((req, res) => answers(req, res)).listen(0, '127.0.0.1')
  await t.once(server, 'listening')
  const url = `http://127.0.0.1:${t.alias(server.address().port, 'port')}`
  const close = async () => {
    server.closeAllConnections()
    server.close()
    await t.once(server, 'close')
  }
  return { url, close }
}

const readable = async res => {
  if (res === undefined) return undefined
  const { headers, body = res } = res
  const text = await (res.text === undefined ? body.text() : res.text()).catch(error => error)
  return { status: res.status ?? res.statusCode, text, headers }
}

const fetches = load => ({
  async 'what fetch sends'(t) {
    const { fetch, Request, Headers } = await load(t)
    const { url, close } = await t.rawServer('the server')
    const headers = new Headers({ B: '1', a: '2' })
    const request = new Request(`${url}/request`, { headers, method: 'POST', body: 'text' })
    const init = Object.freeze({ headers: Object.freeze({ Own: '1' }), method: 'PUT', body: 'b', duplex: 'half' })
    for (const [label, call] of [
      ['text', () => fetch(`${url}/text`)],
      ['URL', () => fetch(new URL(`${url}/url?q#h`))],
      ['frozen', () => fetch(`${url}/frozen`, init)],
      ['Headers', () => fetch(`${url}/headers`, { headers })],
      [
        'pairs',
        () =>
          fetch(`${url}/pairs`, {
            headers: [
              ['A', '1'],
              ['A', '2'],
            ],
          }),
      ],
      ['Request', () => fetch(request)],
      ['Request again', () => fetch(request)],
      ['parameters', () => fetch(url, { method: 'POST', body: new URLSearchParams({ a: '1' }) })],
      ['detached', () => fetch.call(undefined, `${url}/detached`)],
    ]) {
      t.observe(label, await readable(await t.outcome(label, call)))
    }
    t.observe('given', init, headers, [...headers], request.bodyUsed, [...request.headers])
    await close()
  },

  async 'how fetch ends'(t) {
    const { fetch } = await load(t)
    const { url, close } = await serve(t)
    for (const path of ['/a', '/500', '/redirect', '/reset', '/cut']) {
      const res = await t.outcome(path, () => fetch(`${url}${path}`))
      if (res === undefined) continue
      t.observe(path, res.status, res.ok, res.redirected, res.type, res.headers.get('x-own'), res.body.constructor.name)
      await t.outcome(`text of ${path}`, () => res.text())
      await t.outcome(`text of ${path} again`, () => res.text())
    }
    await t.outcome('manual', () => fetch(`${url}/redirect`, { redirect: 'manual' }))
    await t.outcome('forbidden', () => fetch(`${url}/redirect`, { redirect: 'error' }))
    const controller = new AbortController()
    const silent = t.outcome('aborted', () => fetch(`${url}/silent`, { signal: controller.signal }))
    setTimeout(() => controller.abort(new Error('enough')), 20)
    await silent
    await t.outcome('aborted before', () => fetch(url, { signal: AbortSignal.abort() }))
    await t.outcome('timed out', () => fetch(`${url}/silent`, { signal: AbortSignal.timeout(20) }))
    await t.outcome('refused', () => fetch('http://127.0.0.1:1/'))
    await t.outcome('unknown', () => fetch('http://name.invalid/'))
    for (const bad of [
      [],
      [undefined],
      ['no url'],
      ['ftp://x/'],
      [url, { method: 'CON NECT' }],
      [url, { headers: { 'a b': '1' } }],
      [url, { body: 'x' }],
      [url, 5],
    ]) {
      await t.outcome('bad arguments', () => fetch(...bad))
    }
    const cancelled = await fetch(`${url}/a`)
    await t.outcome('cancel', () => cancelled.body.cancel())
    await Promise.all([1, 2, 3].map(n => fetch(`${url}/${n}`).then(res => res.text()))).then(all =>
      t.observe('all', all),
    )
    await close()
  },
})

const scenes = library => ({
  ...fetches(t => t.load(library)),

  async 'what is sent by a dispatcher'(t) {
    const undici = await t.load(library)
    const { url, close } = await t.rawServer('the server')
    const client = new undici.Client(url)
    const pool = new undici.Pool(url, { connections: 1 })
    const agent = new undici.Agent()
    for (const [label, options] of REQUESTS) {
      const given = Object.freeze({ path: '/path', method: 'GET', ...options })
      for (const dispatcher of [client, pool]) {
        const answer = await t.outcome(`${label} by ${dispatcher.constructor.name}`, () => dispatcher.request(given))
        t.observe(label, await readable(answer))
      }
      t.observe(label, await readable(await undici.request(`${url}/path`, { dispatcher: agent, ...options })))
      t.observe('given', given)
    }
    await client.request(
      { path: '/callback', method: 'GET' },
      t.heard('callback', (_error, { body }) => body.dump()),
    )
    await t.until(() => client.stats === undefined || client.stats.running === 0)
    t.observe('client has', Reflect.ownKeys(client).map(String), client.closed, client.destroyed)
    for (const dispatcher of [client, pool, agent]) await t.outcome('close', () => dispatcher.close())
    await close()
  },

  async 'how a dispatcher ends'(t) {
    const undici = await t.load(library)
    const { url, close } = await serve(t)
    const client = t.hear('client', new undici.Client(url), ['connect', 'disconnect', 'connectionError', 'drain'])
    for (const path of ['/a', '/500', '/reset', '/cut']) {
      const answer = await t.outcome(path, () => client.request({ path, method: 'GET' }))
      if (answer !== undefined) await t.outcome(`text of ${path}`, () => answer.body.text())
    }
    const chunks = []
    const { Writable } = require('node:stream')
    const into = new Writable({ write: (chunk, _encoding, done) => done(void chunks.push(String(chunk))) })
    await t.outcome('stream', () =>
      client.stream({ path: '/stream', method: 'GET', opaque: 'own' }, data => {
        t.observe('factory', data)
        return into
      }),
    )
    t.observe('streamed', chunks)
    const handler = {}
    for (const name of [
      'onConnect',
      'onHeaders',
      'onData',
      'onComplete',
      'onError',
      'onRequestStart',
      'onResponseStart',
      'onResponseData',
      'onResponseEnd',
      'onResponseError',
    ]) {
      handler[name] = function (...args) {
        t.observe(
          `handler ${name}`,
          this === handler,
          args.length,
          args.filter(arg => typeof arg === 'number'),
        )
        if (name === 'onComplete' || name === 'onResponseEnd') done()
        return true
      }
    }
    let done
    const completed = new Promise(resolve => (done = resolve))
    t.observe('dispatch returns', client.dispatch({ path: '/dispatch', method: 'GET' }, handler))
    t.observe('handler has', Reflect.ownKeys(handler))
    await completed
    for (const call of [
      () => client.dispatch(),
      () => client.dispatch({ path: '/', method: 'GET' }),
      () => client.dispatch({ path: '/', method: 'GET' }, null),
      () => client.dispatch({ path: 5, method: 'GET' }, handler),
      () => client.request({ path: 'no-slash', method: 'GET' }),
      () => client.request({ path: '/', method: 'A B' }),
      () => client.request(),
      () => client.request({ path: '/', method: 'GET' }, 'no function'),
      () => undici.request('no url'),
      () => undici.request(),
    ]) {
      await t.outcome('bad arguments', call)
    }
    const abort = new AbortController()
    const aborted = t.outcome('aborted', () => client.request({ path: '/silent', method: 'GET', signal: abort.signal }))
    setTimeout(() => abort.abort(), 20)
    await aborted
    await t.outcome('timed out', () => client.request({ path: '/silent', method: 'GET', headersTimeout: 20 }))
    const waiting = t.outcome('destroyed', () => client.request({ path: '/silent', method: 'GET' }))
    await t.outcome('destroy', () => client.destroy(new Error('enough')))
    await waiting
    await t.outcome('after the end', () => client.request({ path: '/', method: 'GET' }))
    const pool = new undici.Pool(url, { connections: 1 })
    const texts = await Promise.all(
      [1, 2, 3].map(n => pool.request({ path: `/${n}`, method: 'GET' }).then(({ body }) => body.text())),
    )
    t.observe('one after the other', texts)
    await pool.close()
    await close()
  },
})

module.exports = { scenes, fetches }
