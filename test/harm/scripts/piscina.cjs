// piscina.
const filename = require.resolve('../task.cjs')

module.exports = {
  insideSpan: true,
  libraries: ['piscina'],
  scenes: {
    async 'tasks of a pool'(t) {
      const { Piscina } = await t.load('piscina')
      const pool = t.name(new Piscina({ filename, minThreads: 1, maxThreads: 1 }), 'pool')
      // Not 'drain' and 'needsDrain': a promise that is passed on settles a microtask later, with which they change places.
      t.hear('pool', pool, ['error'])
      t.observe('pool has', Reflect.ownKeys(pool).map(String), pool.run.length)
      const task = Object.freeze({ a: 1, b: 2 })
      const promise = pool.run(task)
      t.observe('run returns', promise.constructor === Promise)
      t.observe('sum', await promise)
      await t.outcome('named', () => pool.run(task, Object.freeze({ name: 'named' })))
      await t.outcome('throws', () => pool.run({ a: 'throw' }))
      await t.outcome('missing', () => pool.run(task, { name: 'missing' }))
      await t.outcome('what cannot be cloned', () => pool.run(() => {}))
      await t.outcome('aborted', () => pool.run(task, { signal: AbortSignal.abort() }))
      t.observe('all', await Promise.all([1, 2, 3].map(n => pool.run({ a: n, b: n }))))
      t.observe('given', task)
      await t.outcome('destroy', () => pool.destroy())
      await t.outcome('run afterwards', () => pool.run(task))
    },
  },
}
