/** The generated tables of the README. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { configuration, libraryOptions, supportedLibraries } from '../../src/cli/tables.js'
import { createTable } from '../../src/config/options.js'
import { rowsWithPaths } from '../../src/config/row.js'
import type { Instrumentation } from '../../src/instrumentations/define.js'

const patch = (): void => {}
const definitions: Instrumentation[] = [
  {
    name: 'amqplib',
    title: 'amqplib',
    category: 'messaging',
    modules: [
      { name: 'amqplib', versions: '>=0.10 <1 || ^2', file: 'lib/a.js', patch },
      { name: 'amqplib', versions: '>=0.10 <1 || ^2', file: 'lib/b.js', patch },
    ],
  },
  {
    name: 'pg',
    title: 'node-postgres',
    category: 'database',
    options: { parameters: { default: false, about: 'Record bound parameters.' } },
    modules: [
      { name: 'pg', versions: '>=8 <9', patch },
      { name: 'pg', versions: '>=9 <10', patch },
      { name: 'pg-pool', versions: '>=3 <4', patch },
    ],
  },
]

test('supported libraries: one row per module', () => {
  assert.equal(
    supportedLibraries(definitions, { amqplib: ['0.10.0', '1.2.0', '2.3.1'], pg: ['8.0.3'] }),
    [
      '| Library | Module | Versions | Lowest tested | Newest tested | Category |',
      '| --- | --- | --- | --- | --- | --- |',
      '| amqplib | `amqplib` | `>=0.10 <1 \\|\\| ^2` | 0.10.0 | 2.3.1 | messaging |',
      '| node-postgres | `pg` | `>=8 <9` and `>=9 <10` | 8.0.3 | 8.0.3 | database |',
      '| node-postgres | `pg-pool` | `>=3 <4` |  |  | database |',
      '',
    ].join('\n'),
  )
})

test('options of each library', () => {
  assert.equal(
    libraryOptions(definitions),
    [
      '| Environment variable | Option | Default | What it is | Takes |',
      '| --- | --- | --- | --- | --- |',
      '| `TRACE_PG_PARAMETERS` | `instrumentations.pg.parameters` | `false` | Record bound parameters. | true or false |',
      '',
    ].join('\n'),
  )
})

test('configuration: a row of five cells for each option, with a sentence', () => {
  const lines = configuration(definitions).trimEnd().split('\n').slice(2)
  const rows = rowsWithPaths(createTable([]))
  assert.equal(lines.length, rows.length)
  for (const [i, [path, row]] of rows.entries()) {
    const cells = (lines[i] as string).split(' | ')
    assert.equal(cells.length, 5)
    assert.equal(cells[1], `\`${path}\``)
    for (const variable of row.env) assert.ok(cells[0]?.includes(`\`${variable}\``))
    assert.match(row.about, /^[A-Z].*\.$/)
  }
  assert.match(configuration([]), /\| `limits\.attributeValueLength` \| no limit \|/)
  assert.match(configuration([]), /\| `propagators` \| `tracecontext,baggage` \|/)
})
