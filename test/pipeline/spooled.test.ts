/** The queue that goes over the disk, with real files and a wire of which each delivery is settled by hand. */
import assert from 'node:assert/strict'
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { createHealth } from '../../src/diagnostics/health.js'
import { createProtoEncoder } from '../../src/exporter/otlp-proto.js'
import { createSpool } from '../../src/exporter/spool.js'
import type { Batch, BatchOptions, Deliver } from '../../src/pipeline/batch.js'
import { createSpooledQueue } from '../../src/pipeline/spooled.js'
import { type Checkers, createCheckers } from '../helpers/checkers.js'
import { endedSpan, RESOURCE } from '../helpers/ended-span.js'

const LIMITS = { attributeCount: 128, attributeValueLength: Number.POSITIVE_INFINITY }
const OPTIONS: BatchOptions = { scheduleDelayMs: 600_000, maxQueueSize: 2048, maxExportBatchSize: 512 }
const MIB = 1024 * 1024

type Result = Awaited<ReturnType<Deliver>>
const DOWN: Result = { reason: 'the collector is down' }

const base = mkdtempSync(join(tmpdir(), 'spooled-'))
after(() => rmSync(base, { recursive: true }))
let folders = 0

interface SetUp extends Partial<BatchOptions> {
  maxBytes?: number
}

async function setUp({ maxBytes = 256 * MIB, ...options }: SetUp = {}) {
  const checkers: Checkers = await createCheckers({})
  const namesIn = (body: Uint8Array): string[] =>
    (checkers.request(Buffer.from(body)).resourceSpans ?? []).flatMap(({ scopeSpans = [] }) =>
      scopeSpans.flatMap(({ spans = [] }) => spans.map(span => span.name ?? '')),
    )
  const path = join(base, String(++folders))
  const deliveries: { names: string[]; written(): void; settle(result: Result): Promise<void> }[] = []
  const health = createHealth()
  const deliver: Deliver = (body, written) =>
    new Promise(resolve =>
      deliveries.push({
        names: namesIn(body),
        written,
        settle(result) {
          resolve(result)
          return turn()
        },
      }),
    )
  const files = createSpool(path, maxBytes, 'shop', '.pb')
  const encoder = createProtoEncoder(RESOURCE, LIMITS)
  const queue = createSpooledQueue(encoder, deliver, { ...OPTIONS, ...options }, health, files)
  return {
    queue,
    deliveries,
    health,
    folder: join(path, 'shop'),
    files: () => readdirSync(join(path, 'shop')),
    add(...names: string[]): void {
      for (const name of names) queue.add(endedSpan({ name }))
    },
  }
}

const turn = (): Promise<void> => new Promise(resolve => setTimeout(resolve, 20))
const soon = (): Promise<void> => new Promise(resolve => setTimeout(resolve, 300))
setFlagsFromString('--expose-gc')
const gc: () => void = runInNewContext('gc')

/** Bytes of buffers that something refers to. */
function inUse(): number {
  gc()
  return process.memoryUsage().arrayBuffers
}

const numbered = (count: number, from = 0): string[] => Array.from({ length: count }, (_, i) => String(from + i))

test('spans are on disk soon after they end, long before they are sent, and gone once they are', async () => {
  const { add, files, deliveries, health, queue } = await setUp()
  add('a')
  await soon()
  assert.equal(files().length, 1)
  assert.equal(health.spooled, 1)
  add('b')
  await soon()
  assert.equal(files().length, 1, 'one file for one request')
  assert.equal(health.spooled, 2)
  const flushed = queue.flush()
  assert.deepEqual(deliveries[0]?.names, ['a', 'b'])
  assert.equal(files().length, 1, 'nothing is removed before the answer')
  await deliveries[0]?.settle('sent')
  await flushed
  assert.deepEqual(files(), [])
  assert.deepEqual([health.sent, health.spooled, queue.size, queue.pending()], [2, 0, 0, false])
})

