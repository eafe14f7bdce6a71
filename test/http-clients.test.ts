/** What is made of Node's http: each request that goes out is one span, and its caller sees what it would without us. */
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import { runApp } from './helpers/child.js'
import { createCollector } from './helpers/collector.js'
import { root } from './helpers/root.js'
import { asked, STATUS, span, UNANSWERED } from './helpers/rows.js'
import { assertTree, type ExpectedSpan, oneTrace } from './helpers/spans.js'

const PRELUDE = `
  const need = require('node:module').createRequire(${JSON.stringify(join(root, 'test/versions/http-clients/package.json'))})
  const http = require('node:http')
  const { trace } = require('@opentelemetry/api')
  const say = (...values) => console.log(JSON.stringify([...values, trace.getActiveSpan()?.name]))
  const told = error => say(error.name, error.code, error.response?.status ?? error.response?.statusCode)
  let failures = 1
  const server = http.createServer(async (req, res) => {
    let body = ''
    for await (const chunk of req) body += chunk
    if (req.url === '/moved') return res.writeHead(302, { location: '/there' }).end()
    if (req.url === '/missing') return res.writeHead(404).end()
    if (req.url === '/again' && failures-- > 0) return res.writeHead(503).end()
    if (req.url === '/late') return
    res.setHeader('content-type', 'application/json')
    res.end(JSON.stringify({ method: req.method, body, own: req.headers.own, traced: req.rawHeaders.filter(name => name === 'traceparent').length < 2 }))
  })
  const run = body => server.listen(0, '127.0.0.1', () => {
    const url = 'http://127.0.0.1:' + server.address().port
    trace.getTracer('app').startActiveSpan('request', async span => {
      await body(url)
      span.end()
      server.close()
      server.closeAllConnections()
    })
  })`

/** Runs `body` with us and without, which have to say the same. */
async function run(body: string, count: number): Promise<Awaited<ReturnType<typeof createCollector>>> {
  const collector = await createCollector()
  const code = `${PRELUDE}\nrun(async url => {\n${body}\n})`
  const [traced, plain] = await Promise.all([
    runApp({ code, collector, flags: ['--no-deprecation'] }),
    runApp({ code, preload: 'none', flags: ['--no-deprecation'] }),
  ])
  assert.equal(traced.stderr, '')
  assert.equal(traced.code, 0)
  // There is no span without us.
  assert.deepEqual(traced.stdout.replaceAll('"request"]', 'null]'), plain.stdout)
  assert.doesNotMatch(traced.stdout, /null\]/)
  await collector.waitFor(count)
  await collector.close()
  return collector
}

const moved = [asked('/moved', { [STATUS]: 302 }, { [STATUS]: 302 }), asked('/there')]
const missing = asked('/missing', { [STATUS]: 404, 'error.type': '404' }, { [STATUS]: 404 })
const LATE = { ...UNANSWERED, 'error.type': 'client_disconnect' }
const request = (children: ExpectedSpan[]): ExpectedSpan => ({ name: 'request', kind: 'internal', children })

test('axios: methods, redirects, failures and cancelling', async () => {
  const collector = await run(
    `const axios = need('axios')
    const { data } = await axios.post(url + '/post', { a: 1 }, { headers: Object.freeze({ own: '1' }) })
    say(data)
    say((await axios.get(url + '/moved')).data)
    await axios.get(url + '/missing').catch(told)
    await axios.get(url + '/late', { signal: AbortSignal.timeout(200) }).catch(told)
    await axios.get('http://127.0.0.1:1/refused').catch(told)`,
    11,
  )
  const spans = collector.spans()
  oneTrace(spans)
  assertTree(spans, [
    request([
      asked('/post', { method: 'POST' }),
      ...moved,
      missing,
      asked('/late', UNANSWERED, LATE),
      span('client', 'GET', { ...UNANSWERED, 'error.type': 'ECONNREFUSED' }),
    ]),
  ])
})

test('got: methods, redirects, retries, streams and failures', async () => {
  const collector = await run(
    `const got = need('got')
    say(await got.post(url + '/post', { json: { a: 1 }, headers: { own: '1' } }).json())
    say(await got(url + '/moved').json())
    say(await got(url + '/again', { retry: { limit: 1, calculateDelay: ({ attemptCount }) => attemptCount < 2 ? 1 : 0 } }).json())
    await got(url + '/missing', { retry: 0 }).catch(told)
    let size = 0
    for await (const chunk of got.stream(url + '/stream')) size += chunk.length
    say(size)
    await got('http://127.0.0.1:1/refused', { retry: 0 }).catch(told)
    await got(url + '/late', { retry: 0, timeout: 200 }).catch(told)
    const late = got(url + '/late', { retry: 0 })
    setTimeout(() => late.cancel(), 200)
    await late.catch(told)`,
    19,
  )
  const spans = collector.spans()
  oneTrace(spans)
  assertTree(spans, [
    request([
      asked('/post', { method: 'POST' }),
      ...moved,
      asked('/again', { [STATUS]: 503, 'error.type': '503' }, { [STATUS]: 503, 'error.type': '503' }),
      asked('/again'),
      missing,
      asked('/stream'),
      span('client', 'GET', { ...UNANSWERED, 'error.type': 'ECONNREFUSED' }),
      asked('/late', { ...UNANSWERED, 'error.type': 'ETIMEDOUT' }, LATE),
      asked('/late', UNANSWERED, LATE),
    ]),
  ])
})

test('follow-redirects: each step is a request', async () => {
  const collector = await run(
    `const { http } = need('follow-redirects')
    await new Promise(resolve => http.get(url + '/moved', res => {
      say(res.statusCode, res.responseUrl.slice(url.length), res.redirects)
      res.resume().on('end', () => { say('end'); resolve() })
    }))`,
    5,
  )
  assertTree(collector.spans(), [request(moved)])
})

test('light-my-request: requests without a connection', async () => {
  const collector = await run(
    `const inject = need('light-my-request')
    const answer = (req, res) => { res.statusCode = req.url === '/fails' ? 500 : 200; res.setHeader('own', '1'); res.end(req.method + req.url) }
    for (const request of [{ method: 'GET', url: '/a' }, { method: 'POST', url: '/fails', payload: { b: 1 } }]) {
      const { statusCode, payload, headers } = await inject(answer, request)
      say(statusCode, payload, headers.own)
    }`,
    1,
  )
  assertTree(collector.spans(), [request([])])
})
