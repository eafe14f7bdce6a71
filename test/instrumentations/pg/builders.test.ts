/** Query builders and mappers on pg: the driver's span is the only one, below whoever asked. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { DatabaseError } from 'pg'
import { postgres } from '../../helpers/services.js'
import { assertTree } from '../../helpers/spans.js'
import { caller, failed, one, query, run } from './app.js'

postgres()

/** They ask for a pg of their time. */
const RECENT = { skip: DatabaseError === undefined }

/** Thirty requests at once on a pool of two connections: each query is of its own request's trace. */
const CONCURRENT = 30

function assertOwnTraces(spans: Parameters<typeof one>[0], below: string): void {
  for (let i = 0; i < CONCURRENT; i++) {
    const { spanId, traceId } = one(spans, `request ${i}`)
    const own = spans.filter(span => span.parentSpanId === spanId)
    assert.deepEqual(
      own.map(span => [span.name, span.traceId]),
      [[below, traceId]],
      `request ${i}`,
    )
  }
}

const load = (type: 'cjs' | 'esm', name: string, names: string): string =>
  type === 'cjs'
    ? `const ${names} = require('${name}')`
    : `const ${names} = await import('${name}').then(all => all.default ?? all)`

for (const type of ['cjs', 'esm'] as const) {
  describe(type, RECENT, () => {
    test('knex', async () => {
      const { spans, said } = await run(
        `${load(type, 'knex', '{ knex }')}
         const db = knex({ client: 'pg', connection: connectionString, pool: { min: 0, max: 2 } })
         const table = 'knex_' + process.pid
         await inSpan('schema', () => db.schema.createTable(table, t => { t.integer('id'); t.text('name') }))
         await inSpan('write', () => db(table).insert([{ id: 1, name: 'a' }, { id: 2, name: 'b' }]))
         await inSpan('read', async () => say(await db(table).where('id', '>', 1).select('name')))
         await inSpan('transaction', () => db.transaction(async trx => {
           await trx(table).where({ id: 1 }).update({ name: 'c' })
           say(activeName())
         }))
         await inSpan('rolled back', () => db.transaction(trx => trx.raw('select * from nowhere')).catch(error => say(error.code)))
         await inSpan('stream', async () => {
           const names = []
           for await (const { name } of db(table).orderBy('id').select('name').stream()) names.push(name)
           say([names, activeName()])
         })
         await inSpan('callback', () => called(done => db.raw('select 1').asCallback(() => done(say(activeName())))))
         // A builder that nobody awaits runs nothing, with us as without.
         const idle = db.raw('select 1/0')
         say(typeof idle.then)
         await inSpan('drop', () => db.schema.dropTable(table))
         await sleep(5)
         await Promise.all(Array.from({ length: ${CONCURRENT} }, (_, i) => inSpan('request ' + i, async () => {
           const name = activeName()
           await db.raw('select ?::int', [i])
           if (activeName() !== name) say(name + ' goes on elsewhere')
         })))
         await db.destroy()`,
        { type },
      )
      assert.deepEqual(said, [[{ name: 'b' }], 'transaction', '42P01', [['c', 'b'], 'stream'], 'callback', 'function'])
      const table = /^knex_\d+$/
      const names = ['schema', 'write', 'read', 'transaction', 'rolled back', 'stream', 'callback', 'drop']
      const top = names.flatMap(name => spans.filter(span => span.traceId === one(spans, name).traceId))
      const on = (operation: string) => ({ 'db.operation.name': operation, 'db.collection.name': table })
      const tables = [...new Set(top.map(span => span.attributes['db.collection.name']))].filter(name =>
        table.test(`${name}`),
      )
      assert.equal(tables.length, 1)
      const name = tables[0]
      assertTree(top, [
        // It asks a server for its version first.
        caller('schema', query('SELECT'), query(`CREATE TABLE "${name}"`)),
        caller('write', query(`INSERT "${name}"`, on('INSERT'))),
        caller('read', query(`SELECT "${name}"`, on('SELECT'))),
        caller('transaction', query('BEGIN'), query(`UPDATE "${name}"`, on('UPDATE')), query('COMMIT')),
        caller('rolled back', query('BEGIN'), failed('SELECT nowhere'), query('ROLLBACK')),
        caller('stream', query(`SELECT "${name}"`)),
        caller('callback', query('SELECT')),
        caller('drop', query(`DROP TABLE "${name}"`)),
      ])
      assertOwnTraces(spans, 'SELECT')
    })

    test('drizzle-orm', async () => {
      const { spans, said } = await run(
        `${load(type, 'drizzle-orm/node-postgres', '{ drizzle }')}
         ${load(type, 'drizzle-orm/pg-core', '{ integer, pgTable, text }')}
         ${load(type, 'drizzle-orm', '{ eq, sql }')}
         const name = 'drizzle_' + process.pid
         const users = pgTable(name, { id: integer('id'), name: text('name') })
         const pool = new Pool({ connectionString, max: 2 })
         const db = drizzle(pool)
         await db.execute(sql.raw('create table ' + name + ' (id int, name text)'))
         await inSpan('write', () => db.insert(users).values([{ id: 1, name: 'a' }, { id: 2, name: 'b' }]))
         await inSpan('read', async () => say(await db.select().from(users).where(eq(users.id, 2))))
         await inSpan('prepared', async () => {
           const prepared = db.select({ n: users.name }).from(users).where(eq(users.id, sql.placeholder('id'))).prepare('by_id')
           say([await prepared.execute({ id: 1 }), await prepared.execute({ id: 2 })])
         })
         await inSpan('transaction', () => db.transaction(async tx => {
           await tx.update(users).set({ name: 'c' }).where(eq(users.id, 1))
           await tx.transaction(inner => inner.delete(users))
           say(activeName())
         }))
         await inSpan('failing', () => db.execute(sql\`select \${'hunter2'}::int\`).catch(error => say(error.cause?.code ?? error.code)))
         await db.execute(sql.raw('drop table ' + name))
         await Promise.all(Array.from({ length: ${CONCURRENT} }, (_, i) => inSpan('request ' + i, async () => {
           const name = activeName()
           await db.execute(sql\`select \${i}::int\`)
           if (activeName() !== name) say(name + ' goes on elsewhere')
         })))
         await pool.end()`,
        { type },
      )
      assert.deepEqual(said, [[{ id: 2, name: 'b' }], [[{ n: 'a' }], [{ n: 'b' }]], 'transaction', '22P02'])
      const names = ['write', 'read', 'prepared', 'transaction', 'failing']
      const top = names.flatMap(name => spans.filter(span => span.traceId === one(spans, name).traceId))
      const table = `"${spans.map(span => span.attributes['db.collection.name']).find(name => /^drizzle/.test(`${name}`))}"`
      assertTree(top, [
        caller('write', query(`INSERT ${table}`)),
        caller('read', query(`SELECT ${table}`)),
        caller('prepared', query(`SELECT ${table}`), query(`SELECT ${table}`)),
        caller(
          'transaction',
          query('BEGIN'),
          query(`UPDATE ${table}`),
          query('SAVEPOINT'),
          query(`DELETE ${table}`),
          query('RELEASE'),
          query('COMMIT'),
        ),
        caller('failing', failed('SELECT', { 'db.response.status_code': '22P02' })),
      ])
      assertOwnTraces(spans, 'SELECT')
    })

    test('typeorm', async () => {
      const { spans, said } = await run(
        `${load(type, 'typeorm', '{ DataSource, EntitySchema }')}
         const tableName = 'typeorm_' + process.pid
         const User = new EntitySchema({ name: 'User', tableName, columns: { id: { type: Number, primary: true }, name: { type: String } } })
         // With pg-native beside it, TypeORM would take that.
         const driver = Object.create(pg, { native: { value: undefined } })
         const source = new DataSource({ type: 'postgres', url: connectionString, entities: [User], poolSize: 2, driver })
         await source.initialize()
         await source.synchronize()
         const users = source.getRepository(User)
         await inSpan('write', () => users.insert([{ id: 1, name: 'a' }, { id: 2, name: 'b' }]))
         await inSpan('read', async () => say(await users.findOneBy({ id: 2 })))
         await inSpan('transaction', () => source.transaction(async manager => {
           await manager.update(User, { id: 1 }, { name: 'c' })
           say(activeName())
         }))
         await inSpan('failing', () => source.query('select * from nowhere').catch(error => say(error.driverError.code)))
         await inSpan('stream', async () => {
           const stream = await users.createQueryBuilder('u').orderBy('u.id').stream()
           const names = []
           for await (const row of stream) names.push(row.u_name)
           say([names, activeName()])
         })
         await source.query('drop table ' + tableName)
         await Promise.all(Array.from({ length: ${CONCURRENT} }, (_, i) => inSpan('request ' + i, async () => {
           const name = activeName()
           await source.query('select $1::int', [i])
           if (activeName() !== name) say(name + ' goes on elsewhere')
         })))
         await source.destroy()`,
        { type },
      )
      assert.deepEqual(said, [{ id: 2, name: 'b' }, 'transaction', '42P01', [['c', 'b'], 'stream']])
      const names = ['write', 'read', 'transaction', 'failing', 'stream']
      const top = names.flatMap(name => spans.filter(span => span.traceId === one(spans, name).traceId))
      const table = `"${spans.map(span => span.attributes['db.collection.name']).find(name => /^typeorm/.test(`${name}`))}"`
      assertTree(top, [
        caller('write', query(`INSERT ${table}`)),
        caller('read', query(`SELECT ${table}`)),
        caller('transaction', query('START TRANSACTION'), query(`UPDATE ${table}`), query('COMMIT')),
        caller('failing', failed('SELECT nowhere')),
        caller('stream', query(`SELECT ${table}`)),
      ])
      assertOwnTraces(spans, 'SELECT')
    })

    test('sequelize', async () => {
      const { spans, said } = await run(
        `${load(type, 'sequelize', '{ DataTypes, Sequelize }')}
         const db = new Sequelize(connectionString, { dialect: 'postgres', dialectModule: pg, logging: false, pool: { max: 2, min: 0 } })
         const table = 'sequelize_' + process.pid
         const User = db.define('User', { name: DataTypes.TEXT }, { tableName: table, timestamps: false })
         await User.sync()
         await inSpan('write', () => User.bulkCreate([{ name: 'a' }, { name: 'b' }]))
         await inSpan('read', async () => say((await User.findOne({ where: { name: 'b' } })).get('name')))
         await inSpan('transaction', () => db.transaction(async transaction => {
           await User.update({ name: 'c' }, { where: { name: 'a' }, transaction })
           say(activeName())
         }))
         await inSpan('failing', () => db.query('select * from nowhere').catch(error => say([error.name, error.original.code])))
         await User.drop()
         // Whoever opens a connection sets its parameters.
         await Promise.all([1, 2].map(() => db.query('select pg_sleep(0.1)')))
         await Promise.all(Array.from({ length: ${CONCURRENT} }, (_, i) => inSpan('request ' + i, async () => {
           const name = activeName()
           await db.query('select $1::int', { bind: [i] })
           if (activeName() !== name) say(name + ' goes on elsewhere')
         })))
         await db.close()`,
        { type },
      )
      assert.deepEqual(said, ['b', 'transaction', ['SequelizeDatabaseError', '42P01']])
      const names = ['write', 'read', 'transaction', 'failing']
      const top = names.flatMap(name => spans.filter(span => span.traceId === one(spans, name).traceId))
      const table = `"${spans.map(span => span.attributes['db.collection.name']).find(name => /^sequelize/.test(`${name}`))}"`
      assertTree(top, [
        caller('write', query(`INSERT ${table}`)),
        caller('read', query(`SELECT ${table}`)),
        caller('transaction', query('START TRANSACTION'), query(`UPDATE ${table}`), query('COMMIT')),
        caller('failing', failed('SELECT nowhere')),
      ])
      assertOwnTraces(spans, 'SELECT')
    })
  })
}
