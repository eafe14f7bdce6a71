// BullMQ.
const connectionOf = t => ({
  host: new URL(t.service('redis')).hostname,
  port: Number(new URL(t.service('redis')).port),
})

/** What is stored of a job: the trace goes with its options. */
const stored = ({ id, name, data, opts, returnvalue, failedReason, attemptsMade }) => {
  const { telemetry, tm, ...own } = opts
  return { id, name, data, opts: own, returnvalue, failedReason, attemptsMade }
}

module.exports = {
  services: ['redis'],
  libraries: ['bullmq'],
  scenes: {
    async 'jobs added and processed'(t) {
      const { Queue, Worker, QueueEvents } = await t.load('bullmq')
      const connection = connectionOf(t)
      const name = t.unique('harm')
      const queue = new Queue(name, { connection })
      const events = new QueueEvents(name, { connection })
      await events.waitUntilReady()
      t.observe('queue has', Reflect.ownKeys(queue).map(String), queue.add.length)
      const data = Object.freeze({ own: 1 })
      const options = Object.freeze({ jobId: 'one', attempts: 1 })
      const promise = queue.add('greet', data, options)
      t.observe('add returns', promise.constructor === Promise)
      const job = t.name(await promise, 'job')
      t.observe('job', job.constructor.name, Reflect.ownKeys(job).map(String), stored(job))
      const open = [
        { name: 'a', data: 1, opts: { jobId: 'two' } },
        { name: 'fails', data: 2, opts: { jobId: 'three' } },
      ]
      const bulk = await queue.addBulk(open)
      t.observe('bulk', bulk.map(stored))
      t.observe('given', data, options, open)
      let done
      const all = new Promise(resolve => (done = resolve))
      let count = 0
      const worker = new Worker(
        name,
        async function (given, token, ...rest) {
          t.observe(
            'processor',
            this === undefined,
            stored(given),
            typeof token,
            rest.length,
            Reflect.ownKeys(given).map(String),
          )
          await given.updateProgress(50)
          if (given.name === 'fails') throw new TypeError('of the application')
          return { own: given.id }
        },
        { connection, autorun: false },
      )
      worker.on('completed', (given, result, before) => {
        t.observe('completed', stored(given), result, before)
        if (++count === 3) done()
      })
      worker.on('failed', (given, error, before) => {
        t.observe('failed', stored(given), error, before)
        if (++count === 3) done()
      })
      t.listeners('worker', worker)
      worker.run()
      await all
      t.observe('waited', await job.waitUntilFinished(events))
      t.observe('state', await job.getState(), await queue.getJobCounts('completed', 'failed'))
      for (const bad of [
        () => queue.add('x', {}, { jobId: '5' }),
        () => queue.addBulk(),
        () => queue.addBulk([]),
        () => new Worker(),
      ]) {
        await t.outcome('bad arguments', async () => typeof (await bad()))
      }
      await worker.close()
      await events.close()
      await queue.obliterate({ force: true })
      await queue.close()
    },
  },
}
