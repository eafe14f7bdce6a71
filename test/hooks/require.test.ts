/** The one function of Node's that is wrapped to meet CommonJS files, and what it leaves as it was. */
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import { runApp } from '../helpers/child.js'
import { fakePackage, writeFolder } from '../helpers/folder.js'
import { root } from '../helpers/root.js'

const HOOKS = JSON.stringify(join(root, 'build/src/hooks/index.js'))

/** Runs `body` in a process that has installed targets for package `lib`; what is reported is printed. */
async function run(body: string, files: Record<string, string> = {}) {
  const folder = writeFolder({
    ...fakePackage('lib', '1.0.0'),
    ...files,
    'app.cjs': `
      const patch = exports => { exports.patched = true }
      const target = (name, apply = patch) => ({ name, versions: '>=1 <99', apply })
      const install = (...targets) =>
        require(${HOOKS}).install(targets, (event, { name }, version) => console.log(event, name, version))
      ${body}`,
  })
  const { code, stdout, stderr } = await runApp({ script: join(folder, 'app.cjs'), preload: 'none' })
  assert.deepEqual([code, stderr], [0, ''])
  return stdout.trim().split('\n')
}

test('a file is seen once, however often it is required', async () => {
  const lines = await run(`
    install(target('lib'))
    for (let i = 0; i < 3; i++) console.log(require('lib').patched)`)
  assert.deepEqual(lines, ['patched lib 1.0.0', 'true', 'true', 'true'])
})

test('a file that throws throws the same, and is tried again', async () => {
  const lines = await run(
    `
    install(target('lib'))
    for (let i = 0; i < 2; i++) try { require('lib') } catch (error) { console.log(error.message) }`,
    { 'node_modules/lib/index.js': `throw new Error('not today')` },
  )
  assert.deepEqual(lines, ['not today', 'not today'])
})

test('a patch that throws leaves the module as it was, and the others are patched', async () => {
  const lines = await run(`
    install(target('lib', () => { throw new Error('mistake') }), target('lib', exports => { exports.second = true }))
    console.log(require('lib').answer(), require('lib').second)`)
  assert.deepEqual(lines, ['failed lib 1.0.0', 'patched lib 1.0.0', '42 true'])
})

test('what was loaded before is named, and is not patched', async () => {
  const lines = await run(`
    require('lib')
    console.log(install(target('lib'), target('other')).join())
    console.log(require('lib').patched)`)
  assert.deepEqual(lines, ['lib', 'undefined'])
})

test('Node keeps every function of its loader but _compile, which keeps name and length', async () => {
  const lines = await run(`
    const Module = require('node:module')
    const keys = Reflect.ownKeys(Module.prototype)
    const look = () => [
      ...Reflect.ownKeys(Module).map(key => Module[key]),
      ...keys.filter(key => key !== '_compile').map(key => Object.getOwnPropertyDescriptor(Module.prototype, key).value),
      ...Object.values(require.extensions),
    ]
    const before = look()
    const { name, length } = Module.prototype._compile
    install(target('lib'), target('http'))
    require('http')
    const after = look()
    console.log(before.length === after.length && before.every((value, i) => Object.is(value, after[i])))
    console.log(Module.prototype._compile.name === name, Module.prototype._compile.length === length)
    console.log(Reflect.ownKeys(Module.prototype).join() === keys.join())`)
  assert.deepEqual(lines, [`patched http ${process.versions.node}`, 'true', 'true true', 'true'])
})

test('a built-in module is patched for require and for every form of import', async () => {
  const lines = await run(
    `
    install(target('http', http => { http.get = () => 'ours' }))
    console.log(require('http').get(), require('node:http').get())
    import('./forms.mjs')`,
    {
      'forms.mjs': `
        import http, { get } from 'http'
        import * as all from 'node:http'
        console.log(http.get(), get(), all.get(), process.getBuiltinModule?.('http').get() ?? 'ours')`,
    },
  )
  assert.deepEqual(lines, [`patched http ${process.versions.node}`, 'ours ours', 'ours ours ours ours'])
})
