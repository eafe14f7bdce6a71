/** The generated parts of the README are current. */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { test } from 'node:test'
import { root } from './helpers/root.js'

test('README.md holds the tables that the code gives', () => {
  const { status, stderr } = spawnSync(process.execPath, ['docs.mjs', '--check'], { cwd: root, encoding: 'utf8' })
  assert.equal(status, 0, stderr)
})
