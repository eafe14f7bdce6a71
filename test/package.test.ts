/** The package as it is published: what is in it, and that it works where it is installed. */
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { version } from '../src/version.js'
import { root } from './helpers/root.js'

const MAX_UNPACKED_BYTES = 1_000_000
const MAX_FILES = 90

interface Packed {
  filename: string
  unpackedSize: number
  files: { path: string; size: number; mode: number }[]
}

const folder = mkdtempSync(join(tmpdir(), 'trace-package-'))
after(() => rmSync(folder, { recursive: true, force: true }))

// Of npm's own settings only what a user has: the run that started this test may have set more.
const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !/^npm_|^NODE_/i.test(name)))
const exec = (command: string, args: string[], cwd = folder): string =>
  execFileSync(command, args, { cwd, env, encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] })

let packed: Packed
before(() => {
  const output = exec('npm', ['pack', '--json', '--ignore-scripts', '--pack-destination', folder], root)
  packed = JSON.parse(output)[0]
  writeFileSync(join(folder, 'package.json'), '{ "private": true }\n')
  exec('npm', ['install', '--offline', '--no-audit', '--no-fund', join(folder, packed.filename)])
})

test('it holds what runs, and is small', () => {
  const others = packed.files
    .map(({ path }) => path)
    .filter(path => !/^(dist\/(instrumentations\/)?[\w-]+\.js|dist\/types\/[\w/-]+\.d\.ts)$/.test(path))
  assert.deepEqual(
    others.filter(path => path !== 'CHANGELOG.md'),
    ['LICENSE', 'README.md', 'dist/THIRD-PARTY-LICENSES.txt', 'package.json'],
  )
  assert.ok(packed.unpackedSize < MAX_UNPACKED_BYTES, `${packed.unpackedSize} bytes`)
  assert.ok(packed.files.length < MAX_FILES, `${packed.files.length} files`)
})

test('what is inlined brings its licence', () => {
  const licences = readFileSync(join(folder, 'node_modules/@org/trace/dist/THIRD-PARTY-LICENSES.txt'), 'utf8')
  assert.match(licences, /^yaml, in config-file\.js:\n\nCopyright Eemeli Aro/)
  assert.match(licences, /Permission to use, copy, modify/)
})

test('it brings nothing else along', () => {
  const manifest = JSON.parse(readFileSync(join(folder, 'node_modules/@org/trace/package.json'), 'utf8'))
  for (const kind of ['dependencies', 'peerDependencies', 'optionalDependencies', 'bundleDependencies']) {
    assert.equal(manifest[kind], undefined, kind)
  }
  for (const script of ['preinstall', 'install', 'postinstall'])
    assert.equal(manifest.scripts[script], undefined, script)
  const installed = Object.keys(JSON.parse(exec('npm', ['ls', '--all', '--json'])).dependencies)
  assert.deepEqual(installed, ['@org/trace'])
  assert.equal(manifest.version, version)
})

test('nothing of it names a folder of the machine that built it', () => {
  for (const { path } of packed.files) {
    const text = readFileSync(join(folder, 'node_modules/@org/trace', path), 'utf8')
    assert.ok(!text.includes(root), path)
  }
})

test('its command runs', () => {
  const trace = join(folder, 'node_modules/.bin/trace')
  assert.equal(exec(trace, ['--version']), `${version}\n`)
  assert.match(exec(trace, ['--help']), /--import @org\/trace\/register/)
  assert.throws(() => exec(trace, ['nonsense']), { status: 1 })
})

test('both entries load, by require and by import, and share one state', () => {
  writeFileSync(
    join(folder, 'app.mjs'),
    `import { createRequire } from 'node:module'
    import { init } from '@org/trace'
    import * as all from '@org/trace'
    const required = createRequire(import.meta.url)('@org/trace')
    console.log(Object.keys(all).sort().join(), required.init === init, init() === required.init())`,
  )
  const withEnv = ['OTEL_TRACES_EXPORTER=none', 'OTEL_LOG_LEVEL=none', process.execPath]
  for (const flag of ['--import', '--require']) {
    const printed = exec('env', [...withEnv, flag, '@org/trace/register', 'app.mjs'])
    assert.match(
      printed,
      /^(default,)?health,init,(module\.exports,)?parseConfigFile,recordError,registerComponent,samplers,traced true true$/m,
    )
  }
})

test('its declarations resolve, from ES modules and from CommonJS', () => {
  const code = `
    const rules: SamplingRule[] = [{ spanKinds: ['server'], sampler: samplers.probability(0.1) }]
    const sampler: Sampler = samplers.parentBased({ root: samplers.ruleBased(rules) })
    const running: Running = init({ serviceName: 'shop', sampler } satisfies Options)
    const flushed: Promise<FlushResult> = running.flush()
    const sum = traced('sum', (a: number, b: number): number => a + b)
    const three: number = sum(1, 2)
    flushed.then(() => running.shutdown())
    // @ts-expect-error there is no such option
    init({ nonsense: 1 })`
  const imports = `import { type FlushResult, init, type Options, type Running, type Sampler, type SamplingRule, samplers, traced } from '@org/trace'\nimport '@org/trace/register'`
  writeFileSync(join(folder, 'esm.mts'), imports + code)
  writeFileSync(join(folder, 'cjs.cts'), imports + code)
  const options = ['--noEmit', '--strict', '--target', 'es2022', '--types', '']
  const tsc = join(root, 'node_modules/typescript/bin/tsc')
  for (const resolution of [
    ['--module', 'nodenext'],
    ['--module', 'esnext', '--moduleResolution', 'bundler'],
  ]) {
    exec(process.execPath, [tsc, ...options, ...resolution, 'esm.mts', 'cjs.cts'])
  }
})
