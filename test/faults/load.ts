/** An application under load before a collector that fails, and what became of each of its spans. */
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createSpool } from '../../src/exporter/spool.js'
import { createDecoder, type RequestModel } from '../helpers/checkers.js'
import { type Ended, runApp } from '../helpers/child.js'
import { type Behaviour, type Collector, type CollectorOptions, createCollector } from '../helpers/collector.js'
import { rpcStatus } from '../helpers/grpc.js'
import { root } from '../helpers/root.js'

export interface Size {
  /** How long the application runs. */
  ms: number
  /** Spans that it ends every ten milliseconds. */
  perTick: number
}

export type Protocol = 'http/protobuf' | 'http/json' | 'grpc'

export interface Fault {
  name: string
  respond?: CollectorOptions['respond']
  /** Answers of all kinds instead, in an order that this seed determines. */
  disorder?: number
  /** No collector listens from the first of these shares of the time to the second. */
  away?: readonly [from: number, until: number]
  spool?: { maxBytes?: number }
  /** By default http/protobuf. */
  protocol?: Protocol
  env?: Record<string, string>
  /** How the application ends; by default by process.exit. */
  end?: string
  /** OpenTelemetry's own SDK makes and sends the spans, and not we: it counts none that it drops. */
  peer?: true
}

/** A row of the table. */
export interface Row {
  fault: string
  peer: boolean
  ended: number
  delivered: number
  dropped: Record<string, number>
  /** By the next process, from the spool. */
  later: number
  /** On their way when the process ended: the collector has them or not, and had no time to say so. */
  inFlight: number
  /** Ended, and neither delivered nor dropped for a reason nor on their way at the end. */
  unaccounted: number
  /** Delivered again though a collector had said that it took them. */
  twice: number
  /** Delivered again by the next process, as the first had no answer when it ended. */
  again: number
  /** Bytes in use, from a third of the time on. */
  heap: number[]
  exitMs: number
  /** What we said. */
  lines: string[]
}

const SERVICE = 'faults'
/** Longer than any collector here takes to answer. */
const SLOW_MS = 1000

/** From a third of the time on. */
const SAMPLES = 10

/** Ends spans called 0, 1, 2 and so on, and says how many, and how much memory was in use meanwhile. */
const application = ({ ms, perTick }: Size, end: string): string => `
  const tracer = require('@opentelemetry/api').trace.getTracer('load')
  let n = 0
  const heap = []
  const measure = () => {
    gc()
    const { heapUsed, external } = process.memoryUsage()
    heap.push(heapUsed + external)
  }
  const attributes = { 'app.route': '/orders/:id', 'app.items': 3, 'app.note': 'x'.repeat(60) }
  const timer = setInterval(() => {
    for (let i = 0; i < ${perTick}; i++) tracer.startSpan(String(n++), { attributes }).end()
  }, 10)
  for (let i = 0; i < ${SAMPLES}; i++) setTimeout(measure, ${ms / 3} + i * ${(ms * 2) / 3 / SAMPLES})
  setTimeout(() => {
    clearInterval(timer)
    measure()
    console.log(JSON.stringify({ ended: n, heap, endMs: Date.now() }))
    ${end}
  }, ${ms})`

/** OpenTelemetry's SDK with its batch processor and OTLP exporter, configured by the same variables. */
const PEER = `
  const need = require('node:module').createRequire(${JSON.stringify(join(root, 'test/versions/otel-sdk-2/package.json'))})
  const { BasicTracerProvider, BatchSpanProcessor } = need('@opentelemetry/sdk-trace-base')
  const { OTLPTraceExporter } = need('@opentelemetry/exporter-trace-otlp-proto')
  const spanProcessors = [new BatchSpanProcessor(new OTLPTraceExporter())]
  require('@opentelemetry/api').trace.setGlobalTracerProvider(new BasicTracerProvider({ spanProcessors }))`

