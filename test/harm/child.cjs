'use strict'

// One scene of one script: it does what an application does with a library, and observes all that it can see of it.
const { once } = require('node:events')
const { join } = require('node:path')
const { trace } = require('@opentelemetry/api')
const { createObserver } = require('./observer.cjs')
const { walkShape } = require('./shape.cjs')
const { createWire } = require('./wire.cjs')

const WAIT_MS = 20_000
const [script, scene, log] = process.argv.slice(2)

/** Where a library is traced inside traces only. */
const inSpan = scene =>
  trace.getTracer('harm').startActiveSpan('scene', async span => {
    await scene()
    span.end()
  })

/** `load` is `require` or `import`, whichever the application is written with. */
async function runScene(load) {
  const observer = createObserver(log)
  const { observe, name, alias } = observer
  const observeProcess = when =>
    observe(
      when,
      process.eventNames().map(event => `${String(event)} ${process.listenerCount(event)}`),
    )
  observeProcess('listeners of the process at the start')
  process.on('warning', warning => observe('warning', warning))
  process.on('exit', code => {
    observe('exit', code)
    observeProcess('listeners of the process at the exit')
  })

  const t = {
    observe,
    name,
    alias,
    ...createWire(observer),
    /** What an application gets by `require`, or by an import of the default. */
    async load(library) {
      const exports = await load(library)
      return exports[Symbol.toStringTag] === 'Module' ? (exports.default ?? exports) : exports
    },
    service: service => process.env[`TEST_${service.toUpperCase()}_URL`],
    /** A name that no other run uses. */
    unique: prefix => alias(`${prefix}_${process.pid}_${Date.now().toString(36)}`, prefix),
    /** Observes how a call ends: what it returns or throws, and what its promise comes to. */
    async outcome(label, call) {
      let result
      try {
        result = call()
      } catch (error) {
        observe(`${label} throws`, error)
        return undefined
      }
      if (typeof result?.then !== 'function') {
        observe(`${label} returns`, result)
        return result
      }
      observe(`${label} returns`, result)
      try {
        const value = await result
        observe(`${label} resolves`, value)
        return value
      } catch (error) {
        observe(`${label} rejects`, error)
        return undefined
      }
    },
    /** Observes events as they come, with what they are emitted with. */
    hear(label, emitter, events) {
      const hearing = event =>
        function (...args) {
          observe(`${label} emits ${event}, to itself: ${this === emitter}`, ...args)
        }
      for (const event of events) emitter.on(event, hearing(event))
      return emitter
    },
    /** Who listens to an emitter. */
    listeners: (label, emitter) =>
      observe(
        `listeners of ${label}`,
        emitter.eventNames().map(event => `${String(event)} ${emitter.listenerCount(event)}`),
      ),
    once,
    async until(condition) {
      const giveUp = Date.now() + WAIT_MS
      while (!(await condition())) {
        if (Date.now() > giveUp) throw new Error(`waited in vain: ${condition}`)
        await new Promise(resolve => setTimeout(resolve, 5))
      }
    },
    /** A function that calls back, observed: for the library, an application's callback. */
    heard: (label, done = () => {}) =>
      function (...args) {
        observe(`${label} calls back, this and arguments`, this, ...args)
        done(...args)
      },
  }

  const { libraries, insideSpan, scenes = {}, crashes = {} } = require(join(__dirname, 'scripts', `${script}.cjs`))
  if (scene === 'shape') {
    for (const library of libraries)
      walkShape(await load(library), library.replace(/^.*node_modules\//, ''), observer.write)
  } else if (insideSpan) await inSpan(() => scenes[scene](t))
  else await (scenes[scene] ?? crashes[scene])(t)
  observer.write('the scene has ended')
}

module.exports = { runScene }
if (require.main === module) runScene(library => require(library))
