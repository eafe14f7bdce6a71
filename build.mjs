// Bundles the package into dist/: few files, as files loaded are what a start costs.
import { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { build } from 'esbuild'

// Aside first: what runs on dist/ meanwhile is not disturbed for longer than a rename.
const out = `dist-${process.pid}`

const common = { bundle: true, platform: 'node', format: 'cjs', target: 'node20', outdir: out, metafile: true }

// Everything is in start.js: what the preload starts and what `init` returns share one copy of the state.
const { metafile } = await build({
  ...common,
  entryPoints: { start: 'src/start.ts', 'farewell-worker': 'src/exporter/farewell-worker.ts' },
})
const start = {
  name: 'start',
  setup: ({ onResolve }) => onResolve({ filter: /\/start\.js$/ }, () => ({ path: './start.js', external: true })),
}
await build({ ...common, entryPoints: { index: 'src/index.ts', register: 'register.ts' }, plugins: [start] })
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

// The licences of what is inlined travel with it.
const packages = new Set()
for (const input of Object.keys(metafile.inputs)) {
  const found = /node_modules\/((?:@[^/]+\/)?[^/]+)\//.exec(input)
  if (found) packages.add(found[1])
}
const licences = [...packages].sort().map(name => {
  const dir = join('node_modules', name)
  const { version, license } = JSON.parse(readFileSync(join(dir, 'package.json'), 'utf8'))
  return `${name} ${version} (${license})\n\n${readFileSync(join(dir, 'LICENSE'), 'utf8').trim()}\n`
})
writeFileSync(
  join(out, 'LICENSES.txt'),
  `Parts of these packages are inlined in this one.\n\n${licences.join('\n---\n\n')}`,
)

rmSync('dist', { recursive: true, force: true })
renameSync(out, 'dist')
