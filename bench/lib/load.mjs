/** An HTTP client that costs little: keep-alive connections over bare sockets, one request at a time on each. */
import { once } from 'node:events'
import { connect } from 'node:net'

const TICK_MS = 1

/**
 * Keeps this process from sleeping until the returned function is called. To wake it costs the measured process 10 to 25
 * microseconds an answer, and only where it is slower than the client: that made a bare server look twice as far away.
 */
function stayAwake() {
  let awake = true
  const turn = () => awake && setImmediate(turn)
  turn()
  return () => {
    awake = false
  }
}

/**
 * Opens the connections. `path` has to be answered with status 200 and a Content-Length. `others`: the application waits for
 * other processes on this one's core. A client that stays awake is in their way then: they answered so late that an application
 * was idle for a tenth of its time, and one that did 50 us more was charged for up to 90, as they became faster with it.
 */
export async function createLoad({ port, path, connections, others = false }) {
  const request = Buffer.from(`GET ${path} HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\nAccept: */*\r\n\r\n`)
  const idle = []
  let onAnswer = () => {}
  let failure

  async function open() {
    const socket = connect(port, '127.0.0.1').setNoDelay()
    await once(socket, 'connect')
    const connection = {
      sentMs: 0,
      missing: 0,
      head: '',
      send: () => socket.write(request),
      end: () => socket.destroy(),
    }
    socket.on('data', chunk => {
      if (take(connection, chunk)) onAnswer(connection)
    })
    socket.on('error', error => (failure ??= error))
    socket.on('close', () => (failure ??= new Error('the application closed a connection')))
    return connection
  }

  /** True when the answer is complete. */
  function take(connection, chunk) {
    if (connection.missing > 0) return (connection.missing -= chunk.length) === 0
    const text = connection.head + chunk.latin1Slice()
    const bodyAt = text.indexOf('\r\n\r\n') + 4
    connection.head = bodyAt < 4 ? text : ''
    if (bodyAt < 4) return false
    if (!text.startsWith('HTTP/1.1 200')) failure ??= new Error(`${path} was answered: ${text.slice(0, 300)}`)
    const length = /\r\ncontent-length: (\d+)/i.exec(text)
    if (length === null) failure ??= new Error(`${path} was answered without a Content-Length`)
    connection.missing = bodyAt + Number(length?.[1]) - text.length
    return connection.missing === 0
  }

  idle.push(...(await Promise.all(Array.from({ length: connections }, open))))
  const send = connection => {
    connection.sentMs = performance.now()
    connection.send()
  }

  /** Sends while `more()` is true; resolves when all is answered. Throws on the first answer that is not 200. */
  function run(start, more, seen) {
    return new Promise((resolve, reject) => {
      onAnswer = connection => {
        seen(performance.now() - connection.sentMs)
        if (failure !== undefined) reject(failure)
        else if (more()) send(connection)
        else if (idle.push(connection) === connections) resolve()
      }
      start()
    })
  }

  return {
    /** So many requests, one after another. */
    async some(requests) {
      let left = requests
      await run(
        () => send(idle.pop()),
        () => --left > 0,
        () => {},
      )
      return { requests }
    },

    /** As fast as they are answered, on all connections. */
    async saturate(ms) {
      const startMs = performance.now()
      const more = () => performance.now() - startMs < ms
      let requests = 0
      const fallAsleep = others ? () => {} : stayAwake()
      try {
        await run(
          () => idle.splice(0).forEach(send),
          more,
          () => requests++,
        )
      } finally {
        fallAsleep()
      }
      return { requests, ms: performance.now() - startMs, latencies: [] }
    },

    /** At a fixed rate. A request that finds no free connection waits for one, and its time runs from when it was due. */
    async atRate(perSecond, ms) {
      const latencies = []
      const due = []
      const startMs = performance.now()
      let sent = 0
      await new Promise((resolve, reject) => {
        onAnswer = connection => {
          latencies.push(performance.now() - connection.sentMs)
          if (failure !== undefined) reject(failure)
          if (due.length > 0) {
            connection.sentMs = due.shift()
            connection.send()
          } else idle.push(connection)
        }
        const timer = setInterval(() => {
          const now = performance.now()
          const target = Math.floor((Math.min(now - startMs, ms) * perSecond) / 1000)
          for (; sent < target; sent++) {
            if (idle.length > 0) send(idle.pop())
            else due.push(now)
          }
          if (now - startMs < ms || latencies.length < sent) return
          clearInterval(timer)
          resolve()
        }, TICK_MS)
      })
      return { requests: sent, ms: performance.now() - startMs, latencies }
    },

    close() {
      failure = new Error('closed')
      for (const connection of idle) connection.end()
    },
  }
}
