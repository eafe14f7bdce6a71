/** `recordError`: errors with their causes, told once. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ROOT, withSpan } from '../src/context/context.js'
import { run } from '../src/context/storage.js'
import { recordError } from '../src/record-error.js'
import { createTracerProvider } from '../src/trace/tracer.js'
import { createTestTracer, limits } from './helpers/tracer.js'

const { core, ended } = createTestTracer()
const host = { ...core.host, limits: { ...limits, eventAttributeCount: 3 } }
const tracer = createTracerProvider({ ...core, host }).getTracer('test')

test('the active span fails, and has the error with the chain of its causes', () => {
  const root = new TypeError('the socket closed')
  const middle = new RangeError('no connection', { cause: root })
  const error = new Error('the order was not placed', { cause: middle })
  const span = tracer.startSpan('order')
  run(withSpan(ROOT, span), () => recordError(error), undefined, [])
  span.end()
  const last = ended.at(-1)
  assert.deepEqual([last?.statusCode, last?.statusMessage], [2, 'the order was not placed'])
  assert.equal(last?.events?.length, 1)
  const stack = String(last?.events?.[0]?.attributes?.['exception.stacktrace'])
  assert.match(
    stack,
    /^Error: the order was not placed\n {4}at [\s\S]+\nCaused by: RangeError: no connection\n {4}at [\s\S]+\nCaused by: TypeError: the socket closed\n/,
  )
})

test('an error is recorded once in a trace, however many spans see it', () => {
  const error = new Error('no')
  const outer = tracer.startSpan('outer')
  const inner = tracer.startSpan('inner', {}, withSpan(ROOT, outer))
  recordError(error, inner)
  recordError(error, inner)
  recordError(error, outer)
  inner.end()
  outer.end()
  assert.deepEqual(
    ended.slice(-2).map(({ name, statusCode, events }) => [name, statusCode, events?.length ?? 0]),
    [
      ['inner', 2, 1],
      ['outer', 2, 0],
    ],
  )
})

test('causes that go in circles, or are no errors, come to an end', () => {
  const error = new Error('a') as Error & { cause: unknown }
  error.cause = Object.assign(new Error('b'), { cause: error })
  const span = tracer.startSpan('circle')
  recordError(error, span)
  recordError(new Error('c', { cause: 'a text' }), span)
  span.end()
  const stacks = (ended.at(-1)?.events ?? []).map(event => String(event.attributes?.['exception.stacktrace']))
  assert.deepEqual(
    stacks.map(stack => stack.match(/Caused by: .*/g)),
    [['Caused by: Error: b'], ['Caused by: a text']],
  )
})

test('no span, spans of others, and what cannot be read: never an error', () => {
  recordError(new Error('nobody'))
  const calls: unknown[] = []
  const other = {
    recordException: (error: unknown) => calls.push(error),
    setStatus: (status: unknown) => calls.push(status),
  }
  const error = new Error('x')
  recordError(error, other as never)
  assert.deepEqual(calls, [error, { code: 2, message: 'x' }])
  const span = tracer.startSpan('hostile')
  recordError(
    new Proxy(
      {},
      {
        get: () => {
          throw new Error('trap')
        },
      },
    ),
    span,
  )
  recordError(undefined, span)
  span.end()
  assert.equal(ended.at(-1)?.statusCode, 2)
})
