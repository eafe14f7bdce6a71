/** Which targets want a file: by package, file and version. */
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import type { Report, Target } from '../../src/hooks/index.js'
import { createMatcher, placeOf } from '../../src/hooks/match.js'
import { fakePackage, writeFolder } from '../helpers/folder.js'
import { root } from '../helpers/root.js'

test('the place of a file is the package of the last node_modules on its path', () => {
  const name = (...path: string[]) => placeOf(join('/', ...path))
  assert.deepEqual(name('app', 'node_modules', 'pg', 'lib', 'client.js'), {
    name: 'pg',
    baseDir: join('/', 'app', 'node_modules', 'pg'),
  })
  assert.deepEqual(name('app', 'node_modules', '@aws-sdk', 'client-sqs', 'dist', 'index.js'), {
    name: '@aws-sdk/client-sqs',
    baseDir: join('/', 'app', 'node_modules', '@aws-sdk', 'client-sqs'),
  })
  const nested = join('/', 'app', 'node_modules', '.pnpm', 'pg@8', 'node_modules', 'pg')
  assert.deepEqual(placeOf(join(nested, 'index.js')), { name: 'pg', baseDir: nested })
  const inside = ['app', 'node_modules', 'a', 'node_modules', 'pg', 'index.js']
  assert.equal(name(...inside)?.baseDir, join('/', ...inside.slice(0, -1)))
})

test('files of the application, and files that stand directly in node_modules, have no place', () => {
  for (const file of ['/app/index.js', '/app/node_modules/file.js', '/app/node_modules/@scope/file.js', '', 'pg'])
    assert.equal(placeOf(file.replaceAll('/', join('/'))), undefined, file)
})

interface Seen {
  events: string[]
  applied: unknown[]
}

/** A matcher of targets that are written `name@range file`. */
function matcherOf(...texts: string[]) {
  const seen: Seen = { events: [], applied: [] }
  const targets = texts.map((text): Target => {
    const [, name = '', versions = '', file] = /^(.+)@(.*?)(?: ([\w/]+\.js))?$/.exec(text) ?? []
    return {
      name,
      versions,
      file,
      apply(exports) {
        seen.applied.push(exports)
        if (exports.broken) throw new Error('broken')
      },
    }
  })
  const report: Report = (event, { name, versions }, version, error) =>
    seen.events.push([event, name, version, versions, error].filter(Boolean).join(' '))
  return { matcher: createMatcher(targets, report), seen }
}

/** Runs a file of a package through a matcher, as if it had exported `exports`. */
function load(matcher: ReturnType<typeof createMatcher>, folder: string, name: string, file: string, exports: unknown) {
  const baseDir = join(root, folder, 'node_modules', name)
  matcher.loaded({ name, baseDir }, join(baseDir, file), exports)
}

test('a target without a file wants what require(name) runs, and with one that file', () => {
  const folder = writeFolder({
    ...fakePackage('a', '1.2.3', ['lib/main.js', 'lib/other.js']),
    'node_modules/a/package.json': JSON.stringify({ name: 'a', version: '1.2.3', main: './lib/main' }),
  })
  const { matcher, seen } = matcherOf('a@>=1 <2', 'a@>=1 <2 lib/other.js')
  const main = {}
  const other = {}
  load(matcher, folder, 'a', 'index.js', {})
  load(matcher, folder, 'a', 'lib/main.js', main)
  load(matcher, folder, 'a', 'lib/other.js', other)
  assert.ok(seen.applied[0] === main && seen.applied[1] === other)
  assert.deepEqual(seen.events, ['patched a 1.2.3 >=1 <2', 'patched a 1.2.3 >=1 <2'])
})

test('the main file may be named by exports, or not be resolvable at all', () => {
  const packages = {
    conditional: { exports: { '.': { import: './m.mjs', require: './lib/r.js' } } },
    closed: { exports: { './only': './lib/r.js' }, main: 'lib/r.js' },
  }
  for (const [name, fields] of Object.entries(packages)) {
    const folder = writeFolder({
      ...fakePackage(name, '1.0.0', ['lib/r.js']),
      [`node_modules/${name}/package.json`]: JSON.stringify({ name, version: '1.0.0', ...fields }),
    })
    const { matcher, seen } = matcherOf(`${name}@>=1 <2`)
    load(matcher, folder, name, 'lib/r.js', {})
    assert.deepEqual(seen.events, [`patched ${name} 1.0.0 >=1 <2`])
  }
})

test('exports that were met before are left alone, those of another copy are not', () => {
  const one = writeFolder(fakePackage('a', '1.0.0'))
  const two = writeFolder(fakePackage('a', '1.5.0'))
  const { matcher, seen } = matcherOf('a@>=1 <2')
  const shared = () => {}
  load(matcher, one, 'a', 'index.js', shared)
  load(matcher, one, 'a', 'index.js', shared)
  load(matcher, two, 'a', 'index.js', {})
  assert.deepEqual(seen.events, ['patched a 1.0.0 >=1 <2', 'patched a 1.5.0 >=1 <2'])
})

test('a version that no target covers is reported; one that another target covers is not', () => {
  const { matcher, seen } = matcherOf('a@>=1 <2', 'a@>=2 <3', 'a@>=2 <3 lib/new.js', 'a@>=1 <2 lib/old.js')
  const files = ['lib/new.js', 'lib/old.js']
  load(matcher, writeFolder(fakePackage('a', '2.0.0', files)), 'a', 'lib/old.js', {})
  assert.deepEqual(seen.events, [])
  load(matcher, writeFolder(fakePackage('a', '2.0.0', files)), 'a', 'index.js', {})
  assert.deepEqual(seen.events, ['patched a 2.0.0 >=2 <3'])
  load(matcher, writeFolder(fakePackage('a', '3.0.0', files)), 'a', 'lib/old.js', {})
  assert.deepEqual(seen.events.slice(1), ['unsupported a 3.0.0 >=1 <2'])
  assert.equal(seen.applied.length, 1)
})

test('a prerelease counts as its version', () => {
  const { matcher, seen } = matcherOf('a@>=1 <2')
  load(matcher, writeFolder(fakePackage('a', '1.3.0-rc.1')), 'a', 'index.js', {})
  assert.deepEqual(seen.events, ['patched a 1.3.0-rc.1 >=1 <2'])
})

test('a patch that throws is reported, once', () => {
  const folder = writeFolder(fakePackage('a', '1.0.0'))
  const { matcher, seen } = matcherOf('a@>=1 <2')
  const exports = { broken: true }
  load(matcher, folder, 'a', 'index.js', exports)
  load(matcher, folder, 'a', 'index.js', exports)
  assert.deepEqual(seen.events, ['failed a 1.0.0 >=1 <2 Error: broken'])
})

test('packages without a readable package.json and exports that are no object are left alone', () => {
  for (const manifest of ['{', '{}', '{ "version": 5 }', 'null']) {
    const folder = writeFolder({ ...fakePackage('a', '1.0.0'), 'node_modules/a/package.json': manifest })
    const { matcher, seen } = matcherOf('a@>=1 <2')
    load(matcher, folder, 'a', 'index.js', {})
    assert.deepEqual(seen.events, [], manifest)
  }
  const { matcher, seen } = matcherOf('a@>=1 <2')
  for (const exports of [undefined, null, 5, 'text'])
    load(matcher, writeFolder(fakePackage('a', '1.0.0')), 'a', 'index.js', exports)
  assert.deepEqual(seen.events, [])
})
