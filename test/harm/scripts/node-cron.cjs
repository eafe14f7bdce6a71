// node-cron.
module.exports = {
  libraries: ['node-cron'],
  // As an ES module it is another file, which is not traced.
  untraced: ['a task of every second'],
  scenes: {
    async 'a task of every second'(t) {
      const cron = await t.load('node-cron')
      let task
      await new Promise(resolve => {
        task = cron.schedule(
          '* * * * * *',
          function (...args) {
            t.observe(
              'task',
              this === undefined,
              args.map(arg => (typeof arg === 'object' ? Object.keys(arg) : typeof arg)),
            )
            task.stop()
            resolve()
          },
          Object.freeze({ name: 'own' }),
        )
        t.observe('schedule returns', task.constructor.name, Reflect.ownKeys(task).map(String))
      })
      for (const bad of [
        () => cron.schedule(),
        () => cron.schedule('nonsense', () => {}),
        () => cron.schedule('* * * * *', 5),
      ]) {
        await t.outcome('bad arguments', () => {
          const made = bad()
          made.stop()
          return typeof made
        })
      }
      t.observe('valid', cron.validate('* * * * *'), cron.validate('x'))
      await task.destroy()
    },
  },
}
