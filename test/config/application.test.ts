/** The package.json after which a service is named. */
import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { after, test } from 'node:test'
import { applicationFolders, findApplicationPackage } from '../../src/config/application.js'
import { readConfig } from '../../src/config/load.js'
import { runApp } from '../helpers/child.js'
import { root } from '../helpers/root.js'

const folder = realpathSync(mkdtempSync(join(tmpdir(), 'application-')))
const before = process.cwd()
after(() => {
  process.chdir(before)
  rmSync(folder, { recursive: true })
})

function write(file: string, text: string): string {
  const path = join(folder, file)
  mkdirSync(dirname(path), { recursive: true })
  writeFileSync(path, text)
  return path
}

test('no package.json anywhere is unknown_service:node', () => {
  process.chdir(folder)
  const script = process.argv[1]
  process.argv[1] = join(folder, 'app.js')
  try {
    const { config, warnings } = readConfig([], {}, {})
    assert.equal(config.serviceName, 'unknown_service:node')
    assert.equal(config.serviceVersion, undefined)
    assert.deepEqual(warnings, [])
  } finally {
    process.argv[1] = script as string
  }
})

test('the nearest with a name, upwards from the script', () => {
  process.chdir(folder)
  write('shop/package.json', '{"name":"@acme/shop","version":"1.2.3"}')
  write('shop/src/package.json', '{"type":"module"}')
  assert.deepEqual(findApplicationPackage(join(folder, 'shop/src/deep/app.js')), {
    name: '@acme/shop',
    version: '1.2.3',
  })
  write('shop/src/deep/package.json', '{"name":"inner","version":7}')
  assert.deepEqual(findApplicationPackage(join(folder, 'shop/src/deep/app.js')), { name: 'inner', version: undefined })
})

test('`node folder` names the folder', () => {
  process.chdir(folder)
  assert.equal(findApplicationPackage(join(folder, 'shop'))?.name, '@acme/shop')
})

test('a broken one is passed over', () => {
  process.chdir(folder)
  for (const text of ['', '{', 'null', '[]', '{"name":5}', '{"name":""}', '"text"', '\0'.repeat(1000)]) {
    write('shop/broken/package.json', text)
    assert.equal(findApplicationPackage(join(folder, 'shop/broken/app.js'))?.name, '@acme/shop', text)
  }
})

test('a tool in node_modules does not give its own name', () => {
  process.chdir(folder)
  write('shop/node_modules/next/package.json', '{"name":"next","version":"15.0.0"}')
  assert.equal(findApplicationPackage(join(folder, 'shop/node_modules/next/dist/bin/next'))?.name, '@acme/shop')
})

test('the folders of an application are that of the nearest package.json and the working one, each once', () => {
  const inner = join(folder, 'shop/src/deep')
  process.chdir(folder)
  assert.deepEqual(applicationFolders(join(inner, 'app.js')), [inner, folder])
  assert.deepEqual(applicationFolders(join(folder, 'shop/src/app.js')), [join(folder, 'shop/src'), folder])
  assert.deepEqual(applicationFolders(join(folder, 'shop')), [join(folder, 'shop'), folder])
  for (const script of ['-', '[worker eval]', '']) assert.deepEqual(applicationFolders(script), [folder])
  process.chdir(join(folder, 'shop'))
  assert.deepEqual(applicationFolders(join(folder, 'shop/node_modules/next/dist/bin/next')), [join(folder, 'shop')])
})

test('without a script that is a file, from the working directory', () => {
  process.chdir(join(folder, 'shop'))
  for (const script of [undefined, '-', '[worker eval]', '', join(folder, 'elsewhere/app.js')])
    assert.equal(findApplicationPackage(script)?.name, '@acme/shop', script)
})

test('a name that is given needs no package.json', () => {
  process.chdir(join(folder, 'shop'))
  const { config } = readConfig([], { serviceName: 'given' }, {})
  assert.equal(config.serviceName, 'given')
  assert.equal(config.serviceVersion, undefined)
})

test('a worker thread is named as the main thread is, however we come into it', async () => {
  const built = (file: string): string => JSON.stringify(join(root, 'build/src', file))
  const preload = write(
    'preload.js',
    `console.log(require(${built('config/load.js')}).loadConfig([]).serviceName)
     require(${built('hooks/builtins.js')}).whenLoaded(['worker_threads'], name => {
       require(${built('config/inherited.js')}).handDownBy(require(name))
     })`,
  )
  write('shop/node_modules/pool/worker.js', '')
  write('shop/node_modules/pool/package.json', '{"name":"pool"}')
  const code = `new (require('node:worker_threads').Worker)(${JSON.stringify(join(folder, 'shop/node_modules/pool/worker.js'))})`
  for (const flag of ['--require', '--import']) {
    const { stdout, stderr } = await runApp({
      code,
      preload: 'none',
      flags: [flag, preload],
      cwd: join(folder, 'shop'),
    })
    assert.equal(stderr, '')
    // The script stands in this repository.
    assert.equal(stdout, '@org/trace\n@org/trace\n')
  }
})
