// Servers and requests of node:http and node:https, and all that they emit.
const REQUEST = [
  'socket',
  'finish',
  'response',
  'information',
  'continue',
  'upgrade',
  'timeout',
  'abort',
  'error',
  'close',
]
const MESSAGE = ['data', 'end', 'aborted', 'error', 'close']
const RESPONSE = ['pipe', 'finish', 'error', 'close']

/** A server of the application; `handle` may throw away what it does not need. */
async function serve(t, { createServer }, handle, options = {}) {
  const server = createServer(options, handle)
  server.listen(0, '127.0.0.1')
  await t.once(server, 'listening')
  const port = t.alias(server.address().port, 'port')
  const close = async () => {
    server.closeAllConnections()
    server.close()
    await t.once(server, 'close')
  }
  return { server, port, url: `http://127.0.0.1:${port}`, close }
}

/** Hears all of a request until it is closed. */
async function watch(t, label, req) {
  t.name(req, label)
  t.hear(label, req, REQUEST)
  req.on('response', res =>
    t.hear(`response of ${label}`, t.name(res, `response of ${label}`), MESSAGE).setEncoding('utf8'),
  )
  await new Promise(resolve => req.on('close', resolve))
  t.listeners(label, req)
}

module.exports = { MESSAGE, RESPONSE, serve, watch }
