/** The wrapper of a method: what stays, and what is left alone. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { wrap } from '../../src/hooks/wrap.js'

const counted = () => {
  let calls = 0
  return {
    calls: () => calls,
    wrapper: (original: any): any =>
      function (this: unknown, ...args: unknown[]) {
        calls++
        return Reflect.apply(original, this, args)
      },
  }
}

test('name, length, own properties and prototype are the original function’s', () => {
  const custom = Symbol('custom')
  const handler = Object.assign(function handle(_a: 1, _b: 2, _c: 3, _d: 4) {}, { [custom]: 1, static: 2 })
  Object.defineProperty(handler, 'hidden', { value: 3, enumerable: false })
  const target = { handler }
  wrap(target, 'handler', counted().wrapper)
  assert.notEqual(target.handler, handler)
  for (const key of [...Reflect.ownKeys(handler)]) {
    assert.deepEqual(
      Object.getOwnPropertyDescriptor(target.handler, key),
      Object.getOwnPropertyDescriptor(handler, key),
      String(key),
    )
  }
  assert.equal(target.handler.name, 'handle')
  assert.equal(target.handler.length, 4)
})

test('an async function stays an instance of what it was', () => {
  const target = { async query() {} }
  const prototype = Object.getPrototypeOf(target.query)
  wrap(target, 'query', counted().wrapper)
  assert.equal(Object.getPrototypeOf(target.query), prototype)
  assert.equal(Object.prototype.toString.call(target.query), '[object AsyncFunction]')
})

test('a method of a class stays not enumerable', () => {
  class Client {
    query(): number {
      return 1
    }
  }
  const { calls, wrapper } = counted()
  wrap(Client.prototype, 'query', wrapper)
  assert.equal(new Client().query(), 1)
  assert.equal(calls(), 1)
  assert.deepEqual(Object.keys(Client.prototype), [])
})

test('descriptor flags stay', () => {
  const target: any = {}
  const flags = { writable: false, enumerable: false, configurable: true }
  Object.defineProperty(target, 'send', { value: () => 1, ...flags })
  const { calls, wrapper } = counted()
  wrap(target, 'send', wrapper)
  target.send()
  assert.equal(calls(), 1)
  const { value, ...found } = Object.getOwnPropertyDescriptor(target, 'send') as PropertyDescriptor
  assert.deepEqual(found, flags)
})

test('an inherited method is replaced on the target only', () => {
  const parent = { send: () => 1 }
  const target: typeof parent = Object.create(parent)
  const { send } = parent
  wrap(target, 'send', counted().wrapper)
  assert.equal(parent.send, send)
  assert.notEqual(target.send, send)
})

test('what the original makes with new is an instance of it', () => {
  function Socket(this: any) {
    this.open = true
  }
  const target: any = { Socket }
  wrap(target, 'Socket', original => {
    const wrapped = function (this: any, ...args: unknown[]) {
      return Reflect.construct(original as Function, args, new.target ?? original)
    }
    return wrapped as any
  })
  const socket: any = new target.Socket()
  assert.equal(socket.open, true)
  assert.ok(socket instanceof Socket)
  assert.ok(socket instanceof target.Socket)
})

test('nothing happens where there is no function, or none that can be replaced', () => {
  const { wrapper } = counted()
  const absent: any = {}
  wrap(absent, 'query', wrapper)
  assert.deepEqual(Reflect.ownKeys(absent), [])

  const other: any = { query: 'text' }
  wrap(other, 'query', wrapper)
  assert.equal(other.query, 'text')

  const query = () => 1
  const frozen = Object.freeze({ query })
  wrap(frozen, 'query', wrapper)
  assert.equal(frozen.query, query)

  let reads = 0
  const lazy = {
    get query() {
      reads++
      return query
    },
  }
  wrap(lazy, 'query', wrapper)
  assert.equal(reads, 0)
  assert.equal(lazy.query, query)
})
