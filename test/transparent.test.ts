/** The transparency contract: a traced function cannot be told from the original by what it does. */
import assert from 'node:assert/strict'
import { EventEmitter, once } from 'node:events'
import { join } from 'node:path'
import { PassThrough } from 'node:stream'
import { test } from 'node:test'
import { runInNewContext } from 'node:vm'
import { ROOT } from '../src/context/context.js'
import { active, run } from '../src/context/storage.js'
import { log } from '../src/diagnostics/log.js'
import { wrap } from '../src/hooks/wrap.js'
import type { Operation } from '../src/trace/operation.js'
import { runApp } from './helpers/child.js'
import { root } from './helpers/root.js'
import { createTestTracer, draft } from './helpers/tracer.js'

// The authors' mistakes below are warned about, as they should be.
log.setLevel('none')

type Trace = <F extends (...args: any[]) => any>(fn: F) => F

const fails = (): never => {
  throw new Error('an author made a mistake')
}

/** Every way in which a call can be traced, or fail to be. */
const modes: Record<string, { sampled: boolean; verbs: Partial<Operation<any>> }> = {
  sampled: { sampled: true, verbs: {} },
  unsampled: { sampled: false, verbs: {} },
  'nothing inside': { sampled: true, verbs: { inside: 'none' } },
  'hidden inside': { sampled: true, verbs: { inside: 'hidden' } },
  'declined by start': { sampled: true, verbs: { start: () => undefined } },
  'start throws': { sampled: true, verbs: { start: fails } },
  'inject throws': { sampled: true, verbs: { inject: fails } },
  'extract throws': { sampled: true, verbs: { extract: fails } },
  'outlives throws': { sampled: true, verbs: { outlives: fails } },
  'discard throws': { sampled: true, verbs: { discard: fails } },
  'links throws': { sampled: true, verbs: { links: fails } },
  'finish throws': { sampled: true, verbs: { finish: fails } },
  'describe throws': { sampled: true, verbs: { describe: fails } },
  'inject replaces the arguments': {
    sampled: true,
    verbs: {
      inject(call) {
        call.args = [...call.args]
      },
    },
  },
}

function tracerOf({ sampled, verbs }: (typeof modes)[string]): Trace {
  const { trace } = createTestTracer(sampled ? 'always_on' : 'always_off')
  return fn => {
    const target = { method: fn }
    wrap(target, 'method', original => trace(original, verbs) as typeof original)
    return target.method
  }
}

const untraced: Trace = fn => fn

