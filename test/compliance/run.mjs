/** `npm run compliance`: runs the tests that the rows of the matrix name, prints the table, and fails if a row says yes without one that passed. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { runTests, withServices } from '../run.mjs'

const { complianceTable, readRows } = createRequire(import.meta.url)('../../build/test/compliance/matrix.js')

const rows = readRows()
const compiled = file => join('build', file.replace(/\.ts$/, '.js'))
// With source maps a test is known by its source.
const sourceOf = file => file.replace(/^build\//, '').replace(/\.js$/, '.ts')
const files = [
  ...new Set(rows.filter(({ answer }) => answer.status === 'yes').map(({ answer }) => compiled(answer.file))),
]
const folder = mkdtempSync(join(tmpdir(), 'trace-compliance-'))
try {
  const into = join(folder, 'results')
  const extra = ['--test-reporter=./test/compliance/results.mjs', `--test-reporter-destination=${into}`]
  const code = await withServices(files, env => runTests(files.sort(), { env, extra }))
  const passed = new Set(
    readFileSync(into, 'utf8')
      .split('\n')
      .filter(line => line !== '')
      .map(line => JSON.parse(line))
      .filter(result => result.passed)
      .flatMap(({ file, suites, name }) => [`${sourceOf(file)}: ${[...suites, name].join(' / ')}`]),
  )
  console.log(`\n${complianceTable(rows)}`)
  const unshown = rows.filter(({ answer }) => answer.status === 'yes' && !passed.has(`${answer.file}: ${answer.test}`))
  for (const { section, name, answer } of unshown)
    console.error(`${section} / ${name} says yes, and no test passed: ${answer.file}: ${answer.test}`)
  if (unshown.length > 0 || code !== 0) process.exitCode = 1
} finally {
  rmSync(folder, { recursive: true, force: true })
}
