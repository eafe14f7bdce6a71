/** Headers that options name as attributes, and the methods and secret parameters that options know, over all HTTP libraries. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { recordingClient, recordingServer } from '../../../src/instrumentations/shared/http-headers.js'
import { runApp } from '../../helpers/child.js'
import { createCollector, type ReceivedSpan } from '../../helpers/collector.js'

const APP = `
  const http = require('node:http'), http2 = require('node:http2')
  const answer = (req, res) => {
    res.setHeader('X-Set', 'set')
    res.setHeader('Set-Cookie', ['a=1', 'b=2'])
    res.writeHead(200, { 'X-Written': 'written' })
    res.end('ok')
  }
  const one = http.createServer(answer).listen(0, '127.0.0.1', () => {
    const url = 'http://127.0.0.1:' + one.address().port
    const headers = { 'X-Id': 'id', Authorization: 'secret', Cookie: 'secret' }
    http.get(url + '/http?token=s&sig=t', { headers }, res => res.resume().on('end', async () => {
      await (await fetch(url + '/fetch', { headers })).text()
      one.close(); one.closeAllConnections()
      const two = http2.createServer(answer).listen(0, '127.0.0.1', () => {
        const session = http2.connect('http://127.0.0.1:' + two.address().port)
        const stream = session.request({ ':path': '/http2', ':method': 'GET', 'x-id': 'id', cookie: 'secret' })
        stream.resume().on('close', () => { session.close(); two.close() })
      })
    }))
  })`

const FAMILY = 'OTEL_INSTRUMENTATION_HTTP'

async function run(env: Record<string, string>): Promise<ReceivedSpan[]> {
  const collector = await createCollector()
  const ended = await runApp({ code: APP, collector, env })
  await collector.close()
  assert.deepEqual([ended.code, ended.stderr], [0, ''])
  return collector.spans()
}

const recorded = ({ attributes }: ReceivedSpan) =>
  Object.fromEntries(Object.entries(attributes).filter(([key]) => key.includes('.header.')))

test('headers are recorded where the variables name them, and no others', async () => {
  const spans = await run({
    [`${FAMILY}_SERVER_CAPTURE_REQUEST_HEADERS`]: 'X-ID, absent,x-id',
    [`${FAMILY}_SERVER_CAPTURE_RESPONSE_HEADERS`]: 'x-set,X-Written',
    [`${FAMILY}_CLIENT_CAPTURE_REQUEST_HEADERS`]: 'x-id',
    [`${FAMILY}_CLIENT_CAPTURE_RESPONSE_HEADERS`]: 'x-written,set-cookie',
  })
  assert.equal(spans.length, 6)
  for (const span of spans) {
    const { kind, attributes } = span
    const cookies = recorded(span)['http.response.header.set-cookie']
    const where = `${kind} ${attributes['url.path'] ?? attributes['url.full']}`
    if (kind === 'server') {
      assert.deepEqual(
        recorded(span),
        {
          'http.request.header.x-id': ['id'],
          'http.response.header.x-set': ['set'],
          'http.response.header.x-written': ['written'],
        },
        where,
      )
    } else {
      assert.deepEqual(recorded(span)['http.request.header.x-id'], ['id'], where)
      assert.deepEqual(recorded(span)['http.response.header.x-written'], ['written'], where)
      assert.match(String(cookies), /^a=1, ?b=2$|^a=1,b=2$/, where)
      assert.equal(Object.keys(recorded(span)).length, 3)
    }
  }
})

test('nothing is recorded without them', async () => {
  const spans = await run({})
  assert.equal(spans.length, 6)
  for (const span of spans) assert.deepEqual(recorded(span), {})
})

test("an instrumentation's own variable comes first", async () => {
  const spans = await run({
    [`${FAMILY}_SERVER_CAPTURE_REQUEST_HEADERS`]: 'x-id',
    TRACE_HTTP_SERVER_REQUEST_HEADERS: 'authorization',
  })
  const servers = spans.filter(({ kind }) => kind === 'server')
  assert.deepEqual(
    servers.map(span => recorded(span)),
    [
      { 'http.request.header.authorization': ['secret'] },
      { 'http.request.header.authorization': ['secret'] },
      { 'http.request.header.x-id': ['id'] },
    ],
  )
})

test('where none are named the operation stays the same one', () => {
  const operation = { start: () => undefined }
  const none = () => undefined
  assert.equal(
    recordingServer(operation, { serverRequestHeaders: [], serverResponseHeaders: [] }, none, none),
    operation,
  )
  assert.equal(
    recordingClient(operation, { clientRequestHeaders: [], clientResponseHeaders: [] }, none, none),
    operation,
  )
})

test('the known methods are those that are named, in that case', async () => {
  const spans = await run({ [`${FAMILY}_KNOWN_METHODS`]: 'get,POST' })
  for (const { name, attributes } of spans) {
    assert.equal(name, 'HTTP')
    assert.equal(attributes['http.request.method'], '_OTHER')
    assert.equal(attributes['http.request.method_original'], 'GET')
  }
})

test('the secret parameters are those that are named', async () => {
  const queries = (spans: ReceivedSpan[]) =>
    spans.flatMap(({ attributes }) => String(attributes['url.query'] ?? attributes['url.full']).match(/token.*/) ?? [])
  assert.deepEqual(queries(await run({})), ['token=s&sig=REDACTED', 'token=s&sig=REDACTED'])
  assert.deepEqual(queries(await run({ TRACE_HTTP_SECRET_PARAMETERS: 'token,a.b*' })), [
    'token=REDACTED&sig=t',
    'token=REDACTED&sig=t',
  ])
})
