/** The specification's compliance matrix, OTLP part of "Exporters": rows that no other test shows in one place, each by its name. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { runApp } from '../helpers/child.js'
import { createCollector } from '../helpers/collector.js'

const WORK = `const { trace } = require('@opentelemetry/api')
  trace.getTracerProvider().getTracer('app', '1', { schemaUrl: 'https://opentelemetry.io/schemas/1.30.0' }).startSpan('work').end()`

describe('OTLP', () => {
  for (const grpc of [false, true]) {
    const row = grpc ? 'Honors the user agent spec, by gRPC' : 'Honors the user agent spec'
    test(row, async () => {
      const collector = await createCollector({ grpc })
      const env = { OTEL_EXPORTER_OTLP_PROTOCOL: grpc ? 'grpc' : 'http/protobuf' }
      const { code, stderr } = await runApp({ collector, code: WORK, env })
      await collector.close()
      assert.equal(code, 0, stderr)
      assert.match(String(collector.requests[0]?.headers['user-agent']), /^org-trace\/\d+\.\d+\.\d+/)
    })
  }

  test('SchemaURL in ResourceSpans and ScopeSpans', async () => {
    const collector = await createCollector()
    const { stderr } = await runApp({ collector, code: WORK, env: { OTEL_EXPORTER_OTLP_PROTOCOL: 'http/json' } })
    await collector.close()
    assert.equal(stderr, '')
    const [resourceSpans] = JSON.parse(String(collector.requests[0]?.body)).resourceSpans
    assert.match(resourceSpans.schemaUrl, /^https:\/\/opentelemetry\.io\/schemas\/1\.\d+\.\d+$/)
    assert.equal(resourceSpans.scopeSpans[0].schemaUrl, 'https://opentelemetry.io/schemas/1.30.0')
  })

  test('Multi-destination spec compliance', async () => {
    const [all, traces] = [await createCollector(), await createCollector()]
    const env = {
      OTEL_EXPORTER_OTLP_ENDPOINT: all.url,
      OTEL_EXPORTER_OTLP_HEADERS: 'x-all=1',
      OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: `${traces.url}/own/path`,
      OTEL_EXPORTER_OTLP_TRACES_HEADERS: 'x-own=2',
    }
    await runApp({ code: WORK, env })
    await all.close()
    await traces.close()
    const [request] = traces.requests
    assert.deepEqual([all.requests.length, request?.path, request?.headers['x-own']], [0, '/own/path', '2'])
  })
})
