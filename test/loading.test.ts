/** How we come into a process: by which flag, into which kind of module and thread, and beside what else. */
import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { pathToFileURL } from 'node:url'
import { type AppOptions, type Ended, register, runApp } from './helpers/child.js'
import { createCollector, type ReceivedSpan } from './helpers/collector.js'
import { fakePackage, writeFolder } from './helpers/folder.js'
import { root } from './helpers/root.js'
import { oneTrace } from './helpers/spans.js'

/** Asks itself over HTTP, once. */
const ASK = `
  const server = express().get('/x/:id', (_, res) => res.end('ok')).listen(0, '127.0.0.1', () => {
    const { port } = server.address()
    http.get({ host: '127.0.0.1', port, path: '/x/1' }, res => res.resume().on('end', () => server.close()))
  })`
const CJS = `const http = require('node:http'), express = require('express')\n${ASK}`
const ESM = `import http from 'node:http'\nimport express from 'express'\n${ASK}`
const NAMED = `import { get, createServer } from 'node:http'
  const server = createServer((_, res) => res.end('ok')).listen(0, '127.0.0.1', () => {
    const { port } = server.address()
    get({ host: '127.0.0.1', port, path: '/x/1' }, res => res.resume().on('end', () => server.close()))
  })`
// tsx, on Node 20, cannot run a CommonJS file that requires express, with or without us.
const TYPED_CJS = `import http = require('node:http')
  const server: http.Server = http.createServer((_, res) => { res.end('ok') }).listen(0, '127.0.0.1', () => {
    const { port } = server.address() as { port: number }
    http.get({ host: '127.0.0.1', port }, res => res.resume().on('end', () => server.close()))
  })`
const TYPED_ESM = `import http from 'node:http'\nimport type { Server } from 'node:http'
  const server: Server = http.createServer((_, res) => { res.end('ok') }).listen(0, '127.0.0.1', () => {
    const { port } = server.address() as { port: number }
    http.get({ host: '127.0.0.1', port }, res => res.resume().on('end', () => server.close()))
  })`
const STRIPPED_CJS = TYPED_CJS.replace(
  "import http = require('node:http')",
  "const http: any = require('node:http')",
).replace('http.Server', 'any')

const ROUTED = ['client GET', 'server GET /x/:id', 'internal request handler - /x/:id']
const PLAIN = ['client GET', 'server GET']

const named = (spans: ReceivedSpan[]): string[] => spans.map(({ kind, name }) => `${kind} ${name}`).sort()
const times = (n: number, names: string[]): string[] =>
  Array.from({ length: n }, () => names)
    .flat()
    .sort()
const ourLines = ({ stderr }: Ended): string[] => stderr.split('\n').filter(line => line.includes('[@org/trace]'))

async function run(options: AppOptions): Promise<{ ended: Ended; spans: ReceivedSpan[] }> {
  const collector = await createCollector()
  const ended = await runApp({ collector, ...options })
  await collector.close()
  return { ended, spans: collector.spans() }
}

/** Runs an application that is to be traced and to hear nothing of us. */
async function traced(options: AppOptions, expected: string[], traces = 1): Promise<void> {
  const { ended, spans } = await run(options)
  assert.equal(ended.code, 0, ended.stderr)
  assert.deepEqual(ourLines(ended), [])
  assert.deepEqual(named(spans), times(traces, expected))
  for (const trace of new Set(spans.map(span => span.traceId))) oneTrace(spans.filter(span => span.traceId === trace))
}

const preloads = ['import', 'require', 'node-options'] as const
const TSX_CLI = join('node_modules', 'tsx', 'dist', 'cli.mjs')
const inFile = (type: NonNullable<AppOptions['type']>, code: string): string => {
  const name = `app.${type === 'esm' ? 'mjs' : type}`
  return join(writeFolder({ [name]: code }), name)
}

for (const preload of preloads) {
  test(`CommonJS, by ${preload}`, () => traced({ code: CJS, preload }, ROUTED))
  test(`ES modules, by ${preload}`, () => traced({ code: ESM, type: 'esm', preload }, ROUTED))
  test(`ES modules with named imports of a built-in, by ${preload}`, () =>
    traced({ code: NAMED, type: 'esm', preload }, PLAIN))
  for (const [type, code] of [
    ['mts', TYPED_ESM],
    ['cts', TYPED_CJS],
  ] as const) {
    test(`.${type} run by --import tsx, by ${preload}`, () =>
      traced({ code, type, preload, flags: ['--import', 'tsx'] }, PLAIN))
  }
}

