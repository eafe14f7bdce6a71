/** A configuration file in real processes: spans by it, components of the application in it, and mistakes that stop nothing. */
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import { type AppOptions, runApp } from './helpers/child.js'
import { createCollector } from './helpers/collector.js'
import { writeFolder } from './helpers/folder.js'
import { root } from './helpers/root.js'

const SPAN = `require('@opentelemetry/api').trace.getTracer('t').startSpan('one').end()`

async function run(yaml: string, options: AppOptions = {}) {
  const collector = await createCollector()
  const file = join(root, writeFolder({ 'otel.yaml': yaml }), 'otel.yaml')
  const env = { OTEL_CONFIG_FILE: file, COLLECTOR: collector.url, ...options.env }
  const ended = await runApp({ code: SPAN, ...options, env })
  await collector.close()
  return {
    ...ended,
    spans: collector.spans(),
    lines: ended.stderr.replaceAll(file, 'FILE').split('\n').filter(Boolean),
  }
}

const OTLP = `file_format: "1.0"
tracer_provider:
  processors:
    - batch:
        schedule_delay: 10
        exporter:
          otlp_http:
            endpoint: \${COLLECTOR}/v1/traces
`

test('spans go where the file says, with the resource that it has', async () => {
  const { code, lines, spans } = await run(
    `${OTLP}resource:
  attributes:
    - { name: service.name, value: from the file }
    - { name: replicas, value: 3, type: int }
    - { name: zones, value: [a, b], type: string_array }
`,
    { env: { OTEL_SERVICE_NAME: 'variable', OTEL_TRACES_EXPORTER: 'none' } },
  )
  assert.deepEqual([code, lines], [0, []])
  assert.equal(spans.length, 1)
  const { resource } = spans[0] ?? {}
  assert.deepEqual([resource?.['service.name'], resource?.replicas, resource?.zones], ['from the file', 3, ['a', 'b']])
})

test('a broken file stops nothing', async () => {
  const { code, stdout, lines } = await run(`${OTLP}  colour: red\n`, { code: `console.log('runs')` })
  assert.deepEqual([code, stdout], [0, 'runs\n'])
  assert.equal(lines.length, 2)
  assert.match(
    lines[0] ?? '',
    /^\[@org\/trace\] error: FILE:9: tracer_provider\.colour: is not known; expected one of /,
  )
  assert.equal(lines[1], '[@org/trace] error: FILE: it is not used, and the defaults are')
})

const COMPONENTS = `
  const { registerComponent } = require('@org/trace')
  const said = []
  process.on('exit', () => console.log(JSON.stringify(said)))
  registerComponent('SpanExporter', 'mine', properties => ({
    export(spans, done) { said.push(['exported', properties, spans.map(span => span.name)]); done({ code: 0 }) },
    shutdown: async () => {},
    forceFlush: async () => {},
  }))
  registerComponent('SpanProcessor', 'marking', ({ mark }) => ({
    onStart(span) { span.setAttribute('mark', mark) },
    onEnd() {},
    shutdown: async () => {},
    forceFlush: async () => {},
  }))
  registerComponent('Sampler', 'named', ({ name }) => ({
    shouldSample: (context, traceId, spanName) => ({ decision: spanName === name ? 2 : 0 }),
    toString: () => 'named',
  }))
  registerComponent('TextMapPropagator', 'plain', ({ header }) => ({
    inject(context, carrier, setter) { setter.set(carrier, header, 'yes') },
    extract: context => context,
    fields: () => [header],
  }))
  registerComponent('IdGenerator', 'counting', () => {
    let n = 0
    return { generateTraceId: () => (++n).toString(16).padStart(32, '0'), generateSpanId: () => (++n).toString(16).padStart(16, '0') }
  })
  registerComponent('ResourceDetector', 'place', ({ place }) => ({ detect: () => ({ attributes: { place, later: Promise.resolve(1) } }) }))
  registerComponent('SpanProcessor', 'throwing', () => { throw new Error('not today') })
  registerComponent('SpanProcessor', 'shapeless', () => 5)
  globalThis.again = registerComponent('Sampler', 'named', () => {})`

const preload = (): string => join(root, writeFolder({ 'components.cjs': COMPONENTS }), 'components.cjs')

