// cron.
module.exports = {
  libraries: ['cron'],
  scenes: {
    async 'a job of every second'(t) {
      const { CronJob } = await t.load('cron')
      await new Promise(resolve => {
        const onTick = function (...args) {
          t.observe('tick', this === job, args.length, typeof args[0])
          t.observe('stop returns', job.stop())
        }
        const job = new CronJob('* * * * * *', onTick, () => resolve(t.observe('complete')), false, 'UTC')
        t.observe('job', job.constructor === CronJob, Reflect.ownKeys(job).map(String), job.start())
      })
      const own = { own: 1 }
      const once = await new Promise(resolve => {
        CronJob.from({
          cronTime: new Date(Date.now() + 300),
          onTick() {
            resolve(this)
          },
          context: own,
          start: true,
        })
      })
      t.observe('context', once === own)
      for (const bad of [
        () => new CronJob(),
        () => new CronJob('nonsense', () => {}),
        () => new CronJob('* * * * *', () => {}, null, false, 'No/Where'),
      ]) {
        await t.outcome('bad arguments', () => typeof bad())
      }
    },
  },
}
