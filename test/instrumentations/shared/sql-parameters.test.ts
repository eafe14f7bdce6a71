/** What is known of parameter values without running code of theirs. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { textsOf } from '../../../src/instrumentations/shared/sql-parameters.js'

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
