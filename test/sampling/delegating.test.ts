/** Samplers that leave the decision to others: ParentBased and AlwaysRecord. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { alwaysOff, alwaysOn } from '../../src/sampling/always.js'
import { createAlwaysRecord } from '../../src/sampling/always-record.js'
import { createParentBased } from '../../src/sampling/parent-based.js'
import { createTraceIdRatio } from '../../src/sampling/probability.js'
import { DROP, RECORD, RECORD_AND_SAMPLE, type Sampler } from '../../src/sampling/sampler.js'
import { type Asked, ask, stateAfter, traceIdOf } from '../helpers/sampling.js'

const named = (name: string): Sampler => ({
  shouldSample: (_context, _traceId, spanName, kind, attributes, links) => ({
    decision: RECORD_AND_SAMPLE,
    attributes: { by: name, spanName, kind, links: links.length, ...attributes },
  }),
  toString: () => name,
})

const delegates = {
  root: named('root'),
  remoteParentSampled: named('remote sampled'),
  remoteParentNotSampled: named('remote not sampled'),
  localParentSampled: named('local sampled'),
  localParentNotSampled: named('local not sampled'),
}

test('each of the five is asked where it is its turn', () => {
  const sampler = createParentBased(delegates)
  const by = (parent?: Asked['parent']): unknown => ask(sampler, parent && { parent }).attributes?.by
  assert.equal(by(), 'root')
  assert.equal(by({ flags: 0x01, remote: true }), 'remote sampled')
  assert.equal(by({ flags: 0x02, remote: true }), 'remote not sampled')
  assert.equal(by({ flags: 0x03, remote: false }), 'local sampled')
  assert.equal(by({ flags: 0x00, remote: false }), 'local not sampled')
})

test('it is asked about the span as it is', () => {
  const { attributes } = ask(createParentBased(delegates), { name: 'n', kind: 4, attributes: { a: 1 } })
  assert.deepEqual(attributes, { by: 'root', spanName: 'n', kind: 4, links: 0, a: 1 })
  assert.match(String(createParentBased(delegates)), /^ParentBased\{root=root, remoteParentSampled=remote sampled, /)
})

test('what is dropped is recorded, and the rest of the answer stays', () => {
  const sampler = createAlwaysRecord(createTraceIdRatio(0.5))
  const asked = { traceId: traceIdOf('7'), parent: { state: 'ot=th:4,a=1' } }
  assert.equal(ask(sampler, asked).decision, RECORD)
  assert.equal(stateAfter(ask(sampler, asked)), 'a=1')
  assert.equal(ask(sampler, { traceId: traceIdOf('8') }).decision, RECORD_AND_SAMPLE)
  assert.equal(ask(createAlwaysRecord(alwaysOff)).decision, RECORD)
  assert.equal(ask(createAlwaysRecord(alwaysOn)).decision, RECORD_AND_SAMPLE)
  const only: Sampler = { ...alwaysOff, shouldSample: () => ({ decision: RECORD }) }
  assert.equal(ask(createAlwaysRecord(only)).decision, RECORD)
  assert.equal(String(sampler), 'AlwaysRecordSampler{TraceIdRatioBased{0.5}}')
  assert.equal(ask(alwaysOff).decision, DROP)
})
