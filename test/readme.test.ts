/** The generated parts of the README are current, and the versions that it names are those that a definition covers. */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { satisfies, sort } from 'semver'
import { rangesOf } from '../src/cli/tables.js'
import { instrumentations } from '../src/instrumentations/index.js'
import { root } from './helpers/root.js'

test('README.md holds the tables that the code gives', () => {
  const { status, stderr } = spawnSync(process.execPath, ['docs.mjs', '--check'], { cwd: root, encoding: 'utf8' })
  assert.equal(status, 0, stderr)
})

test('the versions that were tested are of the ranges that are covered', () => {
  const tested: Record<string, string[]> = JSON.parse(readFileSync(join(root, 'test/versions.json'), 'utf8'))
  const covered = new Map(instrumentations.flatMap(definition => [...rangesOf(definition)]))
  for (const [module, versions] of Object.entries(tested)) {
    const ranges = [...(covered.get(module) ?? [])]
    assert.ok(ranges.length > 0, `no definition has a module ${module}`)
    for (const version of versions) {
      assert.ok(
        ranges.some(range => satisfies(version, range)),
        `${module} ${version}`,
      )
    }
    assert.deepEqual(versions, sort([...versions]))
  }
})
