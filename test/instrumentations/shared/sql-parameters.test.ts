/** What is known of parameter values without running code of theirs. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parameterAttributes, textsOf } from '../../../src/instrumentations/shared/sql-parameters.js'

const known = (...values: unknown[]) => [...new Set(textsOf(values).known)].sort()

test('texts, numbers and what is in lists and objects', () => {
  assert.deepEqual(known('a', 1, 2n, null, undefined, true), ['1', '2', 'a'])
  assert.deepEqual(known(['a', ['b', { c: 'd' }]]), ['a', 'b', 'd'])
  assert.deepEqual(known('say "a"'), ['say "a"', String.raw`say \"a\"`])
  assert.equal(textsOf(['a', [1], { b: 'c' }, null]).all, true)
})

test('what makes a text of its own is not known, and not run', () => {
  const fail = (): never => assert.fail('was run')
  for (const value of [
    { toPostgres: fail },
    { toJSON: fail },
    Object.defineProperty({}, 'a', { get: fail, enumerable: true }),
    new Proxy({}, { ownKeys: fail, getPrototypeOf: fail, has: fail, get: fail }),
    new Date(),
    Buffer.from('a'),
    Symbol('a'),
    fail,
    [[new Date()]],
  ]) {
    assert.equal(textsOf([value]).all, false)
  }
})

test('values without end are left at some point', () => {
  const cycle: unknown[] = []
  cycle.push(cycle, cycle)
  assert.equal(textsOf([cycle]).all, false)
  assert.equal(textsOf([Array.from({ length: 100_000 }, () => 'a')]).all, false)
})

const told = (value: unknown): unknown => parameterAttributes([value])['db.query.parameter.0']

test('what is told of values', () => {
  const values: [unknown, string][] = [
    ['a', 'a'],
    [1, '1'],
    [undefined, 'null'],
    [Symbol('a'), 'Symbol(a)'],
    [['a', [null, { b: 2n }]], "[ 'a', [ null, { b: 2n } ] ]"],
    [new Date(0), '1970-01-01T00:00:00.000Z'],
    [new Date(Number.NaN), 'Invalid Date'],
    [[new Date(0), Buffer.from('a')], "[ 1970-01-01T00:00:00.000Z, '[Object]' ]"],
    [new Map([[1, 2]]), '{}'],
    [{ ['__proto__']: 1 }, "{ ['__proto__']: 1 }"],
  ]
  for (const [value, text] of values) assert.equal(told(value), text)
  assert.deepEqual(parameterAttributes([Buffer.from('a'), 'b']), { 'db.query.parameter.1': 'b' })
})

test('values that are long, deep or without end are told in part', () => {
  const cycle: unknown[] = []
  cycle.push(cycle, cycle)
  assert.equal(told(cycle), '<ref *1> [ [Circular *1], [Circular *1] ]')
  assert.match(String(told(Array.from({ length: 100_000 }, () => 'a'))), /99900 more items/)
  const wide = Object.fromEntries(Array.from({ length: 100_000 }, (_, i) => [`key${i}`, i]))
  assert.ok(String(told(wide)).length < 50_000)
})

test('telling of values runs no code of theirs', () => {
  const fail = (): never => assert.fail('was run')
  const inspected = Symbol.for('nodejs.util.inspect.custom')
  class Told {
    own = 1
    get [Symbol.toStringTag](): string {
      return fail()
    }
    get name(): string {
      return fail()
    }
    [inspected] = fail
    toString = fail
    toJSON = fail
  }
  class Failure extends Error {
    override get name(): string {
      return fail()
    }
    override get stack(): string {
      return fail()
    }
  }
  for (const value of [
    new Told(),
    Object.create(new Told()),
    new Failure(),
    Object.assign(() => {}, { toString: fail, [Symbol.toPrimitive]: fail }),
    Object.defineProperty([], Symbol.toStringTag, { get: fail }),
    Object.defineProperty(['a'], 0, { get: fail, enumerable: true }),
    Object.defineProperty({}, 'a', { get: fail, enumerable: true }),
    Object.defineProperty(new Date(), 'constructor', { get: fail }),
    Object.assign(new Date(), { getTime: fail, toISOString: fail, toString: fail }),
    new Proxy(fail, { get: fail, apply: fail }),
    new Proxy({}, { ownKeys: fail, getPrototypeOf: fail, has: fail, get: fail, getOwnPropertyDescriptor: fail }),
    new Proxy([], { ownKeys: fail, getPrototypeOf: fail, has: fail, get: fail, getOwnPropertyDescriptor: fail }),
  ]) {
    assert.equal(typeof told(value), 'string')
    assert.equal(typeof told([value]), 'string')
    assert.equal(typeof told({ value }), 'string')
  }
})
