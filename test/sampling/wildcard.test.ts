/** Patterns with `*` and `?`. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { wildcard } from '../../src/sampling/wildcard.js'

test('a pattern takes the texts that a regular expression of the same meaning takes', () => {
  const patterns = fc.string({ unit: fc.constantFrom('a', 'b', '*', '?'), maxLength: 8 })
  const texts = fc.string({ unit: fc.constantFrom('a', 'b', '*', '\n'), maxLength: 10 })
  const expression = (pattern: string) => new RegExp(`^${pattern.replaceAll('*', '[^]*').replaceAll('?', '[^]')}$`)
  fc.assert(
    fc.property(patterns, texts, (pattern, text) => {
      assert.equal(wildcard(pattern)(text), expression(pattern).test(text))
    }),
    { numRuns: 2000 },
  )
})

test('what has a meaning in regular expressions has none', () => {
  assert.equal(wildcard('a.c')('abc'), false)
  assert.equal(wildcard('[a](b|c)+$')('[a](b|c)+$'), true)
})

test('many stars over a long text take no time', () => {
  const startMs = performance.now()
  assert.equal(wildcard('*a*a*a*a*a*a*a*a*b')('a'.repeat(20_000)), false)
  assert.ok(performance.now() - startMs < 1000)
})
