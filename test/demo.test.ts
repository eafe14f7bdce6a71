/** `npm run demo`, as a user runs it after the build. */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { after, describe, it } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { root } from './helpers/root.js'

const GONE_WITHIN_MS = 5000

describe('the demo', () => {
  const folder = mkdtempSync(join(tmpdir(), 'trace-demo-'))
  // PostgreSQL runs as a user of its own where the tests run as root.
  chmodSync(folder, 0o755)
  after(() => rmSync(folder, { recursive: true, force: true }))

  function start() {
    const child = spawn(process.execPath, ['examples/demo.mjs'], {
      cwd: root,
      env: { ...process.env, TMPDIR: folder },
      stdio: ['ignore', 'pipe', 'pipe'],
      // A process group of its own: whatever the demo leaves behind is found in it.
      detached: true,
    })
    return { child, stdout: text(child.stdout), stderr: text(child.stderr), closed: once(child, 'close') }
  }

  /** Nothing of the demo runs any more, and nothing lies in the folder for temporary files. */
  async function assertGone(group: number): Promise<void> {
    const giveUp = Date.now() + GONE_WITHIN_MS
    while (isAlive(group) && Date.now() < giveUp) await sleep(50)
    assert.equal(isAlive(group), false, 'a process was left behind')
    assert.deepEqual(
      readdirSync(folder).filter(name => !name.startsWith('tsx-')),
      [],
    )
  }

  it('prints one trace over three processes, and one that leads to the failed query', async () => {
    const { child, stdout, stderr, closed } = start()
    const [code] = await closed
    assert.equal(code, 0, `${await stdout}\n${await stderr}`)
    assert.equal(await stderr, '')
    const lines = (await stdout).split('\n')
    const [good, bad, ...others] = lines.flatMap((line, i) => (line.startsWith('trace ') ? [lines.slice(i)] : []))
    assert.deepEqual(others, [])
    assert.match(good?.[0] ?? '', /^trace [0-9a-f]{32} +gateway, orders, worker +\d+ spans +\d/)
    assert.match(bad?.[0] ?? '', /^trace [0-9a-f]{32} +gateway, orders +\d+ spans, \d errors/)
    assert.match(bad?.join('\n') ?? '', /✗ .*UPDATE stock.*\n.*violates check constraint "stock_units_check"/)
    for (const line of lines) assert.ok(line.length <= 100, `too wide: ${line}`)
    await assertGone(child.pid as number)
  })

  it('stops all that it started when it is interrupted', async () => {
    const { child, stdout, stderr, closed } = start()
    await once(child.stdout, 'data')
    await sleep(1500)
    child.kill('SIGINT')
    const [code] = await closed
    assert.equal(code, 130, `${await stdout}\n${await stderr}`)
    await assertGone(child.pid as number)
  })
})

function isAlive(group: number): boolean {
  try {
    process.kill(-group, 0)
    return true
  } catch {
    return false
  }
}
