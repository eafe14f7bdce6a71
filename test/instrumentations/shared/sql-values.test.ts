/** Error messages, whose values are not told. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { concealValues } from '../../../src/instrumentations/shared/sql-values.js'

test('error messages lose the values of the statement and of its parameters', () => {
  const invalid = (value: string): string => `invalid input syntax for type integer: "${value}"`
  assert.equal(concealValues(invalid('secret'), "SELECT 'secret'::int", []), invalid('?'))
  assert.equal(concealValues(invalid("it's"), "SELECT 'it''s'::int", []), invalid('?'))
  assert.equal(concealValues(invalid("it's"), "SELECT E'it\\'s'::int", []), invalid('?'))
  assert.equal(concealValues(invalid('a b'), 'SELECT $$a b$$::int', []), invalid('?'))
  assert.equal(concealValues(invalid('secret'), 'SELECT $1::int', ['secret']), invalid('?'))
  assert.equal(
    concealValues('value "99999999999" is out of range', 'SELECT 99999999999::int', []),
    'value "?" is out of range',
  )
  assert.equal(concealValues('no user bob-the-builder-x', 'SELECT 1', ['bob-the-builder']), 'no user ?-x')
  assert.equal(concealValues('nouserhunter2hunter2x', 'SELECT 1', ['hunter2hunter2']), 'nouser?x')
  assert.equal(concealValues(`syntax error at or near "Brien"`, "SELECT 'O'Brien'", []), 'syntax error at or near "?"')
})

test('error messages keep what is no value', () => {
  assert.equal(
    concealValues('relation "nowhere" does not exist', 'SELECT 1, $1 FROM nowhere', ['on', '']),
    'relation "nowhere" does not exist',
  )
  assert.equal(concealValues('column "a1" does not exist', 'SELECT a1, 1', []), 'column "a1" does not exist')
})

test('where a value is not known, all that stands in quotes may be one', () => {
  const message = 'invalid input syntax for type integer: "2020-01-01"'
  assert.equal(concealValues(message, 'SELECT $1::int', [], false), 'invalid input syntax for type integer: "?"')
  const quoting = 'invalid input syntax for type integer: "{"a":"secret"}"'
  assert.equal(concealValues(quoting, 'SELECT $1::int', [], false), 'invalid input syntax for type integer: "?"')
})
