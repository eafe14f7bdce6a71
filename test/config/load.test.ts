/** Every option: read from the environment and from code, right, wrong, huge and hostile. */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { type Environment, readConfig } from '../../src/config/load.js'
import { type Config, createTable, type Options } from '../../src/config/options.js'
import { rowsWithPaths } from '../../src/config/row.js'
import { runApp } from '../helpers/child.js'
import { root } from '../helpers/root.js'
import { definitions } from './definitions.js'

const rows = new Map(rowsWithPaths(createTable(definitions)))

// Named, so that no test depends on the package.json of whoever runs it.
const NAMED = { OTEL_SERVICE_NAME: 'named' }
const read = (env: Environment, options?: unknown) => readConfig(definitions, options, { ...NAMED, ...env })

const folder = mkdtempSync(join(tmpdir(), 'trace-config-'))
after(() => rmSync(folder, { recursive: true }))
const pem = (name: string): string => {
  const file = join(folder, name)
  writeFileSync(file, '-----BEGIN CERTIFICATE-----\n')
  return file
}
const PEM = pem('one.pem')
const OTHER_PEM = pem('other.pem')

const at = (config: Config, path: string): unknown => path.split('.').reduce<any>((value, key) => value?.[key], config)

const givenAt = (path: string, value: unknown): object =>
  path.split('.').reduceRight<unknown>((inner, key) => ({ [key]: inner }), value) as object

interface Case {
  good: [text: string, value: unknown][]
  bad?: string[]
  /** What a bad text counts as, if not as unset. */
  badIs?: unknown
}

const counts = (min: number): Case => ({
  good: [
    [String(min), min],
    ['7', 7],
    [' 8 ', 8],
    ['9007199254740991', Number.MAX_SAFE_INTEGER],
  ],
  bad: [
    '-1',
    '1.5',
    '1e3',
    '0x10',
    'many',
    'NaN',
    'Infinity',
    '9007199254740992',
    '9'.repeat(400),
    ...(min > 0 ? ['0'] : []),
  ],
})
const milliseconds: Case = {
  good: [
    ['0', 0],
    ['250', 250],
    ['250ms', 250],
    ['5s', 5000],
    ['2147483647', 2147483647],
  ],
  bad: ['-1', '1.5', 'soon', '5m', 'ms', '2147483648', '2147483648s', '9'.repeat(400)],
}
const booleans: Case = {
  good: [
    ['true', true],
    ['TRUE', true],
    ['False', false],
  ],
  bad: ['1', 'yes', '0', 'truee'],
  badIs: false,
}
const lists = (known: string): Case => ({
  good: [
    [known, [known]],
    [`${known.toUpperCase()}, ${known},`, [known]],
  ],
  bad: ['unknown', 'unknown,other', ',', '__proto__'],
})
const headers: Case = {
  good: [
    ['api-key=secret', { 'api-key': 'secret' }],
    ['A=1,a=2,b=', { a: '2', b: '' }],
    ['a=x%2Cy%3D%20z=1', { a: 'x,y= z=1' }],
  ],
  bad: ['secret', '=secret', 'a b=1', 'a=%zz', 'a=%0d%0ab:1', 'a=%E2%82%AC', '%E2%82%AC=1', 'a=%'],
}
const endpoint = (paths: Record<string, string>): Case => ({
  good: [...Object.entries(paths), ['unix:/run/x y.sock', 'unix:/run/x%20y.sock'], ['unix:///run/x', 'unix:/run/x']],
  bad: [
    'localhost',
    'ftp://collector',
    'http://',
    'http://[::1',
    'unix:run/x',
    'unix:/',
    'unix://host/run/x',
    'http://a:99999',
    'http://user:%zz@a',
    'unix:/run/%zz',
    'a:99999',
    '/v1',
  ],
})
const pemFile: Case = { good: [[PEM, PEM]], bad: ['/nowhere.pem', root, join(root, 'package.json'), '\0'] }
const proxy: Case = {
  good: [
    ['http://proxy:3128', 'http://proxy:3128/'],
    ['proxy.example:3128', 'http://proxy.example:3128/'],
    ['https://me:secret@proxy', 'https://me:secret@proxy/'],
  ],
  bad: ['socks5://proxy:1080', 'http://', 'a b', 'http://%zz@proxy'],
}
const networks: Case = { good: [['.internal, 10.0.0.0/8,*', ['.internal', '10.0.0.0/8', '*']]], bad: [','] }
const choice = (first: string, other: string): Case => ({
  good: [
    [first, first],
    [other, other],
    [` ${other.toUpperCase()} `, other],
  ],
  bad: ['unknown', `${first},${other}`, 'constructor', '__proto__'],
})
const compression = choice('gzip', 'none')
const protocol: Case = {
  good: [
    ['HTTP/protobuf', 'http/protobuf'],
    ['http/json', 'http/json'],
    ['grpc', 'grpc'],
  ],
  bad: ['http', 'protobuf', 'grpc,http/json'],
}

