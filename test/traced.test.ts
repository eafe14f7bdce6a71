/** `traced`: functions of the application, in all their forms, with spans around them. */
import assert from 'node:assert/strict'
import { EventEmitter, once } from 'node:events'
import { describe, test } from 'node:test'
import { spanOf } from '../src/context/context.js'
import { active } from '../src/context/storage.js'
import type { Span } from '../src/trace/span.js'
import { createTraced } from '../src/wrapping.js'
import { createTestTracer } from './helpers/tracer.js'

const tracer = createTestTracer()
const traced = createTraced(() => tracer.core)
const activeName = (): string | undefined => (spanOf(active()) as Span | undefined)?.name

/** The spans that end while `work` runs: name, parent's name, status code and error type. */
async function spansOf(work: () => unknown) {
  tracer.ended.length = 0
  await work()
  const nameOf = (id: string | undefined) => tracer.ended.find(({ spanId }) => spanId === id)?.name
  return tracer.ended.map(({ name, parentSpanId, statusCode, attributes }) => ({
    name,
    parent: nameOf(parentSpanId),
    statusCode,
    error: attributes['error.type'],
  }))
}

const span = (name: string, more: object = {}) => ({
  name,
  parent: undefined,
  statusCode: 0,
  error: undefined,
  ...more,
})

test('a function keeps its this, arguments, result, name, length and properties', async () => {
  const original = Object.assign(
    function add(this: { base: number }, a: number, b: number) {
      assert.equal(activeName(), 'sum')
      return this.base + a + b
    },
    { own: 1 },
  )
  const wrapped = traced('sum', original)
  assert.deepEqual(await spansOf(() => assert.equal(wrapped.call({ base: 1 }, 2, 3), 6)), [span('sum')])
  assert.deepEqual([wrapped.name, wrapped.length, wrapped.own], ['add', 2, 1])
})

test('what a function throws goes through, and is recorded', async () => {
  const error = new TypeError('no')
  const wrapped = traced('failing', () => {
    throw error
  })
  const spans = await spansOf(() => assert.throws(wrapped, thrown => thrown === error))
  assert.deepEqual(spans, [span('failing', { statusCode: 2, error: 'TypeError' })])
})

test('an async function lasts until its promise settles, and its children are below it', async () => {
  const inner = traced('inner', async () => activeName())
  const outer = traced('outer', async () => {
    await new Promise(resolve => setTimeout(resolve, 2))
    return inner()
  })
  const spans = await spansOf(async () => assert.equal(await outer(), 'inner'))
  assert.deepEqual(spans, [span('inner', { parent: 'outer' }), span('outer')])
})

test('a rejection is recorded once, by the innermost span', async () => {
  const error = new RangeError('no')
  const inner = traced('inner', async () => {
    throw error
  })
  const outer = traced('outer', () => inner())
  await spansOf(() => assert.rejects(outer, thrown => thrown === error))
  assert.deepEqual(
    tracer.ended.map(({ name, statusCode, events }) => [name, statusCode, events?.length ?? 0]),
    [
      ['inner', 2, 1],
      ['outer', 2, 0],
    ],
  )
})

test('a callback ends the span where the options say so, and not elsewhere', async () => {
  const later = (value: number, done: (error: Error | null, value: number) => void) =>
    void setTimeout(done, 2, null, value)
  const node = traced('node style', { callback: true }, later)
  const spans = await spansOf(() => new Promise(resolve => node(1, (_error, value) => resolve(value))))
  assert.deepEqual(spans, [span('node style')])
  const failing = traced(
    'failing',
    { callback: true },
    (done: (error: Error) => void) => void setImmediate(done, new Error('x')),
  )
  assert.deepEqual(await spansOf(() => new Promise(resolve => failing(resolve))), [
    span('failing', { statusCode: 2, error: 'Error' }),
  ])
  // The span of a function that only takes a function ends with it.
  const mapped = traced('map', (values: number[], fn: (value: number) => number) => values.map(fn))
  assert.deepEqual(
    await spansOf(() =>
      assert.deepEqual(
        mapped([1, 2], n => n + 1),
        [2, 3],
      ),
    ),
    [span('map')],
  )
})

test('an emitter that is returned ends the span', async () => {
  const emitter = new EventEmitter()
  const wrapped = traced('stream', () => emitter)
  const spans = await spansOf(async () => {
    assert.equal(wrapped(), emitter)
    setImmediate(() => emitter.emit('end'))
    await once(emitter, 'end')
  })
  assert.deepEqual(spans, [span('stream')])
})