/** Each row observes a function that it has made; the observation has to be the same however the function is traced. */
const rows: Record<string, (trace: Trace) => unknown> = {
  'is called once, with its own this and arguments, and its result is returned'(trace) {
    const calls: unknown[] = []
    const result = {}
    const self = {}
    const method = trace(function (this: unknown, ...args: unknown[]) {
      calls.push([this === self, args])
      return result
    })
    return [Reflect.apply(method, self, [1, 'two', undefined, null]) === result, calls]
  },

  'keeps name, length and own properties'(trace) {
    const original = Object.assign(function query(_a: unknown, _b: unknown, _c: unknown) {}, {
      [Symbol.for('nodejs.util.promisify.custom')]: 'own',
    })
    const method = trace(original)
    return [method.name, method.length, Reflect.ownKeys(method), Object.entries(method)]
  },

  'throws the very error'(trace) {
    const error = new Error('no')
    const method = trace(() => {
      throw error
    })
    try {
      return method()
    } catch (caught) {
      return caught === error
    }
  },

  'throws what is no error'(trace) {
    return [undefined, null, 'text', 0, Object.create(null), { message: Object.create(null) }, unreadable()].map(
      thrown => {
        try {
          return trace(() => {
            throw thrown
          })()
        } catch (caught) {
          return caught === thrown
        }
      },
    )
  },

  'is given bad arguments'(trace) {
    const method = trace((text: string) => text.trim())
    return [undefined, null, 5].map(bad => {
      try {
        return method(bad as unknown as string)
      } catch (error) {
        return String(error)
      }
    })
  },

  async 'calls back as often as it would, with its own this and arguments, in the context of the caller'(trace) {
    const self = {}
    const calls: unknown[] = []
    const method = trace((_first: string, callback: (...args: unknown[]) => unknown) => {
      const returned = [Reflect.apply(callback, self, [null, 1, 2])]
      setImmediate(() => returned.push(Reflect.apply(callback, self, [new Error('twice')]), finished.emit('done')))
      return returned
    })
    const finished = new EventEmitter()
    const done = once(finished, 'done')
    const caller = ROOT.setValue(Symbol.for('test'), 'caller')
    const returned = run(
      caller,
      () =>
        method('first', function (this: unknown, ...args: unknown[]) {
          calls.push([this === self, args.map(String), active() === caller])
          return calls.length
        }),
      undefined,
      [],
    )
    await done
    return [returned, calls]
  },

  'lets through what a callback throws'(trace) {
    const method = trace((callback: () => void) => callback())
    try {
      return method(() => {
        throw new Error('of the application')
      })
    } catch (error) {
      return String(error)
    }
  },

  'does not touch the array that it was applied with'(trace) {
    const method = trace((_callback: unknown) => undefined)
    const callback = () => undefined
    const args: [unknown] = [callback]
    method.apply(undefined, args)
    return args[0] === callback
  },

  async 'returns a plain promise'(trace) {
    const value = {}
    const error = new Error('no')
    const resolves = trace(() => Promise.resolve(value))()
    const rejects = trace(() => Promise.reject(error))()
    const nothing = trace(() => Promise.reject())()
    return [
      resolves.constructor === Promise,
      (await resolves) === value,
      await rejects.catch(caught => caught === error),
      await nothing.catch(caught => caught === undefined),
    ]
  },

  async 'returns a promise with extras'(trace) {
    const promise = Object.assign(Promise.resolve(1), { cancel: () => 'cancelled' })
    const returned = trace(() => promise)()
    return [returned === promise, returned.cancel(), await returned]
  },

  async 'returns a promise of a class of its own'(trace) {
    class Own extends Promise<unknown> {}
    const resolves = Own.resolve(1)
    const rejects = Own.reject(new Error('no'))
    return [
      trace(() => resolves)() === resolves,
      trace(() => rejects)() === rejects,
      await resolves,
      await rejects.catch(String),
    ]
  },

  'returns a promise whose class cannot make another'(trace) {
    class Task extends Promise<unknown> {
      constructor(task: { run: (resolve: (value: unknown) => void) => void }) {
        super(task.run.bind(task))
      }
    }
    const task = new Task({ run: resolve => resolve(1) })
    return trace(() => task)() === task
  },

  async 'returns a promise that starts its work when it is waited for'(trace) {
    let started = 0
    class Lazy extends Promise<unknown> {
      // biome-ignore lint/suspicious/noThenProperty: lazy promises are made so.
      override then(...args: any[]): any {
        started++
        return super.then(...args)
      }
    }
    const lazy = Lazy.resolve(1)
    const returned = trace(() => lazy)()
    await new Promise(setImmediate)
    return [returned === lazy, started]
  },

  async 'returns a promise of another realm'(trace) {
    const foreign: Promise<unknown> = runInNewContext('Promise.resolve(1)')
    const returned = trace(() => foreign)()
    return [returned === foreign, await returned]
  },

  'returns what only inherits from a promise'(trace) {
    const impostor = Object.create(Promise.prototype)
    return trace(() => impostor)() === impostor
  },

  async 'returns a lazy thenable'(trace) {
    let started = 0
    const query = {
      // biome-ignore lint/suspicious/noThenProperty: query builders are made so.
      then(resolve: (value: unknown) => void) {
        started++
        resolve('rows')
      },
    }
    const returned = trace(() => query)()
    await new Promise(setImmediate)
    return [returned === query, started]
  },

  'returns an object that may not be looked at'(trace) {
    const shy = new Proxy({}, { get: fails })
    return trace(() => shy)() === shy
  },

  async 'returns an emitter'(trace) {
    const emitter = new EventEmitter()
    const returned = trace(() => emitter)()
    const errors: unknown[] = []
    returned.on('error', error => errors.push(error))
    returned.emit('error', 'first')
    returned.emit('error', 'second')
    return [returned === emitter, errors, emitter.listenerCount('error')]
  },

  'returns an emitter on which an error that nobody listens for throws'(trace) {
    const emitter = trace(() => new EventEmitter())()
    try {
      return emitter.emit('error', new Error('unheard'))
    } catch (error) {
      return String(error)
    }
  },

  async 'returns a stream that is not read by us'(trace) {
    const stream = new PassThrough()
    const returned = trace(() => stream)()
    stream.end('data')
    await new Promise(setImmediate)
    return [returned === stream, stream.readableFlowing, stream.readableLength]
  },

  'returns itself, again and again, without piling up listeners'(trace) {
    const emitter = new EventEmitter()
    const method = trace(function (this: unknown) {
      return this
    })
    const same = Array.from({ length: 20 }, () => Reflect.apply(method, emitter, []) === emitter)
    return [same.every(Boolean), emitter.eventNames()]
  },
}

