/** Which objects `init` takes, and what it says of those that it cannot. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Options, splitOptions } from '../src/components.js'

const processor = { onStart() {}, onEnd() {}, forceFlush: async () => {}, shutdown: async () => {} }
const sampler = { shouldSample: () => ({ decision: 2 as const }), toString: () => 'own' }
const exporter = { export() {}, shutdown: async () => {} }

test('nothing, and options of the table alone, stay as they are', () => {
  assert.deepEqual(splitOptions(undefined), { components: {}, table: undefined, warnings: [] })
  const options: Options = { serviceName: 'a', sampler: { name: 'always_on' }, instrumentations: { pg: {} } }
  assert.deepEqual(splitOptions(options), { components: {}, table: options, warnings: [] })
})

test('objects are told from options by their shape', () => {
  const { components, table, warnings } = splitOptions({
    serviceName: 'a',
    sampler,
    spanProcessors: [processor],
    idGenerator: { generateTraceId: () => '', generateSpanId: () => '' },
  })
  assert.deepEqual(Object.keys(components).sort(), ['idGenerator', 'sampler', 'spanProcessors'])
  assert.equal(components.sampler, sampler)
  assert.deepEqual([table, warnings], [{ serviceName: 'a' }, []])
})

test('an exporter stands in place of the configured ones, unless these are named as well', () => {
  assert.deepEqual(splitOptions({ spanExporter: exporter }).table, { exporters: [] })
  assert.deepEqual(splitOptions({ spanExporter: exporter, exporters: ['otlp'] }).table, { exporters: ['otlp'] })
})

test("a resource's texts are attributes below those that are given by name", () => {
  const resource = { attributes: { 'service.name': 'r', 'host.id': 'h', 'app.shards': 3 } }
  const { table, components } = splitOptions({ resource, resourceAttributes: { 'host.id': 'own' } })
  assert.deepEqual(table, { resourceAttributes: { 'service.name': 'r', 'host.id': 'own' } })
  assert.equal(components.resource, resource)
})

test('what does not fit is left out, and told of', () => {
  const given = {
    spanProcessors: [processor, { onStart() {} }, undefined, 7],
    spanExporter: { export: 1 },
    propagator: 'b3',
    idGenerator: undefined,
    resource: { attributes: null },
    instrumentations: [{ enable() {} }],
  }
  const { components, table, warnings } = splitOptions(given as unknown as Options)
  assert.deepEqual(components, { spanProcessors: [processor], instrumentations: [] })
  assert.deepEqual(table, {})
  assert.deepEqual(warnings, [
    'spanProcessors.1: ignored, expected an object with onStart, onEnd, forceFlush, shutdown',
    'spanProcessors.2: ignored, expected an object with onStart, onEnd, forceFlush, shutdown',
    'spanProcessors.3: ignored, expected an object with onStart, onEnd, forceFlush, shutdown',
    'spanExporter: ignored, expected an object with export, shutdown',
    'propagator: ignored, expected an object with inject, extract, fields',
    'resource: ignored, expected an object with attributes',
    'instrumentations.0: ignored, expected an object with setTracerProvider, getConfig, enable',
  ])
})

test('hostile objects are no more than what does not fit', () => {
  const trap = new Proxy(
    {},
    {
      get: () => {
        throw new Error('trap')
      },
      ownKeys: () => {
        throw new Error('trap')
      },
    },
  )
  assert.deepEqual(splitOptions(trap as Options), { components: {}, table: {}, warnings: [] })
  assert.equal(splitOptions({ resource: { attributes: trap } } as Options).warnings.length, 1)
  const { warnings } = splitOptions({ spanProcessors: [trap] } as unknown as Options)
  assert.equal(warnings.length, 1)
  for (const value of [null, 5, 'text', true]) {
    assert.deepEqual(splitOptions(value as never), { components: {}, table: value, warnings: [] })
  }
})
