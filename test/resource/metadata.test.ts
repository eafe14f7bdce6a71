/** Metadata servers that hang, break, lie and are not there; and what of them reaches an application. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer, type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import { after, describe, test } from 'node:test'
import { aws } from '../../src/resource/aws.js'
import { detectResource } from '../../src/resource/index.js'
import { createAsk } from '../../src/resource/metadata.js'
import { runApp } from '../helpers/child.js'
import { createCollector } from '../helpers/collector.js'
import { find, surroundings } from './surroundings.js'

async function serve(listener: RequestListener): Promise<string> {
  const server = createServer(listener).listen(0, '127.0.0.1')
  await once(server, 'listening')
  after(() => {
    server.closeAllConnections()
    server.close()
  })
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

const within = (ms: number) => createAsk(performance.now() + ms)

describe('an answer', () => {
  test('comes as text, without blanks around it', async () => {
    const url = await serve((req, res) => res.end(` ${req.method} ${req.headers.x} ${req.headers.connection}\n`))
    assert.equal(await within(5000)(url, { method: 'PUT', headers: { x: 'y' } }), 'PUT y close')
  })

  const broken: Record<string, RequestListener> = {
    'a status of failure': (_, res) => res.writeHead(404).end('x'),
    'a redirection': (_, res) => res.writeHead(302, { location: '/' }).end('x'),
    'no HTTP': (_, res) => res.socket?.end('nonsense\r\n\r\n'),
    'a reset': (_, res) => res.socket?.resetAndDestroy(),
    'an end within the body': (_, res) => {
      res.writeHead(200, { 'content-length': 100 }).write('x')
      setTimeout(() => res.destroy(), 20)
    },
    'a body that is too long': (_, res) => {
      for (let i = 0; i < 20; i++) res.write('x'.repeat(10_000))
    },
  }
  for (const [what, listener] of Object.entries(broken))
    test(`is none at once if there is ${what}`, async () => {
      const url = await serve(listener)
      const start = performance.now()
      assert.equal(await within(20_000)(url), undefined)
      assert.ok(performance.now() - start < 15_000)
    })

  test('is none from nowhere, and from what is no URL', async () => {
    for (const url of ['http://127.0.0.1:1', 'nonsense', 'http://', 'ftp://127.0.0.1', '', 'https://127.0.0.1:1'])
      assert.equal(await within(5000)(url), undefined)
  })

  for (const [what, listener] of Object.entries<RequestListener>({
    'never comes': () => {},
    'comes in drops': (_, res) => {
      const timer = setInterval(() => res.write('x'), 20).unref()
      res.once('close', () => clearInterval(timer))
    },
  }))
    test(`is not waited for if it ${what}`, async () => {
      const url = await serve(listener)
      const start = performance.now()
      const ask = within(200)
      assert.equal(await ask(url), undefined)
      const ms = performance.now() - start
      assert.ok(ms > 150 && ms < 1500, `${ms} ms`)
      // The time is for all questions together.
      assert.equal(await ask(url), undefined)
      assert.ok(performance.now() - start - ms < 500)
    })
})

test('all questions together take 200 ms', async () => {
  const server = await serve((req, res) => {
    if (req.method === 'PUT') setTimeout(() => res.end('token'), 120)
  })
  const files = { '/sys/class/dmi/id/sys_vendor': 'Amazon EC2', '/sys/class/dmi/id/product_name': 'Google' }
  const options = { serviceName: 'shop', resourceAttributes: {}, resourceDetectors: ['all'] }
  const start = performance.now()
  const { attributes, whole } = detectResource(options, surroundings({ files, server }))
  assert.deepEqual(await whole, attributes)
  const ms = performance.now() - start
  assert.ok(ms > 150 && ms < 1500, `${ms} ms`)
})

test('what a hostile server says is no attribute of another type', async () => {
  for (const text of ['null', '[]', '1', '"x"', '{"instanceId":{},"region":["a"],"accountId":5}', '{', '']) {
    const server = await serve((req, res) => res.end(req.method === 'PUT' ? 'token' : text))
    const files = { '/sys/class/dmi/id/sys_vendor': 'Amazon EC2' }
    const found = (await find(aws, { files, server })) as Record<string, unknown>
    delete found['host.name']
    assert.deepEqual(found, { 'cloud.provider': 'aws', 'cloud.platform': 'aws_ec2' })
  }
})

describe('an application', () => {
  const document = '{"instanceId":"i-1","region":"eu-west-1"}'
  const code = (ms: number) => `
    require('@opentelemetry/api').trace.getTracer('app').startSpan('own').end()
    setTimeout(() => {}, ${ms})`

  async function run(ms: number, server: string, env: Record<string, string> = {}) {
    const collector = await createCollector()
    const OTEL_NODE_RESOURCE_DETECTORS = 'aws,process'
    const variables = { AWS_EC2_METADATA_SERVICE_ENDPOINT: server, OTEL_NODE_RESOURCE_DETECTORS, ...env }
    const ended = await runApp({ collector, code: code(ms), env: { OTEL_BSP_SCHEDULE_DELAY: '1', ...variables } })
    await collector.close()
    assert.equal(ended.code, 0)
    return { spans: collector.spans(), ended }
  }

  test('sends what a metadata server says with its first spans, and makes none for asking', async () => {
    const headers: string[] = []
    const server = await serve((req, res) => {
      headers.push(...Object.keys(req.headers))
      setTimeout(() => res.end(req.url?.endsWith('document') ? document : 'x'), 5)
    })
    const { spans, ended } = await run(1000, server)
    assert.equal(ended.stderr, '')
    assert.deepEqual(
      spans.map(({ name }) => name),
      ['own'],
    )
    assert.equal(spans[0]?.resource['host.id'], 'i-1')
    assert.equal(spans[0]?.resource['cloud.region'], 'eu-west-1')
    assert.ok(!headers.includes('traceparent'))
  })

  test('says nothing of a server that is not there, and sends its spans', async () => {
    const { spans, ended } = await run(1000, 'http://127.0.0.1:1')
    assert.equal(ended.stderr, '')
    assert.equal(spans[0]?.resource['cloud.platform'], 'aws_ec2')
    const { ended: debugging } = await run(1000, 'http://127.0.0.1:1', { OTEL_LOG_LEVEL: 'debug' })
    assert.match(debugging.stderr, /the metadata server at http:\/\/127\.0\.0\.1:1\S* is of no help/)
  })

  test('is not held open by a server that hangs, and sends what is known by then', async () => {
    const server = await serve(() => {})
    const { spans: known, ended } = await run(0, server)
    assert.equal(known[0]?.resource['cloud.platform'], 'aws_ec2')
    assert.equal(known[0]?.resource['host.id'], undefined)
    assert.ok(ended.durationMs < 10_000, `${ended.durationMs} ms`)
    const { spans } = await run(1500, server)
    assert.equal(spans.length, 1)
  })

  test('has nothing of ours open that would hold it while it asks', async () => {
    let asked = 0
    const server = await serve(() => asked++)
    const held = await runApp({
      code: `
        require('@opentelemetry/api').trace.getTracer('app').startSpan('own').end()
        setTimeout(() => console.log(process.getActiveResourcesInfo().join()), 120)`,
      env: {
        AWS_EC2_METADATA_SERVICE_ENDPOINT: server,
        OTEL_NODE_RESOURCE_DETECTORS: 'aws',
        OTEL_BSP_SCHEDULE_DELAY: '60000',
        TRACE_EXIT_TIMEOUT_MS: '0',
      },
    })
    assert.equal(asked, 1)
    assert.doesNotMatch(held.stdout, /TCP/)
  })

  test('asks nobody where detectors do not include the cloud, and configured attributes count without env', async () => {
    let asked = 0
    const server = await serve((_, res) => {
      asked++
      res.end('x')
    })
    const { spans, ended } = await run(500, server, {
      OTEL_NODE_RESOURCE_DETECTORS: 'host,nonsense',
      OTEL_RESOURCE_ATTRIBUTES: 'host.name=mine,region=north',
      OTEL_SERVICE_NAME: 'shop',
    })
    assert.equal(asked, 0)
    const { resource } = spans[0] as (typeof spans)[number]
    assert.deepEqual(
      [resource['host.name'], resource.region, resource['service.name'], resource['process.pid']],
      ['mine', 'north', 'shop', undefined],
    )
    assert.match(ended.stderr, /OTEL_NODE_RESOURCE_DETECTORS: ignored "nonsense", expected a list of all, env, host/)
  })
})
