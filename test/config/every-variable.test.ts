/** Every variable of the whole table, as the table has it: empty, wrong, huge and hostile, alone and all at once. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Environment, readConfig } from '../../src/config/load.js'
import { createTable } from '../../src/config/options.js'
import { type Row, rowsWithPaths } from '../../src/config/row.js'
import { instrumentations } from '../../src/instrumentations/index.js'
import { runApp } from '../helpers/child.js'
import { createCollector } from '../helpers/collector.js'

const rows = rowsWithPaths(createTable(instrumentations))
const variables = new Map<string, Row[]>()
for (const [, row] of rows) {
  for (const variable of row.env) variables.set(variable, [...(variables.get(variable) ?? []), row])
}

const NAMED = { OTEL_SERVICE_NAME: 'named' }
const read = (env: Environment) => readConfig(instrumentations, undefined, { ...NAMED, ...env })
const byDefault = read({})

const CONTROLS = 'a\0b\n\u001b[2J\u0007[@org/trace] warn: forged'
const texts = [
  CONTROLS,
  '__proto__',
  'constructor',
  '%s%d%j%o%n',
  ',,,',
  '=',
  '\ud800',
  '\u202edetrever',
  '-1',
  '1e999',
  '0x10',
  'null',
  '{}',
  '$(reboot)',
  'a'.repeat(1_000_000),
  '9'.repeat(100_000),
  ','.repeat(100_000),
  'a=%zz,'.repeat(1000),
]

test('the defaults are not complained of', () => assert.deepEqual(byDefault.warnings, []))

for (const [variable, own] of variables) {
  test(`${variable}: empty is unset, and whatever else it holds is used or said`, () => {
    for (const text of ['', ' ', '\t\n']) {
      if (variable === 'OTEL_SERVICE_NAME') continue
      assert.deepEqual(read({ [variable]: text }), byDefault)
    }
    for (const text of texts) {
      const { config, warnings, notes } = read({ [variable]: text })
      assert.deepEqual(notes, [])
      const isUsed = JSON.stringify(config) !== JSON.stringify(byDefault.config)
      assert.ok(isUsed || warnings.length > 0, `${text.slice(0, 50)} is neither used nor said`)
      for (const warning of warnings) {
        assert.ok(warning.startsWith(`${variable}: ignored `), warning.slice(0, 200))
        assert.match(warning, /, expected .+; using .+$/)
        // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what must not be in it.
        assert.doesNotMatch(warning, /[\x00-\x1f\x7f-\x9f\u202a-\u202e]/)
        const expected = Math.max(...own.map(({ kind }) => kind.expected.length))
        assert.ok(warning.length < 400 + expected, `${warning.length} letters`)
      }
    }
  })
}

test('everything wrong at once: a line each, and the application runs as it does without us', async () => {
  // What one variable of a process can hold.
  const long = 'x'.repeat(1000)
  const env: Record<string, string> = { OTEL_LOG_LEVEL: 'chatty' }
  for (const [variable, [row]] of variables) {
    const { kind, env: all } = row as Row
    const takesAll = /proxy/i.test(variable) || kind.expected === 'text' || kind.expected === 'a list of words'
    // A wrong boolean is false: those after it do not count.
    const isBehind = kind.expected === 'true or false' && all[0] !== variable
    if (takesAll || isBehind) continue
    env[variable] ??= `\u001b[2J%s,__proto__\n=${long}`
  }
  Object.assign(env, {
    OTEL_EXPORTER_JAEGER_ENDPOINT: 'http://jaeger',
    OTEL_INSTRUMENTATION_PG_ENABLED: '%s',
    OTEL_SERVCE_NAME: '%s',
    '%s': '%s',
    TRACE_CONFIG: '/nowhere/%s\n',
  })
  const { code, stdout, stderr } = await runApp({ code: `console.log('runs')`, env })
  assert.equal(code, 0)
  assert.equal(stdout, 'runs\n')
  const lines = stderr.trim().split('\n')
  for (const line of lines) assert.match(line, /^\[@org\/trace\] (warn|error): [ -~]+$/)
  for (const variable of Object.keys(env).filter(name => variables.has(name)))
    assert.ok(
      lines.some(line => line.includes(`${variable}: ignored`)),
      `${variable} is not said`,
    )
})

test('an application with all of it wrong sends its spans by the defaults', async () => {
  const collector = await createCollector()
  const wrong = [...variables]
    .filter(([, [row]]) => row?.kind.expected.startsWith('a whole number'))
    .map(([name]) => name)
  const env = Object.fromEntries(wrong.map(name => [name, 'many']))
  const ended = await runApp({
    code: `require('@opentelemetry/api').trace.getTracer('t').startSpan('one').end()`,
    env: { ...env, OTEL_LOG_LEVEL: 'none', OTEL_TRACES_SAMPLER: 'sometimes' },
    collector,
  })
  await collector.close()
  assert.deepEqual([ended.code, ended.stderr], [0, ''])
  assert.deepEqual(
    collector.spans().map(({ name }) => name),
    ['one'],
  )
})
