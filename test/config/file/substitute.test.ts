/** References to the environment in a configuration file, by the table of the specification and beyond it. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { substitute } from '../../../src/config/file/substitute.js'
import { isLeaf, isMapping, readTree, type Value } from '../../../src/config/file/tree.js'

const env = {
  STRING_VALUE: 'value',
  BOOL_VALUE: 'true',
  INT_VALUE: '1',
  FLOAT_VALUE: '1.1',
  HEX_VALUE: '0xdeadbeef',
  INVALID_MAP_VALUE: 'value\nkey:value',
  DO_NOT_REPLACE_ME: 'Never use this value',
  REPLACE_ME: '${DO_NOT_REPLACE_ME}',
  VALUE_WITH_ESCAPE: 'value$$',
  EMPTY: '',
  LIST: '[1, 2]',
  COMMENT: 'a # b',
  ANCHOR: '*a',
}

/** The value of the key `key`. */
function scalarOf(yaml: string): Value {
  const { tree, problems } = readTree(yaml, env)
  assert.deepEqual(problems, [], yaml)
  assert.ok(tree !== undefined && isMapping(tree))
  const own = tree.entries[0]?.tree
  assert.ok(own !== undefined && isLeaf(own), 'a scalar')
  return own.value
}

// specification/configuration/data-model.md#environment-variable-substitution
const rows: [yaml: string, value: Value][] = [
  ['key: ${STRING_VALUE}', 'value'],
  ['key: ${BOOL_VALUE}', true],
  ['key: ${INT_VALUE}', 1],
  ['key: ${FLOAT_VALUE}', 1.1],
  ['key: ${HEX_VALUE}', 3735928559],
  ['key: "${STRING_VALUE}"', 'value'],
  ['key: "${BOOL_VALUE}"', 'true'],
  ['key: "${INT_VALUE}"', '1'],
  ['key: "${FLOAT_VALUE}"', '1.1'],
  ['key: "${HEX_VALUE}"', '0xdeadbeef'],
  ['key: ${env:STRING_VALUE}', 'value'],
  ['key: ${INVALID_MAP_VALUE}', 'value\nkey:value'],
  ['key: foo ${STRING_VALUE} ${FLOAT_VALUE}', 'foo value 1.1'],
  ['key: ${UNDEFINED_KEY}', null],
  ['key: ${UNDEFINED_KEY:-fallback}', 'fallback'],
  ['key: ${REPLACE_ME}', '${DO_NOT_REPLACE_ME}'],
  ['key: ${UNDEFINED_KEY:-${STRING_VALUE}}', '${STRING_VALUE}'],
  ['key: $${STRING_VALUE}', '${STRING_VALUE}'],
  ['key: $$${STRING_VALUE}', '$value'],
  ['key: $$$${STRING_VALUE}', '$${STRING_VALUE}'],
  ['key: $${STRING_VALUE:-fallback}', '${STRING_VALUE:-fallback}'],
  ['key: $${STRING_VALUE:-${STRING_VALUE}}', '${STRING_VALUE:-value}'],
  ['key: ${UNDEFINED_KEY:-$${UNDEFINED_KEY}}', '${UNDEFINED_KEY:-${UNDEFINED_KEY}}'],
  ['key: ${VALUE_WITH_ESCAPE}', 'value$$'],
  ['key: a $$ b', 'a $ b'],
  ['key: a $ b', 'a $ b'],
]

for (const [yaml, value] of rows) test(yaml, () => assert.deepEqual(scalarOf(yaml), value))

test('the pseudocode of the specification', () =>
  assert.equal(substitute('$${FOO} ${BAR} $${BAZ}', { FOO: 'a', BAR: 'b', BAZ: 'c' }), '${FOO} b ${BAZ}'))

test('more than its table: defaults, empty values, other kinds of scalars', () => {
  const others: [yaml: string, value: Value][] = [
    ['key: ${EMPTY}', null],
    ['key: ${EMPTY:-5}', 5],
    ['key: ${UNDEFINED_KEY:-}', null],
    ['key: ${UNDEFINED_KEY:-null}', null],
    ['key: "${UNDEFINED_KEY}"', ''],
    ["key: '${INT_VALUE}'", '1'],
    ['key: |\n  ${STRING_VALUE}\n', 'value\n'],
    ['key: >-\n  ${BOOL_VALUE}\n', 'true'],
    ['key: !!str ${INT_VALUE}', '1'],
    ['key: ${UNDEFINED_KEY:-a b:c}', 'a b:c'],
    ['key: ${A:-x}${B:-y}', 'xy'],
    ['key: ${INT_VALUE}${INT_VALUE}', 11],
    ['key: ${STRING_VALUE} # ${1BAD}', 'value'],
    ['key: $', '$'],
    ['key: ${', '${'],
  ]
  for (const [yaml, value] of others) assert.deepEqual(scalarOf(yaml), value, yaml)
})

test('keys are left as they are', () => {
  const { tree } = readTree('${STRING_VALUE}: value', env)
  assert.ok(tree !== undefined && isMapping(tree))
  assert.equal(tree.entries[0]?.key, '${STRING_VALUE}')
})

test('what a variable holds becomes no structure, reference, comment or anchor', () => {
  for (const name of ['LIST', 'COMMENT', 'ANCHOR', 'INVALID_MAP_VALUE'] as const)
    assert.equal(scalarOf(`key: \${${name}}`), env[name])
})

test('what is no reference makes the whole text invalid, by its line', () => {
  for (const reference of [
    '${STRING_VALUE:?error}',
    '${1API_KEY}',
    '${API_$KEY}',
    '${}',
    '${ A }',
    '${A:b}',
    '${env:}',
  ]) {
    const { tree, problems } = readTree(`a: 1\nkey: "${reference}"`, env)
    assert.equal(tree, undefined)
    assert.deepEqual(problems, [
      { line: 2, text: `expected \${NAME} or \${NAME:-default}, found ${JSON.stringify(reference)}` },
    ])
  }
})

test('names of the prototype of an environment are not set', () => {
  for (const name of ['__proto__', 'constructor', 'toString']) {
    assert.equal(substitute(`\${${name}:-none}`, process.env), 'none')
    assert.equal(substitute(`\${${name}:-none}`, {}), 'none')
  }
})