const cases: Record<string, Case> = {
  OTEL_SERVICE_NAME: {
    good: [
      ['shop', 'shop'],
      [' a b ', 'a b'],
      ['x'.repeat(1e6), 'x'.repeat(1e6)],
    ],
  },
  OTEL_RESOURCE_ATTRIBUTES: {
    good: [
      ['a=1', { a: '1' }],
      [' a = 1 , b%2C=%3D%C3%BC,, c=d=e ', { a: '1', 'b,': '=ü', c: 'd=e' }],
      ['a=1,a=2', { a: '2' }],
    ],
    bad: ['a', '=1', 'a=%zz', '%=1', ',', 'a,b'],
  },
  OTEL_SDK_DISABLED: booleans,
  OTEL_TRACES_EXPORTER: {
    good: [
      ['otlp', ['otlp']],
      ['Console,OTLP,console', ['console', 'otlp']],
      ['otlp/stdout,otlp/file', ['otlp/stdout', 'otlp/file']],
      ['none', []],
      ['none,NONE', []],
    ],
    bad: ['jaeger', 'zipkins,jaeger', ','],
  },
  OTEL_TRACES_SAMPLER: choice('always_on', 'traceidratio'),
  OTEL_TRACES_SAMPLER_ARG: {
    good: [
      ['0', 0],
      ['1', 1],
      ['.25', 0.25],
      ['1e-3', 0.001],
    ],
    bad: ['1.1', '-0.1', 'half', 'NaN', '1,0', '0x1', '50%', '1e999', '9'.repeat(400)],
  },
  'OTEL_TRACES_SAMPLER_ARG endpoint': {
    good: [
      ['http://jaeger:5778', 'http://jaeger:5778/'],
      ['https://jaeger/api/sampling?a=b', 'https://jaeger/api/sampling?a=b'],
    ],
    bad: ['jaeger:5778', 'localhost', 'http://', 'unix:/run/x', 'http://a:99999'],
  },
  'OTEL_TRACES_SAMPLER_ARG pollingIntervalMs': {
    good: [
      ['1', 1],
      ['5000', 5000],
      ['5s', 5000],
    ],
    bad: ['0', '-1', '1.5', 'soon', '2147483648'],
  },
  'OTEL_TRACES_SAMPLER_ARG initialSamplingRate': {
    good: [
      ['0', 0],
      ['0.25', 0.25],
    ],
    bad: ['1.1', '-0.1', 'half'],
  },
  OTEL_PROPAGATORS: {
    good: [
      ['baggage', ['baggage']],
      ['TraceContext,tracecontext', ['tracecontext']],
      ['none', []],
    ],
    bad: ['b4', 'b4,w3c', 'constructor'],
  },
  OTEL_NODE_RESOURCE_DETECTORS: {
    good: [
      ['env, HOST,host', ['env', 'host']],
      ['all', ['all']],
      ['none', []],
    ],
    bad: ['hosts', 'env.', '__proto__'],
  },
  OTEL_BSP_SCHEDULE_DELAY: milliseconds,
  OTEL_BSP_EXPORT_TIMEOUT: milliseconds,
  OTEL_BSP_MAX_QUEUE_SIZE: {
    ...counts(1),
    good: [
      ['512', 512],
      ['100000', 100000],
    ],
  },
  OTEL_BSP_MAX_EXPORT_BATCH_SIZE: {
    ...counts(1),
    good: [
      ['1', 1],
      ['2048', 2048],
    ],
  },
  OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT: counts(0),
  OTEL_ATTRIBUTE_COUNT_LIMIT: counts(0),
  OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT: counts(0),
  OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT: counts(0),
  OTEL_SPAN_EVENT_COUNT_LIMIT: counts(0),
  OTEL_SPAN_LINK_COUNT_LIMIT: counts(0),
  OTEL_EVENT_ATTRIBUTE_COUNT_LIMIT: counts(0),
  OTEL_LINK_ATTRIBUTE_COUNT_LIMIT: counts(0),
  OTEL_SPAN_ATTRIBUTE_PER_EVENT_COUNT_LIMIT: counts(0),
  OTEL_SPAN_ATTRIBUTE_PER_LINK_COUNT_LIMIT: counts(0),
  OTEL_EXPORTER_OTLP_INSECURE: booleans,
  OTEL_EXPORTER_OTLP_TRACES_INSECURE: booleans,
  OTEL_EXPORTER_OTLP_CERTIFICATE: pemFile,
  OTEL_EXPORTER_OTLP_TRACES_CERTIFICATE: pemFile,
  OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE: pemFile,
  OTEL_EXPORTER_OTLP_TRACES_CLIENT_CERTIFICATE: pemFile,
  OTEL_EXPORTER_OTLP_CLIENT_KEY: pemFile,
  OTEL_EXPORTER_OTLP_TRACES_CLIENT_KEY: pemFile,
  TRACE_OTLP_FILE: { good: [['spans.jsonl', 'spans.jsonl']] },
  http_proxy: proxy,
  HTTP_PROXY: proxy,
  https_proxy: proxy,
  HTTPS_PROXY: proxy,
  no_proxy: networks,
  NO_PROXY: networks,
  OTEL_EXPORTER_OTLP_ENDPOINT: endpoint({
    'http://collector:4318': 'http://collector:4318/v1/traces',
    'https://collector/otlp/': 'https://collector/otlp/v1/traces',
    'HTTP://[::1]:4318/a?key=b': 'http://[::1]:4318/a/v1/traces?key=b',
  }),
  OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: endpoint({
    'http://collector:4318': 'http://collector:4318/',
    'https://collector/a/b': 'https://collector/a/b',
  }),
  OTEL_EXPORTER_OTLP_HEADERS: headers,
  OTEL_EXPORTER_OTLP_TRACES_HEADERS: headers,
  OTEL_EXPORTER_OTLP_TIMEOUT: milliseconds,
  OTEL_EXPORTER_OTLP_TRACES_TIMEOUT: milliseconds,
  OTEL_EXPORTER_OTLP_COMPRESSION: compression,
  OTEL_EXPORTER_OTLP_TRACES_COMPRESSION: compression,
  OTEL_EXPORTER_OTLP_PROTOCOL: protocol,
  OTEL_EXPORTER_OTLP_TRACES_PROTOCOL: protocol,
  OTEL_EXPORTER_ZIPKIN_ENDPOINT: {
    good: [['https://me:secret@zipkin:9411/api/v2/spans', 'https://me:secret@zipkin:9411/api/v2/spans']],
    bad: ['zipkin:9411', 'ftp://zipkin', 'http://', 'http://%zz@zipkin'],
  },
  OTEL_EXPORTER_ZIPKIN_TIMEOUT: milliseconds,
  TRACE_SPOOL: { good: [['/var/spool/traces', '/var/spool/traces']] },
  TRACE_SPOOL_MAX_BYTES: counts(1),
  TRACE_ASYNC: choice('parent', 'link'),
  TRACE_ASYNC_MAX_AGE_MS: milliseconds,
  OTEL_INSTRUMENTATION_HTTP_KNOWN_METHODS: { good: [['GET, purge,GET', ['GET', 'purge']]], bad: [','] },
  TRACE_HTTP_SECRET_PARAMETERS: { good: [['token, Key', ['token', 'Key']]], bad: [' , '] },
  OTEL_LOG_LEVEL: choice('debug', 'none'),
  TRACE_EXIT_TIMEOUT_MS: milliseconds,
  OTEL_NODE_ENABLED_INSTRUMENTATIONS: {
    ...lists('pg'),
    good: [...lists('pg').good, ['none', []]],
  },
  OTEL_NODE_DISABLED_INSTRUMENTATIONS: lists('aws-sdk'),
  TRACE_INSTRUMENTATIONS: {
    good: [
      ['one', ['one']],
      ['@a/one, ./two,@a/one', ['@a/one', './two']],
    ],
    bad: [','],
  },
  TRACE_PG_PARAMETERS: booleans,
  TRACE_AWS_SDK_LAYERS: choice('all', 'none'),
  TRACE_AWS_SDK_MAX_LENGTH: counts(0),
  TRACE_AWS_SDK_CAPTURE_HEADERS: {
    good: [
      ['x-id', ['x-id']],
      ['a, b,a', ['a', 'b']],
    ],
    bad: [',', ' , '],
  },
  TRACE_AWS_SDK_LABEL: { good: [['mine', 'mine']] },
}

