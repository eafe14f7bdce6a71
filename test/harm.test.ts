/** The do-no-harm suite in short, and that it sees harm. The whole of it is `npm run test:harm`. */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { test } from 'node:test'
import { root } from './helpers/root.js'

async function harm(...args: string[]): Promise<{ code: number; output: string }> {
  const child = spawn(process.execPath, [join(root, 'test/harm/run.mjs'), ...args], { cwd: root, stdio: 'pipe' })
  let output = ''
  for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', text => (output += text))
  const [code] = await once(child, 'close')
  return { code, output }
}

test('applications with http and express see the same with us as without', async () => {
  const { code, output } = await harm('http', 'express-5')
  assert.equal(code, 0, output)
  assert.match(output, /^(\d+) of \1 scenes are the same/m)
})

test('what does harm is seen', async () => {
  const { code, output } = await harm('fetch', '--preload', join(root, 'test/fixtures/harm/harmful.cjs'))
  assert.equal(code, 1, output)
  for (const expected of [
    /^ {4}- fetch: "function", "fetch", 1,/m,
    /^ {4}\+ fetch: "function", "harmful", 0,/m,
    /^ {4}- listeners of the process at the start: .*/m,
    /^ {4}\+ listeners of the process at the start: .*"uncaughtException 1"/m,
    /^ {4}sampled: there is no span$/m,
    /^ {4}\+ stdout: here I am$/m,
  ]) {
    assert.match(output, expected)
  }
})
