/** The fence around what authors of instrumentations write: their mistakes are said once and stay with us. */
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import { coveredBy } from '../src/connect.js'
import { instrumentations } from '../src/instrumentations/index.js'
import { runApp } from './helpers/child.js'
import { fakePackage, writeFolder } from './helpers/folder.js'
import { root } from './helpers/root.js'

/** Runs `body`, in which `start(definition)` installs a definition for package `lib`, whose `answer()` is 42. */
async function run(body: string) {
  const built = (file: string): string => JSON.stringify(join(root, 'build/src', file))
  const folder = writeFolder({
    ...fakePackage('lib', '1.0.0'),
    'app.cjs': `
      const { connect, report } = require(${built('connect.js')})
      const { createTracing } = require(${built('tracing.js')})
      const { install } = require(${built('hooks/index.js')})
      const { channel } = require('node:diagnostics_channel')
      const core = {
        host: { limits: {}, started: 0, onEnd: span => console.log('span', span.name) },
        sampler: () => true,
        propagator: { inject() {}, extract: context => context, fields: () => [] },
      }
      const fails = () => { throw new Error('a mistake\\nof two lines') }
      const operation = { start: () => ({ name: 'call', kind: 0, attributes: {} }) }
      const target = patch => ({ name: 'lib', versions: '>=1 <2', patch })
      const start = definition =>
        install(connect([{ name: 'lib', title: 'Lib', category: 'http', ...definition }], { instrumentations: {} }, () => createTracing(core, { http: {}, async: {} })), report)
      ${body}`,
  })
  const { code, stdout, stderr } = await runApp({ script: join(folder, 'app.cjs'), preload: 'none' })
  assert.equal(code, 0, stderr)
  return { lines: stdout.trim().split('\n'), warnings: stderr.trim().split('\n') }
}

test('a patch that throws: the module is as it was, and one line says so', async () => {
  const { lines, warnings } = await run(`
    start({ modules: [target(fails)] })
    for (let i = 0; i < 3; i++) console.log(require('lib').answer())`)
  assert.deepEqual(lines, ['42', '42', '42'])
  assert.deepEqual(warnings, [
    '[@org/trace] warn: lib 1.0.0 could not be patched and is not traced: Error: a mistake of two lines',
  ])
})

test('a listener that throws: who publishes notices nothing, and one line says so', async () => {
  const { lines, warnings } = await run(`
    start({ channels: [{ name: 'lib:event', listen: () => fails }] })
    for (let i = 0; i < 3; i++) channel('lib:event').publish({})
    setImmediate(() => console.log('alive'))`)
  assert.deepEqual(lines, ['alive'])
  assert.deepEqual(warnings, ['[@org/trace] warn: lib on lib:event failed: Error: a mistake of two lines'])
})

test('a channel that cannot be listened to leaves the others and the modules alone', async () => {
  const { lines, warnings } = await run(`
    start({
      channels: [{ name: 'lib:one', listen: fails }, { name: 'lib:two', listen: () => () => console.log('heard') }],
      modules: [target((lib, kit) => kit.trace(lib, 'answer', operation))],
    })
    for (let i = 0; i < 2; i++) channel('lib:one').publish({})
    channel('lib:two').publish({})
    console.log(require('lib').answer())`)
  assert.deepEqual(lines, ['heard', 'span call', '42'])
  assert.deepEqual(warnings, ['[@org/trace] warn: lib on lib:one failed: Error: a mistake of two lines'])
})

for (const verb of ['start', 'extract', 'inject', 'links', 'finish', 'describe', 'discard']) {
  test(`an operation whose ${verb} throws: calls go on as ever, and one line says that it is switched off`, async () => {
    const { lines, warnings } = await run(`
      const refuse = () => { throw new Error('refused') }
      start({ modules: [target((lib, kit) => {
        lib.refuse = refuse
        for (const method of ['answer', 'refuse']) kit.trace(lib, method, { ...operation, ${verb}: fails })
      })] })
      const lib = require('lib')
      const attempt = () => { try { return lib.refuse() } catch (error) { return error.message } }
      for (let i = 0; i < 30; i++) if (lib.answer() !== 42 || attempt() !== 'refused') console.log('different')
      console.log('done')`)
    assert.deepEqual(new Set(lines.filter(line => line !== 'span call')), new Set(['done']))
    const failing = verb === 'describe' ? ['refuse'] : ['answer', 'refuse']
    assert.equal(warnings.length, failing.length, warnings.join('\n'))
    for (const [i, method] of failing.entries()) {
      const said = `warn: @org/trace/lib \\(1\\.0\\.0\\), ${method} failed 10 times .* in ${verb}: Error: a mistake of two lines$`
      assert.match(warnings[i] ?? '', new RegExp(said))
    }
  })
}

test("instrumentations of OpenTelemetry's own are known by what they trace", () => {
  const covered = coveredBy(instrumentations)
  const known: Record<string, string | undefined> = {
    '@opentelemetry/instrumentation-http': 'http',
    '@opentelemetry/instrumentation-undici': 'undici',
    '@opentelemetry/instrumentation-express': 'express',
    '@opentelemetry/instrumentation-router': 'express',
    '@opentelemetry/instrumentation-pg': 'pg',
    '@opentelemetry/instrumentation-amqplib': 'amqplib',
    '@opentelemetry/instrumentation-aws-sdk': 'aws-sdk-client-sns',
    '@opentelemetry/instrumentation-redis': undefined,
    '@opentelemetry/instrumentation-fs': undefined,
    '@opentelemetry/instrumentation-': undefined,
    http: undefined,
    '': undefined,
  }
  for (const [name, own] of Object.entries(known)) assert.equal(covered(name), own, name)
  assert.equal(coveredBy([])('@opentelemetry/instrumentation-http'), undefined)
})
