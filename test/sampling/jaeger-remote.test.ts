/** The remote sampler against a server that answers in every way. */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { type AddressInfo, connect } from 'node:net'
import { test } from 'node:test'
import { setTimeout as wait } from 'node:timers/promises'
import { strategiesUrl } from '../../src/sampling/jaeger-remote.js'
import { type Ended, runApp } from '../helpers/child.js'

test('the path is appended where it is missing', () => {
  for (const [endpoint, url] of [
    ['http://jaeger:5778', 'http://jaeger:5778/sampling?service=shop'],
    ['http://jaeger:5778/', 'http://jaeger:5778/sampling?service=shop'],
    ['http://jaeger:5778/sampling', 'http://jaeger:5778/sampling?service=shop'],
    ['http://jaeger:14268/api/sampling?a=b', 'http://jaeger:14268/api/sampling?a=b&service=shop'],
    ['https://a/jaeger', 'https://a/jaeger/sampling?service=shop'],
  ] as const)
    assert.equal(strategiesUrl(endpoint, 'shop').href, url)
  assert.equal(strategiesUrl('http://a', 'a b&c=d').search, '?service=a+b%26c%3Dd')
})

type Respond = (res: ServerResponse, asked: number) => void

async function serving<T>(respond: Respond, use: (url: string, requests: IncomingMessage[]) => Promise<T>): Promise<T> {
  const requests: IncomingMessage[] = []
  const server = createServer((req, res) => {
    requests.push(req)
    respond(res, requests.length)
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  try {
    return await use(`http://127.0.0.1:${(server.address() as AddressInfo).port}`, requests)
  } finally {
    server.closeAllConnections()
    server.close()
  }
}

const rate = (samplingRate: number): string =>
  JSON.stringify({ strategyType: 'PROBABILISTIC', probabilisticSampling: { samplingRate } })

/** Prints how the sampler is described, each time that it changes, for so long. */
const watching = (url: string, forMs: number, options = '') => `
  const { createJaegerRemote } = require('../src/sampling/jaeger-remote.js')
  const sampler = createJaegerRemote({ endpoint: '${url}', serviceName: 'shop', pollingIntervalMs: 20, initialSamplingRate: 0.5${options} })
  let before = ''
  const look = setInterval(() => {
    if (String(sampler) !== before) console.log(before = String(sampler))
  }, 5)
  setTimeout(() => clearInterval(look), ${forMs})`

const watch = (url: string, forMs = 400): Promise<Ended> => runApp({ code: watching(url, forMs), preload: 'none' })
const described = (...ratios: number[]): string =>
  ratios.map(ratio => `JaegerRemoteSampler{TraceIdRatioBased{${ratio}}}\n`).join('')

test('it asks for the service again and again, and takes what it is told', () =>
  serving(
    (res, asked) => res.end(rate(asked < 3 ? 0.25 : 0.75)),
    async (url, requests) => {
      const { stdout, stderr } = await watch(url)
      assert.equal(stdout, described(0.5, 0.25, 0.75))
      assert.equal(stderr, '')
      assert.ok(requests.length >= 3, `${requests.length} requests`)
      assert.equal(requests[0]?.method, 'GET')
      assert.equal(requests[0]?.url, '/sampling?service=shop')
      assert.match(requests[0]?.headers['user-agent'] ?? '', /^org-trace\//)
    },
  ))

const failures: Record<string, Respond> = {
  'an error': res => res.writeHead(500).end(rate(1)),
  'a reset': res => res.destroy(),
  'no JSON': res => res.end('<html>'),
  'another shape': res => res.end('{"rate":1}'),
  'a torn answer': res => {
    res.writeHead(200, { 'Content-Length': 1000 }).write('{')
    setTimeout(() => res.destroy(), 10)
  },
  'an answer without end': res => {
    const more = (): void => {
      while (!res.destroyed && res.write(' '.repeat(65_536)));
      if (!res.destroyed) res.once('drain', more)
    }
    more()
  },
}

for (const [name, respond] of Object.entries(failures)) {
  test(`${name}: the last strategy stays, and it is said once`, () =>
    serving(
      (res, asked) => (asked === 1 ? res.end(rate(0.25)) : respond(res, asked)),
      async (url, requests) => {
        const { stdout, stderr, code } = await watch(url, 500)
        assert.equal(code, 0)
        assert.equal(stdout, described(0.5, 0.25))
        assert.equal(stderr.match(/\n/g)?.length, 1, stderr)
        assert.ok(
          stderr.startsWith(`[@org/trace] warn: no sampling strategy from ${url}/sampling, the last one stays: `),
        )
        assert.ok(requests.length > 2, `${requests.length} requests`)
      },
    ))
}

test('nobody there: the initial rate stays, and credentials are not shown', async () => {
  const { stdout, stderr, code } = await watch('http://me:hunter2@127.0.0.1:9/?key=hunter2')
  assert.equal(code, 0)
  assert.equal(stdout, described(0.5))
  assert.match(
    stderr,
    /^\[@org\/trace\] warn: no sampling strategy from http:\/\/127\.0\.0\.1:9\/sampling, .*ECONNREFUSED.*\n$/,
  )
  assert.doesNotMatch(stderr, /hunter2/)
})

test('a server that does not answer keeps no process alive', () =>
  serving(
    () => {},
    async (url, requests) => {
      const { durationMs, stderr } = await watch(url, 300)
      assert.equal(requests.length, 1)
      assert.equal(stderr, '')
      assert.ok(durationMs < 4000, `${durationMs} ms`)
    },
  ))

test('a host that drops what comes holds the process no longer than a moment', async () => {
  // Nobody accepts, and the queue of the system is full.
  const blocked = spawn(process.execPath, [
    '-e',
    `const server = require('node:net').createServer().listen({ port: 0, host: '127.0.0.1', backlog: 1 }, () => {
      require('node:fs').writeSync(1, String(server.address().port))
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0)
    })`,
  ])
  const [port] = (await once(blocked.stdout, 'data')) as [Buffer]
  const waiting = Array.from({ length: 8 }, () => connect(Number(port), '127.0.0.1').on('error', () => {}))
  await wait(100)
  try {
    const { durationMs, stderr } = await watch(`http://127.0.0.1:${port}`, 100)
    assert.match(stderr, /the last one stays: Error: no connection in 1500 ms\n$/)
    assert.ok(durationMs < 4000, `${durationMs} ms`)
  } finally {
    for (const socket of waiting) socket.destroy()
    blocked.kill('SIGKILL')
  }
})

test('a process that ends at once asks nobody, and waits for nothing', () =>
  serving(
    res => res.end(rate(1)),
    async (url, requests) => {
      await runApp({ code: `${watching(url, 0).split('let before')[0]}`, preload: 'none' })
      assert.ok(requests.length <= 1)
    },
  ))

test('after its shutdown it asks no more, not even when an answer comes', () =>
  serving(
    res => setTimeout(() => res.end(rate(0.25)), 150),
    async (url, requests) => {
      const code = `${watching(url, 1000)}\nsetTimeout(() => sampler.shutdown(), 250)`
      const running = runApp({ code, preload: 'none' })
      while (requests.length === 0) await wait(10)
      await wait(450)
      const before = requests.length
      assert.equal((await running).code, 0)
      assert.equal(requests.length, before)
    },
  ))

test('a strategy that is told again keeps its tokens', () =>
  serving(
    res => res.end('{"rateLimitingSampling":{"maxTracesPerSecond":1}}'),
    async (url, requests) => {
      const code = `${watching(url, 400)}
        const { ask } = require('../test/helpers/sampling.js')
        let kept = 0
        const count = setInterval(() => (kept += ask(sampler, { traceId: '0'.repeat(32) }).decision === 2 ? 1 : 0), 5)
        setTimeout(() => (clearInterval(count), console.log('kept', kept)), 400)`
      const { stdout } = await runApp({ code, preload: 'none' })
      assert.match(stdout, /^kept 1$/m)
      assert.ok(requests.length > 3)
    },
  ))
