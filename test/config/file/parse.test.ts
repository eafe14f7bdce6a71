/** Configuration files, right and wrong: the model, and each mistake by line, keys and what was expected. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parse } from '../../../src/config/file/parse.js'

const read = (text: string, env = {}) => {
  const { model, errors, warnings } = parse(text, env)
  const shown = (problems: typeof errors) => problems.map(({ line, path = '', text }) => `${line} ${path} ${text}`)
  return { model, errors: shown(errors), warnings: shown(warnings) }
}
const HEAD = 'file_format: "1.0"\n'
const PROVIDER = `${HEAD}tracer_provider:\n  processors:\n    - batch:\n        exporter:\n          console:\n`

test('the smallest file', () =>
  assert.deepEqual(read(HEAD), { model: { file_format: '1.0' }, errors: [], warnings: [] }))

test('the format may be a number, a release candidate, or later', () => {
  for (const format of ['1.0', '"1.0"', '1.0-rc.1', "'1.0-rc.3'"]) {
    const { model, errors, warnings } = read(`file_format: ${format}\n`)
    assert.deepEqual([errors, warnings, model?.file_format], [[], [], format.replace(/["']/g, '')])
  }
  const later = read('file_format: "1.2"\npropagator:\n  composite_new: x\n')
  assert.deepEqual(later.errors, [])
  assert.deepEqual(later.warnings, [
    '1 file_format is later than 1.0: what is new in it is not known',
    '3 propagator.composite_new is not known; expected one of composite, composite_list',
  ])
  for (const format of ['0.4', '2.0', 'x', '1', '-1.0', '[]', 'true'])
    assert.ok(read(`file_format: ${format}\n`).errors.length > 0, format)
})

test('what is there and empty is told from what is not there', () => {
  const { model, errors } = read(`${PROVIDER}      \n  limits:\ndisabled:\nresource:\n`)
  assert.deepEqual(errors, [])
  assert.deepEqual(model, {
    file_format: '1.0',
    tracer_provider: { processors: [{ batch: { exporter: { console: null } } }], limits: null },
    disabled: null,
    resource: null,
  })
})

test('components that are not known keep their properties', () => {
  const { model, errors } = read(`${HEAD}tracer_provider:
  processors:
    - batch:
        exporter:
          my-exporter:
            url: \${URL:-http://x}
            list: [1, { a: true }, null]
    - mine:
  sampler:
    other: {}
propagator:
  composite: [{ tracecontext: }, { own: { a: 1 } }]
`)
  assert.deepEqual(errors, [])
  assert.deepEqual(model, {
    file_format: '1.0',
    tracer_provider: {
      processors: [
        {
          batch: {
            exporter: { 'my-exporter': { properties: { url: 'http://x', list: [1, { a: true }, null] } } },
          },
        },
        { mine: { properties: {} } },
      ],
      sampler: { other: { properties: {} } },
    },
    propagator: { composite: [{ tracecontext: null }, { own: { properties: { a: 1 } } }] },
  })
})

const mistakes: Record<string, [text: string, errors: string[]]> = {
  'no file_format': ['disabled: true\n', ['1  expected the key file_format']],
  'a text instead of a mapping': ['text\n', ['1  expected a mapping, found text']],
  'an empty text': ['', ['1  expected a mapping, found nothing']],
  'a wrong type': [`${HEAD}disabled: "yes"\n`, ['2 disabled expected true or false, found text']],
  'a value that is none of a few': [
    `${HEAD}log_level: loud\n`,
    [
      `2 log_level expected one of ${['trace', 'debug', 'info', 'warn', 'error', 'fatal'].flatMap(l => ['', 2, 3, 4].map(n => `${l}${n}`)).join(', ')}, found text`,
    ],
  ],
  'no processors': [`${HEAD}tracer_provider: {}\n`, ['2 tracer_provider expected the key processors']],
  'processors that are none': [
    `${HEAD}tracer_provider:\n  processors: []\n`,
    ['3 tracer_provider.processors expected a list that is not empty, found a list'],
  ],
  'a processor without an exporter': [
    `${HEAD}tracer_provider:\n  processors:\n    - batch:\n        schedule_delay: 1\n`,
    ['5 tracer_provider.processors[0].batch expected the key exporter'],
  ],
  'two components in one': [
    `${HEAD}tracer_provider:\n  processors:\n    - { batch: {}, simple: {} }\n`,
    ['4 tracer_provider.processors[0] expected a mapping of one key, found a mapping'],
  ],
  'several at once': [
    `${PROVIDER}  limits:\n    attribute_count_limit: -1\n    colour: red\n  sampler:\n    parent_based:\n      root:\n        trace_id_ratio_based:\n          ratio: 2\n`,
    [
      '8 tracer_provider.limits.attribute_count_limit expected a whole number from 0, found -1',
      '9 tracer_provider.limits.colour is not known; expected one of attribute_value_length_limit, attribute_count_limit, event_count_limit, link_count_limit, event_attribute_count_limit, link_attribute_count_limit',
      '14 tracer_provider.sampler.parent_based.root.trace_id_ratio_based.ratio expected a number from 0 to 1, found 2',
    ],
  ],
  'an attribute that is not of its type': [
    `${HEAD}resource:\n  attributes:\n    - { name: a, value: x, type: int }\n    - { name: b, value: [1, x], type: int_array }\n    - { name: c, value: true }\n    - { value: 1 }\n    - { name: d, value: 1, type: colour }\n`,
    [
      '4 resource.attributes[0].value expected a whole number from -9007199254740991, found text',
      '5 resource.attributes[1].value[1] expected a whole number from -9007199254740991, found text',
      '6 resource.attributes[2].value expected text, found true',
      '7 resource.attributes[3] expected the key name',
      '8 resource.attributes[4].type expected one of string, bool, int, double, string_array, bool_array, int_array, double_array, found text',
    ],
  ],
}

for (const [what, [text, errors]] of Object.entries(mistakes)) {
  test(`${what} is an error, and there is no model`, () => {
    const found = read(text)
    assert.deepEqual(found.errors, errors)
    assert.equal(found.model, undefined)
  })
}

test('a key that is not known at the top is somebody else’s', () => {
  const { model, warnings } = read(`${HEAD}x-own: 1\n`)
  assert.deepEqual(model, { file_format: '1.0' })
  assert.match(warnings.join(), /^2 x-own is not known; expected one of file_format, /)
})

test('attributes have the types that they say', () => {
  const { model, errors } = read(
    `${HEAD}resource:
  attributes:
    - { name: text, value: "1" }
    - { name: version, value: 1.10 }
    - { name: yes, value: true, type: bool }
    - name: n
      value: \${N}
      type: int
    - { name: d, value: 1.5, type: double }
    - { name: list, value: [a, b], type: string_array }
    - { name: flags, value: [true, false], type: bool_array }
    - { name: ints, value: [1, 2], type: int_array }
    - { name: doubles, value: [1, 2.5], type: double_array }
`,
    { N: '7' },
  )
  assert.deepEqual(errors, [])
  const values = model?.resource?.attributes?.map(({ value }) => value)
  assert.deepEqual(values, ['1', '1.10', true, 7, 1.5, ['a', 'b'], [true, false], [1, 2], [1, 2.5]])
})

test('what is no YAML is an error by its line', () => {
  for (const [text, line] of [
    [`${HEAD}a: [1\n`, 3],
    [`${HEAD}a: 1\na: 2\n`, 3],
    [`${HEAD}\tb: 1\n`, 2],
    [`${HEAD}a: "x\n`, 2],
    [`${HEAD}a: *nowhere\n`, 2],
    [`${HEAD}---\na: 1\n`, 2],
  ] as const) {
    const { model, errors } = read(text)
    assert.equal(model, undefined, text)
    assert.ok(errors.length > 0, text)
    assert.ok(Math.abs(Number(errors[0]?.split(' ')[0]) - line) <= 1, `${text} ${errors}`)
  }
})

test('hostile texts end', () => {
  const laughs = Array.from({ length: 12 }, (_, n) => `x${n}: &x${n} [${`*x${n - 1},`.repeat(n === 0 ? 0 : 9)}lol]`)
  for (const text of [
    `${HEAD}${laughs.join('\n')}\n`,
    `${HEAD}a: &a [*a]\n`,
    `${HEAD}a: ${'['.repeat(5000)}${']'.repeat(5000)}\n`,
    `${HEAD}${'a: '.repeat(2000)}\n`,
    '\0\0\0',
    '\ud800: \udfff',
    '%YAML 9.9\n---\n!<tag:x> x',
    '? {a: b}\n: c\n',
    `${HEAD}__proto__: { disabled: true }\nconstructor: { prototype: { x: 1 } }\n`,
    `- ${'x'.repeat(500_000)}`,
  ]) {
    const start = performance.now()
    const { model } = read(text)
    assert.equal((model as { disabled?: unknown } | undefined)?.disabled, undefined)
    assert.ok(performance.now() - start < 5000)
  }
  assert.equal(({} as { x?: unknown }).x, undefined)
})

test('no mistake shows what a variable holds', () => {
  const { errors } = read(`${HEAD}disabled: \${SECRET}\nlog_level: \${SECRET}\n`, { SECRET: 'hunter2' })
  assert.equal(errors.length, 2)
  assert.doesNotMatch(errors.join(), /hunter2/)
})
