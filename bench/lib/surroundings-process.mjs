/** The process beside the measured ones: takes in and counts what they export, and is the server that applications call. */
import { once } from 'node:events'
import { createServer } from 'node:http'
import { buffer } from 'node:stream/consumers'
import { createGunzip, createInflate } from 'node:zlib'
import { ofDatadog, ofElastic, ofOtlp } from './count-spans.mjs'

const COUNTERS = { '/v1/traces': ofOtlp, '/v0.4/traces': ofDatadog, '/intake/v2/events': ofElastic }
// What else the peers ask of their servers: metrics and logs are taken, Elastic's version is told, the rest is not there.
const ANSWERS = { '/v1/metrics': '{}', '/v1/logs': '{}', '/': '{"version":"9.0.0"}' }

/** Spans and bytes that have arrived, by the port of the sink. */
const received = new Map()

const createSink = () =>
  createServer(async (req, res) => {
    const path = req.url.split('?')[0]
    const count = COUNTERS[path]
    if (count === undefined) {
      req.resume()
      res.writeHead(path in ANSWERS ? 200 : 404).end(ANSWERS[path])
      return
    }
    try {
      const body = await buffer(decoded(req))
      const sum = received.get(req.socket.localPort)
      sum.spans += count(body)
      sum.bytes += body.length
      res.end(path === '/v0.4/traces' ? '{"rate_by_service":{}}' : '')
    } catch {
      // A measured process is killed in the middle of what it sends.
      res.destroy()
    }
  })

function decoded(req) {
  const encoding = req.headers['content-encoding']
  if (encoding === 'gzip') return req.pipe(createGunzip())
  if (encoding === 'deflate') return req.pipe(createInflate())
  return req
}

const upstream = createServer((_req, res) => res.setHeader('content-type', 'application/json').end('{"in stock":42}'))

const portOf = async server => {
  await once(server.listen(0, '127.0.0.1'), 'listening')
  return server.address().port
}

async function openSink() {
  const port = await portOf(createSink())
  received.set(port, { spans: 0, bytes: 0 })
  return port
}

process.on('disconnect', () => process.exit())
process.on('message', async ({ port }) => process.send(port === undefined ? await openSink() : received.get(port)))
process.send(await portOf(upstream))