const hostile = [
  '\0',
  '%',
  '%zz=%',
  '=',
  ',',
  ',=,;',
  '__proto__=1',
  'constructor',
  'toString,valueOf',
  '-0',
  'null',
  'undefined',
  '[object Object]',
  '\ud800',
  '%ff=%ff',
  'x'.repeat(100_000),
  '1'.repeat(100_000),
  `${'a='.repeat(50_000)}`,
  ','.repeat(100_000),
  '@'.repeat(100_000),
  'a\n[@org/trace] warn: forged',
  '\u001b[2J',
  '$(reboot)',
  '../../etc/passwd',
  'http://a:b@c:99999/?key=d',
  '%s%d%j%o%n',
  '\u202e\u0085\u200b',
  'y'.repeat(1_000_000),
]

const paths = [...rows].flatMap(([path, { env }]) => env.map(variable => [variable, path] as const))

/** A variable that is wrong leaves the option as if it were unset. */
const unset = (path: string): unknown => (path === 'serviceName' ? 'named' : at(read({}).config, path))

test('every variable has cases, and no other', () => {
  assert.deepEqual(Object.keys(cases).sort(), [...new Set(paths.map(([variable]) => variable))].sort())
})

for (const [variable, path] of paths) {
  const { good, bad = [], badIs } = cases[variable] as Case

  test(`${variable} sets ${path}`, () => {
    for (const [text, value] of good) {
      const { config, warnings } = read({ [variable]: text })
      assert.deepEqual(at(config, path), value, text.slice(0, 100))
      assert.deepEqual(warnings, [])
    }
  })

  test(`${variable}: an empty text is none`, () => {
    for (const text of ['', '  ']) {
      if (variable === 'OTEL_SERVICE_NAME') continue
      const { config, warnings } = read({ [variable]: text })
      assert.deepEqual(at(config, path), unset(path))
      assert.deepEqual(warnings, [])
    }
  })

  test(`${variable}: a wrong text warns and is not used`, () => {
    for (const text of bad) {
      const { config, warnings } = read({ [variable]: text })
      assert.deepEqual(at(config, path), badIs ?? unset(path), text.slice(0, 100))
      assert.ok(warnings.length > 0, `no warning about ${text.slice(0, 100)}`)
      for (const warning of warnings) {
        assert.ok(warning.startsWith(`${variable}: ignored `), warning)
        assert.match(warning, /, expected .+; using .+$/)
      }
    }
  })

  test(`${variable}: a hostile text does no harm`, () => {
    for (const text of hostile) {
      const { config, warnings } = read({ [variable]: text })
      assertSound(config, path)
      for (const warning of warnings) assertOneLine(warning)
    }
  })
}

