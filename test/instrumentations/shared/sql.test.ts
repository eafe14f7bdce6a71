/** What is told of SQL statements, and that no value is. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { summarize } from '../../../src/instrumentations/shared/sql.js'

/** Statement, summary. */
const summaries: [string, string | undefined][] = [
  // The examples of the semantic conventions.
  ['SELECT *\nFROM   wuser_table\nWHERE  username = ?', 'SELECT wuser_table'],
  [
    'INSERT INTO shipping_details\n(order_id, address)\nSELECT order_id, address FROM orders WHERE order_id = ?',
    'INSERT shipping_details SELECT orders',
  ],
  ['SELECT * FROM songs, artists WHERE songs.artist_id == artists.id', 'SELECT songs artists'],
  ['SELECT order_date FROM (SELECT * FROM orders o JOIN customers c ON o.id = c.id)', 'SELECT SELECT orders customers'],

  ['select 1', 'SELECT'],
  ['\t\n select\r\n*\nfrom\nusers', 'SELECT users'],
  ['/* FROM secrets */ SELECT -- FROM secrets\n* FROM/**/users', 'SELECT users'],
  ['/* a /* nested */ comment */ SELECT * FROM users', 'SELECT users'],
  ['(((SELECT * FROM a)))', 'SELECT a'],
  ['(SELECT 1 FROM a) UNION ALL (SELECT 2 FROM b)', 'SELECT a SELECT b'],
  ['SELECT * FROM public.users', 'SELECT public.users'],
  ['SELECT * FROM "Sche ma"."Us""ers" u', 'SELECT "Sche ma"."Us""ers"'],
  ['SELECT * FROM ONLY users', 'SELECT users'],
  ['SELECT * FROM a AS x (c, d), b y LEFT JOIN c USING (id), d WHERE e IN (1, 2)', 'SELECT a b c d'],
  ['SELECT * FROM (a JOIN b ON true), c', 'SELECT a b c'],
  ['SELECT * FROM a CROSS JOIN LATERAL (SELECT * FROM b WHERE b.x = a.x) c', 'SELECT a SELECT b'],
  ['SELECT (SELECT max(id) FROM b) FROM a', 'SELECT SELECT b a'],
  ['SELECT * FROM generate_series(1, 10) s, users', 'SELECT users'],
  ["SELECT extract(year FROM day), trim(both 'x' FROM name) FROM users", 'SELECT users'],
  ['SELECT a IS DISTINCT FROM b, a IS NOT DISTINCT FROM c FROM users', 'SELECT users'],
  ['SELECT id FROM jobs FOR UPDATE OF jobs SKIP LOCKED', 'SELECT jobs'],
  ['SELECT * INTO copied FROM users', 'SELECT copied users'],
  ['SELECT u.from FROM users u', 'SELECT users'],
  ['SELECT * FROM users ORDER BY a, b LIMIT 10', 'SELECT users'],
  ['INSERT INTO users (a, b) VALUES ($1, $2), ($3, $4) RETURNING id', 'INSERT users'],
  ['INSERT INTO users(a) VALUES (1) ON CONFLICT (a) DO UPDATE SET b = excluded.b, c = 1', 'INSERT users'],
  ['INSERT INTO users WITH old AS (SELECT * FROM a) SELECT * FROM old', 'INSERT users SELECT a SELECT'],
  ['UPDATE users SET a = 1, b = 2 FROM c, d WHERE true', 'UPDATE users c d'],
  ['DELETE FROM a USING b, c WHERE a.id = b.id', 'DELETE a b c'],
  ['MERGE INTO a USING b ON a.id = b.id WHEN MATCHED THEN UPDATE SET x = 1', 'MERGE a b'],
  [
    'WITH x AS (SELECT * FROM a), y (c, d) AS NOT MATERIALIZED (DELETE FROM b RETURNING *) UPDATE t SET v = 1 FROM x, y',
    'SELECT a DELETE b UPDATE t',
  ],
  ['WITH RECURSIVE r AS (SELECT 1 UNION ALL SELECT n FROM r) SELECT * FROM r', 'SELECT SELECT SELECT'],
  ['CREATE TABLE IF NOT EXISTS users (id int, name text)', 'CREATE TABLE users'],
  ['CREATE TEMP TABLE copied AS SELECT * FROM users', 'CREATE TABLE copied SELECT users'],
  ['CREATE UNIQUE INDEX CONCURRENTLY i ON users (a)', 'CREATE INDEX i'],
  ['CREATE INDEX ON users (a)', 'CREATE INDEX users'],
  ['CREATE OR REPLACE FUNCTION f(a int) RETURNS int AS $$ SELECT a FROM secrets $$ LANGUAGE sql', 'CREATE FUNCTION f'],
  ['CREATE VIEW v AS SELECT * FROM users', 'CREATE VIEW v SELECT users'],
  ['ALTER TABLE ONLY users ADD a int, ADD b int', 'ALTER TABLE users'],
  ['DROP TABLE IF EXISTS a, b CASCADE', 'DROP TABLE a b'],
  ['TRUNCATE TABLE a, b', 'TRUNCATE a b'],
  ['LOCK TABLE users IN EXCLUSIVE MODE', 'LOCK users'],
  ['COPY users (a, b) FROM STDIN', 'COPY users'],
  ['COPY (SELECT * FROM users) TO STDOUT', 'COPY SELECT users'],
  ['CALL close_month(2024)', 'CALL close_month'],
  ['TABLE users', 'TABLE users'],
  ['VALUES (1), (2)', 'VALUES'],
  ['EXPLAIN (ANALYZE, FORMAT JSON) DELETE FROM users', 'EXPLAIN DELETE users'],
  ['DECLARE c CURSOR FOR SELECT * FROM users', 'DECLARE SELECT users'],
  ['PREPARE p AS UPDATE users SET a = $1', 'PREPARE UPDATE users'],
  ['START TRANSACTION READ ONLY', 'START TRANSACTION'],
  ['SAVEPOINT sp_17', 'SAVEPOINT'],
  ['ROLLBACK TO SAVEPOINT sp_17', 'ROLLBACK'],
  ['GRANT SELECT, UPDATE ON users TO bob', 'GRANT'],
  ['DO $$ BEGIN DELETE FROM users; END $$', 'DO'],
  ["SET application_name = 'x'", 'SET'],
  ['BEGIN; UPDATE a SET b = 1; COMMIT;', 'BEGIN UPDATE a COMMIT'],
  ['INSERT INTO a VALUES (1); INSERT INTO a VALUES (2); INSERT INTO b VALUES (3)', 'INSERT a INSERT b'],
  ['  ;; ', undefined],
  ['', undefined],
  ['nonsense about secrets', undefined],
]

