// Graphile Worker.
module.exports = {
  services: ['postgres'],
  libraries: ['graphile-worker'],
  scenes: {
    async 'jobs added and run'(t) {
      const { makeWorkerUtils, quickAddJob, run, runOnce, Logger } = await t.load('graphile-worker')
      // Of its own, as notifications are for all of a database.
      const name = t.unique('harm')
      const { Client } = await t.load('pg')
      const admin = new Client({ connectionString: t.service('postgres') })
      await admin.connect()
      await admin.query(`CREATE DATABASE ${name}`)
      const url = new URL(t.service('postgres'))
      url.pathname = `/${name}`
      const options = {
        connectionString: url.href,
        noHandleSignals: true,
        pollInterval: 100,
        logger: new Logger(() => () => {}),
      }
      const utils = await makeWorkerUtils(options)
      t.observe('utils', Object.keys(utils), utils.addJob.length)
      await t.outcome('migrate', () => utils.migrate())
      const payload = Object.freeze({ own: 1 })
      const job = await utils.addJob('greet', payload, Object.freeze({ maxAttempts: 1, jobKey: 'key' }))
      t.observe('job', Object.keys(job), job.task_identifier, job.payload)
      t.observe('quick', (await quickAddJob(options, 'greet', 'text')).payload)
      t.observe('given', payload)
      const tasks = {
        async greet(given, helpers) {
          t.observe(
            'task',
            this?.constructor?.name,
            given,
            Object.keys(helpers).sort(),
            helpers.job.payload,
            helpers.addJob.length,
          )
          await helpers.addJob('more', { from: 'task' }, { jobKey: String(helpers.job.id) })
        },
        more: async given => t.observe('more', given),
        fails: async () => {
          throw new TypeError('of the application')
        },
      }
      await t.outcome('runOnce', () => runOnce({ ...options, taskList: tasks, concurrency: 1 }))
      await utils.addJob('fails', undefined, { maxAttempts: 1 })
      const runner = await run({ ...options, taskList: tasks, concurrency: 1, crontab: '' })
      t.observe('runner', Object.keys(runner), runner.constructor.name, runner.promise.constructor.name)
      await new Promise(resolve =>
        runner.events.on('job:failed', ({ error, job: failed }) =>
          resolve(t.observe('failed', error, failed.task_identifier)),
        ),
      )
      t.observe('listeners', runner.events.eventNames().map(String))
      await t.outcome('stop', () => runner.stop())
      for (const bad of [
        () => utils.addJob(),
        () => utils.addJob('x', {}, { maxAttempts: 'text' }),
        () => quickAddJob({}, 'x'),
      ]) {
        await t.outcome('bad arguments', async () => typeof (await bad()))
      }
      await utils.release()
      const connections = `SELECT 1 FROM pg_stat_activity WHERE datname = '${name}'`
      await t.until(async () => (await admin.query(connections)).rowCount === 0)
      await admin.query(`DROP DATABASE ${name}`)
      await admin.end()
    },
  },
}
