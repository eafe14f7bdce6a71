/** Built-in modules are met once, however they are loaded, and before whoever loads them has them. */
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import { runApp } from '../helpers/child.js'
import { root } from '../helpers/root.js'

const BUILTINS = JSON.stringify(join(root, 'build/src/hooks/builtins.js'))

const START = `
  import { createRequire } from 'node:module'
  const require = createRequire(import.meta.url)
  const { isLoaded, whenLoaded } = require(${BUILTINS})
  const met = (...names) => whenLoaded(names, name => {
    console.log('met ' + name)
    if (name === 'child_process') require(name).execFileSync = () => 'ours'
  })`

/** Runs an ES module in which `met(...names)` waits for these modules, and replaces `execFileSync`. */
async function run(code: string): Promise<string[]> {
  const { code: exit, stdout, stderr } = await runApp({ code: `${START}\n${code}`, type: 'esm', preload: 'none' })
  assert.equal(exit, 0, stderr)
  assert.equal(stderr, '')
  return stdout.trim().split('\n')
}

const WAYS: Record<string, string> = {
  required: `console.log(require('child_process').execFileSync())`,
  'required by its whole name': `console.log(require('node:child_process').execFileSync())`,
  imported: `console.log((await import('child_process')).execFileSync())`,
  'imported by its whole name': `console.log((await import('node:child_process')).execFileSync())`,
  'a default import': `console.log((await import('node:child_process')).default.execFileSync())`,
  'imported after it was required': `require('child_process'); console.log((await import('node:child_process')).execFileSync())`,
  'imported after another built-in module had loaded it': `require('cluster'); console.log((await import('node:child_process')).execFileSync())`,
  ...('getBuiltinModule' in process && {
    'process.getBuiltinModule': `console.log(process.getBuiltinModule('child_process').execFileSync())`,
  }),
}

for (const [how, code] of Object.entries(WAYS)) {
  test(`${how}: it is met once, before it is there`, async () => {
    const lines = await run(`
      met('child_process')
      console.log(isLoaded('child_process'))
      ${code}
      console.log(isLoaded('child_process'), require('child_process').execFileSync())`)
    assert.deepEqual(lines, ['false', 'met child_process', 'ours', 'true ours'])
  })
}

test('a module that has been loaded is met at once, and everybody who waits is told', async () => {
  const lines = await run(`
    require('zlib')
    met('zlib', 'dgram')
    met('dgram')
    console.log('loaded')
    require('dgram')`)
  assert.deepEqual(lines, ['met zlib', 'loaded', 'met dgram', 'met dgram'])
})

test('the list that Node keeps stays one: its entries, its length, its methods, and in the end its prototype', async () => {
  const lines = await run(`
    const list = process.moduleLoadList
    const before = list.length
    met('dgram')
    console.log(Array.isArray(list), list instanceof Array, list.push === Array.prototype.push)
    require('zlib')
    const heard = list.slice(before)
    console.log(heard.includes('NativeModule zlib'), Object.keys(list).length === list.length)
    console.log(list.every(entry => typeof entry === 'string'), JSON.stringify(Object.getOwnPropertyDescriptor(list, before)) ===
      JSON.stringify({ value: heard[0], writable: true, enumerable: true, configurable: true }))
    require('dgram')
    console.log(Object.getPrototypeOf(list) === Array.prototype)`)
  assert.deepEqual(lines, ['true true true', 'true true', 'true true', 'met dgram', 'true'])
})

test('who loads a module notices nothing of a failure, and one line says so', async () => {
  const text = `
    const { whenLoaded } = require(${BUILTINS})
    require('zlib')
    whenLoaded(['dgram', 'zlib'], () => { throw new Error('a mistake') })
    console.log(typeof require('dgram').createSocket)`
  const { code, stdout, stderr } = await runApp({ code: text, preload: 'none' })
  assert.deepEqual([code, stdout], [0, 'function\n'])
  const lines = ['zlib', 'dgram'].map(name => `[@org/trace] warn: ${name} could not be met: Error: a mistake\n`)
  assert.equal(stderr, lines.join(''))
})
