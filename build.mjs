// Bundles the package into dist/: one file that every process loads, and others that wait for what they are about.
import { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join, relative, resolve } from 'node:path'
import { build } from 'esbuild'

// Aside first: what runs on dist/ meanwhile is not disturbed for longer than a rename.
const out = `dist-${process.pid}`
const START = 'src/start.ts'
const LIST = 'src/instrumentations/index.ts'
const INDEX = 'src/index.ts'

const common = {
  bundle: true,
  platform: 'node',
  format: 'cjs',
  target: 'node20',
  metafile: true,
  write: false,
  // Wrappers of sloppy functions have own properties more than what they stand for.
  banner: { js: "'use strict';" },
  // Names stay, for stack traces; without the rest a file is a fifth shorter to read and to parse.
  minifyWhitespace: true,
  // As ES modules, so that a fifth of it is left out.
  alias: { yaml: './node_modules/yaml/browser/dist/index.js' },
  // Node shows the line that threw an error which nobody catches.
  lineLimit: 120,
}

const require = createRequire(import.meta.url)
const { instrumentations } = require('./build/src/instrumentations/index.js')
const { variablesOf } = require('./build/src/config/row.js')

/** Where each part that is loaded later comes to lie in dist/, by its source. */
const parts = new Map([
  ['src/components.ts', 'components.js'],
  ['src/config/file/index.ts', 'config-file.js'],
  ['src/config/own-file.ts', 'own-file.js'],
  ['src/config/variables.ts', 'variables.js'],
  ['src/delivery.ts', 'delivery.js'],
  ['src/exporter/console.ts', 'console.js'],
  ['src/exporter/file.ts', 'file.js'],
  ['src/exporter/grpc.ts', 'grpc.js'],
  ['src/exporter/otlp-json.ts', 'otlp-json.js'],
  ['src/foreign.ts', 'foreign.js'],
  ['src/hooks/import.ts', 'import.js'],
  ['src/lambda.ts', 'lambda.js'],
  ['src/mailing.ts', 'mailing.js'],
  ['src/metrics.ts', 'metrics.js'],
  ['src/instrumentations/shared/captured-headers.ts', 'captured-headers.js'],
  ['src/remote-sampling.ts', 'jaeger-remote.js'],
  ['src/sampling/index.ts', 'sampling.js'],
  ['src/propagation/formats.ts', 'formats.js'],
  ['src/resource/metadata.ts', 'metadata.js'],
  ['src/spooling.ts', 'spooling.js'],
  ['src/threads.ts', 'threads.js'],
  ['src/tracing.ts', 'tracing.js'],
  ['src/wanted.ts', 'wanted.js'],
  ['src/exporter/zipkin.ts', 'zipkin.js'],
  ...instrumentations.map(({ name }) => [`src/instrumentations/${name}.ts`, `instrumentations/${name}.js`]),
])

const sourceOf = ({ path, resolveDir }) =>
  relative('.', resolve(resolveDir, path)).replace(/\.js$/, '.ts').replaceAll('\\', '/')

/** Imports of our own that are not bundled: `place` gives the path to require instead, if any. */
const apart = place => ({
  name: 'apart',
  setup({ onResolve }) {
    onResolve({ filter: /^\.\.?\// }, args => {
      const path = args.kind === 'entry-point' ? undefined : place(sourceOf(args))
      return path === undefined ? undefined : { path, external: true }
    })
  },
})

// What start.js knows of a definition before it loads it: what to meet, and the options.
const manifest = `
  const file = name => './instrumentations/' + name + '.js'
  const load = name => require(file(name)).default
  const patching = (name, at) => (exports, kit) => load(name).modules[at].patch(exports, kit)
  const hearing = (name, at) => kit => load(name).channels[at].listen(kit)
  export const instrumentations = [${instrumentations.map(entry).join()}]`

function entry({ name, options, modules = [], channels = [] }) {
  const text = JSON.stringify(name)
  const met = modules.map(
    ({ patch: _, ...module }, at) => `${JSON.stringify(module).slice(0, -1)}, patch: patching(${text}, ${at}) }`,
  )
  const heard = channels.map(
    (channel, at) => `{ name: ${JSON.stringify(channel.name)}, listen: hearing(${text}, ${at}) }`,
  )
  // What documents them is read by nobody here.
  const read = Object.entries(options ?? {}).map(([key, { about: _, env: __, ...option }]) => [
    key,
    { ...option, variables: variablesOf(name, key, options[key]) },
  ])
  return `{ name: ${text}, options: ${JSON.stringify(options && Object.fromEntries(read))}, modules: [${met}], channels: [${heard}] }`
}

const listed = {
  name: 'listed',
  setup({ onLoad }) {
    onLoad({ filter: /src[\\/]instrumentations[\\/]index\.ts$/ }, ({ path }) => ({
      contents: manifest,
      loader: 'js',
      resolveDir: dirname(path),
    }))
  },
}

const inputsOf = ({ metafile }) => Object.keys(metafile.inputs)
const placeOf = (source, up = './') => (parts.has(source) ? up + parts.get(source) : undefined)
const closureOf = async (source, plugins) =>
  inputsOf(await build({ ...common, entryPoints: [source], outdir: out, plugins }))

