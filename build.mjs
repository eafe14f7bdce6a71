// Bundles the package into dist/: one file that every process loads, and others that wait for what they are about.
import { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { createRequire, isBuiltin } from 'node:module'
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
// Node's own modules are met at every start, but for those that may come late; the other definitions are loaded with their libraries.
const isEager = ({ modules = [] }) => modules.some(({ name, late }) => isBuiltin(name) && !late)
const eager = instrumentations.filter(isEager)

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
  ['src/wanted.ts', 'wanted.js'],
  ['src/exporter/zipkin.ts', 'zipkin.js'],
  ...instrumentations
    .filter(definition => !isEager(definition))
    .map(({ name }) => [`src/instrumentations/${name}.ts`, `instrumentations/${name}.js`]),
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
  ${eager.map(({ name }, at) => `import eager${at} from './${name}.js'`).join('\n')}
  const file = name => './instrumentations/' + name + '.js'
  const load = name => require(file(name)).default
  const patching = (name, at) => (exports, kit) => load(name).modules[at].patch(exports, kit)
  const hearing = (name, at) => kit => load(name).channels[at].listen(kit)
  export const instrumentations = [${instrumentations.map(entry).join()}]`

function entry(definition) {
  const { name, options, modules = [], channels = [] } = definition
  if (isEager(definition)) return `eager${eager.indexOf(definition)}`
  const text = JSON.stringify(name)
  const met = modules.map(
    ({ patch: _, ...module }, at) => `${JSON.stringify(module).slice(0, -1)}, patch: patching(${text}, ${at}) }`,
  )
  const heard = channels.map(
    (channel, at) => `{ name: ${JSON.stringify(channel.name)}, listen: hearing(${text}, ${at}) }`,
  )
  // What documents them is read by nobody here.
  const read = options && Object.entries(options).map(([key, { about: _, ...option }]) => [key, option])
  return `{ name: ${text}, options: ${JSON.stringify(read && Object.fromEntries(read))}, modules: [${met}], channels: [${heard}] }`
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
const placeOf = source => (parts.has(source) ? `./${parts.get(source)}` : undefined)
const startPlugins = [listed, apart(placeOf)]

// The modules that start.js has in common with a part stay in start.js: there is one copy of their state.
const ofStart = new Set(inputsOf(await build({ ...common, entryPoints: [START], outdir: out, plugins: startPlugins })))
const ofParts = inputsOf(await build({ ...common, entryPoints: [...parts.keys(), INDEX], outdir: out }))
const shared = ofParts.filter(source => ofStart.has(source) && source !== LIST && source !== START)
/** What each of them exports, as a pair: its name there, and the one that it has among all that start.js shares. */
const namesOf = new Map()
for (const [at, source] of shared.entries()) {
  const alone = await build({ ...common, format: 'esm', entryPoints: [source], outdir: out })
  const [{ exports }] = Object.values(alone.metafile.outputs)
  namesOf.set(
    source,
    exports.filter(name => name !== 'default').map(name => [name, `_${at}_${name}`]),
  )
}
const listOf = (source, pair) => namesOf.get(source).map(pair).join()

const write = { ...common, write: true }
const { metafile } = await build({
  ...write,
  stdin: {
    contents: [
      `export * from './${START}'`,
      ...shared.map(source => `import { ${listOf(source, ([name, key]) => `${name} as ${key}`)} } from './${source}'`),
      // Made for the first part: as exports they cost 12 of 90 million instructions of every start (Node 24).
      'let all',
      `export const shared = () => all ??= { ${shared.flatMap(source => namesOf.get(source).map(([, key]) => key)).join()} }`,
    ].join('\n'),
    resolveDir: '.',
    loader: 'ts',
  },
  outfile: join(out, 'start.js'),
  plugins: startPlugins,
})

/** What a part imports and start.js has: taken from there, where `start` is. */
const fromStart = start => ({
  name: 'from-start',
  setup({ onResolve, onLoad }) {
    onResolve({ filter: /^trace:start$/ }, () => ({ path: start, external: true }))
    onLoad({ filter: /\.ts$/ }, ({ path }) => {
      const source = sourceOf({ path, resolveDir: '.' })
      if (!shared.includes(source)) return undefined
      return {
        contents: `export const { ${listOf(source, ([name, key]) => `${key}: ${name}`)} } = require('trace:start').shared()`,
      }
    })
  },
})
for (const [source, file] of parts) {
  const start = file.includes('/') ? '../start.js' : './start.js'
  const { metafile: made } = await build({
    ...write,
    entryPoints: [source],
    outfile: join(out, file),
    plugins: [fromStart(start), apart(other => (other === source ? undefined : placeOf(other)))],
  })
  Object.assign(metafile.inputs, made.inputs)
}
await build({ ...write, entryPoints: { 'farewell-worker': 'src/exporter/farewell-worker.ts' }, outdir: out })
await build({
  ...write,
  entryPoints: { index: INDEX, register: 'register.ts' },
  outdir: out,
  plugins: [fromStart('./start.js'), apart(source => (source === START ? './start.js' : placeOf(source)))],
})
await build({
  ...write,
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
