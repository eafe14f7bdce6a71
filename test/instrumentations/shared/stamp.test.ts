/** A stamp holds what it is given, and the object that it is put on cannot be told from one without. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { inspect } from 'node:util'
import { progressOf } from '../../../src/instrumentations/shared/express-progress.js'
import { serverCall } from '../../../src/instrumentations/shared/http.js'
import { createStamp, type Stamp } from '../../../src/instrumentations/shared/stamp.js'

/** Every class that is a stamp: two are written out. */
const stamps: Record<string, Stamp<any>> = { 'a stamp': createStamp<any>(), serverCall, progressOf }

const fails = (): never => {
  throw new Error('looked at')
}

for (const [name, stamp] of Object.entries(stamps)) {
  test(`${name} is read from the object that it was put on, the last one counts, and each kind is by itself`, () => {
    const other = createStamp<string>()
    const object = {}
    assert.equal(stamp.get(object), undefined)
    stamp.set(object, 'a')
    stamp.set(object, 'b')
    other.set(object, 'c')
    assert.deepEqual([stamp.get(object), other.get(object), stamp.get({})], ['b', 'c', undefined])
    assert.equal(stamp.get(Object.create(object)), undefined)
  })
}

const objects: Record<string, () => object> = {
  'an object': () => ({ a: 1 }),
  'a function': () => function named() {},
  'a frozen object': () => Object.freeze({ a: 1 }),
  'an object without a prototype': () => Object.create(null),
  'a proxy that may not be looked at': () =>
    new Proxy({}, { get: fails, set: fails, has: fails, ownKeys: fails, defineProperty: fails, getPrototypeOf: fails }),
}

for (const [name, stamp] of Object.entries(stamps)) {
  for (const [what, create] of Object.entries(objects)) {
    test(`${what} with ${name} is as before`, () => {
      const [stamped, plain] = [create(), create()]
      stamp.set(stamped, 1)
      assert.equal(stamp.get(stamped), 1)
      if (what.startsWith('a proxy')) return
      assert.deepEqual(Reflect.ownKeys(stamped), Reflect.ownKeys(plain))
      assert.equal(Object.getPrototypeOf(stamped), Object.getPrototypeOf(plain))
      assert.equal(inspect(stamped, { showHidden: true }), inspect(plain, { showHidden: true }))
    })
  }
}
