/** Every fault of a collector by itself, over every protocol: each span is delivered once, or counted as dropped for a reason. */
import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { readConfig } from '../../src/config/load.js'
import { createDelivery } from '../../src/delivery.js'
import { createHealth, type DropReason } from '../../src/diagnostics/health.js'
import { log } from '../../src/diagnostics/log.js'
import { type Behaviour, type Collector, type CollectorOptions, createCollector } from '../helpers/collector.js'
import { endedSpan } from '../helpers/ended-span.js'
import { rpcStatus } from '../helpers/grpc.js'
import { freePort } from '../helpers/port.js'

log.setLevel('none')
// Neither our sockets nor the collector's keep a process alive.
const alive = setInterval(() => {}, 1000)
after(() => clearInterval(alive))

const SPANS = 20
const PROTOCOLS = ['http/protobuf', 'http/json', 'grpc'] as const
type Protocol = (typeof PROTOCOLS)[number]

interface Fault {
  /** What the requests get, one after another; the last for all that follow. */
  answers: Partial<Record<'http' | 'grpc', Behaviour[]>>
  /** Spans that are lost, by reason; the others arrive. */
  lost?: Partial<Record<DropReason, number>>
  /** For the batch; by default long enough for several tries. */
  timeoutMs?: number
}

const UNAVAILABLE = 14
const RESOURCE_EXHAUSTED = 8
const HTML = { headers: { 'content-type': 'text/html' }, body: '<h1>It works!' }

/** A collector that takes no more than so many bytes. */
const upTo =
  (bytes: number, tooLarge: Behaviour) =>
  ({ body }: { body: Uint8Array }): Behaviour =>
    body.byteLength > bytes ? tooLarge : {}

const both = (...answers: Behaviour[]): Fault['answers'] => ({ http: answers, grpc: answers })
const http = (...answers: Behaviour[]): Fault['answers'] => ({ http: answers })
const grpc = (...codes: Behaviour['grpc'][]): Fault['answers'] => ({ grpc: codes.map(code => ({ grpc: code })) })

const faults: Record<string, Fault> = {
  'that takes all': { answers: both({}) },
  'that is slow': { answers: both({ delayMs: 300 }) },
  'that hangs': { answers: both({ hang: true }), timeoutMs: 300, lost: { unreachable: SPANS } },
  'that resets the connection once': { answers: both({ reset: true }, {}) },
  'that always resets the connection': { answers: both({ reset: true }), timeoutMs: 300, lost: { unreachable: SPANS } },
  'that answers garbage once': { answers: http({ garbage: true }, {}) },
  'that answers with a web page': { answers: both(HTML), lost: { refused: SPANS } },
  'that is not found': { answers: both({ ...HTML, status: 404 }), lost: { refused: SPANS } },
  'that stands behind a gateway in trouble': { answers: both({ ...HTML, status: 502 }, {}) },
  'that takes a part': {
    answers: both({ partial: { rejected: 7, message: 'too old' } }),
    lost: { refused: 7 },
  },
  'that rejects more spans than there were': {
    answers: both({ partial: { rejected: 1000, message: 'too old' } }),
    lost: { refused: SPANS },
  },
  'that gives advice': { answers: both({ partial: { rejected: 0, message: 'smaller batches, please' } }) },

  'that tears its answer, having taken all': { answers: http({ tear: true }) },
  'that never ends its answer, having taken all': { answers: http({ endless: true }) },
  'that tears its answer before the status': { answers: { grpc: [{ tear: true }, {}] } },
  'that never comes to the status': { answers: { grpc: [{ endless: true }] }, lost: { refused: SPANS } },

  'that calls the batch bad': { answers: http({ status: 400 }), lost: { refused: SPANS } },
  'that calls everything too large': { answers: http({ status: 413 }), lost: { refused: SPANS } },
  'that has too many requests': { answers: http({ status: 429, headers: { 'retry-after': '0' } }, {}) },
  'that asks for time, as a date': {
    answers: http({ status: 503, headers: { 'retry-after': new Date(0).toUTCString() } }, {}),
  },
  'that asks for more time than there is': {
    answers: http({ status: 503, headers: { 'retry-after': '60' } }, {}),
    timeoutMs: 2000,
    lost: { unreachable: SPANS },
  },
  'that is unavailable for a moment': { answers: http({ status: 503 }, {}) },
  'that has a timeout behind it': { answers: http({ status: 504 }, {}) },
  'that fails': { answers: http({ status: 500 }), lost: { refused: SPANS } },

  'that is unavailable by gRPC': { answers: grpc({ code: UNAVAILABLE }, {}) },
  'that says when to come back': { answers: grpc({ code: UNAVAILABLE, details: rpcStatus('busy', 5) }, {}) },
  'that is exhausted and says until when': {
    answers: grpc({ code: RESOURCE_EXHAUSTED, details: rpcStatus('busy', 5) }, {}),
  },
  'that asks for more time than there is, by gRPC': {
    answers: grpc({ code: UNAVAILABLE, details: rpcStatus('busy', 60_000) }, {}),
    timeoutMs: 2000,
    lost: { unreachable: SPANS },
  },
  'that is exhausted for good': {
    answers: grpc({ code: RESOURCE_EXHAUSTED, message: 'quota' }),
    lost: { refused: SPANS },
  },
  ...Object.fromEntries(
    [1, 4, 10, 11, 15].map(code => [`that fails with gRPC ${code} for a moment`, { answers: grpc({ code }, {}) }]),
  ),
  ...Object.fromEntries(
    [2, 3, 5, 6, 7, 9, 12, 13, 16, 99].map(code => [
      `that refuses with gRPC ${code}`,
      { answers: grpc({ code, message: 'no, 100 %' }), lost: { refused: SPANS } },
    ]),
  ),
}

