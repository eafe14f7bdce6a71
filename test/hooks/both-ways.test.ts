/** Every target of every definition is patched once per copy of its package, whichever way that is loaded. */
import assert from 'node:assert/strict'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import * as nodeModule from 'node:module'
import { join } from 'node:path'
import { test } from 'node:test'
import satisfies from 'semver/functions/satisfies'
import type { ModuleTarget } from '../../src/instrumentations/define.js'
import { instrumentations } from '../../src/instrumentations/index.js'
import { runApp } from '../helpers/child.js'
import { isBuilt } from '../helpers/pg-native.js'
import { root } from '../helpers/root.js'

const targets: ModuleTarget<any>[] = instrumentations.flatMap(({ modules }) => modules ?? [])
// Runs in a child process of bull's only, and ends any other.
const OF_A_CHILD = 'lib/process/master.js'
// Node cannot tell of an ES module that it loads.
const UNSEEN = !('registerHooks' in nodeModule)
const OVER_LIBPQ = 'lib/native/'
const libraries = targets.filter(
  ({ name, file, replaces }) =>
    !nodeModule.isBuiltin(name) &&
    file !== OF_A_CHILD &&
    !(UNSEEN && replaces !== undefined) &&
    (isBuilt() || file?.startsWith(OVER_LIBPQ) !== true),
)

/** The root's packages, and those of the applications on other versions. */
const homes = [root, ...readdirSync(join(root, 'test/versions')).map(name => join(root, 'test/versions', name))]

interface Copy {
  folder: string
  version: string
}

const copies = (name: string): Copy[] =>
  homes
    .map(home => join(home, 'node_modules', name))
    .filter(folder => existsSync(join(folder, 'package.json')))
    .map(folder => ({ folder, version: JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')).version }))

const copiesOf = ({ name, versions }: ModuleTarget<any>): Copy[] =>
  copies(name).filter(({ version }) => satisfies(version, versions))

/** Within one range of versions a library may have moved its files. */
const holdersOf = (target: ModuleTarget<any>): Copy[] =>
  copiesOf(target).filter(({ folder }) => target.file === undefined || existsSync(join(folder, target.file)))

/** What an application names to load a target: the package, in ES modules by its own `exports`, or a file of it. */
const entriesOf = (target: ModuleTarget<any>): { bare: string; path: string }[] =>
  holdersOf(target).map(({ folder }) => {
    const resolve = nodeModule.createRequire(join(folder, 'package.json')).resolve
    const path = target.file === undefined ? resolve(folder) : join(folder, target.file)
    return { path, bare: folder === join(root, 'node_modules', target.name) && !target.file ? target.name : path }
  })

const builtins = targets.filter(({ name }) => nodeModule.isBuiltin(name))
const entries = [
  ...builtins.map(({ name }) => ({ path: `node:${name}`, bare: `node:${name}` })),
  ...libraries.flatMap(entriesOf),
]
const paths = JSON.stringify(entries.map(({ path }) => path))
const bare = JSON.stringify(entries.map(({ bare }) => bare))

const expected: Record<string, number> = {}
const expect = (key: string): number => (expected[key] = (expected[key] ?? 0) + 1)
for (const { name } of builtins) expect(`${name} ${process.versions.node}`)
for (const target of libraries) for (const { version } of holdersOf(target)) expect(`${target.name} ${version}`)

// With the first call of one of these; without arguments most throw.
const CALLS = `(async () => {
  for (const [name, calls] of ${JSON.stringify(builtins.map(({ name, calls = [] }) => [name, calls]))}) {
    const lib = await import('node:' + name)
    for (const call of calls) try { lib[call]() } catch {}
  }
})()`

const LOADS = {
  required: `for (const path of ${paths}) require(path)`,
  imported: `
    import { pathToFileURL } from 'node:url'
    import { isAbsolute } from 'node:path'
    for (const name of ${bare}) await import(isAbsolute(name) ? pathToFileURL(name).href : name)`,
  'imported, required and imported again': `
    import { pathToFileURL } from 'node:url'
    import { isAbsolute } from 'node:path'
    import { createRequire } from 'node:module'
    const require = createRequire(import.meta.url)
    for (let i = 0; i < 2; i++) {
      for (const name of ${bare}) await import(isAbsolute(name) ? pathToFileURL(name).href : name)
      for (const path of ${paths}) require(path)
    }`,
}

test('of every target a version is installed here', () => {
  for (const target of libraries) assert.notDeepEqual(copiesOf(target), [], `${target.name} ${target.versions}`)
})

for (const [how, code] of Object.entries(LOADS)) {
  for (const preload of ['import', 'require'] as const) {
    test(`${how}: each target is patched once, by ${preload}`, async () => {
      const type = how === 'required' ? 'cjs' : 'esm'
      const env = { OTEL_LOG_LEVEL: 'debug', OTEL_TRACES_EXPORTER: 'none' }
      const { code: exit, stderr } = await runApp({ code: `${code}\n;${CALLS}`, type, preload, env })
      assert.equal(exit, 0, stderr)
      const patched: Record<string, number> = {}
      for (const [, key = ''] of stderr.matchAll(/debug: (\S+ \S+) patched$/gm)) patched[key] = (patched[key] ?? 0) + 1
      assert.deepEqual(patched, expected)
      assert.doesNotMatch(stderr, /warn|error/)
    })
  }
}
