// node:http2.
module.exports = {
  libraries: ['node:http2'],
  scenes: {
    async 'a server and a client'(t) {
      const http2 = await t.load('node:http2')
      const server = http2.createServer((req, res) => {
        t.observe(
          'request',
          req.method,
          req.url,
          Object.keys(req.headers).filter(name => name !== 'traceparent'),
          req.constructor.name,
        )
        if (req.url === '/reset') return res.stream.close(http2.constants.NGHTTP2_REFUSED_STREAM)
        t.hear('response at the server', res, ['finish', 'close'])
        res.writeHead(201, { own: '1' })
        res.write('one')
        res.end('two')
      })
      server.listen(0, '127.0.0.1')
      await t.once(server, 'listening')
      const port = t.alias(server.address().port, 'port')
      t.listeners('server', server)
      const session = http2.connect(`http://127.0.0.1:${port}`)
      t.observe('session', session.constructor.name, session.request.length)
      for (const headers of [
        { ':path': '/a', own: 'x' },
        Object.freeze({ ':path': '/b', ':method': 'POST' }),
        { ':path': '/reset' },
      ]) {
        const stream = session.request(headers)
        t.hear(headers[':path'], stream.setEncoding('utf8'), ['response', 'data', 'end', 'error', 'close'].slice(1))
        stream.on('response', (answer, flags) => t.observe('response', { ...answer }, flags))
        stream.end(headers[':method'] === 'POST' ? 'body' : undefined)
        await new Promise(resolve => stream.on('close', resolve))
        t.listeners(headers[':path'], stream)
        t.observe('given', headers)
      }
      for (const bad of [
        () => session.request('text'),
        () => session.request({}, 'text'),
        () => http2.connect(),
        () => http2.connect('ftp://x'),
      ]) {
        await t.outcome('bad arguments', () => typeof bad())
      }
      await new Promise(resolve => session.close(resolve))
      await t.outcome('request afterwards', () => typeof session.request({}).on('error', () => {}))
      await new Promise(resolve => server.close(resolve))
    },

    async 'streams, pushed and reset'(t) {
      const http2 = await t.load('node:http2')
      const server = http2.createServer()
      server.on('session', session => t.observe('session', Object.keys(session), session.eventNames().map(String)))
      server.on('stream', (stream, headers, flags, raw) => {
        const path = headers[':path']
        t.observe('stream', path, flags, raw.length - (headers.traceparent === undefined ? 0 : 2))
        t.hear(`${path} at the server`, stream, ['aborted', 'data', 'end', 'error', 'finish', 'close'])
        if (path === '/refused') return stream.close(http2.constants.NGHTTP2_REFUSED_STREAM)
        if (path === '/cancelled') return t.observe('close returns', stream.respond())
        stream.additionalHeaders({ ':status': 103, link: '</a.css>' })
        stream.pushStream({ ':path': '/pushed' }, (error, pushed) => {
          t.observe('pushed', error, pushed.pushAllowed)
          pushed.respond({ ':status': 200 })
          pushed.end('pushed')
        })
        stream.respond({ ':status': 200, own: ['1', '2'] }, { waitForTrailers: true })
        stream.on('wantTrailers', () => stream.sendTrailers({ after: 'all' }))
        stream.end('text')
      })
      server.listen(0, '127.0.0.1')
      await t.once(server, 'listening')
      const session = http2.connect(`http://127.0.0.1:${t.alias(server.address().port, 'port')}`)
      const pushed = new Promise(resolve => {
        session.on('stream', (stream, headers) => {
          t.observe('told of', headers[':path'])
          stream.resume().on('close', resolve)
        })
      })
      for (const path of ['/', '/refused', '/cancelled']) {
        const stream = session.request({ ':path': path, ':method': path === '/' ? 'GET' : 'POST' })
        t.hear(path, stream, ['headers', 'aborted', 'data', 'trailers', 'end', 'error', 'close'].slice(1))
        if (path === '/cancelled') stream.on('response', () => stream.close(http2.constants.NGHTTP2_CANCEL))
        if (path !== '/') stream.end('body')
        await new Promise(resolve => stream.on('close', resolve))
        t.observe(path, stream.rstCode, stream.aborted, Reflect.ownKeys(stream).length, stream.eventNames().map(String))
      }
      await pushed
      session.destroy()
      await new Promise(resolve => server.close(resolve))
    },
  },

  crashes: {
    async 'a handler throws'(t) {
      const http2 = await t.load('node:http2')
      const server = http2.createServer(req => {
        t.observe('request', req.url)
        throw new Error('of the application')
      })
      server.listen(0, '127.0.0.1')
      await t.once(server, 'listening')
      const session = http2.connect(`http://127.0.0.1:${server.address().port}`).on('error', () => {})
      session.request().on('error', () => {})
      await new Promise(() => {})
    },

    async 'nobody listens to an error'(t) {
      const http2 = await t.load('node:http2')
      const session = http2.connect('http://127.0.0.1:1')
      t.observe('stream is', session.request().constructor.name)
      await new Promise(resolve => setTimeout(resolve, 5_000))
    },
  },
}
