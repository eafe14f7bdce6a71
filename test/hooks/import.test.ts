/** Packages that are ES modules, met by a module in their place that nobody can tell from them. */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import * as nodeModule from 'node:module'
import { tmpdir } from 'node:os'
import { join, relative } from 'node:path'
import { suite, test } from 'node:test'
import { runApp } from '../helpers/child.js'
import { fakePackage, writeFolder } from '../helpers/folder.js'
import { root } from '../helpers/root.js'

const SEES_MODULES = 'registerHooks' in nodeModule

/** A package that stands for node-cron, with other files and names. */
const standIn = (files: Record<string, string>) => ({
  ...fakePackage('node-cron', '4.9.0'),
  'node_modules/node-cron/package.json': JSON.stringify({
    name: 'node-cron',
    version: '4.9.0',
    type: 'module',
    exports: './dist/index.js',
  }),
  ...Object.fromEntries(Object.entries(files).map(([name, text]) => [`node_modules/node-cron/dist/${name}`, text])),
})

interface App {
  files?: Record<string, string>
  main: string
  name?: string
  flags?: string[]
}

/** What the application says with us and without, and what we say. */
async function runBoth({ files = {}, main, name = 'main.mjs', flags = [] }: App) {
  const folder = writeFolder({ ...(Object.keys(files).length > 0 ? standIn(files) : {}), [name]: main })
  const env = { OTEL_LOG_LEVEL: 'debug', OTEL_TRACES_EXPORTER: 'none' }
  const run = (preload: 'import' | 'none') =>
    runApp({ script: join(folder, name), preload, env, flags, cwd: join(root, folder) })
  const [withUs, without] = [await run('import'), await run('none')]
  assert.equal(withUs.stdout, without.stdout)
  assert.equal(withUs.code, without.code, withUs.stderr)
  return { ...withUs, patched: [...withUs.stderr.matchAll(/debug: (node-cron) .* patched$/gm)].length }
}

const TASK = 'class InlineScheduledTask { constructor(cron, fn) { this.fn = fn } }'

suite('an ES module', { skip: !SEES_MODULES }, () => {
  test('has the names that it has, in its order of running, and says where it is', async () => {
    const { patched, stdout } = await runBoth({
      files: {
        '_shared.js': `console.log('shared'); ${TASK}\nlet count = 0; const more = () => ++count
          export { InlineScheduledTask as I, count, more as default }`,
        'index.js': `import more, { I as Task } from './_shared.js'; console.log('index'); export * from './_shared.js'; export { Task, more }`,
      },
      main: `console.log('main')
        import * as cron from 'node-cron'
        import { Task, I, more } from 'node-cron'
        import './node_modules/node-cron/dist/_shared.js'
        console.log(Object.keys(cron), Task === I, Task.name, Task.length, new Task('x', 5).fn, (await import('node-cron')) === cron)
        console.log(more(), cron.count, more(), cron.count)
        const shared = await import('./node_modules/node-cron/dist/_shared.js')
        console.log(Object.keys(shared), shared.default === more, String(shared), Object.isFrozen(shared), import.meta.resolve('node-cron'))
        await import('./missing.mjs').catch(error => console.log(error.name, error.message))`,
    })
    assert.equal(patched, 1)
    assert.match(stdout, /^shared\nindex\nmain\n/)
  })

  test('is where it is for whoever asks', async () => {
    const { patched, stdout } = await runBoth({
      files: { '_shared.js': `export ${TASK}`, 'index.js': `export * from './_shared.js'` },
      main: `const where = import.meta.resolve('./node_modules/node-cron/dist/_shared.js')
        console.log(where, (await import(where)).InlineScheduledTask.name)`,
    })
    assert.equal(patched, 1)
    assert.match(stdout, /^file:.*_shared\.js InlineScheduledTask$/m)
  })

  test('that lacks a name, throws, or is in a circle of imports fails and works as it does', async () => {
    const { patched } = await runBoth({
      files: {
        '_shared.js': `import { make } from './index.js'; ${TASK}\nexport { InlineScheduledTask as I, make }`,
        'index.js': `import { I } from './_shared.js'; export const make = () => new I('x', 5).fn; export const name = () => I.name`,
      },
      main: `import { make, name } from 'node-cron'
        await 0
        console.log(make(), name())
        await import('data:text/javascript,' + encodeURIComponent('import { nothing } from ' + JSON.stringify(import.meta.resolve('node-cron')))).catch(error => console.log(error.name))`,
    })
    assert.equal(patched, 1)
    await runBoth({
      files: { '_shared.js': `throw new RangeError('own')`, 'index.js': `import './_shared.js'` },
      main: `await import('node-cron').catch(error => console.log(error.name, error.message))`,
    })
    const { code, stderr } = await runBoth({
      files: {
        '_shared.js': `${TASK}\nexport { InlineScheduledTask as I }`,
        'index.js': `import { nothing } from './_shared.js'`,
      },
      main: `import 'node-cron'`,
    })
    assert.equal(code, 1)
    assert.match(stderr, /'.\/_shared.js' does not provide an export named 'nothing'/)
  })

  test('is met where CommonJS requires what imports it', async () => {
    const { patched } = await runBoth({
      files: { '_shared.js': `export ${TASK}`, 'index.js': `export * from './_shared.js'` },
      main: `import { createRequire } from 'node:module'
        console.log(Object.keys(createRequire(import.meta.url)('node-cron')))
        import('node-cron').then(cron => console.log(Object.keys(cron), cron.InlineScheduledTask.name))`,
    })
    assert.equal(patched, 1)
  })
})

test('there is a hook where such a package is installed, and else none', async () => {
  const code = "console.log(Symbol.for('@org/trace import') in globalThis)"
  const outside = mkdtempSync(join(tmpdir(), 'trace-'))
  writeFileSync(join(outside, 'main.cjs'), code)
  const far = await runApp({ script: relative(root, join(outside, 'main.cjs')), cwd: outside })
  rmSync(outside, { recursive: true })
  assert.deepEqual([far.stdout, far.stderr], ['false\n', ''])
  assert.equal((await runApp({ code, type: 'esm' })).stdout, `${SEES_MODULES}\n`)
  assert.equal((await runApp({ code, type: 'cjs' })).stdout, 'false\n', 'it imports nothing')
  const all = 'amqplib,aws-sdk-client-sqs,croner,node-cron'
  const disabled = await runApp({ code, type: 'esm', env: { OTEL_NODE_DISABLED_INSTRUMENTATIONS: all } })
  assert.equal(disabled.stdout, 'false\n')
})