for (const [statement, summary] of summaries) {
  test(`summary of ${statement.replaceAll(/\s+/g, ' ')}`, () => assert.equal(summarize(statement).summary, summary))
}

test('operation and collection are told where there is one of each', () => {
  const told = (text: string) => {
    const { operation, collection, procedure } = summarize(text)
    return [operation, collection, procedure]
  }
  assert.deepEqual(told('select * from "Users" where a = 1;'), ['SELECT', 'Users', undefined])
  assert.deepEqual(told('SELECT * FROM a JOIN b ON true'), ['SELECT', undefined, undefined])
  assert.deepEqual(told('INSERT INTO a SELECT * FROM b'), [undefined, undefined, undefined])
  assert.deepEqual(told('SELECT * FROM a; SELECT * FROM a'), [undefined, undefined, undefined])
  assert.deepEqual(told('DROP TABLE a'), ['DROP TABLE', 'a', undefined])
  assert.deepEqual(told('CREATE INDEX i ON a (b)'), ['CREATE INDEX', undefined, undefined])
  assert.deepEqual(told('call "Close"(1)'), ['CALL', undefined, 'Close'])
})

/** Statement, text without values. */
const texts: [string, string][] = [
  ["SELECT 'it''s', E'a\\'b', B'101', x'1F', N'n', U&'\\0041' FROM t", 'SELECT ?, ?, ?, ?, ?, ? FROM t'],
  ['SELECT 1, 1.5, .5, 1e10, 1.5e-3, 0x1F, 1_000, -7', 'SELECT ?, ?, ?, ?, ?, ?, ?, -?'],
  ['SELECT $1, $2::int8, a1, "1", t.c2 FROM t1', 'SELECT $1, $2::int8, a1, "1", t.c2 FROM t1'],
  ["SELECT $$it's$$, $tag$ $$ $tag$, $ä$x$ä$", 'SELECT ?, ?, ?'],
  [
    "SELECT a->>'key' FROM t WHERE d > DATE '2020-01-01' + interval '1 day'",
    'SELECT a->>? FROM t WHERE d > DATE ? + interval ?',
  ],
  [
    "SELECT * FROM t WHERE a IN (1, 2,\n3) AND b in ('x','y') AND c IN ($1, $2)",
    'SELECT * FROM t WHERE a IN (?) AND b in (?) AND c IN ($1, $2)',
  ],
  ['INSERT INTO t VALUES (1, 2), (3, 4)', 'INSERT INTO t VALUES (?, ?), (?, ?)'],
  ['SELECT TRUE, NULL', 'SELECT TRUE, NULL'],
  ["/* 'secret' */ SELECT 1 -- secret\nFROM t/*secret*/WHERE a--secret", 'SELECT ? \nFROM t WHERE a'],
  ["SELECT 'C:\\', 5", 'SELECT ?, ?'],
  ['SELECT U&"d" , u.a, e.b, e\'x\' FROM e', 'SELECT U&"d" , u.a, e.b, ? FROM e'],
  ["SELECT 'a''''b''' , 'c'", 'SELECT ? , ?'],
  // Names with an apostrophe that nobody escaped.
  ["SELECT * FROM t WHERE a = 'O'Brien' OR b = 'O'Brien'", 'SELECT * FROM t WHERE a = ???'],
]