export async function run(fault: Fault, size: Size): Promise<Row> {
  const folder = mkdtempSync(join(tmpdir(), 'faults-'))
  const collectors: Collector[] = []
  const respond = fault.disorder === undefined ? fault.respond : disorder(fault.disorder, fault.protocol)
  const open = async (port?: number): Promise<Collector> => {
    const collector = await createCollector({ respond, port, grpc: fault.protocol === 'grpc' })
    collectors.push(collector)
    return collector
  }
  try {
    const first = await open()
    const [from, until] = fault.away ?? [1, 1]
    if (from === 0) await first.close()
    const app = runApp({
      code: `${fault.peer ? PEER : ''}${application(size, fault.end ?? 'process.exit(0)')}`,
      preload: fault.peer ? 'none' : 'import',
      collector: first,
      flags: ['--expose-gc'],
      timeoutMs: size.ms + 60_000,
      env: {
        OTEL_SERVICE_NAME: SERVICE,
        OTEL_LOG_LEVEL: 'info',
        OTEL_BSP_SCHEDULE_DELAY: '200',
        OTEL_EXPORTER_OTLP_TIMEOUT: '1500',
        TRACE_EXIT_TIMEOUT_MS: '2000',
        OTEL_EXPORTER_OTLP_PROTOCOL: fault.protocol ?? 'http/protobuf',
        ...(fault.spool === undefined ? undefined : { TRACE_SPOOL: folder }),
        ...(fault.spool?.maxBytes === undefined ? undefined : { TRACE_SPOOL_MAX_BYTES: String(fault.spool.maxBytes) }),
        ...fault.env,
      },
    })
    if (from > 0 && from < 1) {
      await wait(size.ms * from)
      await first.close()
    }
    if (until < 1) {
      await wait(size.ms * (until - from))
      await open(first.port)
    }
    const ended = await app
    const endedAt = Date.now()
    // What a slow collector has received it takes later, whether or not the sender is still there.
    await wait(SLOW_MS)
    const before = namesOf(collectors)
    const left = new Set(fault.spool === undefined ? [] : await namesInSpool(folder))
    if (fault.spool !== undefined) collectors.push(await succeed(folder))
    return account(fault, ended, endedAt, before, left, namesOf(collectors))
  } finally {
    for (const collector of collectors) await collector.close()
    rmSync(folder, { recursive: true })
  }
}

const namesOf = (collectors: readonly Collector[]): string[] =>
  collectors.flatMap(collector => collector.spans().map(span => span.name))

/** Runs a process of the same service that ends no spans, until the spool is empty; returns the collector that it had. */
export async function succeed(spool: string): Promise<Collector> {
  const collector = await createCollector()
  const env = { OTEL_SERVICE_NAME: SERVICE, TRACE_SPOOL: spool }
  const code = `
    const { readdirSync } = require('node:fs')
    let looks = 0
    const timer = setInterval(() => {
      if (++looks >= 10 && (readdirSync(${JSON.stringify(join(spool, SERVICE))}).length === 0 || looks > 600)) clearInterval(timer)
    }, 100)`
  await runApp({ code, collector, env, timeoutMs: 120_000 })
  return collector
}

function account(
  fault: Fault,
  app: Ended,
  endedAt: number,
  before: string[],
  left: ReadonlySet<string>,
  names: string[],
): Row {
  if (app.code !== 0) throw new Error(`ended with ${app.code ?? app.signal}: ${app.stderr}`)
  const { ended, heap, endMs } = JSON.parse(app.stdout)
  const health = JSON.parse(/ health: (\{.*\})$/m.exec(app.stderr)?.[1] ?? '{}')
  const { success: _, ...processed } = health['otel.sdk.processor.span.processed'] ?? {}
  const { success: __, ...exported } = health['otel.sdk.exporter.span.exported'] ?? {}
  const dropped = Object.fromEntries(Object.entries<number>({ ...processed, ...exported }).filter(([, n]) => n > 0))
  const delivered = new Set(names)
  const atOnce = new Set(before).size
  const again = new Set(before.filter(name => left.has(name))).size
  const inFlight = health['otel.sdk.exporter.span.inflight'] ?? 0
  const lost = Object.values(dropped).reduce((sum, n) => sum + n, 0)
  return {
    fault: fault.name,
    peer: fault.peer === true,
    ended,
    delivered: atOnce,
    later: delivered.size - atOnce,
    dropped,
    inFlight,
    unaccounted: Math.max(0, ended - delivered.size - lost - inFlight),
    twice: names.length - delivered.size - again,
    again,
    heap,
    exitMs: endedAt - endMs,
    lines: app.stderr.split('\n').filter(line => line.includes('] warn: ') || line.includes('] error: ')),
  }
}

