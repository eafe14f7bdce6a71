/** Samplers made from what callers pass, right, wrong and hostile. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Sampler as ApiSampler } from '@opentelemetry/api'
import type { Options } from '../../src/components.js'
import { samplers } from '../../src/samplers.js'
import { RECORD_AND_SAMPLE, type Sampler } from '../../src/sampling/sampler.js'
import { runApp } from '../helpers/child.js'
import { ask, stateAfter, traceIdOf } from '../helpers/sampling.js'

test('the samplers are of the shape of the API, in both directions', () => {
  const theirs: ApiSampler = samplers.traceIdRatio(0.5)
  const ours: Sampler = theirs
  const options: Options = { sampler: samplers.parentBased({ root: samplers.probability(0.5) }) }
  assert.ok(options.sampler !== undefined)
  assert.equal(ask(ours, { traceId: traceIdOf('8') }).decision, RECORD_AND_SAMPLE)
})

test('a composable sampler is a sampler by itself', () => {
  for (const sampler of [
    samplers.probability(0.5),
    samplers.parentThreshold(samplers.probability(0.5)),
    samplers.ruleBased([{ sampler: samplers.probability(0.5) }]),
    samplers.annotating({ a: 1 }, samplers.probability(0.5)),
  ]) {
    const asked = { traceId: traceIdOf('8') }
    assert.equal(stateAfter(ask(sampler, asked)), 'ot=th:8')
    assert.deepEqual(ask(sampler, asked), ask(samplers.composite(sampler), asked))
    const root = samplers.parentBased({ root: sampler })
    assert.equal(stateAfter(ask(root, asked)), 'ot=th:8')
  }
})

test('what is not given is what the specification says', () => {
  assert.equal(
    String(samplers.parentBased({ root: samplers.alwaysOff() })),
    'ParentBased{root=AlwaysOffSampler, remoteParentSampled=AlwaysOnSampler, remoteParentNotSampled=AlwaysOffSampler, localParentSampled=AlwaysOnSampler, localParentNotSampled=AlwaysOffSampler}',
  )
})

/** What is said of an expression, and what comes of it. */
async function made(expression: string): Promise<{ said: string[]; description: string }> {
  const code = `
    const { samplers } = require('../src/samplers.js')
    const fails = () => { throw new Error('from a trap') }
    const hostile = new Proxy({}, { get: fails, has: fails, ownKeys: fails, getPrototypeOf: fails })
    const on = samplers.alwaysOn()
    console.log(String(${expression}))
    setTimeout(() => process.exit(), 0)`
  const { stdout, stderr, code: exit } = await runApp({ code, preload: 'none' })
  assert.equal(exit, 0, stderr)
  return { said: stderr.split('\n').slice(0, -1), description: stdout.trim() }
}

const wrong: [expression: string, description: RegExp, said: RegExp[]][] = [
  [
    'samplers.traceIdRatio(2)',
    /\{1\}$/,
    [/samplers\.traceIdRatio: ignored 2, expected a number from 0 to 1; using 1$/],
  ],
  ['samplers.traceIdRatio("0.5")', /\{1\}$/, [/ignored a value of type string,/]],
  ['samplers.probability(NaN)', /\{1\}$/, [/samplers\.probability: ignored NaN,/]],
  ['samplers.probability()', /\{1\}$/, [/samplers\.probability: ignored undefined,/]],
  [
    'samplers.alwaysRecord({})',
    /\{AlwaysOnSampler\}$/,
    [/samplers\.alwaysRecord: ignored .*`shouldSample`; using AlwaysOnSampler/],
  ],
  ['samplers.alwaysRecord(hostile)', /\{AlwaysOnSampler\}$/, [/alwaysRecord: ignored/]],
  ['samplers.composite(null)', /\{AlwaysOnSampler\}$/, [/samplers\.composite: ignored .* a composable sampler; using/]],
  ['samplers.parentThreshold(hostile)', /root=AlwaysOnSampler/, [/parentThreshold: ignored/]],
  [
    'samplers.parentBased()',
    /root=AlwaysOnSampler/,
    [/samplers\.parentBased: ignored undefined, expected an object of samplers; using none/],
  ],
  [
    'samplers.parentBased({ root: 1, localParentNotSampled: {}, remoteParentSampled: undefined })',
    /root=AlwaysOnSampler.*localParentNotSampled=AlwaysOffSampler/,
    [
      /samplers\.parentBased\.root: ignored 1,/,
      /samplers\.parentBased\.localParentNotSampled: .*; using AlwaysOffSampler/,
    ],
  ],
  [
    'samplers.ruleBased({})',
    /^ComposableRuleBased\{\}$/,
    [/samplers\.ruleBased: ignored .* a list of rules; using none/],
  ],
  [
    'samplers.ruleBased([null, {}, { sampler: on }, { sampler: on, spanKinds: ["sever"] }, { sampler: on, parent: "none" }, { sampler: on, attributeValues: { key: 1 } }, { sampler: on, attributePatterns: { key: "a", included: [1] } }, { sampler: on, matches: 1 }, hostile])',
    /^ComposableRuleBased\{AlwaysOnSampler\}$/,
    [0, 1, 3, 4, 5, 6, 7, 8].map(at => new RegExp(`samplers\\.ruleBased\\[${at}\\]: ignored .*composable sampler as`)),
  ],
  [
    'samplers.annotating(null, on)',
    /^ComposableAnnotating\{,AlwaysOnSampler\}$/,
    [/annotating: .* an object of attributes/],
  ],
  ['samplers.annotating(hostile, on)', /^ComposableAnnotating\{,AlwaysOnSampler\}$/, [/annotating: ignored/]],
  [
    'samplers.annotating({ a: 1 })',
    /^ComposableAnnotating\{a,AlwaysOnSampler\}$/,
    [/annotating: .*a composable sampler/],
  ],
  [
    'samplers.jaegerRemote({ endpoint: "nowhere", pollingIntervalMs: 0, initialSamplingRate: 7, colour: 1, serviceName: 3 })',
    /^JaegerRemoteSampler\{TraceIdRatioBased\{0\.001\}\}$/,
    [
      /samplers\.jaegerRemote: serviceName: ignored 3,/,
      /jaegerRemote\.colour: ignored/,
      /jaegerRemote\.endpoint: ignored "nowhere", expected an http or https URL; using "http:\/\/localhost:5778\/sampling"/,
      /jaegerRemote\.pollingIntervalMs: ignored 0, expected milliseconds from 1 /,
      /jaegerRemote\.initialSamplingRate: ignored 7, /,
    ],
  ],
  ['samplers.jaegerRemote(null)', /\{0\.001\}\}$/, []],
  ['samplers.jaegerRemote(hostile)', /\{0\.001\}\}$/, [/jaegerRemote/]],
  ['samplers.jaegerRemote()', /\{0\.001\}\}$/, []],
]

for (const [expression, description, said] of wrong) {
  test(expression.slice(0, 70), async () => {
    const result = await made(expression)
    assert.match(result.description, description)
    assert.equal(result.said.length, said.length, result.said.join('\n'))
    for (const [at, line] of said.entries()) assert.match(result.said[at] as string, line)
  })
}