/**
 * Files whose modules others have a use for, too: they stay there, as there is one copy of their state. The first that
 * has a module is its home.
 */
const HOMES = [
  { entry: START, file: 'start.js', name: 'trace:start' },
  { entry: 'src/tracing.ts', file: 'tracing.js', name: 'trace:tracing' },
]
/** By its source: the home of a module, and what it exports, as pairs of its name there and one of its own in that home. */
const housed = new Map()
const needed = inputsOf(await build({ ...common, entryPoints: [...parts.keys(), INDEX], outdir: out }))
for (const home of HOMES) {
  const others = source => (source === home.entry ? undefined : placeOf(source))
  for (const source of await closureOf(home.entry, [listed, apart(others)])) {
    if (source === LIST || source === home.entry || !needed.includes(source) || housed.has(source)) continue
    const alone = await build({ ...common, format: 'esm', entryPoints: [source], outdir: out })
    const [{ exports }] = Object.values(alone.metafile.outputs)
    const pairs = exports.filter(name => name !== 'default').map(name => [name, `_${housed.size}_${name}`])
    housed.set(source, { home, pairs })
  }
}
const listOf = ({ pairs }, text) => pairs.map(([name, key]) => text(name, key)).join()

/** What a file of dist/ imports and a home has: taken from there. `up` is the way to dist/. */
const fromHomes = (file, up) => ({
  name: 'from-homes',
  setup({ onResolve, onLoad }) {
    onResolve({ filter: /^trace:/ }, ({ path }) => ({
      path: up + HOMES.find(({ name }) => name === path).file,
      external: true,
    }))
    onLoad({ filter: /\.ts$/ }, ({ path }) => {
      const module = housed.get(sourceOf({ path, resolveDir: '.' }))
      if (module === undefined || module.home.file === file) return undefined
      const names = listOf(module, (name, key) => `${key}: ${name}`)
      return { contents: `export const { ${names} } = require('${module.home.name}').shared()` }
    })
  },
})

const write = { ...common, write: true }
const metafile = { inputs: {} }
const written = async options => Object.assign(metafile.inputs, (await build({ ...write, ...options })).metafile.inputs)
for (const { entry, file } of HOMES) {
  const own = [...housed].filter(([, { home }]) => home.file === file)
  await written({
    stdin: {
      contents: [
        `export * from './${entry}'`,
        ...own.map(
          ([source, module]) => `import { ${listOf(module, (name, key) => `${name} as ${key}`)} } from './${source}'`,
        ),
        // Made for the first part: as exports they cost 12 of 90 million instructions of every start (Node 24).
        'let all',
        `export const shared = () => all ??= { ${own.map(([, module]) => listOf(module, (_, key) => key)).join()} }`,
      ].join('\n'),
      resolveDir: '.',
      loader: 'ts',
    },
    outfile: join(out, file),
    plugins: [listed, fromHomes(file, './'), apart(source => (source === entry ? undefined : placeOf(source)))],
  })
}
for (const [source, file] of parts) {
  if (HOMES.some(({ entry }) => entry === source)) continue
  const up = file.includes('/') ? '../' : './'
  await written({
    entryPoints: [source],
    outfile: join(out, file),
    plugins: [fromHomes(file, up), apart(other => (other === source ? undefined : placeOf(other, up)))],
  })
}
await written({ entryPoints: { 'farewell-worker': 'src/exporter/farewell-worker.ts' }, outdir: out })
await written({
  entryPoints: { index: INDEX, register: 'register.ts' },
  outdir: out,
  plugins: [fromHomes('', './'), apart(source => (source === START ? './start.js' : placeOf(source)))],
})
await written({
  entryPoints: { cli: 'src/cli/main.ts' },
  outdir: out,
  banner: { js: "#!/usr/bin/env node\n'use strict';" },
})

// Declarations: those that the two entries reach, from where tsc put them.
const seen = new Set()
function declare(file) {
  if (seen.has(file)) return
  seen.add(file)
  const text = readFileSync(join('build', file), 'utf8').replace(/^\/\/# sourceMappingURL.*$/m, '')
  const target = join(out, 'types', file)
  mkdirSync(dirname(target), { recursive: true })
  writeFileSync(target, text)
  for (const [, path] of text.matchAll(/(?:from|import\()\s*['"](\.[^'"]+)\.js['"]/g))
    declare(join(dirname(file), `${path}.d.ts`))
}
declare('src/index.d.ts')
declare('register.d.ts')

// What is inlined brings its licence.
const LICENCES = new Map([['yaml', 'node_modules/yaml/LICENSE']])
const inlined = new Set(
  Object.keys(metafile.inputs)
    .filter(input => input.startsWith('node_modules/'))
    .map(input => input.split('/')[1]),
)
const bare = [...inlined].filter(name => !LICENCES.has(name))
if (bare.length > 0) throw new Error(`inlined without a licence: ${bare.join(', ')}`)
writeFileSync(
  join(out, 'THIRD-PARTY-LICENSES.txt'),
  [...inlined].map(name => `${name}, in config-file.js:\n\n${readFileSync(LICENCES.get(name), 'utf8')}`).join('\n'),
)

rmSync('dist', { recursive: true, force: true })
renameSync(out, 'dist')