/** Any value that the option can have, so that nothing after can trip over it. */
function assertSound(config: Config, path: string): void {
  const value = at(config, path)
  const { default: byDefault } = rows.get(path) as { default: unknown }
  if (byDefault !== undefined) assert.equal(typeof value, typeof byDefault, path)
  if (typeof value === 'number') assert.ok(value >= 0, `${path} ${value}`)
  if (Array.isArray(byDefault)) assert.ok(Array.isArray(value) && value.every(item => typeof item === 'string'), path)
  assertFrozen(config)
}

function assertFrozen(value: unknown): void {
  if (typeof value !== 'object' || value === null) return
  assert.ok(Object.isFrozen(value))
  for (const item of Object.values(value)) assertFrozen(item)
}

function assertOneLine(warning: string): void {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what must not be in it.
  assert.doesNotMatch(warning, /[\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e]/)
  assert.ok(warning.length < 600, warning)
}

test('nothing given is the defaults, without a word', () => {
  const { config, warnings } = read({})
  assert.deepEqual(warnings, [])
  assertFrozen(config)
  assert.deepEqual(config, {
    serviceName: 'named',
    resourceAttributes: {},
    disabled: false,
    exporters: ['otlp'],
    sampler: {
      name: 'parentbased_always_on',
      ratio: 1,
      jaegerRemote: {
        endpoint: 'http://localhost:5778/sampling',
        pollingIntervalMs: 60_000,
        initialSamplingRate: 0.001,
      },
    },
    propagators: ['tracecontext', 'baggage'],
    resourceDetectors: ['all'],
    batch: { scheduleDelayMs: 5000, exportTimeoutMs: 30000, maxQueueSize: 2048, maxExportBatchSize: 512 },
    limits: {
      attributeCount: 128,
      attributeValueLength: Number.POSITIVE_INFINITY,
      eventCount: 128,
      linkCount: 128,
      eventAttributeCount: 128,
      linkAttributeCount: 128,
    },
    otlp: {
      protocol: 'http/protobuf',
      endpoint: 'http://localhost:4318/v1/traces',
      insecure: false,
      certificate: undefined,
      clientCertificate: undefined,
      clientKey: undefined,
      headers: {},
      timeoutMs: 10000,
      compression: 'none',
    },
    otlpFile: 'traces.jsonl',
    zipkin: { endpoint: 'http://localhost:9411/api/v2/spans', timeoutMs: 10000 },
    proxies: { http: undefined, https: undefined, except: [] },
    spool: { path: undefined, maxBytes: 268_435_456 },
    async: { relation: 'auto', maxAgeMs: 3_600_000 },
    http: { knownMethods: undefined, secretParameters: undefined },
    logLevel: 'warn',
    exitTimeoutMs: 2000,
    enabledInstrumentations: undefined,
    disabledInstrumentations: [],
    instrumentationModules: [],
    instrumentations: {
      pg: { parameters: false },
      'aws-sdk': { layers: 'handler', maxLength: 10, captureHeaders: [], label: 'none' },
      http: {},
    },
  })
})

const inCode: Record<string, unknown> = {
  serviceName: 'coded',
  resourceAttributes: { region: 'north' },
  disabled: true,
  exporters: ['console'],
  'sampler.name': 'traceidratio',
  'sampler.ratio': 0.5,
  'sampler.jaegerRemote.endpoint': 'http://coded:5778/sampling',
  'sampler.jaegerRemote.pollingIntervalMs': 12,
  'sampler.jaegerRemote.initialSamplingRate': 0.5,
  propagators: [],
  resourceDetectors: [],
  'batch.scheduleDelayMs': 1,
  'batch.exportTimeoutMs': 2,
  'batch.maxQueueSize': 1000,
  'batch.maxExportBatchSize': 4,
  'limits.attributeCount': 0,
  'limits.attributeValueLength': 6,
  'limits.eventCount': 7,
  'limits.linkCount': 8,
  'limits.eventAttributeCount': Number.POSITIVE_INFINITY,
  'limits.linkAttributeCount': 10,
  'otlp.endpoint': 'http://coded:1/traces',
  'otlp.headers': { 'x-key': 'coded' },
  'otlp.timeoutMs': 11,
  'otlp.compression': 'gzip',
  'otlp.protocol': 'http/json',
  'otlp.insecure': true,
  'otlp.certificate': PEM,
  'otlp.clientCertificate': PEM,
  'otlp.clientKey': PEM,
  otlpFile: 'coded.jsonl',
  'zipkin.endpoint': 'http://coded:9411/spans',
  'zipkin.timeoutMs': 13,
  'proxies.http': 'http://coded:1/',
  'proxies.https': 'http://coded:2/',
  'proxies.except': ['coded'],
  'spool.path': '/var/spool/code',
  'spool.maxBytes': 1000,
  'async.relation': 'link',
  'async.maxAgeMs': 13,
  'http.knownMethods': [],
  'http.secretParameters': ['token'],
  logLevel: 'error',
  exitTimeoutMs: 0,
  enabledInstrumentations: ['http'],
  disabledInstrumentations: ['pg'],
  instrumentationModules: ['coded'],
  'instrumentations.pg.parameters': true,
  'instrumentations.aws-sdk.layers': 'all',
  'instrumentations.aws-sdk.maxLength': 12,
  'instrumentations.aws-sdk.captureHeaders': ['b'],
  'instrumentations.aws-sdk.label': 'coded',
}