test('components of the application are made with their properties, and joined to the rest', async () => {
  const { code, lines, spans, stdout } = await run(
    `${OTLP}    - batch: { schedule_delay: 10, exporter: { mine: { url: "x", deep: { list: [1] } } } }
    - marking: { mark: m }
  sampler: { named: { name: one } }
  id_generator: { counting: }
propagator:
  composite: [{ tracecontext: }, { plain: { header: x-plain } }]
resource:
  attributes: [{ name: service.name, value: s }]
  detection/development:
    detectors: [{ place: { place: here } }, { host: }]
`,
    {
      flags: ['--require', preload(), '--require', join(root, 'dist/register.js')],
      preload: 'none',
      code: `
        const { trace, propagation, context } = require('@opentelemetry/api')
        const tracer = trace.getTracer('t')
        const span = tracer.startSpan('one')
        const carrier = {}
        propagation.inject(trace.setSpan(context.active(), span), carrier)
        console.log(JSON.stringify(Object.keys(carrier).sort()), JSON.stringify(propagation.fields()))
        span.end()
        tracer.startSpan('two').end()`,
    },
  )
  assert.equal(code, 0)
  const NAMED = 'registerComponent: there is a Sampler called named already'
  const QUEUE = 'FILE:9: tracer_provider.processors[1].batch is not used: all exporters have the queue of the first'
  assert.deepEqual(lines, [`[@org/trace] warn: ${NAMED}`, `[@org/trace] warn: ${QUEUE}`])
  const [keys, ...rest] = stdout.trim().split('\n')
  assert.equal(keys, '["traceparent","x-plain"] ["traceparent","tracestate","x-plain"]')
  assert.deepEqual(rest, [JSON.stringify([['exported', { url: 'x', deep: { list: [1] } }, ['one']]])])
  assert.deepEqual(
    spans.map(({ name, attributes, traceId, resource }) => [
      name,
      attributes.mark,
      /^0{31}\d$/.test(traceId),
      resource.place,
    ]),
    [['one', 'm', true, 'here']],
  )
})

test('components that are not registered, throw, or are of no shape are said and left out', async () => {
  const { code, lines, spans } = await run(
    `${OTLP}    - absent: {}
    - throwing: {}
    - shapeless: {}
`,
    { flags: ['--require', preload(), '--require', join(root, 'dist/register.js')], preload: 'none' },
  )
  assert.equal(code, 0)
  assert.equal(spans.length, 1)
  assert.deepEqual(lines.slice(1), [
    '[@org/trace] error: FILE:9: tracer_provider.processors[1].absent: no SpanProcessor called absent is registered (registerComponent)',
    '[@org/trace] error: FILE:10: tracer_provider.processors[2].throwing: not today',
    '[@org/trace] warn: of the configuration file, spanProcessors.0: ignored, expected an object with onStart, onEnd, forceFlush, shutdown',
  ])
})

test('init() wins over the components of the file', async () => {
  const { spans } = await run(`${OTLP}  sampler: { named: { name: none } }\n`, {
    preload: 'none',
    flags: ['--require', preload()],
    code: `
      require('@org/trace').init({ sampler: { shouldSample: () => ({ decision: 2 }), toString: () => 'all' } })
      ${SPAN}`,
  })
  assert.equal(spans.length, 1)
})

test('parseConfigFile reads a file or a text, with the environment in it, and never throws', async () => {
  const code = `
    const { parseConfigFile } = require('@org/trace')
    console.log(JSON.stringify([
      parseConfigFile(process.env.OTEL_CONFIG_FILE),
      parseConfigFile('file_format: "1.0"\\ndisabled: \${DISABLED}'),
      parseConfigFile('{ "file_format": "1.0" }'),
      parseConfigFile('/nowhere.yaml'),
      parseConfigFile('file_format: "1.0"\\ndisabled: 5\\n'),
      parseConfigFile(undefined), parseConfigFile(Object.create(null)), parseConfigFile(Symbol('s')),
    ]))`
  const { stdout } = await run(OTLP, { code, preload: 'none', env: { DISABLED: 'true' } })
  const [file, text, json, missing, wrong, ...others] = JSON.parse(stdout)
  assert.match(file.model.tracer_provider.processors[0].batch.exporter.otlp_http.endpoint, /^http:.*\/v1\/traces$/)
  assert.deepEqual(text, { model: { file_format: '1.0', disabled: true }, errors: [], warnings: [] })
  assert.deepEqual(json, { model: { file_format: '1.0' }, errors: [], warnings: [] })
  assert.deepEqual(missing, { errors: ['/nowhere.yaml cannot be read (ENOENT)'], warnings: [] })
  for (const other of others) assert.deepEqual(other, { errors: ['expected a path or a text'], warnings: [] })
  assert.deepEqual(wrong, { errors: ['text:2: disabled: expected true or false, found 5'], warnings: [] })
})

/** Starts spans: roots, and children of parents elsewhere that are sampled or not. */
const TREE = `
  const { trace, context, TraceFlags, ROOT_CONTEXT, SpanKind } = require('@opentelemetry/api')
  const tracer = trace.getTracer('t')
  const parent = traceFlags => trace.setSpanContext(ROOT_CONTEXT, { traceId: 'ab'.repeat(16), spanId: 'cd'.repeat(8), traceFlags, isRemote: true })
  const start = (name, options, from) => tracer.startSpan(name, options, from).end()
  start('root', {}, ROOT_CONTEXT)
  start('server', { kind: SpanKind.SERVER, attributes: { path: '/health' } }, ROOT_CONTEXT)
  start('sampled', {}, parent(TraceFlags.SAMPLED))
  start('unsampled', {}, parent(TraceFlags.NONE))`

