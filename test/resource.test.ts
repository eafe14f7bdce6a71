/** What a resource says of the process that sends it. */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { arch, hostname, platform } from 'node:os'
import { basename, join } from 'node:path'
import { test } from 'node:test'
import { detectResource } from '../src/resource.js'
import { version } from '../src/version.js'
import { root } from './helpers/root.js'

const config = { serviceName: 'shop', serviceVersion: '1.2.3', resourceAttributes: {} }

test('the version is that of package.json', () => {
  assert.equal(version, JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')).version)
})

test('service, host, operating system, process and SDK', () => {
  const { 'service.instance.id': instance, 'os.version': osVersion, ...rest } = detectResource(config)
  assert.match(String(instance), /^[\da-f]{8}-[\da-f]{4}-4[\da-f]{3}-[89ab][\da-f]{3}-[\da-f]{12}$/)
  assert.match(String(osVersion), /^\d/)
  assert.deepEqual(rest, {
    'service.name': 'shop',
    'service.version': '1.2.3',
    'host.name': hostname(),
    'host.arch': { x64: 'amd64', arm64: 'arm64', ia32: 'x86', arm: 'arm32' }[arch() as string] ?? arch(),
    'os.type': platform() === 'win32' ? 'windows' : platform(),
    'process.pid': process.pid,
    'process.executable.name': basename(process.execPath),
    'process.executable.path': process.execPath,
    'process.command': process.argv[1],
    'process.runtime.name': 'nodejs',
    'process.runtime.version': process.version.slice(1),
    'process.runtime.description': 'Node.js',
    'telemetry.sdk.name': '@org/trace',
    'telemetry.sdk.language': 'nodejs',
    'telemetry.sdk.version': version,
  })
})

test('every resource is an instance of its own', () => {
  assert.notEqual(detectResource(config)['service.instance.id'], detectResource(config)['service.instance.id'])
})

test('configured attributes win over detected ones, and the service name over both', () => {
  const resourceAttributes = { 'host.name': 'mine', 'service.name': 'other', 'service.version': '2', region: 'north' }
  const resource = detectResource({ ...config, resourceAttributes })
  assert.equal(resource['host.name'], 'mine')
  assert.equal(resource['service.version'], '2')
  assert.equal(resource.region, 'north')
  assert.equal(resource['service.name'], 'shop')
})

test('arguments of the process are not told', () => {
  process.argv.push('--token=hunter2')
  try {
    assert.doesNotMatch(JSON.stringify(detectResource(config)), /hunter2/)
  } finally {
    process.argv.pop()
  }
})
