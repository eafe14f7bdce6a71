/** Who is measured: how each is loaded and configured, and what it should export. */
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { installed, versionOf } from './install.mjs'

export const peersFolder = fileURLToPath(new URL('../peers', import.meta.url))

const ONE_PERCENT = { OTEL_TRACES_SAMPLER: 'parentbased_traceidratio', OTEL_TRACES_SAMPLER_ARG: '0.01' }
// Spans that wait for the end of a batch delay the end of a run, and nothing else.
const DELAY_MS = 250

const otlp = sink => ({
  OTEL_SERVICE_NAME: 'bench',
  OTEL_EXPORTER_OTLP_ENDPOINT: sink,
  OTEL_EXPORTER_OTLP_PROTOCOL: 'http/protobuf',
  OTEL_BSP_SCHEDULE_DELAY: String(DELAY_MS),
})

/**
 * A variant is one way to run an application: `flags('cjs' | 'mjs')` of Node, `env(sink URL)`, and `exports`, the share of
 * requests that have to arrive as spans. After `quietMs` without a span no more are under way.
 */
const variant = (name, { flags = () => [], env = () => ({}), exports = 1, quietMs = 2 * DELAY_MS, ...rest }) => ({
  name,
  flags,
  env,
  exports,
  quietMs,
  ...rest,
})

export const bare = variant('none', { exports: 0 })
/** The same again: what the two differ by is noise. */
export const bareAgain = variant('none again', { exports: 0 })

/**
 * Without a tracer, and 50 us of waiting in each request. Where an application talks to other processes on the other core it adds
 * more than that (by the profiles `writev` takes longer then), and so does whatever else makes it slower.
 */
export const slower = variant('none, 50 us slower', { env: () => ({ BENCH_WAIT_US: '50' }), exports: 0 })

/** This package, from a folder that holds its dist/. */
export function ours(name, folder) {
  const flags = () => ['--import', pathToFileURL(join(folder, 'dist', 'register.js')).href]
  return {
    full: variant(name, { flags, env: otlp }),
    sampled: variant(`${name}, 1 %`, { flags, env: sink => ({ ...otlp(sink), ...ONE_PERCENT }), exports: 0.01 }),
    disabled: variant(`${name}, disabled`, {
      flags,
      env: sink => ({ ...otlp(sink), OTEL_SDK_DISABLED: 'true' }),
      exports: 0,
    }),
  }
}

/** The peers for that major version of Node, installed. */
export function peersOn(major) {
  const otel = openTelemetry(installed(join(peersFolder, major < 22 ? 'otel-2' : 'otel')))
  const dd = datadog(installed(join(peersFolder, major < 22 ? 'dd-5' : 'dd')))
  return [...otel, dd, elastic(installed(join(peersFolder, 'elastic')))].map(peer => ({ ...peer, isPeer: true }))
}

const resolver = folder => createRequire(join(folder, 'package.json')).resolve

function openTelemetry(folder) {
  const resolve = resolver(folder)
  const register = resolve('@opentelemetry/auto-instrumentations-node/register')
  const flags = format =>
    format === 'cjs'
      ? ['--require', register]
      : [
          `--experimental-loader=${pathToFileURL(resolve('@opentelemetry/instrumentation/hook.mjs')).href}`,
          '--require',
          register,
        ]
  const lean = {
    OTEL_METRICS_EXPORTER: 'none',
    OTEL_LOGS_EXPORTER: 'none',
    OTEL_NODE_RESOURCE_DETECTORS: 'none',
    OTEL_NODE_ENABLED_INSTRUMENTATIONS: 'http,express,pg,undici,amqplib',
  }
  const version = versionOf(folder, '@opentelemetry/auto-instrumentations-node')
  const product = `@opentelemetry/auto-instrumentations-node ${version}`
  return [
    variant('otel', { flags, env: otlp, product, folder }),
    variant('otel lean', { flags, env: sink => ({ ...otlp(sink), ...lean }) }),
    variant('otel, 1 %', { flags, env: sink => ({ ...otlp(sink), ...ONE_PERCENT }), exports: 0.01 }),
  ]
}

function datadog(folder) {
  const resolve = resolver(folder)
  return variant('dd-trace', {
    flags: format =>
      format === 'cjs'
        ? ['--require', resolve('dd-trace/init')]
        : ['--import', pathToFileURL(resolve('dd-trace/initialize.mjs')).href],
    env: sink => ({
      DD_SERVICE: 'bench',
      DD_TRACE_AGENT_URL: sink,
      DD_INSTRUMENTATION_TELEMETRY_ENABLED: 'false',
      DD_REMOTE_CONFIGURATION_ENABLED: 'false',
      DD_TRACE_STARTUP_LOGS: 'false',
    }),
    // It keeps spans for two seconds, and has no option for that.
    quietMs: 2500,
    product: `dd-trace ${versionOf(folder, 'dd-trace')}`,
    folder,
  })
}

function elastic(folder) {
  const resolve = resolver(folder)
  return variant('elastic', {
    flags: format => [
      ...(format === 'cjs'
        ? []
        : [`--experimental-loader=${pathToFileURL(resolve('elastic-apm-node/loader.mjs')).href}`]),
      '--require',
      resolve('elastic-apm-node/start.js'),
    ],
    env: sink => ({
      ELASTIC_APM_SERVICE_NAME: 'bench',
      ELASTIC_APM_SERVER_URL: sink,
      ELASTIC_APM_API_REQUEST_TIME: `${DELAY_MS}ms`,
      // Spans that were put together could not be told from lost ones.
      ELASTIC_APM_SPAN_COMPRESSION_ENABLED: 'false',
      ELASTIC_APM_CENTRAL_CONFIG: 'false',
      ELASTIC_APM_CLOUD_PROVIDER: 'none',
      ELASTIC_APM_LOG_LEVEL: 'error',
    }),
    product: `elastic-apm-node ${versionOf(folder, 'elastic-apm-node')}`,
    folder,
  })
}
