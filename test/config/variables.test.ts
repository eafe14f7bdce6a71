/** Variables of OpenTelemetry that the table does not have: what is said of which, how loudly, and what some stand for. */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { type Environment, readConfig } from '../../src/config/load.js'
import { runApp } from '../helpers/child.js'
import { root } from '../helpers/root.js'
import { definitions } from './definitions.js'

const read = (env: Environment, options?: unknown) =>
  readConfig(definitions, options, { OTEL_SERVICE_NAME: 'named', ...env })
const notesOf = (env: Environment): string[] => read(env).notes.map(({ level, text }) => `${level}: ${text}`)

test('what the table has, and what is not of OpenTelemetry, is not looked at', () => {
  const { notes, warnings } = read({ OTEL_TRACES_SAMPLER: 'always_on', OTELX: '1', PATH: '/bin', TRACE_SPOL: 'x' })
  assert.deepEqual([notes, warnings], [[], []])
})

test('what others know is said by how much it matters here', () => {
  const JAEGER = 'there is no exporter of this kind: Jaeger takes OTLP, use OTEL_EXPORTER_OTLP_ENDPOINT'
  const METRICS = 'is not used: metrics and logs are not made here'
  const expected: Record<string, string[]> = {
    OTEL_EXPORTER_JAEGER_ENDPOINT: [`warn: OTEL_EXPORTER_JAEGER_ENDPOINT is not used; ${JAEGER}`],
    OTEL_EXPORTER_JAEGER_AGENT_HOST: [`warn: OTEL_EXPORTER_JAEGER_AGENT_HOST is not used; ${JAEGER}`],
    OTEL_EXPORTER_ZIPKIN_PROTOCOL: ['warn: OTEL_EXPORTER_ZIPKIN_PROTOCOL is not used: Zipkin gets JSON'],
    OTEL_ENTITIES: [
      'warn: OTEL_ENTITIES is not used: of entities, only the attributes in OTEL_RESOURCE_ATTRIBUTES are sent',
    ],
    OTEL_SEMCONV_EXCEPTION_SIGNAL_OPT_IN: [
      'warn: OTEL_SEMCONV_EXCEPTION_SIGNAL_OPT_IN is not used: exceptions are events of their spans, as logs are not made here',
    ],
    OTEL_SEMCONV_STABILITY_OPT_IN: [],
    OTEL_METRICS_EXPORTER: [`info: OTEL_METRICS_EXPORTER ${METRICS}`],
    OTEL_LOGS_EXPORTER: [`info: OTEL_LOGS_EXPORTER ${METRICS}`],
    OTEL_BLRP_SCHEDULE_DELAY: [`debug: OTEL_BLRP_SCHEDULE_DELAY ${METRICS}`],
    OTEL_EXPORTER_OTLP_LOGS_HEADERS: [`debug: OTEL_EXPORTER_OTLP_LOGS_HEADERS ${METRICS}`],
    OTEL_METRICS_EXEMPLAR_FILTER: [`debug: OTEL_METRICS_EXEMPLAR_FILTER ${METRICS}`],
    OTEL_RESOURCE_ATTRIBUTES_POD_NAME: ['debug: OTEL_RESOURCE_ATTRIBUTES_POD_NAME is not used'],
    OTEL_PYTHON_LOG_CORRELATION: ['debug: OTEL_PYTHON_LOG_CORRELATION is not used'],
  }
  for (const [name, notes] of Object.entries(expected)) {
    assert.deepEqual(notesOf({ [name]: 'x' }), notes)
    assert.deepEqual(notesOf({ [name]: ' ' }), [])
  }
  assert.deepEqual(notesOf({ OTEL_METRICS_EXPORTER: 'NONE', OTEL_LOGS_EXPORTER: 'none' }), [
    `debug: OTEL_METRICS_EXPORTER ${METRICS}`,
    `debug: OTEL_LOGS_EXPORTER ${METRICS}`,
  ])
})

test('a misspelt name is said with the one that is near it', () => {
  const pairs = {
    OTEL_SERVCE_NAME: 'OTEL_SERVICE_NAME',
    OTEL_TRACE_SAMPLER: 'OTEL_TRACES_SAMPLER',
    OTEL_TRACES_SAMPLER_ARGS: 'OTEL_TRACES_SAMPLER_ARG',
    OTEL_EXPORTER_OTPL_ENDPOINT: 'OTEL_EXPORTER_OTLP_ENDPOINT',
    OTEL_RESOURCE_ATTRIBUTE: 'OTEL_RESOURCE_ATTRIBUTES',
    OTEL_BLPR_SCHEDULE_DELAY: 'OTEL_BLRP_SCHEDULE_DELAY',
    OTEL_service_name: 'OTEL_SERVICE_NAME',
  }
  for (const [name, meant] of Object.entries(pairs))
    assert.deepEqual(notesOf({ [name]: 'x' }), [`info: ${name} is not known; did you mean ${meant}?`])
  assert.deepEqual(notesOf({ OTEL_FAVOURITE_COLOUR: 'x' }), ['info: OTEL_FAVOURITE_COLOUR is not known'])
})

test('names that are hostile, long or many are said in few short lines', () => {
  const names = [
    'OTEL_\n[@org/trace] warn: forged',
    'OTEL_%s',
    'OTEL___proto__',
    `OTEL_${'X'.repeat(100_000)}`,
    'OTEL_',
  ]
  const notes = notesOf(Object.fromEntries(names.map(name => [name, 'x'])))
  assert.equal(notes.length, names.length)
  for (const note of notes) {
    // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what must not be in it.
    assert.doesNotMatch(note, /[\x00-\x1f]/)
    assert.ok(note.length < 200)
  }
  const many = notesOf(Object.fromEntries(Array.from({ length: 5000 }, (_, n) => [`OTEL_NO_${n}`, 'x'])))
  assert.equal(many.length, 21)
  assert.equal(many.at(-1), 'info: 4980 more variables OTEL_... are not used')
})