function hostileValues(): unknown[] {
  const { proxy, revoke } = Proxy.revocable({}, {})
  revoke()
  const fails = (): never => {
    throw new Error('from a trap')
  }
  const traps = { get: fails, has: fails, ownKeys: fails, getPrototypeOf: fails, getOwnPropertyDescriptor: fails }
  const circular: Record<string, unknown> = {}
  circular.self = circular
  const throwing = Object.defineProperty({}, 'a', { enumerable: true, get: fails })
  const unprintable = { toString: fails, [Symbol.toPrimitive]: fails, toJSON: fails, inspect: fails }
  return [
    null,
    -1,
    1.5,
    Number.NaN,
    Number.NEGATIVE_INFINITY,
    10n,
    10n ** 500n,
    '',
    ' ',
    'wrong value',
    true,
    false,
    Symbol('s'),
    () => {},
    fails,
    [],
    [null],
    [[]],
    [Symbol('s')],
    ['wrong'],
    new Array(3),
    {},
    { a: 1 },
    { '': 'x', 'a\nb': 'c\nd' },
    JSON.parse('{"__proto__":"x"}'),
    new Date(),
    new Map(),
    Object.create(null),
    proxy,
    new Proxy({}, traps),
    new Proxy([], traps),
    circular,
    throwing,
    unprintable,
    new Proxy(class {}, traps),
    'x'.repeat(100_000),
  ]
}

for (const [path, row] of rows) {
  test(`${path} in code wins over the environment, which wins over the default`, () => {
    const env = Object.fromEntries(row.env.slice(0, 1).map(variable => [variable, cases[variable]?.good[0]?.[0]]))
    const both = read(env, givenAt(path, inCode[path]))
    assert.deepEqual(both.warnings, [])
    if (row.kind.merge === undefined) assert.deepEqual(at(both.config, path), inCode[path])
    else
      for (const [key, value] of Object.entries(inCode[path] as object))
        assert.equal((at(both.config, path) as any)[key], value)
    assert.notDeepEqual(inCode[path], row.default)

    const absent = read(env, givenAt(path, undefined))
    assert.deepEqual(absent.warnings, [])
    assert.deepEqual(absent.config, read(env).config)
  })

  test(`${path}: a hostile value in code does no harm`, () => {
    for (const value of hostileValues()) {
      const { config, warnings } = read({}, givenAt(path, value))
      assertSound(config, path)
      for (const warning of warnings) {
        assertOneLine(warning)
        assert.ok(warning.startsWith(path) || warning.startsWith('batch.'), warning)
      }
    }
  })
}

test('a wrong type in code warns with its path, and the environment is used', () => {
  const { config, warnings } = read(
    { OTEL_BSP_SCHEDULE_DELAY: '7', TRACE_PG_PARAMETERS: 'true' },
    {
      batch: { scheduleDelayMs: '5', maxQueueSize: 0 },
      instrumentations: { pg: { parameters: 'no' } },
      exporters: 'otlp',
    },
  )
  assert.equal(config.batch.scheduleDelayMs, 7)
  assert.equal(config.batch.maxQueueSize, 2048)
  assert.equal(config.instrumentations.pg?.parameters, true)
  assert.deepEqual(warnings, [
    'exporters: ignored "otlp", expected a list of otlp, console, otlp/stdout, otlp/file or zipkin, or none alone; using "otlp"',
    'batch.scheduleDelayMs: ignored "5", expected milliseconds from 0 to 2147483647, in the environment also 250ms or 5s; using 7',
    'batch.maxQueueSize: ignored 0, expected a whole number from 1; using 2048',
    'instrumentations.pg.parameters: ignored "no", expected true or false; using true',
  ])
})

test('unknown keys warn with their path, and what they hold is not shown', () => {
  const { config, warnings } = read(
    {},
    {
      colour: 'secret',
      otlp: { header: 'secret' },
      instrumentations: { pgg: {}, pg: { 'a\nb': 'secret' } },
      ...JSON.parse('{"__proto__":{"disabled":true}}'),
    },
  )
  assert.deepEqual(config, read({}).config)
  assert.deepEqual(
    warnings.map(warning => warning.slice(0, warning.indexOf(','))),
    [
      'colour: ignored ***',
      '__proto__: ignored ***',
      'otlp.header: ignored ***',
      'instrumentations.pgg: ignored ***',
      'instrumentations.pg."a\\nb": ignored ***',
    ],
  )
  assert.match(warnings.join('\n'), /instrumentations\.pgg: .*expected one of pg, aws-sdk, http; using nothing/)
  assert.doesNotMatch(warnings.join('\n'), /secret/)
})

