// Writes COMPLIANCE.md, and the generated parts of README.md from the definitions, the option table and the last measurements, or with --check says if they are stale.
import { readFileSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'

const require = createRequire(import.meta.url)
const { instrumentations } = require('./build/src/instrumentations/index.js')
const tables = require('./build/src/cli/tables.js')
const compliance = require('./build/test/compliance/matrix.js')

const results = readFileSync('bench/RESULTS.md', 'utf8')
const tested = JSON.parse(readFileSync('test/versions.json', 'utf8'))

/** A table of bench/RESULTS.md, under its title, as far as its first columns. */
function measured(title, columns) {
  const section = results.split(`\n## ${title}\n`)[1]?.split('\n## ')[0]
  if (section === undefined) throw new Error(`bench/RESULTS.md has no table ${title}`)
  const rows = section.split('\n').filter(line => line.startsWith('|'))
  const short = rows.map(
    row =>
      `${row
        .split('|')
        .slice(0, columns + 1)
        .join('|')}|`,
  )
  return `${title}:\n\n${short.join('\n')}\n`
}

const blocks = {
  libraries: tables.supportedLibraries(instrumentations, tested),
  'library-options': tables.libraryOptions(instrumentations),
  configuration: tables.configuration(instrumentations),
  measured: [
    measured('Start-up, empty script, Node 24', 4),
    measured('Requests, bare http, Node 24', 4),
    measured('Requests, express, two queries, one fetch, Node 24', 4),
  ].join('\n'),
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
} else {
  writeFileSync('README.md', after)
  writeFileSync('COMPLIANCE.md', compliance.complianceDocument(compliance.readRows()))
}
