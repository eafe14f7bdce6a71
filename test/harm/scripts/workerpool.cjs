// workerpool.
module.exports = {
  insideSpan: true,
  libraries: ['workerpool'],
  scenes: {
    async 'tasks of a pool'(t) {
      const workerpool = await t.load('workerpool')
      const pool = t.name(workerpool.pool({ maxWorkers: 1, workerType: 'thread' }), 'pool')
      t.observe('pool has', Reflect.ownKeys(pool).map(String), pool.exec.length)
      const args = Object.freeze([1, 2])
      const promise = pool.exec((a, b) => ({ sum: a + b }), args)
      t.observe('exec returns', promise.constructor.name, Reflect.ownKeys(promise).map(String), typeof promise.cancel)
      t.observe('sum', await promise)
      await t.outcome('throws', async () =>
        pool.exec(() => {
          throw new TypeError('of the task')
        }),
      )
      await t.outcome('missing', async () => pool.exec('missing', []))
      await t.outcome('bad arguments', () => pool.exec())
      await t.outcome('bad arguments', () => pool.exec(() => {}, 'text'))
      await t.outcome('timed out', async () => pool.exec(() => new Promise(() => {})).timeout(50))
      const cancelled = pool.exec(() => new Promise(() => {}))
      t.observe('cancel returns', cancelled.cancel() === cancelled)
      await t.outcome('cancelled', async () => cancelled)
      t.observe('stats', pool.stats())
      await t.outcome('terminate', async () => pool.terminate())
    },
  },
}
