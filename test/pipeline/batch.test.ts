/** The queue between the end of a span and the wire. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createHealth } from '../../src/diagnostics/health.js'
import { createProtoEncoder } from '../../src/exporter/otlp-proto.js'
import { type BatchOptions, createBatchQueue, type Deliver } from '../../src/pipeline/batch.js'
import { endedSpan, RESOURCE } from '../helpers/ended-span.js'

const LIMITS = { attributeCount: 128, attributeValueLength: Number.POSITIVE_INFINITY }
const OPTIONS: BatchOptions = { scheduleDelayMs: 600_000, maxQueueSize: 2048, maxExportBatchSize: 512 }

type Result = Awaited<ReturnType<Deliver>>

/** A queue before a wire of which each delivery is settled by hand. */
function setUp(options: Partial<BatchOptions> = {}) {
  const deliveries: { bytes: number; written(): void; settle(result: Result): void }[] = []
  const health = createHealth()
  const deliver: Deliver = (body, written) =>
    new Promise(settle => deliveries.push({ bytes: body.byteLength, written, settle }))
  const queue = createBatchQueue(createProtoEncoder(RESOURCE, LIMITS), deliver, { ...OPTIONS, ...options }, health)
  const add = (count: number): void => {
    for (let i = 0; i < count; i++) queue.add(endedSpan())
  }
  return { queue, add, deliveries, health }
}

const turn = (): Promise<void> => new Promise(resolve => setTimeout(resolve, 20))

test('spans wait for the time of a batch, and go out together', async () => {
  const { add, deliveries, health, queue } = setUp({ scheduleDelayMs: 30 })
  add(3)
  assert.equal(deliveries.length, 0)
  assert.equal(queue.pending(), true)
  await new Promise(resolve => setTimeout(resolve, 100))
  assert.equal(deliveries.length, 1)
  deliveries[0]?.settle('sent')
  await turn()
  assert.equal(health.sent, 3)
  assert.equal(queue.pending(), false)
})

test('a full batch goes out at once, none holds more spans than allowed, and one is on its way at a time', async () => {
  const { add, deliveries, health } = setUp({ maxExportBatchSize: 10 })
  add(25)
  await turn()
  assert.equal(deliveries.length, 1)
  deliveries[0]?.settle('sent')
  await turn()
  assert.equal(deliveries.length, 2)
  assert.equal(health.sent, 10)
  deliveries[1]?.settle('sent')
  await turn()
  assert.equal(health.sent, 20)
  assert.equal(deliveries.length, 2, 'five spans are no full batch')
})

test('while a collector takes its time a batch fills, and goes out as soon as there is an answer', async () => {
  const { add, deliveries, health } = setUp({ scheduleDelayMs: 10 })
  add(1)
  await turn()
  for (let i = 0; i < 4; i++) {
    add(1)
    await turn()
  }
  assert.equal(deliveries.length, 1)
  deliveries[0]?.settle('sent')
  await turn()
  assert.equal(deliveries.length, 2)
  deliveries[1]?.settle('sent')
  await turn()
  assert.equal(health.sent, 5)
  add(1)
  await turn()
  assert.equal(deliveries.length, 3, 'then the time of a batch counts again')
})

test('a batch is full by bytes too', async () => {
  const { queue, deliveries } = setUp()
  const attributes = { text: 'x'.repeat(1024 * 1024) }
  for (let i = 0; i < 32; i++) queue.add(endedSpan({ attributes }))
  for (let sent = 1; sent <= 8; sent++) {
    await turn()
    const { bytes = 0, settle } = deliveries[sent - 1] ?? {}
    assert.ok(bytes > 4 * 1024 * 1024 && bytes < 5 * 1024 * 1024, `${bytes} bytes in delivery ${sent}`)
    settle?.('sent')
  }
  assert.equal(queue.size, 0)
})

test('what is not encoded yet waits like the rest, and goes with it', async () => {
  const { add, deliveries, health, queue } = setUp()
  add(3)
  assert.equal(queue.size, 3)
  assert.equal(queue.pending(), true)
  assert.equal(queue.isFull(), false)
  const [last] = queue.drain()
  assert.equal(last?.spans, 3)
  assert.equal(queue.size, 0)
  assert.equal(queue.pending(), false)

  add(40)
  assert.equal(queue.size, 40)
  const flushed = queue.flush()
  await turn()
  deliveries[0]?.settle('sent')
  await flushed
  assert.equal(health.sent, 40)
})

test('beyond the queue spans are dropped and counted, in number and in bytes', async () => {
  const few = setUp({ maxQueueSize: 20, maxExportBatchSize: 10 })
  few.add(10)
  await turn()
  few.add(25)
  assert.equal(few.health.dropped.full, 5)
  assert.equal(few.deliveries.length, 1)

  const large = setUp()
  const attributes = { text: 'x'.repeat(1024 * 1024) }
  for (let i = 0; i < 60; i++) large.queue.add(endedSpan({ attributes }))
  assert.ok(large.health.dropped.full > 20, String(large.health.dropped.full))
})

test('what a collector did not take is counted by reason', async () => {
  const { add, deliveries, health, queue } = setUp()
  for (const result of ['refused', { reason: 'down' }, 'sent'] as const) {
    add(2)
    const flushed = queue.flush()
    await turn()
    deliveries.at(-1)?.settle(result)
    await flushed
  }
  assert.deepEqual(health.dropped, { ...createHealth().dropped, refused: 2, unreachable: 2 })
  assert.equal(health.sent, 2)
})

test('a span that cannot be encoded is counted and harms no other', async () => {
  const { queue, health, deliveries } = setUp()
  const attributes = {
    get bad(): string {
      throw new Error('read')
    },
  }
  queue.add(endedSpan())
  queue.add(endedSpan({ attributes }))
  queue.add(endedSpan())
  const flushed = queue.flush()
  await turn()
  deliveries[0]?.settle('sent')
  await flushed
  assert.equal(health.dropped.failed, 1)
  assert.equal(health.sent, 2)
})

test('flush waits for all that waited when it was called, and for nothing later', async () => {
  const { add, queue, deliveries } = setUp({ maxExportBatchSize: 2 })
  add(5)
  let done = false
  const flushed = queue.flush().then(() => {
    done = true
  })
  for (let i = 0; i < 3; i++) {
    await turn()
    assert.equal(done, false)
    add(1)
    deliveries[i]?.settle('sent')
  }
  await flushed
  assert.equal(done, true)
})

test('flush with nothing waiting resolves', async () => {
  const { queue } = setUp()
  await queue.flush()
})

test('a process that goes away is handed what cannot have arrived, and nothing twice', async () => {
  const { add, queue, deliveries, health } = setUp({ maxExportBatchSize: 10 })
  add(10)
  await turn()
  add(15)
  assert.deepEqual(
    queue.drain().map(batch => batch.spans),
    [10, 10, 5],
    'the batch on its way has not been written',
  )
  assert.equal(queue.pending(), false)
  assert.deepEqual(queue.drain(), [])

  add(10)
  await turn()
  deliveries[1]?.written()
  add(1)
  assert.deepEqual(
    queue.drain().map(batch => batch.spans),
    [1],
    'the batch on its way has been written',
  )
  assert.equal(health.dropped.unanswered, 0, 'it has had no time to be answered yet')

  add(10)
  await turn()
  deliveries[2]?.written()
  await new Promise(resolve => setTimeout(resolve, 600))
  assert.deepEqual(queue.drain(), [])
  assert.equal(health.dropped.unanswered, 10)
})