for (const [statement, text] of texts) test(`text of ${statement}`, () => assert.equal(summarize(statement).text, text))

test('where quotes do not pair up, only the operation is told', () => {
  for (const text of [
    "UPDATE t SET a = 'secret",
    'UPDATE t SET "secret',
    'UPDATE t SET a = $x$secret',
    "UPDATE t SET a = 'O'secret' FROM secret",
  ]) {
    assert.deepEqual(summarize(text), {
      summary: 'UPDATE',
      operation: 'UPDATE',
      collection: undefined,
      procedure: undefined,
      text: undefined,
    })
  }
})

test('a long text is cut, and its values are not told for that', () => {
  const columns = Array.from({ length: 1000 }, (_, i) => `column_${i}`).join(', ')
  const { text = '', summary } = summarize(`SELECT * FROM t WHERE a = 'secret' AND ${columns} = 'secret'`)
  assert.equal(summary, 'SELECT t')
  assert.ok(text.length <= 4096 && text.length > 4000)
  const inside = summarize(`SELECT ${'a, '.repeat(1300)} '${'secret'.repeat(100)}'`).text
  assert.match(inside ?? '', /a, {2}\?$/)
})

test('a summary is cut between names', () => {
  const tables = Array.from({ length: 50 }, (_, i) => `table_number_${i}`)
  const { summary = '' } = summarize(`SELECT * FROM ${tables.join(', ')}`)
  assert.ok(summary.length <= 255 && summary.length > 230)
  assert.ok(tables.includes(summary.split(' ').at(-1) as string))
  assert.equal(summarize(`SELECT * FROM a, ${'b'.repeat(300)}`).summary, 'SELECT a')
})

test('the same statement is read once', () => {
  assert.equal(summarize('SELECT * FROM once'), summarize(['SELECT *', 'FROM once'].join(' ')))
  const first = summarize('SELECT * FROM once')
  for (let i = 0; i < 1000; i++) summarize(`SELECT ${i}`)
  assert.notEqual(summarize('SELECT * FROM once'), first, 'what is kept is bounded')
})

/** A generator of pseudo-random numbers below `n`, so that a failure can be repeated. */
function random(seed: number): (n: number) => number {
  let state = seed
  return n => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return state % n
  }
}

const PIECES = [
  ...[
    "'",
    '"',
    '$',
    '$$',
    '$a$',
    '--',
    '/*',
    '*/',
    '\\',
    "E'",
    "U&'",
    '(',
    ')',
    ',',
    ';',
    '.',
    '\n',
    ' ',
    '?',
    '$1',
    '-',
    ':',
  ],
  ...[
    'SELECT',
    'FROM',
    'WITH',
    'AS',
    'INSERT',
    'INTO',
    'UPDATE',
    'IN',
    'JOIN',
    'USING',
    'CREATE',
    'TABLE',
    'a',
    'ä',
    'e',
    '1',
    '1e',
    '0x',
  ],
]

test('no text breaks it, and none takes longer than in proportion to its length', () => {
  const below = random(1)
  for (let i = 0; i < 20_000; i++) {
    const text = Array.from(
      { length: below(30) },
      () => `${PIECES[below(PIECES.length)]}${below(2) === 0 ? ' ' : ''}`,
    ).join('')
    const { summary, text: told } = summarize(text)
    assert.ok(summary === undefined || summary.length <= 255, text)
    assert.ok(told === undefined || told.length <= text.length + 1, text)
  }
  for (const piece of PIECES) {
    const started = performance.now()
    for (let i = 0; i < 20; i++) summarize(piece.repeat(4090 / piece.length) + i)
    assert.ok(performance.now() - started < 1000, `${piece} takes ${performance.now() - started} ms`)
  }
})

test('a value between any two pieces of a statement that is well-formed is never told', () => {
  const below = random(2)
  const wrap: ((value: string) => string)[] = [
    value => `'${value}'`,
    value => `'it''s ${value}'`,
    value => `E'\\'${value}\\n'`,
    value => `$$${value}$$`,
    value => `$q$ $$ ${value} $q$`,
    value => `/* ${value} */`,
    value => `--${value}\n`,
    value => `U&'${value}'`,
    value => `x'${value}'`,
    value => `'/*${value}--'`,
  ]
  const between = ['SELECT ', ' FROM t ', '(', ')', ', ', ' = ', ';', ' IN (', ' "a b" ', ' $1 ', ' ->> ', '::int ']
  for (let i = 0; i < 20_000; i++) {
    let text = ''
    for (let n = below(8); n >= 0; n--) {
      text += between[below(between.length)]
      text += wrap[below(wrap.length)]?.(`secret${below(1000)}`)
    }
    assert.doesNotMatch(JSON.stringify(summarize(text)), /secret/, text)
  }
})
