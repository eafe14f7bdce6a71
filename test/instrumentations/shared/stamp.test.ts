/** A stamp holds what it is given, and the object that it is put on cannot be told from one without. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { inspect } from 'node:util'
import { createStamp } from '../../../src/instrumentations/shared/stamp.js'

const fails = (): never => {
  throw new Error('looked at')
}

test('a stamp is read from the object that it was put on, the last one counts, and each kind is by itself', () => {
  const [first, second] = [createStamp<string>(), createStamp<string>()]
  const object = {}
  assert.equal(first.get(object), undefined)
  first.set(object, 'a')
  first.set(object, 'b')
  second.set(object, 'c')
  assert.deepEqual([first.get(object), second.get(object), first.get({})], ['b', 'c', undefined])
  assert.equal(first.get(Object.create(object)), undefined)
})

const objects: Record<string, () => object> = {
  'an object': () => ({ a: 1 }),
  'a function': () => function named() {},
  'a frozen object': () => Object.freeze({ a: 1 }),
  'an object without a prototype': () => Object.create(null),
  'a proxy that may not be looked at': () =>
    new Proxy({}, { get: fails, set: fails, has: fails, ownKeys: fails, defineProperty: fails, getPrototypeOf: fails }),
}

for (const [what, create] of Object.entries(objects)) {
  test(`${what} is as before`, () => {
    const stamp = createStamp<number>()
    const [stamped, plain] = [create(), create()]
    stamp.set(stamped, 1)
    assert.equal(stamp.get(stamped), 1)
    if (what.startsWith('a proxy')) return
    assert.deepEqual(Reflect.ownKeys(stamped), Reflect.ownKeys(plain))
    assert.equal(Object.getPrototypeOf(stamped), Object.getPrototypeOf(plain))
    assert.equal(inspect(stamped, { showHidden: true }), inspect(plain, { showHidden: true }))
  })
}
