/** What a resource says of the process that sends it. */
import assert from 'node:assert/strict'
import { readFileSync, rmSync } from 'node:fs'
import { arch, hostname, platform } from 'node:os'
import { basename, join } from 'node:path'
import { test } from 'node:test'
import { createSurroundings } from '../../src/resource/detector.js'
import { detectResource, type ResourceOptions } from '../../src/resource/index.js'
import { version } from '../../src/version.js'
import { writeFolder } from '../helpers/folder.js'
import { root } from '../helpers/root.js'
import { assertConventional, createMetadata, surroundings } from './surroundings.js'

const config: ResourceOptions = {
  serviceName: 'shop',
  serviceVersion: '1.2.3',
  resourceAttributes: {},
  resourceDetectors: ['all'],
}

// The 200 ms of an application are little on a busy machine.
const PATIENCE_MS = 10_000
const detect = (options: Partial<ResourceOptions> = {}, machine: Parameters<typeof surroundings>[0] = {}) =>
  detectResource({ ...config, ...options }, surroundings(machine), PATIENCE_MS)
const attributesOf = (...args: Parameters<typeof detect>) => detect(...args).attributes

test('the version is that of package.json', () => {
  assert.equal(version, JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')).version)
})

test('service, host, operating system, process and SDK', () => {
  const { 'service.instance.id': instance, 'os.version': osVersion, ...rest } = attributesOf()
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
  assert.notEqual(attributesOf()['service.instance.id'], attributesOf()['service.instance.id'])
})

test('configured attributes win over detected ones, and the service name over both', () => {
  const resourceAttributes = { 'host.name': 'mine', 'service.name': 'other', 'service.version': '2', region: 'north' }
  const resource = attributesOf({ resourceAttributes })
  assert.equal(resource['host.name'], 'mine')
  assert.equal(resource['service.version'], '2')
  assert.equal(resource.region, 'north')
  assert.equal(resource['service.name'], 'shop')
})

test('arguments of the process are not told', () => {
  process.argv.push('--token=hunter2')
  try {
    assert.doesNotMatch(JSON.stringify(attributesOf()), /hunter2/)
  } finally {
    process.argv.pop()
  }
})

const SDK = {
  'telemetry.sdk.name': '@org/trace',
  'telemetry.sdk.language': 'nodejs',
  'telemetry.sdk.version': version,
  'service.name': 'shop',
  'service.version': '1.2.3',
}

test('only the detectors that are named are used, and none of them is needed for what is configured', () => {
  assert.deepEqual(attributesOf({ resourceDetectors: [] }), SDK)
  assert.deepEqual(attributesOf({ resourceDetectors: ['env'], resourceAttributes: { a: 'b' } }), { ...SDK, a: 'b' })
  const { 'os.type': type, 'os.version': osVersion, ...rest } = attributesOf({ resourceDetectors: ['os'] })
  assert.ok(type !== undefined && osVersion !== undefined)
  assert.deepEqual(rest, SDK)
  const prefixes: Record<string, string[]> = {
    host: ['host'],
    os: ['os'],
    process: ['process'],
    serviceinstance: ['service'],
    container: ['container'],
    k8s: ['k8s'],
    aws: ['cloud', 'faas'],
    gcp: ['cloud', 'faas'],
    azure: ['cloud'],
  }
  const variables = {
    KUBERNETES_SERVICE_HOST: '10.0.0.1',
    POD_NAME: 'a',
    AWS_LAMBDA_FUNCTION_NAME: 'b',
    GAE_SERVICE: 'c',
    WEBSITE_SITE_NAME: 'd',
  }
  const files = { '/proc/self/cgroup': `0::/docker/${'a'.repeat(64)}` }
  for (const [name, expected] of Object.entries(prefixes)) {
    const found = Object.keys(attributesOf({ resourceDetectors: [name] }, { variables, files }))
    const own = found.filter(key => !(key in SDK)).map(key => key.split('.')[0] as string)
    assert.deepEqual([...new Set(own)].sort(), expected, name)
  }
})

test('all that is detected is of the conventions', () => assertConventional(attributesOf()))

const EC2 = { '/sys/class/dmi/id/sys_vendor': 'Amazon EC2' }

test('what a cloud says is added to the rest, below what is configured', async () => {
  const { url: server } = await createMetadata({
    'PUT /latest/api/token': 'x',
    'GET /latest/dynamic/instance-identity/document': '{"instanceId":"i-1","region":"r"}',
    'GET /latest/meta-data/hostname': 'cloudy',
  })
  const options = { resourceAttributes: { 'cloud.region': 'mine' } }
  const { attributes, whole } = detect(options, { files: EC2, server })
  assert.equal(attributes['cloud.platform'], 'aws_ec2')
  assert.equal(attributes['host.id'], undefined)
  assert.deepEqual(await whole, { ...attributes, 'host.id': 'i-1', 'host.name': 'cloudy' })
  assert.equal(attributes['cloud.region'], 'mine')
})

test('nobody is asked where there is no sign of a cloud, or its detector is not named', () => {
  assert.equal(detect().whole, undefined)
  assert.equal(detect({ resourceDetectors: ['host', 'gcp'] }, { files: EC2 }).whole, undefined)
})

test('a detector that fails leaves the others as they are', () => {
  const hostile = {
    ...surroundings({}),
    read: () => {
      throw new Error('no')
    },
  }
  const { attributes, whole } = detectResource(config, hostile)
  assert.equal(attributes['process.pid'], process.pid)
  assert.equal(attributes['service.name'], 'shop')
  assert.equal(whole, undefined)
})

test('files are read below a root, once each', () => {
  const folder = writeFolder({ 'proc/self/cgroup': `0::/docker/${'b'.repeat(64)}\n` })
  const here = createSurroundings({}, join(root, folder))
  assert.equal(here.read('/proc/self/cgroup'), `0::/docker/${'b'.repeat(64)}`)
  rmSync(join(root, folder), { recursive: true })
  assert.equal(detectResource(config, here).attributes['container.id'], 'b'.repeat(64))
  assert.equal(here.read('/proc'), undefined)
})
