/** This package's side of the micro benchmarks. */
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { root } from '../lib/project.mjs'
import { attributes, NAME } from './typical.mjs'

const PARTS = `
export { ROOT } from './src/context/context.js'
export { contextManager } from './src/context/storage.js'
export { createProtoEncoder } from './src/exporter/otlp-proto.js'
export { createPropagator } from './src/propagation/index.js'
export { alwaysOn } from './src/trace/sampler.js'
export { createTracing } from './src/tracing.js'
`

/** Bundles those parts of the tree in `folder`, as the package is bundled. Returns the file. */
export async function bundleParts(folder) {
  const { build } = createRequire(join(root, 'package.json'))('esbuild')
  const outfile = join(folder, 'parts.cjs')
  await build({
    stdin: { contents: PARTS, resolveDir: folder, loader: 'ts' },
    bundle: true,
    platform: 'node',
    format: 'cjs',
    target: 'node20',
    outfile,
  })
  return outfile
}

const limits = {
  attributeCount: 128,
  attributeValueLength: Number.POSITIVE_INFINITY,
  eventCount: 128,
  linkCount: 128,
  eventAttributeCount: 128,
  linkAttributeCount: 128,
}

export function createSide(file) {
  const parts = createRequire(file)(file)
  let onEnd = () => {}
  const propagator = parts.createPropagator(['tracecontext', 'baggage'])
  const core = {
    propagator,
    isLinked: () => false,
    sampler: parts.alwaysOn,
    host: { limits, started: 0, onEnd: span => onEnd(span) },
  }
  const { provider, createKit } = parts.createTracing(core, { http: {}, async: {} })
  const tracer = provider.getTracer('bench', '1.0.0')
  const library = { call: () => undefined }
  const operation = { start: () => ({ name: NAME, kind: 2, attributes: attributes() }) }
  createKit({ name: 'bench', version: '1.0.0' }, {}, '1.0.0').trace(library, 'call', operation)
  const encoder = parts.createProtoEncoder({ 'service.name': 'bench' }, limits)

  return {
    tracer,
    propagator,
    root: parts.ROOT,
    context: parts.contextManager,
    /** As an instrumentation makes a span: around a call. */
    tracedCall: () => library.call(),
    listen(listener) {
      onEnd = listener
    },
    encode(spans) {
      for (const span of spans) encoder.append(span)
      return encoder.take().body
    },
  }
}
