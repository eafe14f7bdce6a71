/** The rules that hold for every definition, so that no reviewer has to look for them; those of its file are in architecture. */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { isBuiltin } from 'node:module'
import { join } from 'node:path'
import { suite, test } from 'node:test'
import { intersects } from 'semver'
import { instrumentations } from '../../src/instrumentations/index.js'
import { root } from '../helpers/root.js'

const read = (name: string): string => readFileSync(join(root, 'src/instrumentations', `${name}.ts`), 'utf8')

const MAX_LINES = 150
/** Longer ones, and why. */
const LONGER: Record<string, string> = {
  amqplib: 'two APIs, promises and callbacks; publish, confirm, consume and get',
  'aws-sdk-client-sqs': 'sending, receiving, and what is done with each received message, batches with links',
  'child-process': 'programs that are waited for and not, and their environment',
  express: 'two majors with different routers, mounted routes, error middleware, layers',
  'graphile-worker': 'its own queries stand in ten files; runs end where it stores how they ended',
  http: 'server and client, and every form in which Node takes headers',
  http2: 'server and client, streams and the compatible API, and every way in which a stream ends early',
  kafkajs: 'producers, batches, transactions and consumers of two majors; headers beside what the application has',
  mqtt: 'publish until its callback, filters and groups, all events of a client',
  nats: 'two generations of packages; callbacks, loops, requests, JetStream',
  pg: 'promises, callbacks, query objects, cursors and streams',
  'pg-boss': 'sending, bulk, publish, fetch, settling, handlers of one job or a batch, two majors',
  piscina: 'both sides of a task, and two ways in which it reaches a worker',
  undici: 'two sets of channels, and what is told of redirects and retries',
  workerpool: 'both sides of a task, in threads and in processes',
}

/** The file's code without comments: what is said there breaks no rule. */
const codeOf = (name: string): string => read(name).replace(/^\s*(\/\*\*?|\*|\/\/).*$/gm, '')

test('only what has a reason is long', () => {
  for (const { name } of instrumentations) {
    const lines = read(name).trimEnd().split('\n').length
    assert.equal(lines > MAX_LINES, name in LONGER, `${name} has ${lines} lines`)
  }
})

for (const definition of instrumentations) {
  const { name, title, options = {}, modules = [], channels = [] } = definition
  const code = codeOf(name)

  suite(name, () => {
    test('says what it is and where the library is entered', () => {
      assert.match(name, /^[a-z][a-z0-9-]*$/)
      assert.ok(title.length > 1)
      assert.ok(modules.length + channels.length > 0)
      for (const channel of channels) assert.match(channel.name, /^[\w:.@/-]+$/)
    })

    test('covers ranges of versions that end', () => {
      for (const { name: library, versions, file } of modules) {
        assert.match(versions, /^>=\d+(\.\d+){0,2} <\d+(\.\d+){0,2}$/, library)
        assert.ok(file === undefined || /^[\w][\w./-]*\.[cm]?js$/.test(file), file)
      }
    })

    test('reaches every version of Node that we support, of built-in modules', () => {
      for (const { name: library, versions } of modules.filter(target => isBuiltin(target.name))) {
        for (const version of ['20.6.0', '22.0.0', '24.0.0', '26.0.0']) {
          assert.ok(intersects(versions, version), `${library} ${versions} leaves out ${version}`)
        }
      }
    })

    test('documents its options', () => {
      for (const [key, option] of Object.entries(options)) {
        assert.match(key, /^[a-z][A-Za-z0-9]*$/)
        assert.match(option.about, /^[A-Z].*\.$/s, key)
        assert.notEqual(option.default, undefined, key)
        assert.ok(option.values === undefined || option.values.includes(option.default), key)
      }
    })

    test('neither logs, nor reads the environment, nor catches', () => {
      assert.doesNotMatch(code, /\bconsole\b|\bprocess\.env\b|\blog\.|\bcatch\s*[({]/)
    })
  })
}