/** An error that throws when anything is read from it. */
function unreadable(): unknown {
  return new Proxy(new Error('unreadable'), { get: fails })
}

for (const [row, observe] of Object.entries(rows)) {
  test(`a function that ${row}`, async t => {
    const expected = await observe(untraced)
    for (const [mode, options] of Object.entries(modes)) {
      await t.test(mode, async () => assert.deepEqual(await observe(tracerOf(options)), expected))
    }
  })
}

test('an operation that keeps failing is switched off, with one warning, and calls go on', async () => {
  const { code, stdout, stderr } = await child(`
    let starts = 0
    const method = trace(x => x + 1, { start() { starts++; throw new Error('mistake ' + starts) } })
    let sum = 0
    for (let i = 0; i < 50; i++) sum += method(0)
    console.log(starts, sum)
  `)
  assert.deepEqual([code, stdout.trim()], [0, '10 50'])
  const [line, ...more] = stderr.split('\n').filter(line => line.startsWith('[@org/trace]'))
  assert.match(line ?? '', /warn: pg 8\.23\.1, query failed 10 times.*start.*mistake 10/)
  assert.deepEqual(more, [])
})

for (const sampled of [true, false]) {
  const mode = sampled ? 'sampled' : 'unsampled'

  test(`an unhandled rejection is still reported, ${mode}`, async () => {
    const body = `trace(() => Promise.reject(new Error('unheard')))()`
    const { code, stderr } = await child(body, sampled)
    assert.equal(code, 1)
    assert.match(stderr, /Error: unheard/)
  })

  test(`a handled rejection is not reported, ${mode}`, async () => {
    const body = `
      class Own extends Promise {}
      const ignore = () => {}
      for (const P of [Promise, Own]) trace(() => P.reject(new Error('heard')))().catch(ignore)
      trace(() => Object.assign(Promise.reject(new Error('heard')), { cancel() {} }))().catch(ignore)
      setTimeout(() => console.log('alive'), 20)`
    const { code, stdout, stderr } = await child(body, sampled)
    assert.deepEqual([code, stdout, stderr], [0, 'alive\n', ''])
  })

  test(`an 'error' that nobody listens for ends the process, ${mode}`, async () => {
    const body = `
      const emitter = trace(() => new (require('node:events'))())()
      setImmediate(() => emitter.emit('error', new Error('unheard')))`
    const { code, stderr } = await child(body, sampled)
    assert.equal(code, 1)
    assert.match(stderr, /Error: unheard/)
  })
}

/** Runs `body`, which has `trace(fn, verbs)`, in a process whose failures the test runner does not claim. */
const child = (body: string, sampled = true) =>
  runApp({
    preload: 'none',
    code: `
      const { traced } = require(${JSON.stringify(join(root, 'build/src/trace/traced.js'))})
      const { createGuard } = require(${JSON.stringify(join(root, 'build/src/trace/begin.js'))})
      const core = {
        host: { limits: {}, started: 0, onEnd() {} },
        sampler: () => ${sampled},
        propagator: { inject() {}, extract: context => context, fields: () => [] },
      }
      const start = () => (${JSON.stringify(draft('call'))})
      const trace = (fn, verbs) => traced(core, { name: 'test' }, { start, ...verbs }, fn, createGuard('pg 8.23.1, query'))
      ${body}`,
  })
