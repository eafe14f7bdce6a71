/**
 * `npm run test:versions`: the tests of each library on the lowest version of its range, on the newest, and on the last of
 * each major in between. What passed is kept in versions.json, from where the README has it.
 */
import { execFileSync } from 'node:child_process'
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { createRequire, isBuiltin } from 'node:module'
import { dirname, join, sep } from 'node:path'
import { fileURLToPath } from 'node:url'
import semver from 'semver'
import { NODE_PACKAGE, nodeBinary } from './node-binary.mjs'
import { runTests, testFiles, withServices } from './run.mjs'

const root = dirname(dirname(fileURLToPath(import.meta.url)))
const require = createRequire(import.meta.url)
const { instrumentations } = require('../build/src/instrumentations/index.js')
const { rangesOf } = require('../build/src/cli/tables.js')
const RESULTS = join(root, 'test', 'versions.json')
const COPIES = join('test', 'versions')
const LONG = ['--test-timeout=600000']
const LINES = ['22', '24', '26']

/** What else an application has that uses a version of the library by way of it, or beside it. */
const COMPANIONS = {
  '@nats-io/nats-core': version => ({ '@nats-io/transport-node': version, '@nats-io/jetstream': version }),
  '@nats-io/jetstream': version => ({ '@nats-io/transport-node': version, '@nats-io/nats-core': version }),
  'pg-pool': () => ({ pg: '^8' }),
}

const readJson = file => JSON.parse(readFileSync(file, 'utf8'))

/** Those of the published versions that have to pass; of Node, the last of the lines that become LTS, whose runner takes our flags. */
function chosenVersions(module, ranges) {
  const name = isBuiltin(module) ? NODE_PACKAGE : module
  const published = JSON.parse(execFileSync('npm', ['view', name, 'versions', '--json'], { encoding: 'utf8' }))
  const inRange = version => ranges.some(range => semver.satisfies(version, range))
  const isLts = version => semver.major(version) % 2 === 0
  const versions = [published].flat().filter(version => inRange(version) && (name === module || isLts(version)))
  const lastOfMajor = new Map(semver.sort(versions).map(version => [semver.major(version), version]))
  return [...new Set([...(name === module ? versions.slice(0, 1) : []), ...lastOfMajor.values()])]
}

/**
 * The folder whose copy of the library a version takes the place of: the one that holds its major, or the major before it.
 * The tests have copies in the project itself and in folders of test/versions.
 */
function placeOf(module, version) {
  const folders = ['', ...readdirSync(join(root, COPIES)).map(folder => join(COPIES, folder))]
  const copies = folders.flatMap(folder => {
    const { dependencies, devDependencies } = readJson(join(root, folder, 'package.json'))
    const range = { ...dependencies, ...devDependencies }[module]
    return range === undefined ? [] : [{ folder, major: semver.minVersion(range).major }]
  })
  copies.sort((a, b) => a.major - b.major)
  return (copies.findLast(({ major }) => major <= semver.major(version)) ?? copies[0])?.folder ?? ''
}

/** Makes a project within this one, where it finds all that it does not have itself: another version of the library. */
function createProject(module, version) {
  const project = join(root, '.versions', `${module.replace('/', '+')}-${version}`)
  const place = placeOf(module, version)
  rmSync(project, { recursive: true, force: true })
  for (const folder of ['node_modules', COPIES, place]) mkdirSync(join(project, folder), { recursive: true })
  writeFileSync(join(project, 'package.json'), '{ "private": true }\n')
  install(join(project, place), module, version)
  cpSync(join(root, 'build'), join(project, 'build'), { recursive: true })
  const isCopy = file => file.startsWith(join(root, COPIES) + sep)
  cpSync(join(root, 'test'), join(project, 'test'), { recursive: true, filter: file => !isCopy(file) })
  symlinkSync(join(root, 'dist'), join(project, 'dist'))
  for (const folder of readdirSync(join(root, COPIES))) {
    const copy = join(project, COPIES, folder)
    if (!existsSync(copy)) symlinkSync(join(root, COPIES, folder), copy)
    symlinkSync(copy, join(project, 'node_modules', `test-${folder}`))
  }
  return project
}

