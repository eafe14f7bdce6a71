// pg-boss.
const { randomUUID } = require('node:crypto')

module.exports = {
  services: ['postgres'],
  libraries: ['pg-boss'],
  scenes: {
    async 'jobs sent and worked on'(t) {
      const PgBoss = await t.load('pg-boss')
      const schema = t.unique('harm')
      const boss = t.name(
        new PgBoss({ connectionString: t.service('postgres'), schema, schedule: false, supervise: false }),
        'boss',
      )
      t.hear('boss', boss, ['error', 'stopped'])
      await t.outcome('start', () => boss.start())
      t.observe('boss has', Reflect.ownKeys(boss).map(String), boss.send.length, boss.work.length)
      await boss.createQueue('queue')
      const data = Object.freeze({ own: 1 })
      t.observe('send', typeof (await boss.send('queue', data, Object.freeze({ priority: 1 }))))
      t.observe('send of an object', typeof (await boss.send({ name: 'queue', data })))
      const id = randomUUID()
      t.observe('send with an id', (await boss.send('queue', null, { id })) === id)
      t.observe('insert', await boss.insert([{ name: 'queue', data }]))
      t.observe('given', data)
      const [fetched] = await boss.fetch('queue', { batchSize: 1 })
      t.observe('fetched', Object.keys(fetched), fetched.data)
      await t.outcome('complete', async () => Object.keys((await boss.complete('queue', fetched.id)) ?? {}))
      let finish
      let count = 0
      const all = new Promise(resolve => (finish = resolve))
      const worker = await boss.work('queue', { pollingIntervalSeconds: 0.5, batchSize: 5 }, async function (jobs) {
        t.observe(
          'handler',
          this === undefined,
          arguments.length,
          jobs.constructor === Array,
          jobs
            .map(job => [Object.keys(job), job.name, job.data])
            .sort((a, b) => String(a[2]).localeCompare(String(b[2]))),
        )
        if ((count += jobs.length) === 3) finish()
        return 'done'
      })
      t.observe('work', typeof worker)
      await all
      await t.outcome('offWork', () => boss.offWork('queue'))
      for (const bad of [
        () => boss.send(),
        () => boss.send('none'),
        () => boss.send('queue', {}, 'text'),
        () => boss.work('queue'),
        () => boss.complete(),
        () => boss.fetch(),
      ]) {
        await t.outcome('bad arguments', async () => typeof (await bad()))
      }
      const db = boss.getDb()
      await db.executeSql(`DROP SCHEMA ${schema} CASCADE`)
      await boss.stop({ graceful: false })
    },
  },
}