function deliveryTo(url: string, protocol: Protocol, timeoutMs = 15_000) {
  const health = createHealth()
  const options = { serviceName: 'faults', resourceDetectors: [], otlp: { endpoint: url, protocol, timeoutMs } }
  const { config, warnings } = readConfig([], options, {})
  assert.deepEqual(warnings, [])
  const { queue, exporter } = createDelivery(config, health, 'otlp', {})
  const ended: string[] = []
  return {
    health,
    exporter,
    queue,
    ended,
    add(count: number, attributes = {}) {
      for (let i = 0; i < count; i++) {
        const span = endedSpan({ attributes })
        ended.push(span.spanId)
        queue.add(span)
      }
    },
  }
}

// So that a hundred spans are more than one request may hold here.
const TEXT = { text: 'x'.repeat(200) }

const sum = (counts: Record<string, number>): number => Object.values(counts).reduce((a, b) => a + b, 0)

/** Each span was delivered once or is counted, and nothing else was. */
function account(collector: Collector, { health, ended }: ReturnType<typeof deliveryTo>): void {
  const arrived = collector.spans().map(({ spanId }) => spanId)
  assert.equal(new Set(arrived).size, arrived.length, 'none came twice')
  assert.ok(arrived.every(id => ended.includes(id)))
  assert.equal(health.sent, arrived.length)
  assert.equal(health.sent + sum(health.dropped), ended.length)
}

const collectorOf = (protocol: Protocol, more: CollectorOptions = {}) =>
  createCollector({ grpc: protocol === 'grpc', ...more })

for (const [what, { answers, lost = {}, timeoutMs }] of Object.entries(faults)) {
  for (const protocol of PROTOCOLS) {
    const script = answers[protocol === 'grpc' ? 'grpc' : 'http']
    if (script === undefined) continue
    test(`${protocol}: a collector ${what}`, async () => {
      let requests = 0
      const respond = (): Behaviour => script[Math.min(requests++, script.length - 1)] as Behaviour
      const collector = await collectorOf(protocol, { respond })
      const delivery = deliveryTo(collector.url, protocol, timeoutMs)
      delivery.add(SPANS)
      await delivery.queue.flush()
      account(collector, delivery)
      for (const [reason, count] of Object.entries(delivery.health.dropped))
        assert.equal(count, lost[reason as DropReason] ?? 0, reason)
      await collector.close()
    })
  }
}

