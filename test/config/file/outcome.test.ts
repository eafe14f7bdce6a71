/** A configuration file as options of ours: what each part of it comes to, and what is said of what is not used. */
import assert from 'node:assert/strict'
import { mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { type Environment, readConfig } from '../../../src/config/load.js'
import { instrumentations } from '../../../src/instrumentations/index.js'

const folder = realpathSync(mkdtempSync(join(tmpdir(), 'config-file-')))
after(() => rmSync(folder, { recursive: true }))
const FILE = join(folder, 'otel.yaml')

function read(text: string, env: Environment = {}, options?: unknown) {
  writeFileSync(FILE, text)
  const found = readConfig(instrumentations, options, { OTEL_CONFIG_FILE: FILE, ...env })
  const notes = found.notes.map(({ level, text }) => `${level}: ${text.replaceAll(FILE, 'FILE')}`)
  return { ...found, notes, warnings: found.warnings.map(text => text.replaceAll(FILE, 'FILE')) }
}

const HEAD = 'file_format: "1.0"\n'
const provider = (rest: string): string =>
  `${HEAD}tracer_provider:\n  processors:\n    - batch:\n        exporter:\n          console:\n${rest}`

/** That of a file without mistakes. */
function configOf(text: string, env?: Environment, options?: unknown) {
  const { config, notes, warnings } = read(text, env, options)
  assert.deepEqual([notes, warnings], [[], []])
  return config
}

test('nearly everything', () => {
  const config = configOf(`file_format: "1.0"
disabled: false
log_level: trace3
attribute_limits:
  attribute_value_length_limit: 1000
  attribute_count_limit: 50
resource:
  attributes:
    - { name: service.name, value: shop }
    - { name: replicas, value: 3, type: int }
    - { name: a, value: single }
  attributes_list: a=listed,b=x%20y
propagator:
  composite: [{ baggage: }]
  composite_list: tracecontext,baggage
tracer_provider:
  processors:
    - batch:
        schedule_delay: 1
        export_timeout: 0
        max_queue_size: 600
        max_export_batch_size: 300
        exporter:
          otlp_http:
            endpoint: https://collector:4318/own
            headers:
              - { name: X-Key, value: secret }
              - { name: none, value: }
            headers_list: x-key=other,x-b=2
            compression: gzip
            timeout: 0
            encoding: json
    - simple:
        exporter:
          console:
    - simple:
        exporter:
          otlp_file/development:
            output_stream: file:///var/spans%20of.jsonl
  limits:
    attribute_count_limit: 60
    event_count_limit: 1
    link_count_limit: 2
    event_attribute_count_limit: 3
  sampler:
    parent_based:
      root:
        trace_id_ratio_based:
          ratio: 0.25
instrumentation/development:
  general:
    http:
      client: { request_captured_headers: [x-a], known_methods: [GET] }
      server: { request_captured_headers: [x-b], response_captured_headers: [x-c] }
    sanitization: { url: { sensitive_query_parameters: [token] } }
    stability_opt_in_list: http
  js:
    pg: { parameters: true }
    http: { server_request_headers: [x-own] }
    '@opentelemetry/instrumentation-express': { enabled: false }
    node_cron: { enabled: false }
  python:
    django: { anything: true }
`)
  assert.equal(config.logLevel, 'verbose')
  assert.equal(config.serviceName, 'shop')
  assert.deepEqual(config.resourceAttributes, { a: 'single', b: 'x y', 'service.name': 'shop', replicas: 3 })
  assert.deepEqual(config.propagators, ['baggage', 'tracecontext'])
  assert.deepEqual(config.exporters, ['otlp', 'console', 'otlp/file'])
  assert.deepEqual(config.batch, {
    scheduleDelayMs: 1,
    exportTimeoutMs: 0,
    maxQueueSize: 600,
    maxExportBatchSize: 300,
  })
  const { endpoint, headers, compression, timeoutMs, protocol } = config.otlp
  assert.deepEqual(
    [endpoint, headers, compression, timeoutMs, protocol],
    ['https://collector:4318/own', { 'x-key': 'secret', 'x-b': '2' }, 'gzip', 0, 'http/json'],
  )
  assert.equal(config.otlpFile, '/var/spans of.jsonl')
  assert.deepEqual(config.limits, {
    attributeCount: 60,
    attributeValueLength: 1000,
    eventCount: 1,
    linkCount: 2,
    eventAttributeCount: 3,
    linkAttributeCount: 50,
  })
  assert.deepEqual([config.sampler.name, config.sampler.ratio], ['parentbased_traceidratio', 0.25])
  assert.deepEqual(config.http, { knownMethods: ['GET'], secretParameters: ['token'] })
  assert.deepEqual(config.instrumentations.http, {
    serverRequestHeaders: ['x-own'],
    serverResponseHeaders: ['x-c'],
    clientRequestHeaders: ['x-a'],
    clientResponseHeaders: [],
  })
  assert.deepEqual(config.instrumentations.http2?.serverRequestHeaders, ['x-b'])
  assert.equal(config.instrumentations.pg?.parameters, true)
  assert.deepEqual(config.disabledInstrumentations, ['express', 'node-cron'])
})

test('grpc, with the names for TLS of each candidate', () => {
  const grpc = (rest: string) =>
    configOf(
      `${HEAD}tracer_provider:\n  processors:\n    - batch:\n        exporter:\n          otlp_grpc:\n            endpoint: collector:4317\n${rest}`,
    ).otlp
  assert.equal(grpc('').endpoint, 'https://collector:4317')
  assert.equal(grpc('            tls: { insecure: true }\n').endpoint, 'http://collector:4317')
  assert.equal(grpc('            insecure: true\n').endpoint, 'http://collector:4317')
  assert.equal(grpc('').protocol, 'grpc')
})

test('samplers by their names', () => {
  const sampler = (text: string) => {
    const { name, ratio } = configOf(provider(`  sampler: ${text}\n`)).sampler
    return { name, ratio }
  }
  assert.deepEqual(sampler('{ always_on: }'), { name: 'always_on', ratio: 1 })
  assert.deepEqual(sampler('{ always_off: }'), { name: 'always_off', ratio: 1 })
  assert.deepEqual(sampler('{ trace_id_ratio_based: { ratio: 0.5 } }'), { name: 'traceidratio', ratio: 0.5 })
  assert.deepEqual(sampler('{ trace_id_ratio_based: }'), { name: 'traceidratio', ratio: 1 })
  assert.deepEqual(sampler('{ probability/development: { ratio: 0.1 } }'), { name: 'traceidratio', ratio: 0.1 })
  assert.deepEqual(sampler('{ parent_based: }'), { name: 'parentbased_always_on', ratio: 1 })
  assert.deepEqual(sampler('{ parent_based: { root: { always_off: } } }'), { name: 'parentbased_always_off', ratio: 1 })
})

test('detectors by their names, and none without any', () => {
  const detectors = (text: string) => configOf(provider(`resource:\n  attributes_list: a=b\n${text}`)).resourceDetectors
  assert.deepEqual(detectors(''), [])
  const named = '[{ host: }, { os: }, { service: }, { process: }, { container: }, { k8s: }, { aws: }]'
  assert.deepEqual(detectors(`  detection/development: { detectors: ${named} }\n`), [
    'host',
    'os',
    'serviceinstance',
    'process',
    'container',
    'k8s',
    'aws',
  ])
  const { notes } = read(provider('resource: { detection/development: { attributes: { excluded: [a*] } } }\n'))
  assert.deepEqual(notes, [
    'warn: FILE:7: resource.detection/development.attributes is not used: all that is detected is sent',
  ])
})

test('propagators by their names, each once', () => {
  const text = `propagator:\n  composite: [{ b3: }, { tracecontext: }]\n  composite_list: xray,jaeger,b3,none\n`
  assert.deepEqual(configOf(provider(text)).propagators, ['b3', 'tracecontext', 'xray', 'jaeger'])
})

test('a sampler without a name of ours is one to be made', () => {
  for (const [text, name] of [
    ['{ parent_based: { root: { always_on: }, remote_parent_not_sampled: { always_on: } } }', 'parent_based'],
    ['{ parent_based: { root: { parent_based: } } }', 'parent_based'],
    ['{ composite/development: { rule_based: { rules: [{ sampler: { always_on: } }] } } }', 'composite/development'],
    [
      '{ jaeger_remote/development: { endpoint: "http://x", initial_sampler: { always_off: } } }',
      'jaeger_remote/development',
    ],
    ['{ own: { a: 1 } }', 'own'],
  ] as const) {
    const { wanted, sampler } = configOf(provider(`  sampler: ${text}\n`))
    assert.equal(sampler.name, 'parentbased_always_on')
    assert.deepEqual(
      wanted?.map(({ kind, from }) => [kind, from.replace(FILE, 'FILE')]),
      [['Sampler', `FILE:7: tracer_provider.sampler.${name}`]],
    )
  }
})

test('without a tracer provider no spans are made, and without propagators none are used', () => {
  const { config, notes } = read(HEAD)
  assert.equal(config.disabled, true)
  assert.deepEqual(config.propagators, [])
  assert.deepEqual(notes, ['warn: FILE:1: tracer_provider is not there: no spans are made'])
})

test('what is not used of a file is said by line', () => {
  const { config, notes, warnings } = read(`${HEAD}meter_provider: { readers: [] }
logger_provider:
propagator: { composite: [{ baggage: }, { tracecontext: }] }
tracer_provider:
  processors:
    - batch: { exporter: { otlp_http: } }
    - batch: { exporter: { otlp_grpc: } }
    - batch: { schedule_delay: 7, exporter: { otlp_file/development: } }
    - simple: { exporter: { zipkin: { endpoint: 'http://zipkin:9411/api/v2/spans', timeout: 7000 } } }
    - simple: { exporter: { otlp_file/development: { output_stream: 'ftp://x' } } }
instrumentation/development:
  js: { oracle: { a: 1 }, pg: { colour: red, parameters: 5 } }
`)
  assert.deepEqual(config.exporters, ['otlp', 'otlp/stdout', 'zipkin'])
  assert.deepEqual(config.zipkin, { endpoint: 'http://zipkin:9411/api/v2/spans', timeoutMs: 7000 })
  assert.equal(config.batch.scheduleDelayMs, 5000)
  assert.deepEqual(notes, [
    'warn: FILE:8: tracer_provider.processors[1].batch.exporter.otlp_grpc is not used: there is an exporter of this kind before it',
    'warn: FILE:9: tracer_provider.processors[2].batch is not used: all exporters have the queue of the first',
    'warn: FILE:11: tracer_provider.processors[4].simple.exporter.otlp_file/development is not used; expected stdout or file:///path',
    'warn: FILE:13: instrumentation/development.js.oracle is not used: there is no such instrumentation here',
    'info: FILE:2: meter_provider is not used: metrics and logs are not made here',
    'info: FILE:3: logger_provider is not used: metrics and logs are not made here',
  ])
  assert.equal(warnings.length, 2)
  assert.match(warnings[0] ?? '', /^FILE:13: instrumentation\/development\.js\.pg\.colour: ignored \*\*\*, expected /)
  assert.match(
    warnings[1] ?? '',
    /^FILE:13: instrumentation\/development\.js\.pg\.parameters: ignored 5, expected true/,
  )
})

test('other variables of OpenTelemetry do not count, but where the file refers to them; ours do, and code', () => {
  const env = {
    OTEL_SERVICE_NAME: 'variable',
    OTEL_SDK_DISABLED: 'true',
    OTEL_SERVCE_NAME: 'x',
    OTEL_TRACES_SAMPLER: 'nonsense',
    TRACE_PG_PARAMETERS: 'true',
  }
  const text = provider(
    `  sampler: { always_off: }\nresource:\n  attributes:\n    - name: service.name\n      value: \${OTEL_SERVICE_NAME}-2\n`,
  )
  const config = configOf(text, env)
  assert.equal(config.serviceName, 'variable-2')
  assert.equal(config.disabled, false)
  assert.equal(config.sampler.name, 'always_off')
  assert.equal(config.instrumentations.pg?.parameters, true)
  assert.equal(configOf(text, env, { sampler: { name: 'always_on' } }).sampler.name, 'always_on')
})

test('the deprecated name of the variable warns', () => {
  writeFileSync(FILE, provider(''))
  const old = readConfig([], undefined, { OTEL_EXPERIMENTAL_CONFIG_FILE: FILE })
  assert.deepEqual(old.notes, [
    { level: 'warn', text: 'OTEL_EXPERIMENTAL_CONFIG_FILE is deprecated; use OTEL_CONFIG_FILE' },
  ])
  assert.deepEqual(old.config.exporters, ['console'])
})

test('a broken file is said, and the defaults are used', () => {
  const { config, notes, warnings } = read(provider('  colour: red\n'), { OTEL_SERVICE_NAME: 'variable' })
  assert.deepEqual(warnings, [])
  assert.match(notes[0] ?? '', /^error: FILE:7: tracer_provider\.colour: is not known; expected one of processors, /)
  assert.equal(notes[1], 'error: FILE: it is not used, and the defaults are')
  assert.deepEqual(config.exporters, ['otlp'])
  assert.notEqual(config.serviceName, 'variable')
  const missing = readConfig([], undefined, { OTEL_CONFIG_FILE: '/nowhere/otel.yaml' })
  assert.deepEqual(missing.notes, [
    {
      level: 'error',
      text: '/nowhere/otel.yaml cannot be read (ENOENT); it is not used, and the defaults are',
    },
  ])
  assert.deepEqual(missing.config.exporters, ['otlp'])
})

test('many mistakes are said in few lines', () => {
  const { notes } = read(provider(Array.from({ length: 500 }, (_, n) => `  key${n}: 1\n`).join('')))
  assert.equal(notes.length, 21)
  assert.equal(notes.at(-1), 'error: FILE: 480 more mistakes; it is not used, and the defaults are')
})

test('hostile keys and values of options do no harm', () => {
  const { config } = read(
    provider(`instrumentation/development:
  js:
    http: { constructor.polluted: true, __proto__: { a: 1 }, 'a.b.c': 2, "\\n\\e[2J": 3 }
    __proto__: { a: 1 }
    constructor: { a: 1 }
`),
  )
  assert.equal((Object as { polluted?: unknown }).polluted, undefined)
  assert.equal(({} as { a?: unknown }).a, undefined)
  assert.deepEqual(config.instrumentations.http?.serverRequestHeaders, [])
})