for (const [type, code] of [
  ['mts', TYPED_ESM],
  ['cts', TYPED_CJS],
] as const) {
  test(`.${type} run by the command tsx, by NODE_OPTIONS`, () =>
    traced({ script: TSX_CLI, args: [join(root, inFile(type, code))], preload: 'node-options' }, PLAIN))
}

test('.mts with a package, run by --import tsx', () =>
  traced({ code: ESM, type: 'mts', flags: ['--import', 'tsx'] }, ROUTED))

const stripsTypes = Boolean((process.features as { typescript?: unknown }).typescript)
for (const [type, code] of [
  ['mts', `${TYPED_ESM}`],
  ['cts', STRIPPED_CJS],
] as const) {
  test(`.${type} whose types Node strips`, { skip: !stripsTypes && 'this Node does not' }, () =>
    traced({ code, type }, PLAIN),
  )
}

test('dynamic import, createRequire and getBuiltinModule', () =>
  traced(
    {
      type: 'esm',
      code: `
        import { createRequire } from 'node:module'
        const { default: express } = await import('express')
        const http = createRequire(import.meta.url)('http')
        ${ASK}`,
    },
    ROUTED,
  ))

test('worker threads, of files', async () => {
  const folder = writeFolder({
    'worker.cjs': CJS,
    'worker.mjs': ESM,
    'main.mjs': `
      import { Worker } from 'node:worker_threads'
      import { once } from 'node:events'
      for (const file of ['worker.cjs', 'worker.mjs']) await once(new Worker(new URL(file, import.meta.url)), 'exit')`,
  })
  for (const preload of preloads) await traced({ script: join(folder, 'main.mjs'), preload }, ROUTED, 2)
})

test('worker threads, of text: Node runs no --import in them (20 to 26), so by --require only', async () => {
  const code = `new (require('node:worker_threads').Worker)(${JSON.stringify(CJS)}, { eval: true })`
  await traced({ code, preload: 'require' }, ROUTED)
  await traced({ code, preload: 'none', env: { NODE_OPTIONS: `--require ${register}` } }, ROUTED)
})

test('a worker thread with flags of its own is traced by NODE_OPTIONS', async () => {
  const folder = writeFolder({
    'worker.cjs': CJS,
    'main.cjs': `new (require('node:worker_threads').Worker)(require.resolve('./worker.cjs'), { execArgv: [] })`,
  })
  await traced({ script: join(folder, 'main.cjs'), preload: 'node-options' }, ROUTED)
})

test('cluster workers, asked by their primary', async () => {
  const code = `
    const cluster = require('node:cluster'), http = require('node:http')
    if (cluster.isPrimary) {
      cluster.fork().on('listening', ({ port }) =>
        http.get({ host: '127.0.0.1', port }, res => res.resume().on('end', () => cluster.disconnect())))
    } else http.createServer((_, res) => res.end('ok')).listen(0, '127.0.0.1')`
  for (const preload of preloads) await traced({ code, preload }, PLAIN)
})

test('child processes: a fork by our flag, others by NODE_OPTIONS', async () => {
  const folder = writeFolder({
    'child.cjs': CJS,
    'fork.cjs': `require('node:child_process').fork(require.resolve('./child.cjs'))`,
    'spawn.cjs': `require('node:child_process').spawn(process.execPath, [require.resolve('./child.cjs')], { stdio: 'inherit' })`,
  })
  await traced({ script: join(folder, 'fork.cjs') }, ROUTED)
  await traced({ script: join(folder, 'spawn.cjs'), preload: 'node-options' }, ROUTED)
})

const PASS_ON = `
  export const resolve = (specifier, context, next) => next(specifier, context)
  export const load = (url, context, next) => next(url, context)`

for (const [what, code, type] of [
  ['CommonJS', CJS, 'cjs'],
  ['ES modules', ESM, 'esm'],
] as const) {
  test(`${what} with a loader of the application's own, in its thread`, async () => {
    const folder = writeFolder({
      'hooks.mjs': PASS_ON,
      'loader.mjs': `import { register } from 'node:module'\nregister('./hooks.mjs', import.meta.url)`,
    })
    const loader = pathToFileURL(join(root, folder, 'loader.mjs')).href
    for (const preload of preloads) await traced({ code, type, preload, flags: ['--import', loader] }, ROUTED)
    await traced(
      { code, type, preload: 'none', flags: ['--import', loader, '--import', pathToFileURL(register).href] },
      ROUTED,
    )
  })

  const inThread = 'registerHooks' in require('node:module')
  test(`${what} with hooks of the application's own`, { skip: !inThread && 'this Node has none' }, async () => {
    // Without `load`: on 22.15 to 22.22.2 and 24.0 to 24.11.0 such a hook breaks express, with or without us.
    const hooks = `import { registerHooks } from 'node:module'
      registerHooks({ resolve: (specifier, context, next) => next(specifier, context) })`
    const loader = `data:text/javascript,${encodeURIComponent(hooks)}`
    for (const preload of preloads) await traced({ code, type, preload, flags: ['--import', loader] }, ROUTED)
  })
}