/** The names of the spans that wait in a spool. */
export async function namesInSpool(path: string, service = SERVICE): Promise<string[]> {
  const decode = await createDecoder()
  const spool = createSpool(path, 1, service, '.pb')
  return readdirSync(join(path, service))
    .sort()
    .flatMap(name => spool.read({ name, spans: 0, bytes: 0 })?.bodies ?? [])
    .flatMap(body => namesIn(decode(body)))
}

/** The names of the spans of one request. */
export const namesIn = ({ resourceSpans = [] }: RequestModel): string[] =>
  resourceSpans.flatMap(({ scopeSpans = [] }) =>
    scopeSpans.flatMap(({ spans = [] }) => spans.map(({ name = '' }) => name)),
  )

export const wait = (ms: number): Promise<void> => new Promise(resolve => setTimeout(resolve, ms))

/** Numbers from 0 to 1, the same for a seed on every machine (mulberry32). */
export function seeded(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let t = Math.imul(state ^ (state >>> 15), 1 | state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32
  }
}

const BUSY = { status: 429, headers: { 'retry-after': '1' } }
const ANSWERS: readonly Behaviour[] = [
  {},
  {},
  {},
  { delayMs: 300 },
  { status: 503 },
  BUSY,
  { status: 400 },
  { reset: true },
  { hang: true },
  { status: 200, body: 'nonsense' },
]

/** The same in the words of gRPC. */
const CALLS: readonly Behaviour[] = [
  {},
  {},
  {},
  { delayMs: 300 },
  { grpc: { code: 14 } },
  { grpc: { code: 8, details: rpcStatus('busy', 1000) } },
  { grpc: { code: 3, message: 'no' } },
  { reset: true },
  { hang: true },
  { tear: true },
]

/** Answers of all kinds, in an order that the seed determines. */
export function disorder(seed: number, protocol: Protocol = 'http/protobuf'): () => Behaviour {
  const random = seeded(seed)
  const answers = protocol === 'grpc' ? CALLS : ANSWERS
  return () => answers[Math.floor(random() * answers.length)] as Behaviour
}

/** Each fault by itself, and all of them in disorder. */
export const faults = (seed: number): Fault[] => {
  const single: Fault[] = [
    { name: 'none' },
    { name: 'slow', respond: { delayMs: 400 } },
    { name: 'down', away: [0, 1] },
    { name: 'goes and comes back', away: [0.3, 0.6] },
    { name: 'hangs', respond: { hang: true } },
    { name: 'resets', respond: { reset: true } },
    { name: '400', respond: { status: 400 } },
    { name: '429', respond: BUSY },
    { name: '503', respond: { status: 503 } },
    ...(['http/protobuf', 'http/json', 'grpc'] as const).map(protocol => ({
      name: `in disorder, ${protocol}, seed ${seed}`,
      protocol,
      disorder: seed,
    })),
  ]
  return single.flatMap(fault => [fault, { ...fault, name: `${fault.name}, spool`, spool: {} }])
}

/** The same faults for OpenTelemetry's SDK, which has no spool. */
export const peerFaults = (seed: number): Fault[] =>
  faults(seed)
    .filter(({ spool, protocol = 'http/protobuf' }) => spool === undefined && protocol === 'http/protobuf')
    .map(fault => ({ ...fault, name: `${fault.name}, OpenTelemetry JS`, peer: true }))
