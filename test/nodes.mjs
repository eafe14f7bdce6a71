/** `npm run test:nodes`: the test suite on each supported Node version, from binaries that npm packages carry. */
import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { cache, nodeBinary } from './node-binary.mjs'
import { runTests, testFiles, withServices } from './run.mjs'

// The last of each line, and the versions on either side of what Node changed in its module hooks.
const VERSIONS = ['20', '22', '24', '26', '22.15.0', '22.22.2', '24.0.0', '24.11.0']

/** The counts at the end of a TAP report. */
function summary(tap) {
  const count = name => Number(new RegExp(`^# ${name} (\\d+)$`, 'm').exec(tap)?.[1] ?? 0)
  return { passed: count('pass'), failed: count('fail') + count('cancelled'), skipped: count('skipped') }
}

async function runOn(version, files, env) {
  const node = nodeBinary(version)
  const exact = execFileSync(node, ['--version'], { encoding: 'utf8' }).trim()
  console.log(`\n=== Node ${exact}`)
  const report = join(cache, version, 'report.tap')
  const extra = ['--test-reporter=tap', `--test-reporter-destination=${report}`]
  const code = await runTests(files, { node, env, extra })
  return { node: exact, ...summary(readFileSync(report, 'utf8')), 'exit code': code }
}

const { values, positionals } = parseArgs({
  options: { only: { type: 'string', multiple: true } },
  allowPositionals: true,
})
const files = testFiles(positionals)
// Without files `node --test` would look for some.
if (files.length === 0) throw new Error(`no test file matches ${positionals.join(' ')}`)
const rows = []
try {
  await withServices(files, async env => {
    for (const version of values.only ?? VERSIONS) rows.push(await runOn(version, files, env))
  })
} catch (error) {
  console.error(error.message)
  process.exitCode = 1
}
console.table(rows)
if (rows.some(row => row['exit code'] !== 0 || row.failed > 0)) process.exitCode = 1
