// Bundles the package into dist/: few files, as files loaded are what a start costs.
import { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { build } from 'esbuild'

// Aside first: what runs on dist/ meanwhile is not disturbed for longer than a rename.
const out = `dist-${process.pid}`

const common = {
  bundle: true,
  platform: 'node',
  format: 'cjs',
  target: 'node20',
  outdir: out,
  metafile: true,
  // Names stay, for stack traces; without the rest a file is a fifth shorter to read and to parse.
  minifyWhitespace: true,
}

/** Leaves what matches to a file of dist/ of its own. */
const apart = (filter, path) => ({
  name: path,
  setup: ({ onResolve }) => onResolve({ filter }, () => ({ path, external: true })),
})

// Nearly everything is in start.js: what the preload starts and what `init` returns share one copy of the state.
const { metafile } = await build({
  ...common,
  entryPoints: { start: 'src/start.ts', 'farewell-worker': 'src/exporter/farewell-worker.ts' },
  plugins: [apart(/\/exporter\/console\.js$/, './console.js')],
})
await build({ ...common, entryPoints: { console: 'src/exporter/console.ts' } })
await build({
  ...common,
  entryPoints: { index: 'src/index.ts', register: 'register.ts' },
  plugins: [apart(/\/start\.js$/, './start.js')],
})
await build({ ...common, entryPoints: { cli: 'src/cli/main.ts' }, banner: { js: '#!/usr/bin/env node' } })

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

// What is inlined would have to bring its licence.
const foreign = Object.keys(metafile.inputs).filter(input => input.startsWith('node_modules/'))
if (foreign.length > 0) throw new Error(`inlined without a licence: ${foreign.join(', ')}`)

rmSync('dist', { recursive: true, force: true })
renameSync(out, 'dist')
