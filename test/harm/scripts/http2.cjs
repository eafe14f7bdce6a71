// node:http2.
module.exports = {
  libraries: ['node:http2'],
  untraced: ['a server and a client'],
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
  },
}