test('a group that is none warns', () => {
  for (const value of [null, 5, 'text', Symbol('s')]) {
    const { config, warnings } = read({}, { batch: value })
    assert.deepEqual(config, read({}).config)
    assert.equal(warnings.length, 1)
    assert.match(warnings[0] as string, /^batch: ignored .+, expected an object; using the defaults$/)
  }
})

test('hostile options as a whole do no harm', () => {
  for (const value of hostileValues()) {
    const { config, warnings } = read({}, value)
    assert.deepEqual(config, read({}).config)
    for (const warning of warnings) assertOneLine(warning)
  }
  assert.deepEqual(read({}, null).warnings, ['options: ignored null, expected an object; using the defaults'])
})

test('options are read, frozen or without a prototype, and are left as they were', () => {
  const headers = Object.freeze(Object.assign(Object.create(null), { 'X-Key': 'v' }))
  const exporters = ['console'] as const
  const options = Object.assign(Object.create(null), { otlp: { headers }, exporters, instrumentations: { pg: {} } })
  const before = structuredClone({ ...options })
  const { config, warnings } = read({}, options)
  assert.deepEqual(warnings, [])
  assert.deepEqual(config.otlp.headers, { 'x-key': 'v' })
  assert.deepEqual({ ...options, otlp: { headers: { ...headers } } }, before)
  assert.ok(!Object.isFrozen(exporters) && !Object.isFrozen(options.otlp))
  assert.doesNotThrow(() => read({}, Object.freeze({ batch: Object.freeze({ maxQueueSize: 5 }) })))
})

test('a getter that throws costs only its option', () => {
  const batch = {
    maxQueueSize: 600,
    get scheduleDelayMs(): number {
      throw new Error('no')
    },
  }
  const { config, warnings } = read({}, { batch } satisfies Options)
  assert.equal(config.batch.maxQueueSize, 600)
  assert.equal(config.batch.scheduleDelayMs, 5000)
  assert.equal(warnings.length, 1)
  assert.match(warnings[0] as string, /^batch\.scheduleDelayMs: ignored /)
})

const pairs: Record<string, [text: string, other: string]> = {
  'otlp.endpoint': ['http://a/a', 'http://b/b'],
  'otlp.compression': ['none', 'gzip'],
  'otlp.protocol': ['http/json', 'http/protobuf'],
  'otlp.insecure': ['true', 'false'],
  'otlp.certificate': [PEM, OTHER_PEM],
  'otlp.clientCertificate': [PEM, OTHER_PEM],
  'otlp.clientKey': [PEM, OTHER_PEM],
  'proxies.http': ['http://a/', 'http://b/'],
  'proxies.https': ['http://a/', 'http://b/'],
}

test('the variable of a signal wins over that of all, and a wrong one leaves it to that', () => {
  for (const [path, { env, kind }] of rows) {
    const [specific, general] = env
    // Any word is a host.
    if (general === undefined || kind.merge !== undefined || path === 'proxies.except') continue
    const [text, other] = pairs[path] ?? ['3', '4']
    const onlyOther = at(read({ [general]: other }).config, path)
    const both = read({ [specific as string]: text, [general]: other })
    assert.equal(String(at(both.config, path)), text, path)
    assert.deepEqual(both.warnings, [])
    const wrong = read({ [specific as string]: '?', [general]: other })
    assert.deepEqual(at(wrong.config, path), onlyOther, path)
    assert.equal(wrong.warnings.length, 1)
    assert.ok(wrong.warnings[0]?.startsWith(`${specific}: `))
  }
})

test('OTEL_ATTRIBUTE_COUNT_LIMIT holds for spans, events and links', () => {
  const { limits } = read({ OTEL_ATTRIBUTE_COUNT_LIMIT: '3', OTEL_LINK_ATTRIBUTE_COUNT_LIMIT: '0' }).config
  assert.deepEqual([limits.attributeCount, limits.eventAttributeCount, limits.linkAttributeCount], [3, 3, 0])
  assert.deepEqual([limits.eventCount, limits.linkCount], [128, 128])
})

test('headers of all sources are put together, the nearest winning', () => {
  const { config, warnings } = read(
    { OTEL_EXPORTER_OTLP_HEADERS: 'A=1,b=1,c=1', OTEL_EXPORTER_OTLP_TRACES_HEADERS: 'b=2,C=2' },
    { otlp: { headers: { c: '3' } } },
  )
  assert.deepEqual(config.otlp.headers, { a: '1', b: '2', c: '3' })
  assert.deepEqual(warnings, [])
})

test('a bad pair is left out and the others are kept', () => {
  const { config, warnings } = read({ OTEL_RESOURCE_ATTRIBUTES: 'a=1,oops,b=%zz,c=3' })
  assert.deepEqual(config.resourceAttributes, { a: '1', c: '3' })
  assert.deepEqual(warnings, [
    'OTEL_RESOURCE_ATTRIBUTES: ignored "oops", expected name=value pairs, percent-encoded; using the others',
    'OTEL_RESOURCE_ATTRIBUTES: ignored "b=%zz", expected name=value pairs, percent-encoded; using the others',
  ])
})

