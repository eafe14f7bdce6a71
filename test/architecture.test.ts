/** The floors of the source tree, and the rules that hold for every file of it. */
import assert from 'node:assert/strict'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join, posix } from 'node:path'
import { test } from 'node:test'
import { root } from './helpers/root.js'

interface Floor {
  /** Folders, or files without their extension, whose values and types may be imported. */
  values: string[]
  /** Only types of these. */
  types?: string[]
}

const BELOW_ALL = ['diagnostics', 'semconv', 'version']
const PARTS = [
  'context',
  'propagation',
  'hooks',
  'config',
  'trace',
  'sampling',
  'pipeline',
  'exporter',
  'resource',
  'instrumentations',
]

/** What each folder may import besides itself; the longest name that fits a file counts. From the bottom up. */
const floors: Record<string, Floor> = {
  diagnostics: { values: [] },
  semconv: { values: [] },
  version: { values: [] },
  context: { values: [] },
  propagation: { values: ['context', 'diagnostics'] },
  hooks: { values: ['diagnostics'] },
  config: { values: ['diagnostics'], types: ['semconv'] },
  trace: { values: ['context', 'diagnostics', 'propagation/headers'], types: ['semconv'] },
  // Asks a server for its strategy in a suppressed context; the threshold of a ratio is the hot path's as well.
  sampling: { values: ['context', 'diagnostics', 'version', 'trace/threshold'], types: ['trace'] },
  // What the batch sends makes no spans: it runs in a suppressed context.
  pipeline: { values: ['context', 'diagnostics'], types: ['trace', 'semconv'] },
  resource: { values: ['diagnostics', 'version'], types: ['semconv'] },
  exporter: { values: ['diagnostics', 'version'], types: ['trace', 'semconv'] },
  instrumentations: { values: [], types: ['trace', 'semconv'] },
  'instrumentations/define': { values: ['trace/span'], types: ['trace', 'semconv'] },
  // Whatever stands directly in src joins the parts.
  src: { values: ['src', ...BELOW_ALL, ...PARTS] },
  cli: { values: ['src', ...BELOW_ALL, ...PARTS] },
  register: { values: ['src', 'cli', ...BELOW_ALL, ...PARTS] },
}

const MAX_LINES = 320
/** Built-in modules that we instrument ourselves. */
const INSTRUMENTED_BUILTINS = ['node:http', 'node:https']

interface Import {
  from: string
  typeOnly: boolean
}

const STATIC = /^(?:import|export)\s+(?:(type)\s+)?(?:([\w$*{},\s]+?)\s+from\s+)?'([^']+)'/gm
// `import('pg')` also stands in types, where nothing waits for it.
const DYNAMIC = /(?:\b(?:await|return)\s+import|=>\s*import|\brequire)\(\s*'([^']+)'\s*\)/g

/** All imports of a file; one whose names are all marked with `type` is as good as `import type`. */
function importsOf(code: string): Import[] {
  const fixed = [...code.matchAll(STATIC)].map(([, type, clause = '', from = '']) => ({
    from,
    typeOnly: type !== undefined || /^\{\s*type\s[^,]*(?:,\s*type\s[^,]*)*,?\s*\}$/.test(clause),
  }))
  const late = [...code.matchAll(DYNAMIC)].map(([, from = '']) => ({ from, typeOnly: false }))
  return [...fixed, ...late]
}

const files = ['register.ts', ...readdirSync(join(root, 'src'), { recursive: true }).map(file => `src/${file}`)]
  .filter(file => file.endsWith('.ts'))
  .sort()
const sources = new Map(files.map(file => [file, readFileSync(join(root, file), 'utf8')]))