test('the exporters that others have are answered with what to use', () => {
  const hintOf = (value: string): string => read({ OTEL_TRACES_EXPORTER: value }).warnings.join()
  assert.match(hintOf('jaeger'), /ignored "jaeger", .*; using "otlp"; .*Jaeger takes OTLP/)
  assert.match(hintOf('logging'), /; console prints spans$/)
  assert.match(hintOf('other'), /using "otlp"$/)
})

test('the obsolete name of INSECURE warns, and counts unless the new one is set', () => {
  const OLD = 'OTEL_EXPORTER_OTLP_SPAN_INSECURE'
  assert.deepEqual(notesOf({ [OLD]: 'true' }), [`warn: ${OLD} is obsolete; use OTEL_EXPORTER_OTLP_TRACES_INSECURE`])
  const insecure = (env: Environment): boolean => read(env).config.otlp.insecure
  assert.equal(insecure({ [OLD]: 'true' }), true)
  assert.equal(insecure({ [OLD]: 'true', OTEL_EXPORTER_OTLP_INSECURE: 'false' }), true)
  assert.equal(insecure({ [OLD]: 'true', OTEL_EXPORTER_OTLP_TRACES_INSECURE: 'false' }), false)
  assert.equal(insecure({ [OLD]: '' }), false)
})

test('the names of OpenTelemetry JS for two limits count, after those of the specification', () => {
  const limits = (env: Environment) => read(env).config.limits
  for (const [kind, key] of [
    ['EVENT', 'eventAttributeCount'],
    ['LINK', 'linkAttributeCount'],
  ] as const) {
    const other = { [`OTEL_SPAN_ATTRIBUTE_PER_${kind}_COUNT_LIMIT`]: '5', OTEL_ATTRIBUTE_COUNT_LIMIT: '9' }
    assert.equal(limits(other)[key], 5)
    assert.equal(limits({ ...other, [`OTEL_${kind}_ATTRIBUTE_COUNT_LIMIT`]: '3' })[key], 3)
  }
})

const PG = 'OTEL_INSTRUMENTATION_PG_ENABLED'
const AWS = 'OTEL_INSTRUMENTATION_AWS_SDK_ENABLED'
const ALL = 'OTEL_INSTRUMENTATION_COMMON_DEFAULT_ENABLED'

test('instrumentations are switched one by one, below the lists and the code', () => {
  const enabled = (env: Environment, options?: unknown) => {
    const { config, notes, warnings } = read(env, options)
    assert.deepEqual([notes, warnings], [[], []])
    return config.enabledInstrumentations
  }
  assert.equal(enabled({ [PG]: 'true' }), undefined)
  assert.deepEqual(enabled({ [PG]: 'False' }), ['aws-sdk', 'http'])
  assert.deepEqual(enabled({ [PG]: 'false', [AWS]: 'false' }), ['http'])
  assert.deepEqual(enabled({ [ALL]: 'false', [AWS]: 'true' }), ['aws-sdk'])
  assert.deepEqual(enabled({ [ALL]: 'false' }), [])
  assert.equal(enabled({ [ALL]: 'true' }), undefined)
  assert.deepEqual(enabled({ [PG]: 'false', OTEL_NODE_ENABLED_INSTRUMENTATIONS: 'pg' }), ['pg'])
  assert.deepEqual(enabled({ [ALL]: 'false', [PG]: 'true' }, { enabledInstrumentations: ['http'] }), ['http'])
  const both = read({ [PG]: 'true', OTEL_NODE_DISABLED_INSTRUMENTATIONS: 'pg' }).config
  assert.deepEqual(both.disabledInstrumentations, ['pg'])
})

test('a switch that is neither true nor false is off, and said', () => {
  const { config, notes } = read({ [PG]: 'yes\n' })
  assert.deepEqual(config.enabledInstrumentations, ['aws-sdk', 'http'])
  assert.deepEqual(notes, [{ level: 'warn', text: `${PG}: ignored "yes", expected true or false; using false` }])
})

test('a switch of an instrumentation that there is not is not known', () => {
  assert.deepEqual(notesOf({ OTEL_INSTRUMENTATION_JDBC_ENABLED: 'false' }), [
    'info: OTEL_INSTRUMENTATION_JDBC_ENABLED is not known',
  ])
})

test('what is said of them follows the log level, in the main thread', async () => {
  const env = { OTEL_SERVCE_NAME: 'x', OTEL_BLRP_SCHEDULE_DELAY: '1', OTEL_ENTITIES: 'x' }
  const code = `require('../src/config/load.js').loadConfig([])`
  const said = async (level: string): Promise<number> =>
    (await runApp({ code, preload: 'none', env: { ...env, OTEL_LOG_LEVEL: level } })).stderr.trim().split('\n').length
  assert.deepEqual([await said('warn'), await said('info'), await said('debug')], [1, 2, 3])
})

test('a start that needs none of it does not load it', async () => {
  const code = `console.log(Object.keys(require.cache).filter(file => /variables|own-file|config-file/.test(file)).length)`
  const plain = await runApp({ code, env: { OTEL_SERVICE_NAME: 'x', OTEL_TRACES_EXPORTER: 'none' } })
  assert.equal(plain.stdout, '0\n')
  const unknown = await runApp({ code, env: { OTEL_SERVCE_NAME: 'x', OTEL_TRACES_EXPORTER: 'none' } })
  assert.equal(unknown.stdout, '1\n')
  const start = readFileSync(join(root, 'dist', 'start.js'), 'utf8')
  assert.doesNotMatch(start, /JAEGER|did you mean/)
})