test('a name that is no attribute of ours becomes one, whatever it is', () => {
  const { config } = read({ OTEL_RESOURCE_ATTRIBUTES: '__proto__=x,constructor=y' })
  assert.deepEqual(Object.entries(config.resourceAttributes), [
    ['__proto__', 'x'],
    ['constructor', 'y'],
  ])
  assert.equal(Object.getPrototypeOf(config.resourceAttributes), Object.prototype)
})

test('an unknown name in a list is left out and the others are kept', () => {
  const { config, warnings } = read({
    OTEL_PROPAGATORS: 'b4, B3 ,tracecontext ,TRACECONTEXT',
    OTEL_TRACES_EXPORTER: 'none,otlp',
  })
  assert.deepEqual(config.propagators, ['b3', 'tracecontext'])
  assert.deepEqual(config.exporters, ['otlp'])
  assert.deepEqual(warnings, [
    'OTEL_TRACES_EXPORTER: ignored "none", expected a list of otlp, console, otlp/stdout, otlp/file or zipkin, or none alone; using "otlp"',
    'OTEL_PROPAGATORS: ignored "b4", expected a list of tracecontext, baggage, b3, b3multi, jaeger, ottrace, xray or xray-lambda, or none alone; using "b3,tracecontext"',
  ])
})

test('a batch is no larger than the queue', () => {
  const { config, warnings } = read({ OTEL_BSP_MAX_QUEUE_SIZE: '100', OTEL_BSP_MAX_EXPORT_BATCH_SIZE: '200' })
  assert.equal(config.batch.maxExportBatchSize, 100)
  assert.deepEqual(warnings, [
    'batch.maxExportBatchSize (OTEL_BSP_MAX_EXPORT_BATCH_SIZE): ignored 200, expected no more than batch.maxQueueSize; using 100',
  ])
})

test('the service name beats service.name among the attributes, which beats the package', () => {
  const env = { OTEL_RESOURCE_ATTRIBUTES: 'service.name=attribute' }
  assert.equal(readConfig([], {}, { ...env, OTEL_SERVICE_NAME: 'variable' }).config.serviceName, 'variable')
  assert.equal(readConfig([], { serviceName: 'coded' }, { OTEL_SERVICE_NAME: 'variable' }).config.serviceName, 'coded')
  const { config } = readConfig([], {}, env)
  assert.equal(config.serviceName, 'attribute')
  assert.equal(config.serviceVersion, undefined)
})

test('in code an endpoint without a path gets the standard one', () => {
  for (const [url, used] of [
    ['http://collector:4318', 'http://collector:4318/v1/traces'],
    ['http://collector:4318/', 'http://collector:4318/v1/traces'],
    ['http://collector:4318/own', 'http://collector:4318/own'],
  ])
    assert.equal(read({}, { otlp: { endpoint: url } }).config.otlp.endpoint, used)
})

test('which endpoint is the default, and how one may be written, depends on the protocol', () => {
  const grpc = { OTEL_EXPORTER_OTLP_PROTOCOL: 'grpc' }
  const used = (env: Environment): string => {
    const { config, warnings } = read(env)
    assert.deepEqual(warnings, [])
    return config.otlp.endpoint
  }
  const ENDPOINT = 'OTEL_EXPORTER_OTLP_ENDPOINT'
  assert.equal(used(grpc), 'http://localhost:4317')
  assert.equal(used({ ...grpc, [ENDPOINT]: 'http://collector:4317' }), 'http://collector:4317')
  assert.equal(used({ ...grpc, [ENDPOINT]: 'https://collector/a?b' }), 'https://collector')
  assert.equal(used({ ...grpc, [ENDPOINT]: 'collector:4317' }), 'https://collector:4317')
  assert.equal(used({ ...grpc, [ENDPOINT]: '[::1]:4317', OTEL_EXPORTER_OTLP_INSECURE: 'true' }), 'http://[::1]:4317')
  assert.equal(
    used({ ...grpc, [ENDPOINT]: 'https://collector', OTEL_EXPORTER_OTLP_INSECURE: 'true' }),
    'https://collector',
  )
  assert.equal(used({ ...grpc, [ENDPOINT]: 'unix:///run/x' }), 'unix:/run/x')
  const { config } = read({}, { otlp: { protocol: 'grpc', endpoint: 'localhost:4317', insecure: true } })
  assert.equal(config.otlp.endpoint, 'http://localhost:4317')

  const wrong = read({ [ENDPOINT]: 'collector:4318' })
  assert.equal(wrong.config.otlp.endpoint, 'http://localhost:4318/v1/traces')
  assert.deepEqual(wrong.warnings, [
    'otlp.endpoint (OTEL_EXPORTER_OTLP_ENDPOINT): ignored "collector:4318", expected an http or https URL, as the protocol is http/protobuf; using "http://localhost:4318/v1/traces"',
  ])
})

