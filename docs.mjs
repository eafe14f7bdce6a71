// Writes the generated parts of README.md from the definitions and the option table, or with --check says if they are stale.
import { readFileSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'

const require = createRequire(import.meta.url)
const { instrumentations } = require('./build/src/instrumentations/index.js')
const tables = require('./build/src/cli/tables.js')

const blocks = {
  libraries: tables.supportedLibraries(instrumentations),
  'library-options': tables.libraryOptions(instrumentations),
  configuration: tables.configuration(instrumentations),
}

const before = readFileSync('README.md', 'utf8')
let after = before
for (const [name, text] of Object.entries(blocks)) {
  const block = new RegExp(`(<!-- ${name} -->\n)[\\s\\S]*?(<!-- /${name} -->)`)
  if (!block.test(after)) throw new Error(`README.md has no block ${name}`)
  after = after.replace(block, (_, start, end) => `${start}\n${text}\n${end}`)
}

if (process.argv.includes('--check')) {
  if (after !== before) {
    console.error('README.md is stale: npm run docs')
    process.exitCode = 1
  }
} else writeFileSync('README.md', after)
