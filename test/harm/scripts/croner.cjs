// croner.
module.exports = {
  libraries: ['croner'],
  // As an ES module it is another file, which is not traced.
  untraced: ['a job of every second'],
  scenes: {
    async 'a job of every second'(t) {
      const { Cron } = await t.load('croner')
      await new Promise(resolve => {
        const job = new Cron('* * * * * *', { name: 'own', context: { own: 1 } }, function (...args) {
          t.observe('job', this === undefined, args[0] === job, args.slice(1))
          t.observe('stop returns', job.stop())
          resolve()
        })
        t.observe('job has', job.constructor === Cron, Reflect.ownKeys(job).map(String), job.name)
      })
      const caught = await new Promise(resolve => {
        const job = new Cron(
          '* * * * * *',
          { catch: (error, own) => resolve([error, own === job, job.stop()]) },
          () => {
            throw new TypeError('of the application')
          },
        )
      })
      t.observe('caught', caught)
      t.observe('triggered', await new Cron('2000-01-01T00:00:00', () => t.observe('runs')).trigger())
      for (const bad of [() => new Cron('nonsense'), () => new Cron()]) {
        await t.outcome('bad arguments', () => typeof bad())
      }
    },
  },
}