const ARGUMENT = 'endpoint=http://jaeger:5778, pollingIntervalMs=5000,initialSamplingRate=0.25'
const argued = (name: string, argument: string, options?: unknown) => {
  const { config, warnings } = read({ OTEL_TRACES_SAMPLER: name, OTEL_TRACES_SAMPLER_ARG: argument }, options)
  return { ...config.sampler, warnings }
}

test('the argument of the sampler is read as the sampler wants it', () => {
  for (const name of ['jaeger_remote', 'Parentbased_Jaeger_Remote']) {
    const { jaegerRemote, ratio, warnings } = argued(name, ARGUMENT)
    assert.deepEqual(warnings, [])
    assert.equal(ratio, 1)
    assert.deepEqual(jaegerRemote, {
      endpoint: 'http://jaeger:5778/',
      pollingIntervalMs: 5000,
      initialSamplingRate: 0.25,
    })
  }
  const inCode = argued('always_on', 'initialSamplingRate=0.5,', { sampler: { name: 'jaeger_remote' } })
  assert.equal(inCode.jaegerRemote.initialSamplingRate, 0.5)
  assert.deepEqual(inCode.warnings, [])
  assert.deepEqual(argued('traceidratio', '0.5').warnings, [])
})

test('an argument of another sampler warns, and the defaults are used', () => {
  const ofRatio = argued('traceidratio', ARGUMENT)
  assert.equal(ofRatio.ratio, 1)
  assert.deepEqual(ofRatio.warnings, [
    `OTEL_TRACES_SAMPLER_ARG: ignored "${ARGUMENT}", expected a number from 0 to 1; using 1`,
  ])
  const ofJaeger = argued('jaeger_remote', '0.5')
  assert.equal(ofJaeger.jaegerRemote.initialSamplingRate, 0.001)
  assert.deepEqual(ofJaeger.warnings, [
    'OTEL_TRACES_SAMPLER_ARG: ignored "0.5", expected endpoint=, pollingIntervalMs=, initialSamplingRate=, each with a value; using the others',
  ])
})

test('a part of the argument that is wrong warns with its name, and the others are used', () => {
  const { jaegerRemote, warnings } = argued(
    'jaeger_remote',
    'endpoint=http://me:hunter2@jaeger:99999,initialSamplingRate=2,pollingIntervalMs=7,colour=hunter1@x,__proto__=1,',
  )
  assert.deepEqual(jaegerRemote, {
    endpoint: 'http://localhost:5778/sampling',
    pollingIntervalMs: 7,
    initialSamplingRate: 0.001,
  })
  assert.deepEqual(
    warnings.map(warning => warning.slice(0, warning.indexOf(', expected'))),
    [
      'OTEL_TRACES_SAMPLER_ARG: ignored "***@x"',
      'OTEL_TRACES_SAMPLER_ARG: ignored "__proto__=1"',
      'OTEL_TRACES_SAMPLER_ARG endpoint: ignored "***@jaeger:99999"',
      'OTEL_TRACES_SAMPLER_ARG initialSamplingRate: ignored "2"',
    ],
  )
  for (const argument of hostile)
    for (const warning of argued('jaeger_remote', argument).warnings) assertOneLine(warning)
})

test('secrets are in no warning', () => {
  const { warnings } = read(
    {
      OTEL_EXPORTER_OTLP_HEADERS: 'hunter2,a b=hunter2,ok=1',
      OTEL_EXPORTER_OTLP_TRACES_HEADERS: 'x=hunter2%0a',
      OTEL_EXPORTER_OTLP_ENDPOINT: `http://user:${'hunter2'.repeat(50)}@host:99999/?key=hunter2`,
      OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: 'user:hunter2/@x@host:4318#hunter2',
    },
    { otlp: { headers: { 'x-key': 'hunter2\n', n: 12345 }, endpoint: 'https//user:hunter2@host' } },
  )
  assert.equal(warnings.length, 8)
  assert.doesNotMatch(warnings.join('\n'), /hunter2|12345/)
  assert.match(warnings.join('\n'), /^otlp\.headers\.x-key: ignored \*\*\*, /m)
})

const LOADING = `const { loadConfig } = require('../src/config/load.js')\nloadConfig([])\n`

test('warnings go to standard error by the level that is configured', async () => {
  const env = { OTEL_SDK_DISABLED: 'maybe' }
  const loud = await runApp({ code: LOADING, preload: 'none', env })
  assert.equal(
    loud.stderr,
    '[@org/trace] warn: OTEL_SDK_DISABLED: ignored "maybe", expected true or false; using false\n',
  )
  assert.equal(loud.stdout, '')
  const silent = await runApp({ code: LOADING, preload: 'none', env: { ...env, OTEL_LOG_LEVEL: 'none' } })
  assert.equal(silent.stderr, '')
})

test('warnings are not repeated in worker threads', async () => {
  const code = `
    const { Worker, isMainThread } = require('node:worker_threads')
    ${LOADING}
    console.log('loaded')
    if (isMainThread) new Worker(__filename)
  `
  const { stdout, stderr } = await runApp({ code, preload: 'none', env: { OTEL_SDK_DISABLED: 'maybe' } })
  assert.equal(stdout, 'loaded\nloaded\n')
  assert.equal(stderr.match(/OTEL_SDK_DISABLED/g)?.length, 1)
})