function install(folder, module, version) {
  const dependencies = { [module]: version, ...COMPANIONS[module]?.(version) }
  const overrides = { [module]: version }
  writeFileSync(join(folder, 'package.json'), JSON.stringify({ private: true, dependencies, overrides }))
  // Nested, as what the library depends on is not for the tests themselves.
  const flags = ['--install-strategy=nested', '--legacy-peer-deps', '--ignore-scripts', '--no-audit', '--no-fund']
  execFileSync('npm', ['install', ...flags], { cwd: folder, stdio: ['ignore', 'ignore', 'inherit'] })
}

/** This Node, unless the library wants a later one: then the first line that it takes. */
function nodeFor(wanted = '*') {
  const takes = node => semver.satisfies(execFileSync(node, ['--version'], { encoding: 'utf8' }), wanted)
  if (takes(process.execPath)) return process.execPath
  return LINES.map(nodeBinary).find(takes) ?? process.execPath
}

/** Runs the tests of a definition on a version of one of its modules. Resolves to whether they pass. */
async function passes(module, version, files, env) {
  if (isBuiltin(module)) return (await runTests(files, { node: nodeBinary(version), env, extra: LONG })) === 0
  const project = createProject(module, version)
  const own = files.map(file => file.replace(root, project))
  const { engines } = readJson(join(project, placeOf(module, version), 'node_modules', module, 'package.json'))
  const passed = (await runTests(own, { node: nodeFor(engines?.node), cwd: project, env, extra: LONG })) === 0
  if (passed) rmSync(project, { recursive: true })
  return passed
}

/** What there is to run of the definitions that are named, or of all: each module in every version that has to pass. */
function jobsOf(names) {
  return instrumentations
    .filter(({ name }) => names.length === 0 || names.includes(name))
    .flatMap(definition =>
      [...rangesOf(definition)].flatMap(([module, ranges]) =>
        chosenVersions(module, [...ranges]).map(version => ({ module, version, files: testsOf(definition) })),
      ),
    )
}

/** One version of a module, as `pg@8.7.0`: for whoever looks for the lowest that works. */
function jobOf(argument) {
  const at = argument.lastIndexOf('@')
  const module = argument.slice(0, at)
  const definition = instrumentations.find(definition => rangesOf(definition).has(module))
  if (definition === undefined) throw new Error(`no definition has a module ${module}`)
  return { module, version: argument.slice(at + 1), files: testsOf(definition) }
}

const testsOf = ({ name }) => testFiles([`instrumentations/${name}.test`, `instrumentations/${name}/`])

/** Keeps that a version has passed or not. */
function keep(module, version, passed) {
  const results = readJson(RESULTS)
  const others = (results[module] ?? []).filter(other => other !== version)
  results[module] = semver.sort(passed ? [...others, version] : others)
  const lines = Object.entries(results)
    .filter(([, versions]) => versions.length > 0)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, versions]) => `  "${name}": [${versions.map(version => `"${version}"`).join(', ')}]`)
  writeFileSync(RESULTS, `{\n${lines.join(',\n')}\n}\n`)
}

const args = process.argv.slice(2)
const isVersion = argument => argument.lastIndexOf('@') > 0
const single = args.filter(isVersion).map(jobOf)
const jobs = single.length > 0 ? single : jobsOf(args)
const files = jobs.flatMap(job => job.files)
if (files.length === 0) throw new Error(`there are no tests of ${args.join(' ')}`)
const rows = []
const known = new Map()
await withServices(files, async env => {
  for (const { module, version, files } of jobs) {
    console.log(`\n=== ${module} ${version}`)
    // http and https are one Node, and one test.
    const run = [isBuiltin(module) ? 'node' : module, version, ...files].join()
    const passed = known.get(run) ?? (await passes(module, version, files, env))
    known.set(run, passed)
    rows.push({ module, version, result: passed ? 'passed' : 'FAILED' })
    keep(module, version, passed)
  }
})
console.table(rows)
if (rows.some(({ result }) => result === 'FAILED')) process.exitCode = 1
