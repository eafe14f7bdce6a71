/** A collector for tests: receives OTLP over HTTP, keeps the spans, and can refuse, delay or break. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import { buffer } from 'node:stream/consumers'
import { gunzipSync } from 'node:zlib'
import {
  type AnyValueModel,
  type CheckersOptions,
  createCheckers,
  type KeyValueModel,
  type RequestModel,
  type SpanModel,
} from './checkers.js'

export type Kind = 'unspecified' | 'internal' | 'server' | 'client' | 'producer' | 'consumer'
export type Status = 'unset' | 'ok' | 'error'
type Values = Record<string, unknown>

/** A span as it arrived. */
export interface ReceivedSpan {
  traceId: string
  spanId: string
  parentSpanId: string | undefined
  name: string
  kind: Kind
  status: Status
  statusMessage: string | undefined
  /** Nanoseconds since the epoch. */
  start: bigint
  /** Nanoseconds since the epoch. */
  end: bigint
  flags: number
  traceState: string | undefined
  attributes: Values
  droppedAttributes: number
  events: { name: string; time: bigint; attributes: Values }[]
  droppedEvents: number
  links: { traceId: string; spanId: string; traceState: string | undefined; flags: number; attributes: Values }[]
  droppedLinks: number
  scope: { name: string; version: string | undefined; schemaUrl: string | undefined }
  /** `service.name` of the resource. */
  service: unknown
  resource: Values
}

export interface ReceivedRequest {
  method: string
  path: string
  headers: IncomingMessage['headers']
  /** As sent: compressed, if it was. */
  wireBytes: number
  body: Buffer
  /** False if the collector answered otherwise than with success. */
  accepted: boolean
}

/** How the collector answers; by default 200 with an empty body. */
export interface Behaviour {
  status?: number
  headers?: Record<string, string>
  body?: string | Uint8Array
  delayMs?: number
  /** Never answers. */
  hang?: boolean
  /** Resets the connection instead of answering. */
  reset?: boolean
}

export interface CollectorOptions extends Omit<CheckersOptions, 'ownPorts'> {
  respond?: Behaviour | ((request: ReceivedRequest) => Behaviour)
  /** A port that was free a moment ago; by default any. */
  port?: number
}

export type Collector = Awaited<ReturnType<typeof createCollector>>

const KINDS: Kind[] = ['unspecified', 'internal', 'server', 'client', 'producer', 'consumer']
const STATUSES: Status[] = ['unset', 'ok', 'error']
const POLL_MS = 10

