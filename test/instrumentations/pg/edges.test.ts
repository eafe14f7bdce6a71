/** pg where applications do the unusual: copies, cancels, subclasses, queues, objects used twice, hostile values. */
import assert from 'node:assert/strict'
import { cpSync, mkdirSync, rmSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { DatabaseError } from 'pg'
import { root } from '../../helpers/root.js'
import { postgres } from '../../helpers/services.js'
import { assertTree } from '../../helpers/spans.js'
import { caller, failed, one, query, run } from './app.js'

// Makes test/run.mjs start the server.
postgres()

/** The oldest versions leave a client behind that is of no use after some of these. */
const RECENT = { skip: DatabaseError === undefined }

for (const type of ['cjs', 'esm'] as const) {
  const copyStreams =
    type === 'esm'
      ? `const copy = (await import('pg-copy-streams')).default
         const { pipeline } = await import('node:stream/promises')
         const { Readable } = await import('node:stream')`
      : `const copy = require('pg-copy-streams')
         const { pipeline } = require('node:stream/promises')
         const { Readable } = require('node:stream')`

  describe(`pg in ${type}`, () => {
    test('COPY in and out lasts as long as its stream, and fails with it', async () => {
      const { spans, said } = await run(
        `${copyStreams}
         const client = await connected()
         await client.query('CREATE TEMP TABLE numbers (n int)')
         const lines = function* () { for (let i = 1; i <= 3; i++) yield i + '\\n' }
         await inSpan('in', async () => {
           const stream = copy.from('COPY numbers FROM STDIN')
           say(client.query(stream) === stream)
           await sleep(20)
           await pipeline(Readable.from(lines()), stream)
           say([stream.rowCount, activeName()])
         })
         await inSpan('out', async () => {
           let text = ''
           for await (const chunk of client.query(copy.to('COPY numbers TO STDOUT'))) text += chunk
           say([text, activeName()])
         })
         await inSpan('bad line', () => pipeline(Readable.from(['x\\n']), client.query(copy.from('COPY numbers FROM STDIN')))
           .catch(error => say(error.code)))
         await inSpan('no table', () => pipeline(Readable.from([]), client.query(copy.from('COPY nowhere FROM STDIN')))
           .catch(error => say(error.code)))
         await inSpan('left in', async () => {
           const stream = client.query(copy.from('COPY numbers FROM STDIN'))
           stream.on('error', error => say(error.code))
           await sleep(10)
           stream.destroy()
           await called(done => stream.on('close', done))
         })
         await inSpan('left out', async () => {
           const own = await connected()
           own.on('error', () => {})
           const stream = own.query(copy.to("COPY (SELECT repeat('x', 1000) FROM generate_series(1, 10000)) TO STDOUT"))
           stream.on('error', () => {}).once('data', () => stream.destroy())
           await called(done => stream.on('close', done))
           own.connection.stream.destroy()
         })
         await inSpan('no source', () => client.query('COPY numbers FROM STDIN').catch(error => say(error.code)))
         await inSpan('no sink', async () => say((await client.query('COPY numbers TO STDOUT')).rowCount))
         await inSpan('after', async () => say((await client.query('select count(*)::int from numbers')).rows))
         await client.end()`,
        { type, inside: 'all', spans: 20 },
      )
      assert.deepEqual(said, [
        true,
        [3, 'in'],
        ['1\n2\n3\n', 'out'],
        '22P02',
        '42P01',
        '57014',
        '57014',
        3,
        [{ count: 3 }],
      ])
      const copying = { 'db.operation.name': 'COPY', 'db.collection.name': 'numbers' }
      assertTree(spans, [
        caller(
          'all',
          query('CREATE TABLE numbers'),
          caller('in', query('COPY numbers', { ...copying, 'db.query.text': 'COPY numbers FROM STDIN' })),
          caller('out', query('COPY numbers', { ...copying, 'db.query.text': 'COPY numbers TO STDOUT' })),
          caller('bad line', failed('COPY numbers', { 'db.response.status_code': '22P02' })),
          caller('no table', failed('COPY nowhere', { 'db.response.status_code': '42P01' })),
          caller('left in', failed('COPY numbers', { 'db.response.status_code': '57014' })),
          caller('left out', query('COPY SELECT')),
          caller('no source', failed('COPY numbers', { 'db.response.status_code': '57014' })),
          caller('no sink', query('COPY numbers')),
          caller('after', query('SELECT numbers')),
        ),
      ])
      const within = spans.find(span => span.parentSpanId === one(spans, 'in').spanId)
      assert.ok(within !== undefined && within.end - within.start > 15_000_000n, 'a copy lasts as long as its stream')
    })

    test('classes that extend Client and Pool make one span for a query', async () => {
      const { spans, said } = await run(
        `class OwnClient extends Client {
           async query(...args) {
             await sleep(1)
             return super.query(...args)
           }
         }
         class Counting extends Client {
           count = 0
           query(config, ...rest) { this.count++; return super.query(config, ...rest) }
         }
         class OwnPool extends Pool {
           query(text, values) { return super.query(text, values) }
           connect(...args) { return super.connect(...args) }
         }
         await inSpan('client', async () => {
           const client = new OwnClient({ connectionString })
           await client.connect()
           say((await client.query('select 1 as n')).rows)
           await client.end()
         })
         await inSpan('given to a pool', async () => {
           const pool = new Pool({ connectionString, Client: Counting, max: 1 })
           say((await pool.query('select 2 as n')).rows)
           const client = await pool.connect()
           say([client.constructor.name, client.count])
           client.release()
           await pool.end()
         })
         await inSpan('pool', async () => {
           const pool = new OwnPool({ connectionString, max: 1 })
           say((await pool.query('select $1::int as n', [3])).rows)
           const client = await pool.connect()
           say((await client.query('select 4 as n')).rows)
           client.release()
           await pool.end()
         })`,
        { type, inside: 'all', spans: 8 },
      )
      assert.deepEqual(said, [[{ n: 1 }], [{ n: 2 }], ['Counting', 1], [{ n: 3 }], [{ n: 4 }]])
      assertTree(spans, [
        caller(
          'all',
          caller('client', query('SELECT')),
          caller('given to a pool', query('SELECT')),
          caller('pool', query('SELECT'), query('SELECT')),
        ),
      ])
    })

    test('waiters of an exhausted pool: each its own trace, also where it gives up, or its query fails', async () => {
      const { spans, said } = await run(
        `const busy = new Pool({ connectionString, max: 1, connectionTimeoutMillis: 400 })
         const only = await busy.connect()
         const pool = new Pool({ connectionString, max: 2 })
         const holder = await pool.connect()
         const other = await pool.connect()
         const own = () => { const name = activeName(); return () => activeName() === name }
         const late = ['promise', 'callback', 'query'].map(form => inSpan('gives up: ' + form, async () => {
           const isOwn = own()
           const error = form === 'promise' ? await busy.connect().catch(error => error)
             : form === 'query' ? await busy.query('select 1').catch(error => error)
             : await new Promise(resolve => busy.connect(error => resolve(isOwn() ? error : new Error('in another trace'))))
           say([error.message, isOwn()])
         }))
         await Promise.all(late)
         only.release()
         const waiting = Array.from({ length: 30 }, (_, i) => inSpan('request ' + i, async () => {
           const isOwn = own()
           if (i % 3 === 0) await pool.query('select $1::int', [i])
           else if (i % 3 === 1) await pool.query('select 1/0').catch(() => {})
           else {
             const client = await pool.connect()
             await client.query('select $1::int', [i])
             // Told to whoever waits, in the name of nobody.
             setImmediate(() => client.release(i % 2 === 0))
           }
           if (!isOwn()) say('request ' + i + ' goes on in another trace')
         }))
         holder.release()
         other.release(new Error('broken'))
         await Promise.all(waiting)
         say([pool.waitingCount, pool.totalCount <= 2])
         await busy.end()
         await pool.end()`,
        { type, spans: 63 },
      )
      const timeout = 'timeout exceeded when trying to connect'
      assert.deepEqual(said, [
        [timeout, true],
        [timeout, true],
        [timeout, true],
        [0, true],
      ])
      for (let i = 0; i < 30; i++) {
        const { traceId, spanId } = one(spans, `request ${i}`)
        const below = spans.filter(span => span.parentSpanId === spanId)
        assert.deepEqual(
          below.map(span => [span.name, span.status, span.traceId]),
          [['SELECT', i % 3 === 1 ? 'error' : 'unset', traceId]],
        )
      }
      for (const form of ['promise', 'callback', 'query']) {
        const { spanId } = one(spans, `gives up: ${form}`)
        assert.deepEqual(
          spans.filter(span => span.parentSpanId === spanId),
          [],
        )
      }
    })
  })
}

test('a pool that is made within a request leaves nothing of it to the next ones', async () => {
  const { spans, said } = await run(
    `let pool
     await inSpan('first', async () => {
       pool = new Pool({ connectionString, max: 1, idleTimeoutMillis: 50 })
       pool.on('connect', () => say(['connect', activeName()]))
       pool.on('remove', () => say(['remove']))
       await pool.query('select 1')
     })
     await sleep(200)
     await pool.query('select 2')
     await inSpan('third', () => pool.query('select 3'))
     await pool.end()`,
    { spans: 5 },
  )
  // Whoever sets a connection up does it for the request that it is made for.
  assert.deepEqual(said, [['connect', 'first'], ['remove'], ['connect', null], ['remove']])
  assertTree(spans, [caller('first', query('SELECT')), query('SELECT'), caller('third', query('SELECT'))])
})

test('a client that fails while it is idle fails nobody’s query', RECENT, async () => {
  const { spans, said } = await run(
    `const pool = new Pool({ connectionString, max: 1 })
     pool.on('error', error => say(['pool', error.code, activeName()]))
     const admin = await connected()
     let pid
     await inSpan('before', async () => { pid = (await pool.query('select pg_backend_pid() as pid')).rows[0].pid })
     await inSpan('kills', () => admin.query('select pg_terminate_backend($1)', [pid]))
     await sleep(50)
     await inSpan('after', () => pool.query('select 1'))
     const alone = await connected()
     alone.on('error', error => say(['client', error.code ?? error.message, activeName()]))
     await inSpan('kills again', () => admin.query('select pg_terminate_backend($1)', [alone.processID]))
     await sleep(50)
     await admin.end()
     await pool.end()`,
    { inside: 'all', spans: 9 },
  )
  assert.equal(said.filter(([who]) => who === 'pool').length, 1)
  assert.deepEqual(
    said.find(([who]) => who === 'pool'),
    ['pool', '57P01', null],
  )
  assert.ok(
    said.some(([who, what, name]) => who === 'client' && what === '57P01' && name === null),
    JSON.stringify(said),
  )
  assertTree(spans, [
    caller(
      'all',
      caller('before', query('SELECT')),
      caller('kills', query('SELECT')),
      caller('after', query('SELECT')),
      caller('kills again', query('SELECT')),
    ),
  ])
})

test('queries that are cancelled end, whether the server has them or not', async () => {
  const { spans, said } = await run(
    `const client = await connected()
     const admin = await connected()
     const running = new Query('select pg_sleep(10) as running')
     const queued = new Query('select 1 as queued')
     const told = []
     running.on('error', error => told.push(error.code))
     queued.on('end', () => told.push('never')).on('error', () => told.push('never'))
     await inSpan('running', () => { client.query(running) })
     await inSpan('queued', () => { client.query(queued) })
     const last = inSpan('last', () => client.query('select 2 as last'))
     client.cancel(client, queued)
     await sleep(30)
     const by = new Client({ connectionString })
     by.connection.on('error', () => {})
     by.cancel(client, running)
     await last
     say(told)
     await client.end()
     await admin.end()`,
    { inside: 'all', spans: 7 },
  )
  assert.deepEqual(said, [['57014']])
  assertTree(spans, [
    caller(
      'all',
      caller('running', failed('SELECT', { 'db.query.text': 'select pg_sleep(?) as running', 'error.type': '57014' })),
      caller('queued', query('SELECT', { 'db.query.text': 'select ? as queued' })),
      caller('last', query('SELECT')),
    ),
  ])
})

test('a query object or a config that is used again makes a span each time', async () => {
  const { spans, said } = await run(
    `const client = await connected()
     const again = new Query('select 1')
     for (let i = 0; i < 2; i++) await inSpan('query ' + i, () => once(client.query(again), 'end'))
     // Both before the first is over.
     await inSpan('twice', async () => {
       const twice = new Query('select 2')
       let ends = 0
       const both = called(done => twice.on('end', () => { if (++ends === 2) done() }))
       client.query(twice)
       client.query(twice)
       await both
     })
     const config = Object.freeze({ text: 'select $1::int as n', values: Object.freeze([3]) })
     for (let i = 0; i < 2; i++) await inSpan('config ' + i, async () => say((await client.query(config)).rows[0].n))
     const named = { name: 'named', text: 'select $1::int as n', values: [4] }
     const other = await connected()
     await inSpan('named', () => Promise.all([client.query(named), client.query(named), other.query(named)]))
     say(Object.keys(named))
     const changing = { text: 'select 5 as a' }
     await inSpan('changing', async () => {
       const first = client.query(changing)
       changing.text = 'select 6 as b'
       say([(await first).rows, (await client.query(changing)).rows])
     })
     await client.end()
     await other.end()`,
    { inside: 'all', spans: 19 },
  )
  assert.deepEqual(said, [3, 3, ['name', 'text', 'values'], [[{ a: 5 }], [{ b: 6 }]]])
  const select = query('SELECT')
  assertTree(spans, [
    caller(
      'all',
      caller('query 0', select),
      caller('query 1', select),
      caller('twice', select, select),
      caller('config 0', select),
      caller('config 1', select),
      caller('named', ...Array(3).fill(query('SELECT', { 'db.query.text': 'select $1::int as n' }))),
      caller(
        'changing',
        query('SELECT', { 'db.query.text': 'select ? as a' }),
        query('SELECT', { 'db.query.text': 'select ? as b' }),
      ),
    ),
  ])
})

test('values with code of their own: it runs as often as without us, and its errors are pg’s', async () => {
  const body = `
     const client = await connected()
     const counts = {}
     const count = (name, value) => { counts[name] = (counts[name] ?? 0) + 1; return value }
     const hostile = name => ({
       get secret() { return count(name + ' secret', 'hunter2') },
       toPostgres() { return count(name + ' toPostgres', 'one') },
       toJSON() { return count(name + ' toJSON', {}) },
       toString() { return count(name + ' toString', 'text') },
       valueOf() { return count(name + ' valueOf', 1) },
       get [Symbol.toStringTag]() { return count(name + ' tag', 'Tag') },
     })
     const watched = name => new Proxy({ toPostgres: () => 'one' }, {
       ownKeys: target => count(name + ' keys', Reflect.ownKeys(target)),
       getPrototypeOf: target => count(name + ' prototype', Reflect.getPrototypeOf(target)),
     })
     const text = 'select $1::text as t'
     say((await client.query(text, [hostile('good')])).rows)
     say(await client.query('select $1::text from nowhere', [hostile('bad')]).catch(error => error.code))
     say(await client.query('select $1::text from nowhere', [[hostile('in a list')]]).catch(error => error.code))
     say(await client.query('select $1::text from nowhere', [watched('proxy')]).catch(error => error.code))
     const thrower = { toPostgres() { throw new RangeError('of the application') } }
     say(await client.query(text, [thrower]).catch(error => [error.name, error.message]))
     say(await client.query(text, [Object.defineProperty([], 0, { get() { throw new RangeError('read') }, enumerable: true })]).catch(error => error.message))
     say(await client.query(text, [Symbol('text')]).then(({ rows }) => rows))
     say((await client.query(text, [Object.assign(Object.create(null), { toPostgres: () => 'bare' })])).rows)
     say((await client.query(Object.assign(Object.create(null), { text, values: Object.freeze(['frozen']) }))).rows)
     const config = { get text() { return count('text', text) }, get values() { return ['got'] } }
     say((await client.query(config)).rows)
     say(counts)
     await client.end()`
  const plain = await run(body, { spans: 0, preload: 'none' })
  for (const env of [{ TRACE_PG_PARAMETERS: 'false' }, { TRACE_PG_PARAMETERS: 'true' }] as Record<string, string>[]) {
    const { spans, said } = await run(body, { inside: 'all', spans: 11, env })
    // A config is read before pg reads it.
    const counted = ({ text, ...counts }: Record<string, number>) => counts
    assert.deepEqual(said.slice(0, -1), plain.said.slice(0, -1))
    assert.deepEqual(counted(said.at(-1)), counted(plain.said.at(-1)))
    assert.deepEqual(
      spans.filter(span => span.kind === 'client').map(span => [span.name, span.status]),
      [
        ['SELECT', 'unset'],
        ['SELECT nowhere', 'error'],
        ['SELECT nowhere', 'error'],
        ['SELECT nowhere', 'error'],
        ['SELECT', 'error'],
        ['SELECT', 'error'],
        ['SELECT', 'unset'],
        ['SELECT', 'unset'],
        ['SELECT', 'unset'],
        ['SELECT', 'unset'],
      ],
    )
  }
})

test('an error tells no value, whatever pg makes its text of', async () => {
  const { spans } = await run(
    `const client = await connected()
     const values = [
       { toPostgres: () => 'hunter2' },
       { toJSON: () => 'hunter2' },
       { get secret() { return 'hunter2' } },
       { secret: 'say "hunter2"' },
       ['hunter2', ['say "hunter2"']],
       new Date('2001-02-03T04:05:06Z'),
       new Proxy({ secret: 'hunter2' }, {}),
       Array.from({ length: 2000 }, () => 'hunter2'),
       new (class Own { toString() { return 'x' } secret = 'hunter2' })(),
     ]
     for (const value of values) await client.query('select $1::int', [value]).catch(() => {})
     // Names are told, though.
     await client.query('select $1::text from nowhere', [new Date()]).catch(() => {})
     await client.end()`,
    { inside: 'all', spans: 11 },
  )
  const told = JSON.stringify(spans, (_, value) => (typeof value === 'bigint' ? String(value) : value))
  assert.doesNotMatch(told, /hunter2|2001-02/)
  const { events } = one(spans, 'SELECT nowhere')
  assert.equal(events[0]?.attributes['exception.message'], 'relation "nowhere" does not exist')
})

test('queries that wait for a connection that fails end with its error', RECENT, async () => {
  const { spans, said } = await run(
    `const client = new Client({ host: '127.0.0.1', port: 1 })
     const early = ['promise', 'callback', 'query'].map(form => inSpan(form, async () => {
       const error = form === 'promise' ? await client.query('select 1').catch(error => error)
         : form === 'callback' ? (await called(done => client.query('select 1', done)))[0]
         : await new Promise(resolve => client.query(new Query('select 1')).on('error', resolve))
       say([form, error.code ?? error.message, activeName()])
     }))
     say(await client.connect().catch(error => error.code))
     await Promise.all(early)`,
    { spans: 6 },
  )
  assert.equal(said.length, 4)
  for (const [form, , name] of said.slice(1)) assert.equal(name, form)
  for (const form of ['promise', 'callback', 'query']) {
    const below = spans.filter(({ parentSpanId }) => parentSpanId === one(spans, form).spanId)
    assert.deepEqual(
      below.map(({ name, status }) => [name, status]),
      [['SELECT', 'error']],
    )
  }
})

test('very long statements, empty ones, and those that are no text', async () => {
  const { spans, said } = await run(
    `const client = await connected()
     const long = "select '" + 'x'.repeat(2_000_000) + "' as long"
     say((await client.query(long)).rows[0].long.length)
     const list = 'select * from pg_class where oid in (' + Array.from({ length: 20_000 }, (_, i) => i).join(', ') + ')'
     await client.query(list)
     const many = 'select 1; '.repeat(2_000)
     say((await client.query(many)).length)
     await client.query('')
     await client.query('-- nothing')
     for (const text of [5, {}, Symbol.iterator, Buffer.from('select 1'), new String('select 1')]) {
       const config = { text }
       say(await client.query(config).then(() => 'ok', error => error.message))
     }
     await client.end()`,
    { inside: 'all', spans: 6 },
  )
  assert.equal(said[0], 2_000_000)
  assert.equal(said[1], 2_000)
  assert.equal(new Set(said.slice(2)).size, 1, 'each is refused in the same words')
  const texts = spans.filter(({ kind }) => kind === 'client').map(span => span.attributes['db.query.text'])
  assert.ok(texts.every(text => text === undefined || String(text).length <= 4096))
  assert.deepEqual(
    spans.filter(({ kind }) => kind === 'client').map(({ name, status }) => [name, status]),
    [
      ['SELECT', 'unset'],
      ['SELECT pg_class', 'unset'],
      ['SELECT', 'unset'],
      ['postgres', 'unset'],
      ['postgres', 'unset'],
    ],
  )
})

test('a callback that throws, and an error that nobody hears, end their spans', RECENT, async () => {
  const { spans, said } = await run(
    `const client = await connected()
     const uncaught = []
     process.on('uncaughtException', error => uncaught.push(error.code ?? error.message))
     await inSpan('throws', () => { client.query('select 1', () => { throw new Error('of a callback') }) })
     await client.query('select 2')
     await sleep(10)
     const lonely = await connected()
     await inSpan('unheard', () => { lonely.query(new Query('select * from nowhere')) })
     await sleep(50)
     const frozen = Object.freeze(Object.assign(Object.create(null), { text: 'select 3' }))
     await inSpan('frozen', () => client.query(frozen))
     say([...new Set(uncaught)])
     await client.end()
     await lonely.end()`,
    { inside: 'all', spans: 8 },
  )
  assert.deepEqual(said, [['of a callback', '42P01']])
  assertTree(spans, [
    caller(
      'all',
      caller('throws', query('SELECT')),
      query('SELECT'),
      caller('unheard', failed('SELECT nowhere', { 'db.response.status_code': '42P01' })),
      caller('frozen', query('SELECT')),
    ),
  ])
})

test('cursors and streams that are destroyed, before they begin and while they run', RECENT, async () => {
  const { spans } = await run(
    `const client = await connected()
     const many = 'select * from generate_series(1, 100000) as many'
     await inSpan('destroyed at once', () => called(done => client.query(new QueryStream(many)).on('close', done).destroy()))
     await inSpan('destroyed while it reads', () => called(done => {
       const stream = client.query(new QueryStream(many))
       stream.once('data', () => stream.destroy()).on('close', done)
     }))
     await inSpan('destroyed with an error', () => called(done => {
       const stream = client.query(new QueryStream(many))
       stream.once('data', () => stream.destroy(new Error('had enough'))).on('error', () => {}).on('close', done)
     }))
     await inSpan('closed before it is read', () => client.query(new Cursor(many)).close())
     await inSpan('after', () => client.query('select 1'))
     await client.end()
     const gone = await connected()
     gone.on('error', () => {})
     await inSpan('the client ends', async () => {
       const cursor = gone.query(new Cursor(many))
       await cursor.read(1)
       gone.connection.stream.destroy()
       await sleep(50)
     })`,
    { inside: 'all', spans: 13 },
  )
  const [all] = [spans.find(span => span.name === 'all')]
  for (const span of spans.filter(({ parentSpanId }) => parentSpanId === all?.spanId)) {
    const below = spans.filter(({ parentSpanId }) => parentSpanId === span.spanId)
    assert.deepEqual(
      below.map(({ name, kind }) => [name, kind]),
      [['SELECT', 'client']],
      span.name,
    )
  }
})

describe('several copies of pg in one process', () => {
  const copies = join(root, 'build', 'apps', `copies-${process.pid}`)
  before(() => {
    const folders = { pg: dirname(dirname(require.resolve('pg'))), 'pg-pool': dirname(require.resolve('pg-pool')) }
    for (const [name, folder] of Object.entries(folders)) {
      mkdirSync(join(copies, 'node_modules'), { recursive: true })
      cpSync(folder, join(copies, 'node_modules', name), {
        recursive: true,
        dereference: true,
      })
    }
  })
  after(() => rmSync(copies, { recursive: true, force: true }))

  for (const type of ['cjs', 'esm'] as const) {
    test(`in ${type}`, RECENT, async () => {
      const own = JSON.stringify(join(copies, 'node_modules', 'pg', 'lib', 'index.js'))
      const { spans, said } = await run(
        `const second = ${type === 'cjs' ? `require(${own})` : `(await import(${own})).default`}
         say(second.Client !== Client)
         const pools = [new Pool({ connectionString }), new second.Pool({ connectionString })]
         for (const [i, pool] of pools.entries()) {
           await inSpan('pool ' + i, () => pool.query('select 1'))
           await pool.end()
         }
         const client = new second.Client({ connectionString })
         await client.connect()
         await inSpan('query', () => once(client.query(new second.Query('select 2')), 'end'))
         // A cursor is of the first copy's family.
         await inSpan('cursor', async () => {
           const cursor = client.query(new Cursor('select 3'))
           await cursor.read(1)
           await cursor.close()
         })
         await inSpan('query of the other copy', () => once(client.query(new Query('select 4')), 'end'))
         await client.end()`,
        { type, inside: 'all', spans: 11 },
      )
      assert.deepEqual(said, [true])
      const names = ['pool 0', 'pool 1', 'query', 'cursor', 'query of the other copy']
      assertTree(spans, [caller('all', ...names.map(name => caller(name, query('SELECT'))))])
    })
  }
})
