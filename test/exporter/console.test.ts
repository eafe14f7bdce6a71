/** The console exporter: when a trace is printed, and how much of it. */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { createConsoleSink } from '../../src/exporter/console.js'
import type { EndedSpan } from '../../src/trace/span.js'
import { endedSpan } from '../helpers/ended-span.js'

const span = (name: string, traceId: string, fields: Partial<EndedSpan> = {}): EndedSpan =>
  endedSpan({ traceId, name, startMs: 1_700_000_000_000, endMs: 1_700_000_000_010, ...fields })

const ONE = '1'.repeat(32)
const TWO = '2'.repeat(32)
const SOMEWHERE = 'f'.repeat(16)
const child = { parentSpanId: SOMEWHERE }

function collecting(terminal = {}) {
  const texts: string[] = []
  return { texts, sink: createConsoleSink(text => texts.push(text), terminal) }
}

test('a trace is printed once its root has ended and nothing came for 100 ms', async () => {
  const { texts, sink } = collecting()
  const root = span('root', ONE, { statusCode: 2, statusMessage: 'it broke', links: [] })
  sink.add(span('first', ONE, { parentSpanId: root.spanId }))
  await sleep(150)
  assert.deepEqual(texts, [])
  const rootAt = performance.now()
  sink.add(root)
  await sleep(60)
  const late = performance.now() - rootAt > 90
  const secondAt = performance.now()
  sink.add(span('second', ONE, { parentSpanId: root.spanId, kind: 2 }))
  await sleep(60)
  // Unless this machine is so busy that the time is over.
  if (!late && performance.now() - secondAt < 90) assert.deepEqual(texts, [])
  await sleep(100)
  if (late) return
  assert.equal(texts.length, 1)
  assert.match(
    texts[0] as string,
    new RegExp(
      String.raw`^trace ${ONE}  3 spans, 1 error  10.0 ms\n✗ · root[\s\S]*it broke\n[\s\S]*first[\s\S]*→ second[\s\S]*\n\n$`,
    ),
  )
})

test('a span with a parent in another process is a root here', async () => {
  const { texts, sink } = collecting()
  sink.add(span('handler', ONE, { ...child, parentIsRemote: true, kind: 1 }))
  await sleep(150)
  assert.match(texts.join(), /⋯ ← handler/)
})

test('what ends after its trace was printed is printed by itself', async () => {
  const { texts, sink } = collecting()
  sink.add(span('root', ONE))
  await sleep(150)
  sink.add(span('late', ONE, child))
  sink.add(span('other', TWO, child))
  await sleep(150)
  assert.equal(texts.length, 2)
  assert.match(texts[1] as string, /1 span .*\n {2}⋯ · late/)
})

test('flush prints what is waiting, each trace once', async () => {
  const { texts, sink } = collecting()
  sink.add(span('open', ONE, child))
  sink.add(span('ended', TWO))
  sink.flush()
  assert.deepEqual(
    texts.map(text => text.slice(6, 38)),
    [ONE, TWO],
  )
  sink.flush()
  await sleep(150)
  assert.equal(texts.length, 2)
})

test('of a very large trace 1000 spans and the root are kept, and the rest is counted', () => {
  const { texts, sink } = collecting()
  for (let i = 0; i < 1234; i++) sink.add(span('call', ONE, child))
  sink.add(span('root', ONE))
  sink.flush()
  assert.match(texts.join(), /1001 spans[\s\S]*· root[\s\S]*⋯ and 234 spans more than can be shown\n\n$/)
})

test('more than 5000 spans are never held: the oldest trace is printed early', () => {
  const { texts, sink } = collecting()
  for (let i = 0; i < 5000; i++) sink.add(span('open', i.toString(16).padStart(32, '0'), child))
  assert.equal(texts.length, 0)
  sink.add(span('one more', TWO, child))
  assert.equal(texts.length, 1)
  assert.match(texts[0] as string, /^trace 0{32} /)
})

test('width and colours are those of the terminal, asked when it prints', () => {
  const terminal = { columns: 80, hasColors: () => false }
  const { texts, sink } = collecting(terminal)
  const print = (): string => {
    sink.add(span('n'.repeat(300), ONE))
    sink.flush()
    return texts.pop() as string
  }
  const widest = (text: string): number => Math.max(...text.split('\n').map(line => line.length))
  assert.equal(widest(print()), 80)
  terminal.columns = 120
  assert.equal(widest(print()), 120)
  terminal.columns = 1000
  assert.equal(widest(print()), 160)
  terminal.hasColors = () => true
  assert.ok(print().includes('\x1b['))
  assert.equal(widest(createPlain()), 100)
})

function createPlain(): string {
  const { texts, sink } = collecting({})
  sink.add(span('n'.repeat(300), ONE))
  sink.flush()
  return texts.join()
}

test('a terminal that takes nothing fails nobody', async () => {
  let tries = 0
  const sink = createConsoleSink(() => {
    tries++
    throw new Error('EAGAIN')
  }, {})
  sink.add(span('root', ONE))
  await sleep(150)
  sink.add(span('root', TWO))
  sink.flush()
  assert.equal(tries, 2)
})

test('a waiting trace does not keep the process alive', () => {
  const program = `
    const { createConsoleSink } = require(${JSON.stringify(require.resolve('../../src/exporter/console.js'))})
    const sink = createConsoleSink(text => process.stdout.write(text), {})
    sink.add(${JSON.stringify(span('root', ONE))})
    const started = performance.now()
    process.on('exit', () => { process.stdout.write(performance.now() - started < 90 ? 'left at once' : 'waited') })
  `
  const { stdout, stderr } = spawnSync(process.execPath, ['-e', program], { encoding: 'utf8' })
  assert.equal(`${stdout}${stderr}`, 'left at once')
})