test('a full batch goes out at once, and none holds more spans than allowed', async () => {
  const { add, deliveries } = await setUp({ maxExportBatchSize: 10 })
  add(...numbered(4))
  await soon()
  add(...numbered(21, 4))
  await turn()
  assert.deepEqual(deliveries[0]?.names, numbered(10))
  await deliveries[0]?.settle('sent')
  assert.deepEqual(deliveries[1]?.names, numbered(10, 10))
  await deliveries[1]?.settle('sent')
  assert.equal(deliveries.length, 2)
})

test('while a collector takes its time one file fills, and goes out as soon as there is an answer', async () => {
  const { add, deliveries, files } = await setUp({ scheduleDelayMs: 10 })
  add('a')
  await soon()
  add('b')
  await soon()
  add('c')
  await soon()
  assert.equal(deliveries.length, 1)
  assert.equal(files().length, 2)
  await deliveries[0]?.settle('sent')
  assert.deepEqual(deliveries[1]?.names, ['b', 'c'])
  await deliveries[1]?.settle('sent')
  assert.deepEqual(files(), [])
})

test('a refused batch is gone and counted', async () => {
  const { add, deliveries, files, health, queue } = await setUp()
  add('a')
  const flushed = queue.flush()
  await deliveries[0]?.settle('refused')
  await flushed
  assert.deepEqual(files(), [])
  assert.equal(health.dropped.refused, 1)
})

test('what a collector did not take stays on disk, and goes first when it is back', async () => {
  const { add, deliveries, files, health, queue } = await setUp({ maxExportBatchSize: 2 })
  add('a', 'b', 'c', 'd', 'e')
  await turn()
  await deliveries[0]?.settle(DOWN)
  assert.equal(deliveries.length, 1, 'the next try waits')
  assert.equal(health.spooled, 4)
  await soon()
  assert.equal(files().length, 3)
  assert.equal(queue.pending(), false, 'a process may end: all is on disk')
  assert.deepEqual([health.sent, queue.size], [0, 5])

  const flushed = queue.flush()
  for (const [at, names] of [['a', 'b'], ['c', 'd'], ['e']].entries()) {
    assert.deepEqual(deliveries[at + 1]?.names, names)
    await deliveries[at + 1]?.settle('sent')
  }
  await flushed
  assert.deepEqual(files(), [])
  assert.deepEqual([health.sent, health.spooled], [5, 0])
})

test('of a batch that went out in parts only what was not acknowledged is sent again', async () => {
  const { add, deliveries, files, health, queue } = await setUp({ maxExportBatchSize: 3 })
  add('a', 'b', 'c')
  await turn()
  const left = createProtoEncoder(RESOURCE, LIMITS)
  left.append(endedSpan({ name: 'c' }))
  await deliveries[0]?.settle({ ...DOWN, left: left.take() as Batch })
  assert.deepEqual([health.sent, queue.size], [2, 1])
  assert.deepEqual([files().length, health.spooled], [1, 1], 'the rest is on disk, and the whole is not')
  assert.equal(queue.pending(), false)

  const flushed = queue.flush()
  assert.deepEqual(deliveries[1]?.names, ['c'])
  await deliveries[1]?.settle('sent')
  await flushed
  assert.deepEqual(files(), [])
  assert.deepEqual([health.sent, health.spooled, queue.size], [3, 0, 0])
})

test('without a collector as many spans wait as the disk may hold, more than the queue, in little memory', async () => {
  const { add, deliveries, health, queue } = await setUp({ maxQueueSize: 50, maxExportBatchSize: 50 })
  add('first')
  void queue.flush()
  await deliveries[0]?.settle(DOWN)
  const large = 'x'.repeat(10_000)
  const before = inUse()
  for (let i = 0; i < 2000; i++) queue.add(endedSpan({ attributes: { large } }))
  assert.equal(health.dropped.full, 0)
  assert.ok(health.spooled >= 2001 - 50, String(health.spooled))
  const grown = inUse() - before
  assert.ok(grown < 12 * MIB, `${grown} bytes`)
})

