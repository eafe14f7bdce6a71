/** A patch that waits for the first call of a function: who had that before is met, and what nobody calls is left alone. */
import assert from 'node:assert/strict'
import { beforeEach, test } from 'node:test'
import { promisify } from 'node:util'
import { onFirstCall } from '../../src/hooks/first-call.js'

const log: string[] = []
beforeEach(() => {
  log.length = 0
})

class Lib {
  open(this: unknown, text: string, more = '') {
    log.push(`${this === undefined ? 'nobody' : 'somebody'} opens ${text}${more}`)
    return text
  }
  other(this: unknown) {
    log.push('other')
  }
}

/** The exports of a module, which are patched by the first call of `open`. */
function createExports() {
  const { open, other } = Lib.prototype
  const exports = { open, other }
  onFirstCall(exports as never, ['open'], own => {
    log.push('patched')
    const { open: before, other: theirs } = own as unknown as Lib
    assert.equal(theirs, exports.other)
    Object.assign(own, {
      open(...args: [string]) {
        log.push('ours')
        return Reflect.apply(before, this, args)
      },
    })
  })
  return exports
}

test('the first call patches, and is of what the patch has made', () => {
  const exports = createExports()
  exports.other()
  assert.deepEqual(log, ['other'])
  assert.equal(exports.open('a', '!'), 'a')
  assert.equal(exports.open('b'), 'b')
  assert.deepEqual(log.slice(1), ['patched', 'ours', 'somebody opens a!', 'ours', 'somebody opens b'])
})

test('whoever took the function before is met, with this of his own', () => {
  const { open } = createExports()
  open('a')
  Reflect.apply(open, {}, ['b'])
  assert.deepEqual(log, ['patched', 'ours', 'nobody opens a', 'ours', 'somebody opens b'])
})

test('what the application puts in its place stays there', () => {
  const exports = createExports()
  const { open } = exports
  const theirs = (text: string): string => open(`${text} of theirs`)
  exports.open = theirs
  exports.open('a')
  exports.open('b')
  assert.equal(exports.open, theirs)
  assert.deepEqual(log, ['patched', 'ours', 'nobody opens a of theirs', 'ours', 'nobody opens b of theirs'])
})

test('name, length and properties are the function’s; its promised form patches, too', async () => {
  const promised = async (text: string): Promise<string> => `promised ${text}`
  function open(_a: 1, _b: 2): void {}
  Object.defineProperty(open, promisify.custom, { value: promised })
  const exports = { open }
  onFirstCall(exports as never, ['open'], () => log.push('patched'))
  assert.notEqual(exports.open, open)
  assert.deepEqual(Reflect.ownKeys(exports.open), Reflect.ownKeys(open))
  assert.equal(exports.open.name, 'open')
  assert.equal(exports.open.length, 2)
  assert.equal(await promisify(exports.open as never)('a' as never), 'promised a')
  assert.deepEqual(log, ['patched'])
})
