/** Whether an application imports: only then is there a hook for what it imports. */
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import { mainIsModule } from '../../src/hooks/installed.js'
import { writeFolder } from '../helpers/folder.js'
import { root } from '../helpers/root.js'

test('a main script is an ES module by its name, or by the nearest package.json', () => {
  const folder = writeFolder({
    'package.json': '{ "type": "module" }',
    'inner/package.json': '{ "type": "commonjs" }',
    'unnamed/package.json': '{}',
    'broken/package.json': '{',
  })
  const of = (script: string): boolean => mainIsModule(join(root, folder, script))
  for (const script of ['app.js', 'app.ts', 'deeper/app.js', 'app.mjs', 'inner/app.mts']) assert.equal(of(script), true)
  for (const script of ['app.cjs', 'app.cts', 'inner/app.js', 'unnamed/app.js', 'broken/app.js'])
    assert.equal(of(script), false)
})