test('beyond the limit the oldest are dropped and counted', async () => {
  const { add, deliveries, health, queue } = await setUp({ maxExportBatchSize: 10, maxBytes: 4000 })
  add(...numbered(10))
  await turn()
  await deliveries[0]?.settle(DOWN)
  add(...numbered(90, 10))
  assert.equal(health.dropped.evicted + queue.size, 100)
  assert.ok(health.dropped.evicted >= 40, String(health.dropped.evicted))
  void queue.flush()
  assert.deepEqual(deliveries[1]?.names, numbered(10, health.dropped.evicted), 'the oldest that is left')
})

test('spans that no disk takes wait in memory, bounded, and are brought there when it does', async () => {
  const { add, deliveries, health, queue, folder, files } = await setUp({ maxQueueSize: 20, maxExportBatchSize: 10 })
  rmSync(folder, { recursive: true })
  writeFileSync(folder, 'in the way')
  add(...numbered(10))
  await turn()
  add(...numbered(25, 10))
  assert.equal(health.dropped.full, 15, 'ten are on their way and ten wait')
  assert.equal(health.spooled, 0)
  await deliveries[0]?.settle(DOWN)
  assert.equal(queue.pending(), true)

  rmSync(folder)
  const flushed = queue.flush()
  assert.equal(files().length, 2)
  assert.equal(health.spooled, 20)
  for (let at = 1; at < deliveries.length; at++) await deliveries[at]?.settle('sent')
  await flushed
  assert.deepEqual([health.sent, health.spooled], [20, 0])
  assert.deepEqual(files(), [])
})

test('a file that is gone or damaged is counted and holds up no other', async () => {
  const { add, deliveries, health, queue, folder, files } = await setUp({ maxExportBatchSize: 1 })
  add('a')
  await turn()
  await deliveries[0]?.settle(DOWN)
  add('b', 'c', 'd')
  const [first = '', second = '', third = ''] = files().sort()
  rmSync(join(folder, first))
  writeFileSync(join(folder, second), 'garbage')
  writeFileSync(join(folder, third), '')
  void queue.flush()
  await turn()
  assert.deepEqual(deliveries[1]?.names, ['d'])
  await deliveries[1]?.settle('sent')
  assert.deepEqual(files(), [])
  assert.deepEqual([health.dropped.damaged, health.sent, health.spooled, queue.size], [3, 1, 0, 0])
})

test('a process that goes away keeps on disk what is not known to have arrived', async () => {
  const { add, deliveries, queue, health, files } = await setUp({ maxExportBatchSize: 2 })
  add('a', 'b')
  await turn()
  deliveries[0]?.written()
  add('c', 'd', 'e')
  const last = queue.drain()
  assert.deepEqual(
    last.map(({ spans }) => spans),
    [2, 1],
    'what has been written to the wire is not sent a second time by this process',
  )
  last[0]?.settle(true)
  last[1]?.settle(false)
  assert.equal(files().length, 2)
  assert.deepEqual([health.sent, health.dropped.unreachable, health.spooled], [2, 0, 3])
  assert.equal(queue.pending(), false)
})

test('a process that goes away while the collector is down does not try once more', async () => {
  const { add, deliveries, queue, files } = await setUp()
  add('a')
  void queue.flush()
  await deliveries[0]?.settle(DOWN)
  add('b')
  assert.equal(queue.pending(), true)
  assert.deepEqual(queue.drain(), [])
  assert.equal(files().length, 2)
})

test('a span that cannot be encoded is counted and harms no other', async () => {
  const { queue, health, add } = await setUp()
  const attributes = {
    get bad(): string {
      throw new Error('read')
    },
  }
  add('a')
  queue.add(endedSpan({ attributes }))
  await soon()
  assert.deepEqual([health.dropped.failed, health.spooled], [1, 1])
})
