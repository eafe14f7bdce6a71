/** The OTLP/gRPC transport by itself; its verdicts are in faults.test.ts. */
import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { createGrpcSend } from '../../src/exporter/grpc.js'
import { createCollector } from '../helpers/collector.js'
import { requestOf } from '../helpers/ended-span.js'

// Neither our sockets nor the collector's keep a process alive.
const alive = setInterval(() => {}, 1000)
after(() => clearInterval(alive))

test('a connection is kept, but not for ever', async () => {
  const collector = await createCollector({ grpc: true })
  for (const [connectionMs, connections] of [
    [60_000, 1],
    [0, 3],
  ] as const) {
    collector.requests.length = 0
    const send = createGrpcSend(
      { protocol: 'grpc', endpoint: collector.url, headers: {}, compression: 'none' },
      { onRefused() {}, onPartial() {} },
      connectionMs,
    )
    for (let i = 0; i < 3; i++) assert.equal(await send(requestOf(1)), 'sent')
    assert.equal(new Set(collector.requests.map(({ port }) => port)).size, connections)
  }
  assert.match(String(collector.requests[0]?.headers['user-agent']), /^org-trace\/\d/)
  await collector.close()
})
