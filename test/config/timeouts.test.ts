/** Timeouts of exports: a collector that takes its time is waited for so long, and without end where 0 says so. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { test } from 'node:test'
import { runApp } from '../helpers/child.js'

const SLOW_MS = 700
const SPAN = `require('@opentelemetry/api').trace.getTracer('t').startSpan('one').end()`

/** What is said of a span that such a collector is sent. */
async function said(env: Record<string, string>): Promise<string> {
  const server = createServer((req, res) => req.resume().on('end', () => setTimeout(() => res.end(), SLOW_MS)))
  await once(server.listen(0, '127.0.0.1'), 'listening')
  const { port } = server.address() as AddressInfo
  const ended = await runApp({ code: SPAN, env: { ...env, OTEL_EXPORTER_OTLP_ENDPOINT: `http://127.0.0.1:${port}` } })
  server.closeAllConnections()
  server.close()
  assert.equal(ended.code, 0)
  return ended.stderr
}

const LOST = /does not take spans|some were lost/

for (const [what, env, expected] of [
  ['that of OTLP', { OTEL_EXPORTER_OTLP_TIMEOUT: '100' }, LOST],
  ['that of the queue', { OTEL_BSP_EXPORT_TIMEOUT: '100' }, LOST],
  ['the shorter of both', { OTEL_BSP_EXPORT_TIMEOUT: '100', OTEL_EXPORTER_OTLP_TIMEOUT: '5s' }, LOST],
  ['0 of one leaves it to the other', { OTEL_BSP_EXPORT_TIMEOUT: '100', OTEL_EXPORTER_OTLP_TIMEOUT: '0' }, LOST],
  [
    'that of traces before that of all',
    { OTEL_EXPORTER_OTLP_TRACES_TIMEOUT: '0', OTEL_EXPORTER_OTLP_TIMEOUT: '100' },
    /^$/,
  ],
  ['0 of both', { OTEL_BSP_EXPORT_TIMEOUT: '0', OTEL_EXPORTER_OTLP_TIMEOUT: '0' }, /^$/],
  ['the defaults', {}, /^$/],
] as const)
  test(`${what}: ${JSON.stringify(env)}`, async () => assert.match(await said(env), expected))