/** Without comments, so that they may name anything. */
const codeOf = (file: string): string =>
  (sources.get(file) ?? '').replace(/\/\*[\s\S]*?\*\//g, '').replace(/(^|\s)\/\/.*$/gm, '$1')

/** 'src/trace/span.ts' -> 'trace/span'. */
const placeOf = (file: string): string => file.replace(/^src\//, '').replace(/\.[jt]s$/, '')

const within = (place: string, name: string): boolean => place === name || place.startsWith(`${name}/`)

function floorOf(place: string): string {
  const names = Object.keys(floors).filter(name => within(place, name))
  return names.sort((a, b) => b.length - a.length)[0] ?? (place.includes('/') ? '' : 'src')
}

/** True if `place` is one of `names`; 'src' are the files that stand directly in it. */
const isOneOf = (place: string, names: readonly string[] = []): boolean =>
  names.some(name => (name === 'src' ? floorOf(place) === 'src' : within(place, name)))

test('imports are read as they are written', () => {
  const code = [
    `import { a } from './a.js'`,
    `import type { B } from './b.js'`,
    `import {\n  type C,\n  type D,\n} from './c.js'`,
    `import { type E, f } from './e.js'`,
    `import './g.js'`,
    `export { h } from './h.js'`,
    `export type { I } from './i.js'`,
    `const j = await import('./j.js')`,
    `type J = typeof import('./not.js')`,
    `const m = require('./m.js')`,
    `import * as k from 'k'`,
    `export const l = 'not-an-import'`,
  ].join('\n')
  assert.deepEqual(
    importsOf(code).map(({ from, typeOnly }) => `${from} ${typeOnly ? 'type' : 'value'}`),
    [
      './a.js value',
      './b.js type',
      './c.js type',
      './e.js value',
      './g.js value',
      './h.js value',
      './i.js type',
      'k value',
      './j.js value',
      './m.js value',
    ],
  )
})

for (const file of files) {
  test(file, async t => {
    const place = placeOf(file)
    const name = floorOf(place)
    const code = codeOf(file)
    const imports = importsOf(code)

    await t.test('imports from lower floors only', () => {
      const floor = floors[name]
      assert.ok(floor !== undefined, 'stands in a folder that has no floor')
      for (const { from, typeOnly } of imports.filter(({ from }) => from.startsWith('.'))) {
        const target = placeOf(posix.normalize(posix.join(posix.dirname(file), from)))
        const own = name.split('/')[0] as string
        const allowed =
          (name !== 'src' && within(target, own)) ||
          isOneOf(target, floor.values) ||
          (typeOnly && isOneOf(target, floor.types))
        assert.ok(allowed, `${typeOnly ? 'a type' : 'a value'} of ${target}`)
      }
    })

    await t.test('imports of OpenTelemetry are types', () => {
      for (const { from, typeOnly } of imports) {
        assert.ok(typeOnly || !from.startsWith('@opentelemetry/'), from)
      }
    })

    await t.test('its first line is the sentence that tells what it holds', () => {
      const first = sources.get(file)?.split('\n', 1)[0] ?? ''
      assert.match(first, /^\/\*\* [A-Z].*[.!?] \*\/$/)
    })

    await t.test(`it has no more than ${MAX_LINES} lines`, () => {
      const lines = sources.get(file)?.trimEnd().split('\n').length ?? 0
      assert.ok(lines <= MAX_LINES, `${lines} lines`)
    })

    await t.test('the environment is read in config, the console written to by cli', () => {
      if (!within(place, 'config')) assert.doesNotMatch(code, /\bprocess\.env\b/)
      if (!within(place, 'cli')) assert.doesNotMatch(code, /(?<!\/)\bconsole\s*[.[]/)
    })
  })
}

const own = new Set(['instrumentations/index', 'instrumentations/define'])
const instrumentations = files
  .map(placeOf)
  .filter(place => /^instrumentations\/[^/]+$/.test(place) && !own.has(place))
  .map(place => place.split('/')[1] as string)
  .sort()

test('instrumentations stand in the list in alphabetical order', () => {
  const listed = importsOf(codeOf('src/instrumentations/index.ts'))
    .filter(({ typeOnly }) => !typeOnly)
    .map(({ from }) => from.replace(/^\.\/(.*)\.js$/, '$1'))
  assert.deepEqual(listed, instrumentations)
  const list = /\[([^\]]*)\]\s*(?:as const)?\s*$/.exec(codeOf('src/instrumentations/index.ts').trim())?.[1] ?? ''
  const entries = list.split(',').map(entry => entry.trim().replace(/[A-Z]/g, letter => `-${letter.toLowerCase()}`))
  assert.deepEqual(entries.filter(Boolean), instrumentations)
})

for (const name of instrumentations) {
  test(`the instrumentation of ${name}`, async t => {
    const code = codeOf(`src/instrumentations/${name}.ts`)

    await t.test('is named as its file', () => {
      assert.match(code, new RegExp(`\\bname: '${name}'`))
    })

    await t.test('has a test of the same name', () => {
      assert.ok(existsSync(join(root, 'test', 'instrumentations', `${name}.test.ts`)))
    })
  })
}

for (const file of files.filter(file => file.startsWith('src/instrumentations/'))) {
  test(`${file} imports only types of libraries`, () => {
    for (const { from, typeOnly } of importsOf(codeOf(file))) {
      const isOurs = from.startsWith('.')
      const isBuiltIn = from.startsWith('node:') && !INSTRUMENTED_BUILTINS.includes(from)
      assert.ok(typeOnly || isOurs || isBuiltIn, from)
    }
  })
}