test('two versions of a package in one process are traced both', async () => {
  assert.ok(existsSync(join(root, 'test/versions/express-4/node_modules/express')))
  const old = JSON.stringify(join(root, 'test/versions/express-4/node_modules/express'))
  const code = `const http = require('node:http')
    { const express = require('express'); ${ASK} }
    { const express = require(${old}); ${ASK} }`
  await traced({ code }, ROUTED, 2)
})

test('packages that were loaded before us are named in one warning', async () => {
  const folder = writeFolder({ 'early.cjs': `require('express'); require('pg')` })
  const early = join(root, folder, 'early.cjs')
  const { ended, spans } = await run({ code: CJS, preload: 'none', flags: ['--require', early, '--require', register] })
  assert.equal(ended.code, 0)
  assert.match(
    ourLines(ended).join('\n'),
    /^\[@org\/trace\] warn: loaded before @org\/trace and so not traced: ([^\n]*)$/,
  )
  const names = /not traced: (.*?);/.exec(ended.stderr)?.[1]?.split(', ').sort()
  assert.deepEqual(names, ['express', 'pg', 'pg-pool', 'router'])
  assert.deepEqual(named(spans), PLAIN)
})

test('a version out of range is left as it is, with one warning', async () => {
  const folder = writeFolder({
    ...fakePackage('pg', '99.1.0', ['lib/client.js']),
    'app.cjs': `console.log(require('pg').answer(), require('pg/lib/client.js').answer())`,
    'app.mjs': `import pg from 'pg'\nimport client from 'pg/lib/client.js'\nconsole.log(pg.answer(), client.answer())`,
  })
  for (const app of ['app.cjs', 'app.mjs']) {
    const { ended } = await run({ script: join(folder, app) })
    assert.deepEqual([ended.code, ended.stdout], [0, '42 42\n'])
    assert.deepEqual(ourLines(ended), ['[@org/trace] warn: pg 99.1.0 is not supported (>=8.0.3 <9) and not traced'])
  }
})

/** What an application can see of how its modules are loaded. */
const LOOK = `
  import { readdirSync } from 'node:fs'
  import Module, { createRequire } from 'node:module'
  import * as a from './a.mjs'
  import * as late from './late.mjs'
  import './all.mjs'
  const require = createRequire(import.meta.url)
  require('./plain.cjs')
  console.log(JSON.stringify({
    url: import.meta.url,
    stack: new Error('here').stack,
    same: a === (await import('./a.mjs')) && a.self === a,
    circular: a.fromB(),
    late: late.value,
    keys: Reflect.ownKeys(a).map(String),
    threads: process.platform === 'linux' ? readdirSync('/proc/self/task').length : 0,
    loading: [Module._load, Module._resolveFilename, Module.prototype.require, Module.prototype.load, require, require.resolve].map(String),
    extensions: Object.values(require.extensions).map(String),
  }))`

test('five hundred ES modules are loaded as without us: no loader, no thread, nothing to be seen', async () => {
  const modules = Array.from({ length: 500 }, (_, i) => [`m${i}.mjs`, `export const n${i} = ${i}\n`])
  const folder = writeFolder({
    ...Object.fromEntries(modules),
    'all.mjs': modules.map(([file]) => `export * from './${file}'\n`).join(''),
    'a.mjs': `import { b } from './b.mjs'\nimport * as self from './a.mjs'\nexport { self }\nexport const a = 1\nexport const fromB = () => b()`,
    'b.mjs': `import { a } from './a.mjs'\nexport const b = () => a + 1`,
    'late.mjs': `export const value = await new Promise(resolve => setTimeout(resolve, 1, 'late'))`,
    'plain.cjs': '',
    'look.mjs': LOOK,
  })
  const script = join(folder, 'look.mjs')
  const without = JSON.parse((await runApp({ script, preload: 'none' })).stdout)
  for (const preload of preloads) {
    const { ended } = await run({ script, preload })
    const seen = JSON.parse(ended.stdout)
    assert.equal(ended.stderr, '')
    assert.deepEqual({ ...seen, threads: undefined }, { ...without, threads: undefined })
    assert.ok(seen.threads <= without.threads, `${seen.threads} threads, ${without.threads} without us`)
  }
})
