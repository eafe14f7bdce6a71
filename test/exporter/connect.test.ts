/** The ways to a collector: TLS with certificates right and wrong, proxies, unix sockets, compression, over every protocol. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type IncomingMessage, request } from 'node:http'
import { type AddressInfo, connect, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { proxyFor } from '../../src/exporter/proxy.js'
import type { Listener, Send, TransportOptions } from '../../src/exporter/send.js'
import { createTransport } from '../../src/exporter/transport.js'
import { createAuthority } from '../helpers/certificates.js'
import { createCollector } from '../helpers/collector.js'
import { requestOf } from '../helpers/ended-span.js'

// Neither our sockets nor the collector's keep a process alive.
const alive = setInterval(() => {}, 1000)
const folder = mkdtempSync(join(tmpdir(), 'trace-connect-'))
after(() => {
  clearInterval(alive)
  rmSync(folder, { recursive: true })
})

const PROTOCOLS = ['http/protobuf', 'http/json', 'grpc'] as const
const WITHIN_MS = 10_000

function sendTo(options: Pick<TransportOptions, 'endpoint' | 'protocol'> & Partial<TransportOptions>): Send {
  const listener: Listener = { onRefused() {}, onPartial() {} }
  const send = createTransport({ headers: {}, compression: 'none', ...options }, listener)
  return (body, onWritten) => send(body, onWritten, WITHIN_MS)
}

const reasonOf = (result: Awaited<ReturnType<Send>>): string => (typeof result === 'object' ? result.reason : result)

let files = 0
function file(content: string): string {
  const path = join(folder, `${++files}.pem`)
  writeFileSync(path, content)
  return path
}

const authority = createAuthority()
const other = createAuthority('another authority')
const server = authority.issue('localhost', '127.0.0.1')
const client = authority.issue('client')
const stranger = other.issue('client')

for (const protocol of PROTOCOLS) {
  const grpc = protocol === 'grpc'

  test(`${protocol}: TLS needs the authority of the collector's certificate, and its name`, async () => {
    const collector = await createCollector({ grpc, tls: server })
    const to = (certificate?: string) => sendTo({ protocol, endpoint: collector.url, certificate })(requestOf(1))
    const trusted = file(authority.cert)
    assert.equal(await to(trusted), 'sent')
    assert.match(reasonOf(await to()), /UNABLE_TO_VERIFY_LEAF_SIGNATURE: OTEL_EXPORTER_OTLP_CERTIFICATE names/)
    assert.match(reasonOf(await to(file(other.cert))), /OTEL_EXPORTER_OTLP_CERTIFICATE/)
    assert.match(reasonOf(await to(join(folder, 'gone.pem'))), /ENOENT/)
    assert.equal(collector.spans().length, 1)
    await collector.close()

    const elsewhere = await createCollector({ grpc, tls: authority.issue('elsewhere.example') })
    const result = await sendTo({ protocol, endpoint: elsewhere.url, certificate: trusted })(requestOf(1))
    assert.match(reasonOf(result), /ERR_TLS_CERT_ALTNAME_INVALID/)
    assert.equal(elsewhere.requests.length, 0)
    await elsewhere.close()
  })

  test(`${protocol}: mutual TLS shows our certificate`, async () => {
    const tls = { ...server, ca: authority.cert, requestCert: true, rejectUnauthorized: true }
    const collector = await createCollector({ grpc, tls })
    const certificate = file(authority.cert)
    const as = (identity?: { cert: string; key: string }) =>
      sendTo({
        protocol,
        endpoint: collector.url,
        certificate,
        ...(identity && { clientCertificate: file(identity.cert), clientKey: file(identity.key) }),
      })(requestOf(1))
    assert.equal(await as(client), 'sent')
    assert.equal(typeof (await as()), 'object')
    assert.equal(typeof (await as(stranger)), 'object')
    assert.match(
      reasonOf(await as({ cert: client.cert, key: stranger.key })),
      /KEY_VALUES_MISMATCH|key values mismatch/i,
    )
    assert.equal(collector.spans().length, 1)
    await collector.close()
  })

  test(`${protocol}: a unix socket`, async () => {
    const socket = join(folder, `${protocol.replace('/', '-')} socket`)
    const collector = await createCollector({ grpc, socket })
    const send = sendTo({ protocol, endpoint: new URL(collector.url).href })
    assert.equal(await send(requestOf(1)), 'sent')
    assert.equal(await send(requestOf(1)), 'sent')
    if (!grpc) assert.equal(collector.requests[0]?.path, '/v1/traces')
    await collector.close()
    await send(requestOf(1))
    assert.match(reasonOf(await send(requestOf(1))), /ENOENT|ECONNREFUSED/)
  })

  for (const compression of ['gzip', 'zstd'] as const) {
    const skip = compression === 'zstd' && process.versions.zstd === undefined && 'this Node has no zstd'
    test(`${protocol}: ${compression}`, { skip }, async () => {
      const collector = await createCollector({ grpc })
      assert.equal(await sendTo({ protocol, endpoint: collector.url, compression })(requestOf(50)), 'sent')
      const [received] = collector.requests
      assert.equal(received?.headers[grpc ? 'grpc-encoding' : 'content-encoding'], compression)
      assert.ok((received?.wireBytes ?? 0) < (received?.body.length ?? 0))
      assert.equal(collector.spans().length, 50)
      await collector.close()
    })
  }

  test(`${protocol}: https through a proxy is a tunnel`, async () => {
    const collector = await createCollector({ grpc, tls: authority.issue('collector.example') })
    const proxy = await createProxy(collector.port)
    const send = sendTo({
      protocol,
      endpoint: 'https://collector.example:4318/v1/traces',
      certificate: file(authority.cert),
      proxies: { https: proxy.url.replace('//', '//me:p%40ss@'), except: [] },
    })
    assert.equal(await send(requestOf(1)), 'sent')
    assert.equal(await send(requestOf(1)), 'sent')
    assert.deepEqual(proxy.seen, [`CONNECT collector.example:4318 Basic ${Buffer.from('me:p@ss').toString('base64')}`])
    assert.equal(collector.requests[0]?.headers['proxy-authorization'], undefined)
    proxy.refuse = true
    const result = await sendTo({
      protocol,
      endpoint: 'https://collector.example:4318/v1/traces',
      proxies: { https: proxy.url, except: [] },
    })(requestOf(1))
    assert.equal(reasonOf(result), 'the proxy refuses to connect: HTTP 403')
    await collector.close()
    proxy.close()
  })

  test(`${protocol}: http through a proxy`, async () => {
    const collector = await createCollector({ grpc })
    const proxy = await createProxy(collector.port)
    const send = sendTo({
      protocol,
      endpoint: 'http://collector.example:4318/v1/traces',
      proxies: { http: proxy.url, except: [] },
    })
    assert.equal(await send(requestOf(1)), 'sent')
    assert.deepEqual(proxy.seen, [
      grpc ? 'CONNECT collector.example:4318 ' : 'POST http://collector.example:4318/v1/traces ',
    ])
    await collector.close()
    proxy.close()
  })
}

test('a collector of the other protocol is told by a hint', async () => {
  const requests = await createCollector()
  const calls = await createCollector({ grpc: true })
  const byCall = await sendTo({ protocol: 'grpc', endpoint: requests.url })(requestOf(1))
  assert.match(reasonOf(byCall), /expected OTLP\/gRPC, see OTEL_EXPORTER_OTLP_PROTOCOL/)
  const byRequest = await sendTo({ protocol: 'http/protobuf', endpoint: calls.url })(requestOf(1))
  assert.match(reasonOf(byRequest), /expected OTLP\/HTTP, see OTEL_EXPORTER_OTLP_PROTOCOL/)
  await requests.close()
  await calls.close()
})

test('which proxy is used', () => {
  const proxies = {
    http: 'http://plain.example:3128',
    https: 'http://secure.example:3128',
    except: [
      '.internal',
      'exact.example',
      'port.example:4318',
      '10.0.0.0/8',
      'fd00::/8',
      '192.168.1.1',
      '*.star.example',
    ],
  }
  const expected: Record<string, string | undefined> = {
    'http://collector.example': 'plain.example',
    'https://collector.example': 'secure.example',
    'http://localhost:4318': undefined,
    'http://a.localhost': undefined,
    'http://127.1.2.3': undefined,
    'http://[::1]:4318': undefined,
    'http://otel.internal': undefined,
    'http://internal': undefined,
    'http://notinternal': 'plain.example',
    'http://EXACT.example': undefined,
    'http://below.exact.example': undefined,
    'http://inexact.example': 'plain.example',
    'http://port.example:4318': undefined,
    'http://port.example:4319': 'plain.example',
    'http://10.1.2.3': undefined,
    'http://11.1.2.3': 'plain.example',
    'http://[fd00::5]': undefined,
    'http://[fe00::5]': 'plain.example',
    'http://192.168.1.1': undefined,
    'http://a.star.example': undefined,
  }
  for (const [url, proxy] of Object.entries(expected)) {
    const parsed = new URL(url)
    assert.equal(proxyFor(parsed, Number(parsed.port) || 80, proxies)?.hostname, proxy, url)
  }
  assert.equal(proxyFor(new URL('http://collector.example'), 80, { ...proxies, except: ['*'] }), undefined)
  assert.equal(proxyFor(new URL('http://collector.example'), 80, { except: [] }), undefined)
  assert.equal(proxyFor(new URL('http://collector.example'), 80, undefined), undefined)
  // What is no network is none.
  assert.ok(proxyFor(new URL('http://10.1.2.3'), 80, { ...proxies, except: ['10.0.0.0/99', 'ten/8', '/', ''] }))
})

/** Leads everywhere to that port of this machine, and notes who asked for what. */
async function createProxy(port: number) {
  const seen: string[] = []
  const note = ({ method, url, headers }: IncomingMessage): void => {
    seen.push(`${method} ${url} ${headers['proxy-authorization'] ?? ''}`)
  }
  const proxy = createServer((req, res) => {
    note(req)
    const { 'proxy-authorization': _, ...headers } = req.headers
    const target = new URL(req.url ?? '')
    const onward = request({ port, host: '127.0.0.1', method: req.method, path: target.pathname, headers }, answer => {
      res.writeHead(answer.statusCode ?? 0, answer.headers)
      answer.pipe(res)
    })
    req.pipe(onward)
  })
  const sockets = new Set<Socket>()
  proxy.on('connection', socket => sockets.add(socket.unref()))
  const state = { seen, refuse: false, url: '', close: () => {} }
  proxy.on('connect', (req: IncomingMessage, socket: Socket) => {
    note(req)
    if (state.refuse) {
      socket.end('HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n')
      return
    }
    const onward = connect(port, '127.0.0.1', () => {
      socket.write('HTTP/1.1 200 Connection established\r\n\r\n')
      socket.pipe(onward).pipe(socket)
    })
    for (const end of [socket, onward]) sockets.add(end.on('error', () => {}))
  })
  proxy.listen(0, '127.0.0.1').unref()
  await once(proxy, 'listening')
  state.url = `http://127.0.0.1:${(proxy.address() as AddressInfo).port}`
  state.close = () => {
    proxy.close()
    for (const socket of sockets) socket.destroy()
  }
  return state
}