describe('a generator', () => {
  const numbers = traced('numbers', function* (this: unknown, upTo: number): Generator<number, string, any> {
    let said = ''
    for (let n = 1; n <= upTo; n++) {
      assert.equal(activeName(), 'numbers')
      said += yield n
    }
    return said
  })

  test('lasts from its first step to its end, and is not active between its steps', async () => {
    const spans = await spansOf(() => {
      const made = numbers(2)
      assert.equal(tracer.ended.length, 0)
      assert.deepEqual(made.next(), { value: 1, done: false })
      assert.equal(activeName(), undefined)
      assert.deepEqual(made.next('a'), { value: 2, done: false })
      assert.equal(tracer.ended.length, 0)
      assert.deepEqual(made.next('b'), { value: 'ab', done: true })
      assert.deepEqual(made.next(), { value: undefined, done: true })
    })
    assert.deepEqual(spans, [span('numbers')])
  })

  test('that is left early ends then', async () => {
    const spans = await spansOf(() => {
      for (const n of numbers(5)) if (n === 2) break
    })
    assert.deepEqual(spans, [span('numbers')])
  })

  test('that is never begun has no span', async () => {
    const made = numbers(1)
    assert.deepEqual(await spansOf(() => made.return('x')), [])
    assert.deepEqual(await spansOf(() => numbers(1)), [])
  })

  test('that throws tells so', async () => {
    const failing = traced('failing', function* () {
      yield 1
      throw new TypeError('no')
    })
    const spans = await spansOf(() => assert.throws(() => [...failing()], TypeError))
    assert.deepEqual(spans, [span('failing', { statusCode: 2, error: 'TypeError' })])
  })

  test('that is asynchronous does the same', async () => {
    const ticks = traced('ticks', async function* () {
      for (let n = 0; n < 3; n++) {
        await new Promise(resolve => setTimeout(resolve, 1))
        assert.equal(activeName(), 'ticks')
        yield n
      }
    })
    const seen: number[] = []
    const spans = await spansOf(async () => {
      for await (const n of ticks()) seen.push(n)
    })
    assert.deepEqual([seen, spans], [[0, 1, 2], [span('ticks')]])
    const failing = traced('failing', async function* () {
      yield 1
      throw new TypeError('no')
    })
    const failed = await spansOf(() =>
      assert.rejects(async () => {
        for await (const _ of failing());
      }, TypeError),
    )
    assert.deepEqual(failed, [span('failing', { statusCode: 2, error: 'TypeError' })])
  })
})

describe('the decorator', () => {
  class Orders {
    readonly id = 7

    @traced()
    async place(total: number) {
      return [this.id, total, activeName()]
    }

    @traced('given name', { kind: 2, attributes: { tier: 'gold' } })
    named() {
      return this.id
    }

    @traced()
    static open() {
      return activeName()
    }

    @traced()
    get total() {
      return activeName()
    }

    @traced()
    arrow = () => this.id
  }

  test('names methods after class and method, and keeps what they are', async () => {
    const orders = new Orders()
    const spans = await spansOf(async () => assert.deepEqual(await orders.place(3), [7, 3, 'Orders.place']))
    assert.deepEqual(spans, [span('Orders.place')])
    assert.equal(Orders.prototype.place.length, 1)
  })

  test('takes a name, a kind and attributes', async () => {
    await spansOf(() => assert.equal(new Orders().named(), 7))
    const [ended] = tracer.ended
    assert.deepEqual([ended?.name, ended?.kind, ended?.attributes], ['given name', 2, { tier: 'gold' }])
  })

  test('serves static methods, getters and fields', async () => {
    const orders = new Orders()
    assert.deepEqual(await spansOf(() => assert.equal(Orders.open(), 'Orders.open')), [span('Orders.open')])
    assert.deepEqual(await spansOf(() => assert.equal(orders.total, 'Orders.total')), [span('Orders.total')])
    assert.deepEqual(await spansOf(() => assert.equal(orders.arrow(), 7)), [span('Orders.arrow')])
  })

  test('of the kind that was before the standard', async () => {
    class Legacy {
      run() {
        return activeName()
      }
    }
    const descriptor = Object.getOwnPropertyDescriptor(Legacy.prototype, 'run') as PropertyDescriptor
    Object.defineProperty(Legacy.prototype, 'run', traced()(Legacy.prototype, 'run', descriptor))
    assert.deepEqual(await spansOf(() => assert.equal(new Legacy().run(), 'Legacy.run')), [span('Legacy.run')])
  })
})

test('where nothing makes spans functions do what they do', async () => {
  const untraced = createTraced(() => undefined)
  const wrapped = untraced('nothing', (a: number) => a + 1)
  const gen = untraced('nothing', function* () {
    yield 1
  })
  assert.equal(wrapped(1), 2)
  assert.deepEqual([...gen()], [1])
  assert.deepEqual(await spansOf(() => wrapped(1)), [])
})

test('an unsampled call is a call', async () => {
  const off = createTestTracer('always_off')
  const wrapped = createTraced(() => off.core)('quiet', async (a: number) => a)
  assert.equal(await wrapped(5), 5)
  assert.equal(off.ended.length, 0)
})
