/** The header of AWS X-Ray, and its variable in AWS Lambda. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { ROOT, spanOf, withSpan } from '../../src/context/context.js'
import { NonRecordingSpan } from '../../src/context/span-identity.js'
import { headerGetter } from '../../src/propagation/headers.js'
import { createPropagator } from '../../src/propagation/index.js'
import { relayed, SPAN, TRACE, told } from './told.js'

const propagator = createPropagator(['xray'])

const ROOT_FIELD = `Root=1-${TRACE.slice(0, 8)}-${TRACE.slice(8)}`
const HEADER = `${ROOT_FIELD};Parent=${SPAN};Sampled=1`

describe('extract', () => {
  const cases: [what: string, header: unknown, expected: string | undefined][] = [
    ['a sampled span', HEADER, `${TRACE} ${SPAN} sampled`],
    ['one that is not', `${ROOT_FIELD};Parent=${SPAN};Sampled=0`, `${TRACE} ${SPAN} dropped`],
    ['one that is left to us', `${ROOT_FIELD};Parent=${SPAN};Sampled=?`, `${TRACE} ${SPAN} deferred`],
    ['one without a decision', `${ROOT_FIELD};Parent=${SPAN}`, `${TRACE} ${SPAN} deferred`],
    ['a decision that is none', `${ROOT_FIELD};Parent=${SPAN};Sampled=toString`, `${TRACE} ${SPAN} deferred`],
    ['any order, and blanks', ` Sampled=1 ; Parent=${SPAN} ; ${ROOT_FIELD} `, `${TRACE} ${SPAN} sampled`],
    ['other fields', `Self=1-2-3;${HEADER};Lineage=12326a9d:0;k=v;;x;=y`, `${TRACE} ${SPAN} sampled`],
    ['a field twice: the first', `${HEADER};Sampled=0;Parent=1111111111111111`, `${TRACE} ${SPAN} sampled`],
    ['names of objects', `__proto__=1;constructor=2;${HEADER}`, `${TRACE} ${SPAN} sampled`],
    ['capitals', HEADER.replace(SPAN, SPAN.toUpperCase()), `${TRACE} ${SPAN} sampled`],
    ['no parent, as load balancers send it', `${ROOT_FIELD};Sampled=1`, undefined],
    ['no root', `Parent=${SPAN};Sampled=1`, undefined],
    ['another version', HEADER.replace('Root=1', 'Root=2'), undefined],
    ['a root of one part', `Root=${TRACE};Parent=${SPAN}`, undefined],
    ['a root of zeros', `Root=1-${'0'.repeat(8)}-${'0'.repeat(24)};Parent=${SPAN}`, undefined],
    ['a parent of zeros', `${ROOT_FIELD};Parent=${'0'.repeat(16)}`, undefined],
    ['a short parent', `${ROOT_FIELD};Parent=${SPAN.slice(1)}`, undefined],
    ['a long header', `${HEADER};k=${'v'.repeat(2000)}`, undefined],
  ]
  for (const [what, header, expected] of cases)
    it(`takes ${what}`, () => assert.equal(told(propagator, { 'X-Amzn-Trace-Id': header }), expected))
})

it('writes root, parent and decision', () => {
  const name = 'x-amzn-trace-id'
  assert.deepEqual(relayed(propagator, { [name]: `Lineage=1;${HEADER}` }), { [name]: HEADER })
  for (const sampled of ['Sampled=0', 'Sampled=?']) {
    const header = HEADER.replace('Sampled=1', sampled)
    assert.deepEqual(relayed(propagator, { [name]: header }), { [name]: header })
  }
  assert.deepEqual(propagator.fields(), [name])
})

describe('in AWS Lambda', () => {
  const variables: Record<string, string | undefined> = {}
  const lambda = createPropagator(['xray-lambda'], variables)
  const other = HEADER.replace(SPAN, '1111111111111111')

  it('the variable counts before the header, as it is when an invocation begins', () => {
    assert.equal(told(lambda, { 'x-amzn-trace-id': other }), `${TRACE} 1111111111111111 sampled`)
    variables._X_AMZN_TRACE_ID = HEADER
    assert.equal(told(lambda, { 'x-amzn-trace-id': other }), `${TRACE} ${SPAN} sampled`)
    assert.equal(told(lambda, {}), `${TRACE} ${SPAN} sampled`)
    variables._X_AMZN_TRACE_ID = 'none'
    assert.equal(told(lambda, { 'x-amzn-trace-id': other }), `${TRACE} 1111111111111111 sampled`)
  })

  it('does not count where there is a span', () => {
    variables._X_AMZN_TRACE_ID = HEADER
    const span = new NonRecordingSpan('1'.repeat(32), '2'.repeat(16), 1, undefined, false)
    assert.equal(spanOf(lambda.extract(withSpan(ROOT, span), {}, headerGetter)), span)
  })

  it('without it only the header does', () => {
    assert.equal(told(createPropagator(['xray'], variables), {}), undefined)
  })
})
