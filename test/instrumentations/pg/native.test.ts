/** pg over libpq, where pg-native could be built. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isBuilt } from '../../helpers/pg-native.js'
import { postgres } from '../../helpers/services.js'
import { assertTree } from '../../helpers/spans.js'
import { caller, failed, one, query, run } from './app.js'

postgres()

const BUILT = { skip: isBuilt() ? false : 'pg-native is not built for this Node' }

for (const type of ['cjs', 'esm'] as const) {
  test(`each form of call, alone and through a pool, in ${type}`, BUILT, async () => {
    const { hostname, port } = new URL(postgres())
    const { spans, said } = await run(
      `const native = pg.native
       say(native.Client !== Client)
       const client = new native.Client({ connectionString })
       await client.connect()
       const rows = result => result.rows.map(row => Object.values(row)[0])
       await inSpan('text', async () => say([rows(await client.query('select 1')), activeName()]))
       await inSpan('values', async () => say([rows(await client.query('select $1::int', [2])), activeName()]))
       await inSpan('callback', () => called(done =>
         client.query('select 3', (error, result) => done(say([rows(result), activeName()])))))
       await inSpan('callback in config', () => called(done =>
         client.query({ text: 'select 4', callback: (error, result) => done(say([rows(result), activeName()])) })))
       await inSpan('query', async () => {
         const own = new native.Query('select 5')
         say(client.query(own) === own)
         await called(done => own.on('end', () => done(say(activeName()))))
       })
       await inSpan('failing query', async () => {
         const own = client.query(new native.Query('select * from nowhere'))
         await once(own, 'end').catch(error => say(error.code))
       })
       await inSpan('query with a callback', () => called(done =>
         client.query(new native.Query('select 1/0', error => done(say([error.code, activeName()]))))))
       await inSpan('queries with callbacks', () => {
         const asked = [1, 2].map(n => inSpan('query ' + n, () => called(done => {
           const own = new native.Query({ text: 'select ' + n }, callback)
           function callback(error, result) {
             done(say([error, rows(result), activeName(), this === own, own.callback === callback]))
           }
           own.on('end', () => say(own.callback === callback))
           client.query(own)
         })))
         return Promise.all(asked)
       })
       await inSpan('prepared', async () => {
         await client.query({ name: 'p', text: 'select $1::int', values: [6] })
         say(rows(await client.query({ name: 'p', values: [7] })))
       })
       await inSpan('failing', () => client.query("select 'hunter2'::int").catch(error => say(error.message)))
       await inSpan('end', () => called(done => client.end(() => done(say(activeName())))))
       const pool = new native.Pool({ connectionString, max: 1 })
       await Promise.all(['a', 'b', 'c'].map(name => inSpan(name, async () => {
         await pool.query('select $1::text', [name])
         say([name, activeName()])
       })))
       await pool.end()`,
      { type, inside: 'all', spans: 32 },
    )
    assert.deepEqual(said, [
      true,
      [[1], 'text'],
      [[2], 'values'],
      [[3], 'callback'],
      [[4], 'callback in config'],
      true,
      'query',
      '42P01',
      ['22012', 'query with a callback'],
      true,
      [null, [1], 'query 1', true, true],
      true,
      [null, [2], 'query 2', true, true],
      [7],
      'invalid input syntax for type integer: "hunter2"',
      'end',
      ['a', 'a'],
      ['b', 'b'],
      ['c', 'c'],
    ])
    const address = { 'server.address': hostname, 'server.port': Number(port) }
    assertTree(spans, [
      caller(
        'all',
        caller('text', query('SELECT', { ...address, 'db.query.text': 'select ?' })),
        caller('values', query('SELECT')),
        caller('callback', query('SELECT')),
        caller('callback in config', query('SELECT')),
        caller('query', query('SELECT')),
        caller(
          'failing query',
          failed('SELECT nowhere', { 'db.response.status_code': '42P01', 'error.type': '42P01' }),
        ),
        caller('query with a callback', failed('SELECT', { 'db.response.status_code': '22012' })),
        caller('queries with callbacks', ...[1, 2].map(n => caller(`query ${n}`, query('SELECT')))),
        caller('prepared', ...Array(2).fill(query('SELECT', { 'db.query.text': 'select $1::int' }))),
        caller('failing', failed('SELECT', { 'db.response.status_code': '22P02' })),
        caller('end'),
        ...['a', 'b', 'c'].map(name => caller(name, query('SELECT'))),
      ),
    ])
    const { spanId } = one(spans, 'failing')
    const message = spans.find(span => span.parentSpanId === spanId)?.events[0]?.attributes['exception.message']
    assert.equal(message, 'invalid input syntax for type integer: "?"')
  })
}

test('a query that is cancelled before it is sent ends', BUILT, async () => {
  const { spans } = await run(
    `const client = new pg.native.Client({ connectionString })
     await client.connect()
     const running = client.query('select pg_sleep(0.05)')
     const queued = new pg.native.Query('select 1')
     await inSpan('queued', () => { client.query(queued) })
     client.cancel(queued)
     await running
     await client.end()`,
    { inside: 'all', spans: 4 },
  )
  assertTree(spans, [caller('all', query('SELECT'), caller('queued', query('SELECT')))])
})

test('libpq is not loaded where the application does not ask for it', async () => {
  const { said } = await run(
    `const client = await connected()
     await client.query('select 1')
     await client.end()
     say(Object.getOwnPropertyDescriptor(pg, 'native').get !== undefined)`,
    { spans: 1 },
  )
  assert.deepEqual(said, [true])
})
