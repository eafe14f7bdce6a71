/** The command `trace`, as it is run. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { version } from '../../src/version.js'
import { runApp } from '../helpers/child.js'

const trace = (...args: string[]) => runApp({ script: 'dist/cli.js', preload: 'none', args })

test('--version', async () => {
  const { code, stdout, stderr } = await trace('--version')
  assert.deepEqual({ code, stdout, stderr }, { code: 0, stdout: `${version}\n`, stderr: '' })
})

test('--help, or nothing', async () => {
  for (const args of [['--help'], []]) {
    const { code, stdout, stderr } = await trace(...args)
    assert.deepEqual({ code, stderr }, { code: 0, stderr: '' })
    assert.match(stdout, /node --import @org\/trace\/register app\.js/)
  }
})

test('an unknown command', async () => {
  const { code, stdout, stderr } = await trace('dance\n')
  assert.deepEqual({ code, stdout }, { code: 1, stdout: '' })
  assert.match(stderr, /^trace: unknown command "dance\\n"\n\ntrace .*--help/s)
})