const samplersOfFiles: Record<string, [sampler: string, kept: string[]]> = {
  'parent based, with delegates': [
    `parent_based: { root: { always_off: }, remote_parent_not_sampled: { always_on: } }`,
    ['sampled', 'unsampled'],
  ],
  'rules, composed': [
    `composite/development:
      rule_based:
        rules:
          - { attribute_patterns: { key: path, included: ['/h*'] }, sampler: { always_off: } }
          - { parent: [none], sampler: { probability: { ratio: 1 } } }
          - { sampler: { parent_threshold: { root: { always_off: } } } }`,
    ['root', 'sampled'],
  ],
  'by parent, composed': [
    `composite/development: { parent_based: { root: { always_on: }, remote_parent_sampled: { always_off: } } }`,
    ['root', 'server'],
  ],
  'probability of nothing': [`probability/development: { ratio: 0 }`, []],
  'a sampler of the application below one of ours': [
    `parent_based: { root: { named: { name: server } }, remote_parent_sampled: { always_off: } }`,
    ['server'],
  ],
  'remote, with what it does before it has an answer': [
    `jaeger_remote/development: { endpoint: 'http://127.0.0.1:1/sampling', interval: 60000, initial_sampler: { always_on: } }`,
    ['root', 'sampled', 'server', 'unsampled'],
  ],
}

for (const [what, [sampler, kept]] of Object.entries(samplersOfFiles)) {
  test(`a sampler of a file: ${what}`, async () => {
    const { code, stderr, spans } = await run(`${OTLP}  sampler:\n    ${sampler}\n`, {
      code: TREE,
      flags: ['--require', preload(), '--require', join(root, 'dist/register.js')],
      preload: 'none',
      env: { OTEL_LOG_LEVEL: 'none' },
    })
    assert.equal(code, 0, stderr)
    assert.deepEqual(spans.map(({ name }) => name).sort(), kept)
  })
}

test('a sampler of a file that the application has not is said, and the default decides', async () => {
  const { lines, spans } = await run(`${OTLP}  sampler: { parent_based: { root: { absent: } } }\n`, { code: TREE })
  assert.deepEqual(lines, [
    '[@org/trace] error: FILE:9: tracer_provider.sampler.parent_based: no Sampler called absent is registered (registerComponent)',
  ])
  assert.deepEqual(spans.map(({ name }) => name).sort(), ['root', 'sampled', 'server'])
})

test('init() takes a file, or a model that may have been changed, in place of what the environment says', async () => {
  const init = (configFile: string, more = ''): AppOptions => ({
    preload: 'none',
    env: { OTEL_TRACES_EXPORTER: 'none', OTEL_SDK_DISABLED: 'true' },
    flags: ['--require', preload()],
    code: `
      const { init, parseConfigFile } = require('@org/trace')
      const file = process.env.OTEL_CONFIG_FILE
      delete process.env.OTEL_CONFIG_FILE
      init({ configFile: ${configFile}${more} })
      ${SPAN}`,
  })
  const own = `${OTLP}    - marking: { mark: m }\nresource:\n  attributes: [{ name: a, value: b }]\n`
  const resource = [{ name: 'a', value: 'changed' }]
  for (const [options, mark, a] of [
    [init('file'), 'm', 'b'],
    [init('parseConfigFile(file).model'), 'm', 'b'],
    [init(`{ ...parseConfigFile(file).model, resource: { attributes: ${JSON.stringify(resource)} } }`), 'm', 'changed'],
    [init('file', `, resourceAttributes: { a: 'code' }, spanProcessors: []`), undefined, 'code'],
  ] as const) {
    const { code, spans, lines } = await run(own, options)
    assert.equal(code, 0)
    assert.deepEqual(lines.slice(1), [])
    assert.deepEqual(
      spans.map(({ attributes, resource }) => [attributes.mark, resource.a]),
      [[mark, a]],
    )
  }
})

test('a model that is none stops nothing', async () => {
  for (const given of [
    '5',
    'null',
    '{}',
    '{ tracer_provider: { processors: 5 } }',
    '{ tracer_provider: null, resource: { attributes: [null] } }',
    "''",
  ]) {
    const { code, stdout, lines } = await run('', {
      preload: 'none',
      env: { OTEL_CONFIG_FILE: '' },
      code: `require('@org/trace').init({ configFile: ${given} }); console.log('runs')`,
    })
    assert.deepEqual([code, stdout], [0, 'runs\n'])
    assert.ok(lines.length > 0, given)
    assert.match(lines[0] ?? '', /configFile|cannot be read/)
  }
})
