// node-postgres: clients, pools, cursors and streams.

/** A pool or a client whose connection goes through a proxy that observes what PostgreSQL is sent. */
async function connected(t, make) {
  const proxy = await t.proxy('PostgreSQL', t.service('postgres'))
  const made = make({ connectionString: proxy.url })
  return { made, proxy }
}

/** What there is to see of a result. */
const rowsOf = result => (Array.isArray(result) ? result.map(one => one.rows) : result?.rows)

/** Calls back once. */
const called = (t, label, call) => new Promise(resolve => t.observe(`${label} returns`, call(t.heard(label, resolve))))

module.exports = {
  services: ['postgres'],
  libraries: ['pg', 'pg-pool', 'pg-cursor', 'pg-query-stream', 'pg-copy-streams'],
  untraced: ['a client that cannot connect', 'a client over libpq'],
  scenes: {
    async 'a client, by promises'(t) {
      const { Client } = await t.load('pg')
      const { made: client, proxy } = await connected(t, options => new Client(options))
      t.hear('client', client, ['notice', 'notification', 'end', 'error'])
      await t.outcome('connect', () => client.connect())
      t.observe('client has', Reflect.ownKeys(client).map(String), client instanceof Client)
      const values = Object.freeze([1, null, new Date(0), Buffer.from('b'), [1, 2], { a: 1 }])
      const named = Object.freeze({ name: 'named', text: 'select $1::int as n', values: Object.freeze([7]) })
      for (const [label, ...args] of [
        ['text', 'select 1 as one'],
        ['values', 'select $1::int, $2::text, $3::timestamptz, $4::bytea, $5::int[], $6::json', values],
        ['config', { text: 'select $1::text as t', values: ['v'], rowMode: 'array' }],
        ['named', named],
        ['named again', named],
        ['many', 'select 1; select 2'],
        ['nothing', ''],
        ['text and config', { text: 'select $1::text' }, ['w']],
        ['syntax', 'selec'],
        ['missing table', 'select * from nope where a = $1', [1]],
        ['division', 'select 1/0'],
        ['too few values', 'select $1::int, $2::int', [1]],
        [
          'unserializable',
          'select $1',
          [
            {
              toPostgres() {
                throw new Error('of the application')
              },
            },
          ],
        ],
        ['number', 5],
        ['empty object', {}],
        ['config of another name', { name: 'named', text: 'select 2' }],
      ]) {
        const result = await t.outcome(label, () => client.query(...args))
        t.observe(`rows of ${label}`, rowsOf(result), result?.command, result?.rowCount)
      }
      for (const bad of [undefined, null]) await t.outcome('nothing to query', () => client.query(bad))
      t.observe('given', values.length, named)
      const order = []
      await Promise.all([1, 2, 3].map(n => client.query('select $1::int as n', [n]).then(() => order.push(n))))
      t.observe('order', order)
      await client.query('listen own; notify own, $$payload$$')
      await t.outcome('connect twice', () => client.connect())
      t.listeners('client', client)
      await t.outcome('end', () => client.end())
      await t.outcome('query after the end', () => client.query('select 1'))
      await t.outcome('end twice', () => client.end())
      await proxy.close()
    },

    async 'a client, by callbacks'(t) {
      const { Client, Query } = await t.load('pg')
      const { made: client, proxy } = await connected(t, options => new Client(options))
      // Before there is a connection.
      const early = called(t, 'early query', heard => client.query('select 0 as zero', heard))
      await called(t, 'connect', heard => client.connect(heard))
      await early
      // In the tick in which pg tells that there is nothing more to do.
      client.once('drain', () => t.observe('drained'))
      await called(t, 'query', heard => client.query('select 1 as one', heard))
      t.observe('called back')
      await called(t, 'query with values', heard => client.query('select $1::int as n', [2], heard))
      await called(t, 'query of a config', heard => client.query({ text: 'select 3 as n' }, heard))
      await called(t, 'query that fails', heard => client.query('selec', heard))
      await called(t, 'callback in the config', callback => client.query({ text: 'select 4 as n', callback }))
      const query = t.name(new Query('select 5 as n union select 6 order by 1'), 'query object')
      t.hear('query object', query, ['row', 'end', 'error'])
      t.observe('submitted', client.query(query))
      t.listeners('query object', query)
      await t.once(query, 'end')
      t.observe('query object has', Reflect.ownKeys(query).map(String))
      const failing = t.hear('failing', client.query(new Query('selec')), ['row', 'end', 'error'])
      await new Promise(resolve => failing.on('error', resolve))
      const first = client.query('select 7')
      t.observe('promise is', first.constructor === Promise, Reflect.ownKeys(first))
      await first
      await called(t, 'end', heard => client.end(heard))
      await called(t, 'query after the end', heard => client.query('select 1', heard))
      await proxy.close()
    },

    async 'a pool'(t) {
      const { Pool } = await t.load('pg')
      const { made: pool, proxy } = await connected(t, options => new Pool({ ...options, max: 1 }))
      t.hear('pool', pool, ['connect', 'acquire', 'release', 'remove', 'error'])
      t.observe('pool has', Reflect.ownKeys(pool).map(String), pool instanceof Pool)
      t.observe('rows', rowsOf(await t.outcome('query', () => pool.query('select $1::int as n', [1]))))
      await t.outcome('query that fails', () => pool.query('selec'))
      await called(t, 'query with a callback', heard => pool.query('select 2 as n', heard))
      await called(t, 'query that fails with a callback', heard => pool.query('selec', heard))
      const client = await pool.connect()
      t.observe('client', client.release.name, client.release.length, pool.totalCount, pool.idleCount)
      const waiting = ['a', 'b'].map(text => pool.query('select $1::text as t', [text]).then(rowsOf))
      t.observe('waiting', pool.waitingCount)
      await client.query('begin')
      await client.query('rollback')
      t.observe('release returns', client.release())
      t.observe('waited', await Promise.all(waiting))
      await t.outcome('release twice', () => client.release())
      await new Promise(resolve =>
        t.observe(
          'connect returns',
          pool.connect((error, own, release) => {
            t.observe('connected', error, own === client, release.name, release.length)
            release()
            resolve()
          }),
        ),
      )
      await t.outcome('query of nothing', () => pool.query())
      await t.outcome('query of a function', () => pool.query(() => {}).then?.(() => {}))
      t.listeners('pool', pool)
      await t.outcome('end', () => pool.end())
      await t.outcome('query after the end', () => pool.query('select 1'))
      await t.outcome('end twice', () => pool.end())
      await proxy.close()
    },

    async 'cursors and streams'(t) {
      const { Client } = await t.load('pg')
      const Cursor = await t.load('pg-cursor')
      const QueryStream = await t.load('pg-query-stream')
      const { made: client, proxy } = await connected(t, options => new Client(options))
      await client.connect()
      const text = 'select n from generate_series(1, 5) n'
      const cursor = t.name(new Cursor(text), 'cursor')
      t.hear('cursor', cursor, ['end', 'error'])
      t.observe('submitted', client.query(cursor))
      t.observe('cursor has', Reflect.ownKeys(cursor).map(String))
      t.observe('two rows', await t.outcome('read', () => cursor.read(2)))
      await called(t, 'read with a callback', heard => cursor.read(2, heard))
      t.observe('rest', await cursor.read(10))
      t.observe('nothing', await cursor.read(10))
      await t.outcome('close', () => cursor.close())
      const failing = client.query(new Cursor('selec'))
      await t.outcome('read of nonsense', () => failing.read(1))
      const closed = client.query(new Cursor(text))
      t.observe('one row', await closed.read(1))
      await called(t, 'close with a callback', heard => closed.close(heard))
      await t.outcome('close before it is submitted', () => new Cursor(text).close())
      const stream = t.name(new QueryStream(text, [], { batchSize: 2 }), 'stream')
      t.hear('stream', stream, ['data', 'end', 'error', 'close'])
      t.observe('submitted', client.query(stream))
      await t.once(stream, 'close')
      t.listeners('stream', stream)
      const broken = t.hear(
        'broken stream',
        client.query(new QueryStream('select 1/(3 - n) from generate_series(1, 5) n')),
        ['data', 'end', 'error'],
      )
      await new Promise(resolve => broken.on('close', resolve))
      for await (const row of client.query(new QueryStream(text))) {
        t.observe('row', row)
        if (row.n === 2) break
      }
      t.observe('afterwards', rowsOf(await client.query('select 1 as n')))
      await client.end()
      await proxy.close()
    },

    async 'copies, in and out'(t) {
      const { Client } = await t.load('pg')
      const copy = await t.load('pg-copy-streams')
      const { made: client, proxy } = await connected(t, options => new Client(options))
      await client.connect()
      await client.query('create temp table numbers (n int)')
      const into = t.name(copy.from('copy numbers from stdin'), 'copy in')
      t.hear('copy in', into, ['finish', 'close', 'error'])
      t.observe('submitted', client.query(into))
      into.write('1\n')
      into.end('2\n')
      await t.once(into, 'close')
      t.listeners('copy in', into)
      t.observe('copy in has', Reflect.ownKeys(into).map(String), into.rowCount)
      const out = t.hear('copy out', client.query(copy.to('copy numbers to stdout')), ['data', 'end', 'close', 'error'])
      await t.once(out, 'close')
      const bad = t.hear('bad copy', client.query(copy.from('copy numbers from stdin')), ['finish', 'error'])
      bad.end('x\n')
      await new Promise(resolve => bad.on('error', resolve))
      const left = t.hear('left copy', client.query(copy.from('copy numbers from stdin')), ['finish', 'error'])
      await new Promise(resolve => setTimeout(resolve, 50))
      left.destroy()
      await new Promise(resolve => left.on('close', resolve))
      await t.outcome('no source', () => client.query('copy numbers from stdin'))
      t.observe('afterwards', rowsOf(await client.query('select * from numbers order by n')))
      await client.end()
      await proxy.close()
    },

    async 'what is cancelled, used twice, or extended'(t) {
      const { Client, Pool, Query } = await t.load('pg')
      class Own extends Client {
        query(...args) {
          t.observe('own query', args.length)
          return super.query(...args)
        }
      }
      const { made: client, proxy } = await connected(t, options => new Own(options))
      await client.connect()
      t.observe(
        'client is',
        client.constructor.name,
        client instanceof Client,
        Object.keys(Object.getPrototypeOf(client)),
      )
      const slow = t.hear('slow', new Query('select pg_sleep(0.1)'), ['end', 'error'])
      const queued = t.hear('queued', new Query('select 1'), ['row', 'end', 'error'])
      client.query(slow)
      client.query(queued)
      t.observe('cancel returns', client.cancel(client, queued))
      await t.once(slow, 'end')
      t.observe('cancel of what is over returns', client.cancel(client, slow))
      for (const bad of [[], [null, slow]]) {
        await t.outcome('bad cancel', () => client.cancel(...bad))
      }
      const twice = t.hear('twice', new Query('select 2 as n'), ['row', 'end', 'error'])
      client.query(twice)
      client.query(twice)
      await new Promise(resolve => twice.on('end', () => (twice.ends === true ? resolve() : (twice.ends = true))))
      const config = Object.freeze(Object.assign(Object.create(null), { text: 'select 3 as n' }))
      for (const label of ['config', 'config again']) t.observe(label, rowsOf(await client.query(config)))
      await client.end()
      const pool = new Pool({ connectionString: t.service('postgres'), Client: Own, max: 1 })
      t.observe('by a pool', rowsOf(await pool.query('select 4 as n')))
      const one = await pool.connect()
      t.observe('of a pool', one instanceof Own)
      one.release()
      await pool.end()
      await proxy.close()
    },

    async 'values with code of their own'(t) {
      const { Client } = await t.load('pg')
      const { made: client, proxy } = await connected(t, options => new Client(options))
      await client.connect()
      const run = (name, value) => {
        t.observe('runs', name)
        return value
      }
      const hostile = {
        get secret() {
          return run('getter', 'text')
        },
        toPostgres: prepare => run('toPostgres', typeof prepare),
        toJSON: () => run('toJSON', 'json'),
        toString: () => run('toString', 'text'),
      }
      const proxied = new Proxy(
        { toPostgres: () => 'proxied' },
        {
          ownKeys: target => run('keys', Reflect.ownKeys(target)),
          getOwnPropertyDescriptor: (target, key) => run('descriptor', Reflect.getOwnPropertyDescriptor(target, key)),
        },
      )
      for (const [label, value] of [
        ['hostile', hostile],
        ['in a list', [hostile]],
        ['proxied', proxied],
        ['bare', Object.assign(Object.create(null), { toPostgres: () => 'bare' })],
        ['symbol', Symbol('own')],
      ]) {
        t.observe(label, rowsOf(await t.outcome(label, () => client.query('select $1::text as t', [value]))))
        await t.outcome(`${label} that fails`, () => client.query('select $1::text from nope', [value]))
        // Where the server's answer comes in pieces, the next query would have to wait.
        await t.until(() => client.readyForQuery)
      }
      for (const text of [5, {}, Symbol.iterator, Buffer.from('select 1'), new String('select 1')]) {
        await t.outcome('text that is none', () => client.query({ text }))
      }
      await client.end()
      await proxy.close()
    },

    async 'a pool that is exhausted, and one whose client fails'(t) {
      const { Pool } = await t.load('pg')
      const pool = new Pool({ connectionString: t.service('postgres'), max: 1, connectionTimeoutMillis: 500 })
      t.hear('pool', pool, ['connect', 'remove', 'error'])
      const client = await pool.connect()
      await Promise.all([
        t.outcome('connect', () => pool.connect()),
        t.outcome('query', () => pool.query('select 1')),
        called(t, 'connect with a callback', heard => void pool.connect(heard)),
      ])
      client.release()
      const { pid } = (await pool.query('select pg_backend_pid() as pid')).rows[0]
      const other = new Pool({ connectionString: t.service('postgres'), max: 1 })
      // It may be gone before the answer is there.
      const removed = new Promise(resolve => pool.once('remove', resolve))
      await other.query('select pg_terminate_backend($1)', [pid])
      await removed
      t.observe('afterwards', rowsOf(await pool.query('select 1 as n')), pool.totalCount)
      await pool.end()
      await other.end()
    },

    async 'a client over libpq'(t) {
      const pg = await t.load('pg')
      const native = await t.outcome('native', () => {
        t.observe('it is asked for')
        return pg.native
      })
      // It is built for one version of Node, where it can be built at all.
      if (!native) return
      const client = t.hear('client', new native.Client({ connectionString: t.service('postgres') }), [
        'error',
        'end',
        'drain',
      ])
      await t.outcome('connect', () => client.connect())
      t.observe('client has', Reflect.ownKeys(client).map(String))
      const named = { name: 'named', text: 'select $1::int as n', values: [1] }
      for (const [label, ...args] of [
        ['text', 'select 1 as one'],
        ['values', 'select $1::int as n', [2]],
        ['named', named],
        ['named again', named],
        ['many', 'select 1; select 2'],
        ['missing table', 'select * from nope'],
        ['number', 5],
      ]) {
        t.observe(label, rowsOf(await t.outcome(label, () => client.query(...args))))
      }
      await called(t, 'query', heard => client.query('select 3 as n', heard))
      await called(t, 'callback in the config', callback => client.query({ text: 'select 4 as n', callback }))
      const query = t.hear('query object', new native.Query('select 5 as n'), ['row', 'end', 'error'])
      t.observe('submitted', client.query(query) === query)
      await t.once(query, 'end')
      t.listeners('query object', query)
      const failing = t.hear('failing', client.query(new native.Query('selec')), ['end', 'error'])
      await new Promise(resolve => failing.on('error', resolve))
      await t.outcome('query of nothing', () => client.query(null))
      await called(t, 'end', heard => client.end(heard))
    },

    async 'a client that cannot connect'(t) {
      const { Client, Pool } = await t.load('pg')
      const options = { host: '127.0.0.1', port: 1, user: 'nobody' }
      const client = t.hear('client', new Client(options), ['error', 'end'])
      await t.outcome('connect', () => client.connect())
      await called(t, 'connect with a callback', heard => void new Client(options).connect(heard))
      const pool = new Pool(options)
      await called(t, 'pool with a callback', heard => void pool.connect(heard))
      await pool.end()
    },

    async 'a connection that breaks'(t) {
      const { Client } = await t.load('pg')
      const client = t.hear('client', new Client({ connectionString: t.service('postgres') }), ['error', 'end'])
      await client.connect()
      const waiting = t.outcome('query', () => client.query('select pg_sleep(60)'))
      const queued = t.outcome('queued', () => client.query('select 1'))
      client.connection.stream.destroy()
      await waiting
      await queued
      await t.outcome('query afterwards', () => client.query('select 1'))
    },
  },
  crashes: {
    async 'nobody waits for a query that fails'(t) {
      const { Client } = await t.load('pg')
      const client = new Client({ connectionString: t.service('postgres') })
      await client.connect()
      t.observe('query returns', client.query('select 1/0'))
      await new Promise(resolve => setTimeout(resolve, 5_000))
    },

    async 'nobody hears that an idle client fails'(t) {
      const { Client } = await t.load('pg')
      const client = new Client({ connectionString: t.service('postgres') })
      await client.connect()
      t.observe('rows', rowsOf(await client.query('select 1 as n')))
      client.connection.stream.destroy(new Error('of the network'))
      await new Promise(resolve => setTimeout(resolve, 5_000))
    },

    async 'a callback throws'(t) {
      const { Client } = await t.load('pg')
      const client = new Client({ connectionString: t.service('postgres') })
      await client.connect()
      client.query('select 1', (error, { rows }) => {
        t.observe('called back', error, rows)
        throw new Error('of the application')
      })
      await new Promise(resolve => setTimeout(resolve, 5_000))
    },
  },
}
