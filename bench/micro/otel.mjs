/** OpenTelemetry's side of the micro benchmarks, from its packages in a folder of bench/peers. */
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { attributes, NAME } from './typical.mjs'

export function createSide(folder) {
  const require = createRequire(join(folder, 'package.json'))
  const { context, trace, ROOT_CONTEXT } = require('@opentelemetry/api')
  const { AsyncLocalStorageContextManager } = require('@opentelemetry/context-async-hooks')
  const { CompositePropagator, W3CBaggagePropagator, W3CTraceContextPropagator } = require('@opentelemetry/core')
  const { ProtobufTraceSerializer } = require('@opentelemetry/otlp-transformer')
  const { resourceFromAttributes } = require('@opentelemetry/resources')
  const { TracerProvider } = require('@opentelemetry/sdk-trace')

  context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable())
  let onEnd = () => {}
  const processor = { onStart() {}, onEnd: span => onEnd(span), forceFlush: async () => {}, shutdown: async () => {} }
  const provider = new TracerProvider({
    resource: resourceFromAttributes({ 'service.name': 'bench' }),
    spanProcessors: [processor],
  })
  const tracer = provider.getTracer('bench', '1.0.0')

  return {
    tracer,
    propagator: new CompositePropagator({
      propagators: [new W3CTraceContextPropagator(), new W3CBaggagePropagator()],
    }),
    root: ROOT_CONTEXT,
    context,
    /** As its instrumentations make a span: around a call. */
    tracedCall() {
      const span = tracer.startSpan(NAME, { kind: 2, attributes: attributes() })
      context.with(trace.setSpan(context.active(), span), () => undefined)
      span.end()
    },
    listen(listener) {
      onEnd = listener
    },
    encode: spans => ProtobufTraceSerializer.serializeRequest(spans),
  }
}
