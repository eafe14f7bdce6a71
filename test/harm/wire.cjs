// What goes over the wire, byte by byte: servers and proxies that observe what they are sent.
const { once } = require('node:events')
const net = require('node:net')

function createWire({ observe, alias }) {
  /** Listens; `connected` gets each connection and what it has sent so far, whenever there is more. */
  async function listen(connected) {
    const server = net.createServer(connected).listen(0, '127.0.0.1')
    await once(server, 'listening')
    return { server, port: alias(server.address().port, 'port') }
  }

  return {
    /** An HTTP server that answers each request with the text, and observes what it was sent. */
    async rawServer(label, answer = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX-Own: 1\r\n\r\nok') {
      const sockets = new Set()
      const { server, port } = await listen(socket => {
        sockets.add(socket)
        let text = ''
        socket.setEncoding('latin1').on('error', () => {})
        socket.on('data', chunk => {
          text += chunk
          for (let end = endOf(text); end > 0; end = endOf(text)) {
            observe(`${label} is sent`, text.slice(0, end))
            text = text.slice(end)
            socket.write(answer, 'latin1')
          }
        })
      })
      const close = async () => {
        for (const socket of sockets) socket.destroy()
        server.close()
        await once(server, 'close')
      }
      return { port, url: `http://127.0.0.1:${port}`, close }
    },

    /** A proxy before a service. `close` observes what the service was sent, each connection's as `read` makes of it. */
    async proxy(label, url, read = bytes => [bytes]) {
      const { hostname, port: to } = new URL(url)
      const connections = []
      const sockets = new Set()
      const { server, port } = await listen(socket => {
        const chunks = []
        connections.push(chunks)
        sockets.add(socket)
        const service = net.connect(Number(to), hostname)
        socket
          .on('data', chunk => chunks.push(chunk))
          .pipe(service)
          .on('error', () => socket.destroy())
        service
          .pipe(socket)
          .on('error', () => service.destroy())
          .on('close', () => service.destroy())
      })
      const own = new URL(url)
      own.port = String(port)
      return {
        url: own.href,
        /** Breaks the connections. */
        cut() {
          for (const socket of sockets) socket.destroy()
        },
        async close() {
          for (const chunks of connections) {
            for (const part of read(Buffer.concat(chunks))) observe(`${label} is sent`, part)
          }
          server.close()
          await once(server, 'close')
        },
      }
    },
  }
}

/** Where the first request in the text ends, or 0. */
function endOf(text) {
  const head = text.indexOf('\r\n\r\n') + 4
  if (head === 3) return 0
  const headers = text.slice(0, head).toLowerCase()
  const length = Number(/\ncontent-length: (\d+)/.exec(headers)?.[1] ?? 0)
  if (/\ntransfer-encoding: chunked/.test(headers))
    return text.indexOf('0\r\n\r\n', head) + 5 - (text.includes('0\r\n\r\n') ? 0 : 4)
  return text.length >= head + length ? head + length : 0
}

module.exports = { createWire }