/** Listens on loopback. `close` also holds all that was accepted against the OTLP and semantic-conventions checkers. */
export async function createCollector(options: CollectorOptions = {}) {
  const requests: ReceivedRequest[] = []
  const received: ReceivedSpan[] = []
  const failures: unknown[] = []
  const sockets = new Set<Socket>()

  async function receive(req: IncomingMessage, res: ServerResponse): Promise<void> {
    const wire = await buffer(req)
    const body = req.headers['content-encoding'] === 'gzip' ? gunzipSync(wire) : wire
    const { method = '', url: path = '', headers } = req
    const request = { method, path, headers, wireBytes: wire.length, body, accepted: false }
    requests.push(request)
    const { respond } = collector
    const { status = 200, delayMs = 0, ...rest } = typeof respond === 'function' ? respond(request) : respond
    if (delayMs > 0) await new Promise(resolve => setTimeout(resolve, delayMs))
    if (rest.hang) return
    if (rest.reset) {
      req.socket.resetAndDestroy()
      return
    }
    if (status >= 200 && status < 300) {
      assert.equal(method, 'POST')
      assert.equal(headers['content-type'], 'application/x-protobuf')
      received.push(...flatten(checkers.request(body)))
      request.accepted = true
    }
    res.writeHead(status, { 'content-type': 'application/x-protobuf', ...rest.headers }).end(rest.body)
  }

  const server = createServer((req, res) => {
    receive(req, res).catch(error => {
      // A sender that goes away in the middle is its own affair; anything else is a finding.
      if (!req.destroyed || req.complete) failures.push(error)
      res.writeHead(400).end(String(error))
    })
  })
  server.on('connection', socket => {
    sockets.add(socket.unref())
    socket.once('close', () => sockets.delete(socket)).on('error', () => socket.destroy())
  })
  server.listen(options.port ?? 0, '127.0.0.1')
  await once(server, 'listening')
  // A test that failed may have left it open.
  server.unref()
  const { port } = server.address() as AddressInfo
  const checkers = await createCheckers({ ...options, ownPorts: [port] })

  const collector = {
    url: `http://127.0.0.1:${port}`,
    port,
    requests,
    /** What the next requests get. */
    respond: options.respond ?? {},

    /** All spans that were accepted, in the order of their arrival. */
    spans: (): ReceivedSpan[] => received.slice(),

    /** Connections that are open now. */
    connections: (): number => sockets.size,

    /** Resolves to all spans once there are so many, or the predicate holds. Default time: 10 s. */
    async waitFor(until: number | ((spans: ReceivedSpan[]) => boolean), timeoutMs = 10_000): Promise<ReceivedSpan[]> {
      const done = typeof until === 'number' ? (spans: ReceivedSpan[]) => spans.length >= until : until
      const giveUp = Date.now() + timeoutMs
      while (!done(received)) {
        if (Date.now() > giveUp) {
          const names = received.map(span => `${span.kind} ${span.name}`)
          assert.fail(`waited ${timeoutMs} ms; received ${received.length} spans: ${names.join(', ') || 'none'}`)
        }
        await new Promise(resolve => setTimeout(resolve, POLL_MS))
      }
      return received.slice()
    },

    /** Stops listening; throws what the checkers found. */
    async close(): Promise<void> {
      server.close()
      for (const socket of sockets) socket.destroy()
      if (failures.length > 0) throw failures[0]
      checkers.finish()
    },
  }
  return collector
}

/** The spans of one request, each with its resource and scope. */
function flatten(model: RequestModel): ReceivedSpan[] {
  const spans: ReceivedSpan[] = []
  for (const { resource: from, scopeSpans = [] } of model.resourceSpans ?? []) {
    const resource = values(from?.attributes)
    for (const { scope, schemaUrl, spans: inScope = [] } of scopeSpans) {
      const by = { name: scope?.name ?? '', version: scope?.version, schemaUrl }
      for (const span of inScope) spans.push(flat(span, by, resource))
    }
  }
  return spans
}

const flat = (span: SpanModel, scope: ReceivedSpan['scope'], resource: Values): ReceivedSpan => ({
  traceId: span.traceId,
  spanId: span.spanId,
  parentSpanId: span.parentSpanId,
  name: span.name ?? '',
  kind: KINDS[span.kind ?? 0] as Kind,
  status: STATUSES[span.status?.code ?? 0] as Status,
  statusMessage: span.status?.message,
  start: BigInt(span.startTimeUnixNano),
  end: BigInt(span.endTimeUnixNano),
  flags: span.flags ?? 0,
  traceState: span.traceState,
  attributes: values(span.attributes),
  droppedAttributes: span.droppedAttributesCount ?? 0,
  events: (span.events ?? []).map(event => ({
    name: event.name ?? '',
    time: BigInt(event.timeUnixNano),
    attributes: values(event.attributes),
  })),
  droppedEvents: span.droppedEventsCount ?? 0,
  links: (span.links ?? []).map(link => ({
    traceId: link.traceId ?? '',
    spanId: link.spanId ?? '',
    traceState: link.traceState,
    flags: link.flags ?? 0,
    attributes: values(link.attributes),
  })),
  droppedLinks: span.droppedLinksCount ?? 0,
  scope,
  service: resource['service.name'],
  resource,
})

const values = (attributes: readonly KeyValueModel[] = []): Values =>
  Object.fromEntries(attributes.map(({ key, value }) => [key, plainValue(value)]))

function plainValue(value: AnyValueModel | undefined): unknown {
  if (value?.intValue !== undefined) return Number(value.intValue)
  if (value?.arrayValue !== undefined) return (value.arrayValue.values ?? []).map(plainValue)
  return value?.stringValue ?? value?.boolValue ?? value?.doubleValue
}
