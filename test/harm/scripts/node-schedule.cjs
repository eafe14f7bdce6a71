// node-schedule.
module.exports = {
  libraries: ['node-schedule'],
  scenes: {
    async 'a job of every second'(t) {
      const { scheduleJob, scheduledJobs, gracefulShutdown } = await t.load('node-schedule')
      await new Promise(resolve => {
        const job = scheduleJob('own', '* * * * * *', function (...args) {
          t.observe(
            'job',
            this?.constructor?.name,
            args.map(arg => arg.constructor.name),
          )
          t.observe('cancel returns', job.cancel())
          resolve()
        })
        t.hear('job', job, ['scheduled', 'run', 'success', 'error', 'canceled'])
        t.observe('job has', Reflect.ownKeys(job).map(String), scheduledJobs.own === job)
      })
      t.observe(
        'once',
        await new Promise(resolve => scheduleJob(new Date(Date.now() + 300), (...args) => resolve(args.length))),
      )
      const failing = scheduleJob('* * * * * *', async () => {
        throw new TypeError('of the application')
      })
      await new Promise(resolve => failing.on('error', error => resolve(t.observe('error', error))))
      failing.cancel()
      for (const bad of [
        () => scheduleJob(),
        () => scheduleJob('nonsense', () => {}),
        () => scheduleJob('* * * * *'),
      ]) {
        await t.outcome('bad arguments', () => typeof bad())
      }
      await gracefulShutdown()
    },
  },
}