for (const protocol of PROTOCOLS) {
  const tooLarge: Behaviour =
    protocol === 'grpc'
      ? { grpc: { code: RESOURCE_EXHAUSTED, message: 'grpc: received message larger than max (9000 vs. 8000)' } }
      : { status: 413 }

  test(`${protocol}: a batch that is too large arrives in parts`, async () => {
    const collector = await collectorOf(protocol, { respond: upTo(4000, tooLarge) })
    const delivery = deliveryTo(collector.url, protocol)
    delivery.add(100, TEXT)
    await delivery.queue.flush()
    account(collector, delivery)
    assert.equal(delivery.health.sent, 100)
    const refused = collector.requests.filter(({ accepted }) => !accepted).length
    delivery.add(100, TEXT)
    await delivery.queue.flush()
    account(collector, delivery)
    assert.equal(delivery.health.sent, 200)
    assert.ok(
      collector.requests.filter(({ accepted }) => !accepted).length - refused < refused,
      'the second time fewer requests are too large',
    )
    await collector.close()
  })

  test(`${protocol}: of a batch that is too large, the one span that is so itself is dropped`, async () => {
    const collector = await collectorOf(protocol, { respond: upTo(4000, tooLarge) })
    const delivery = deliveryTo(collector.url, protocol)
    delivery.add(10)
    delivery.add(1, { text: 'x'.repeat(10_000) })
    delivery.add(10)
    await delivery.queue.flush()
    account(collector, delivery)
    assert.equal(delivery.health.dropped.refused, 1)
    await collector.close()
  })

  test(`${protocol}: of a batch in parts, what was taken is not sent again when the collector goes away`, async () => {
    let taken = 0
    const collector = await collectorOf(protocol, {
      respond: request => {
        const answer = upTo(4000, tooLarge)(request)
        return answer !== tooLarge && ++taken > 2 ? { reset: true } : answer
      },
    })
    const delivery = deliveryTo(collector.url, protocol, 1500)
    delivery.add(100, TEXT)
    await delivery.queue.flush()
    account(collector, delivery)
    assert.ok(delivery.health.sent > 0 && delivery.health.dropped.unreachable > 0)
    await collector.close()
  })

  test(`${protocol}: a span that no request may hold is dropped, and the others arrive`, async () => {
    const collector = await collectorOf(protocol)
    const delivery = deliveryTo(collector.url, protocol)
    delivery.add(2)
    delivery.add(1, { text: 'x'.repeat(21 * 1024 * 1024) })
    delivery.add(2)
    await delivery.queue.flush()
    account(collector, delivery)
    assert.equal(delivery.health.dropped.refused, 1)
    await collector.close()
  })

  test(`${protocol}: a collector that dies and comes back gets all, once`, async () => {
    const first = await collectorOf(protocol)
    const delivery = deliveryTo(first.url, protocol)
    delivery.add(SPANS)
    await delivery.queue.flush()
    await first.close()
    delivery.add(SPANS)
    const flushed = delivery.queue.flush()
    await new Promise(resolve => setTimeout(resolve, 200))
    const second = await collectorOf(protocol, { port: first.port })
    await flushed
    assert.equal(delivery.health.sent, 2 * SPANS)
    assert.equal(new Set([...first.spans(), ...second.spans()].map(({ spanId }) => spanId)).size, 2 * SPANS)
    assert.equal(first.spans().length + second.spans().length, 2 * SPANS)
    await second.close()
  })

  test(`${protocol}: where nobody listens all is counted as unreachable`, async () => {
    const delivery = deliveryTo(`http://127.0.0.1:${await freePort()}`, protocol, 300)
    delivery.add(SPANS)
    await delivery.queue.flush()
    assert.equal(delivery.health.dropped.unreachable, SPANS)
  })

  test(`${protocol}: a collector that asks for time is left alone by the next batch too`, async () => {
    const busy: Behaviour =
      protocol === 'grpc'
        ? { grpc: { code: UNAVAILABLE, details: rpcStatus('busy', 60_000) } }
        : { status: 429, headers: { 'retry-after': '60' } }
    const collector = await collectorOf(protocol, { respond: busy })
    const delivery = deliveryTo(collector.url, protocol, 300)
    for (let batch = 0; batch < 3; batch++) {
      delivery.add(1)
      await delivery.queue.flush()
    }
    assert.equal(collector.requests.length, 1)
    assert.equal(delivery.health.dropped.unreachable, 3)
    // At the end of the process there is no later.
    collector.respond = {}
    delivery.exporter.hurry()
    delivery.add(1)
    await delivery.queue.flush()
    account(collector, delivery)
    assert.equal(delivery.health.sent, 1)
    await collector.close()
  })
}
