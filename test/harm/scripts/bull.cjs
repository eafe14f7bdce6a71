// Bull.
const stored = ({ id, name, data, returnvalue, failedReason, attemptsMade }) => ({
  id,
  name,
  data,
  returnvalue,
  failedReason,
  attemptsMade,
})

module.exports = {
  services: ['redis'],
  libraries: ['bull'],
  scenes: {
    async 'jobs added and processed'(t) {
      const Queue = await t.load('bull')
      const queue = t.name(new Queue(t.unique('harm'), t.service('redis')), 'queue')
      await queue.isReady()
      t.observe('queue has', Reflect.ownKeys(queue).map(String), queue.add.length, queue.process.length)
      const data = Object.freeze({ own: 1 })
      const settled = count =>
        new Promise(resolve => {
          let left = count
          const one = () => --left === 0 && resolve()
          queue.on('completed', one).on('failed', one)
        })
      queue.on('completed', (given, result) => t.observe('completed', stored(given), result))
      queue.on('failed', (given, error) => t.observe('failed', stored(given), error))
      const job = t.name(await queue.add('greet', data, Object.freeze({ jobId: 'one' })), 'job')
      t.observe('job', job.constructor.name, Reflect.ownKeys(job).map(String), stored(job))
      t.observe('bulk', (await queue.addBulk([{ name: 'greet', data: 1, opts: { jobId: 'two' } }])).map(stored))
      t.observe('given', data)
      const both = settled(2)
      const working = queue.process('*', function (given, done) {
        t.observe('processor', arguments.length, stored(given), done.name, done.length)
        if (given.name === 'fails') done(new TypeError('of the application'))
        else done(null, { own: given.id })
      })
      t.observe('process returns', working.constructor.name)
      await both
      const third = settled(1)
      await queue.add('fails', 2, { jobId: 'three' })
      await third
      t.listeners('queue', queue)
      t.observe('finished', await job.finished())
      await t.outcome('same processor', () => queue.process('*', () => {}))
      await queue.close()
    },
  },
}
