/** A collector for tests: receives OTLP over HTTP and gRPC, keeps the spans, and can refuse, delay or break in every way. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import {
  createServer as createHttp2Server,
  createSecureServer,
  type IncomingHttpHeaders,
  type ServerHttp2Stream,
} from 'node:http2'
import { createServer as createHttpsServer } from 'node:https'
import type { AddressInfo, Server, Socket } from 'node:net'
import { buffer } from 'node:stream/consumers'
import type { SecureContextOptions } from 'node:tls'
import { gunzipSync, zstdDecompressSync } from 'node:zlib'
import {
  type AnyValueModel,
  type CheckersOptions,
  createCheckers,
  type KeyValueModel,
  type RequestModel,
  type SpanModel,
} from './checkers.js'
import { answer, type GrpcAnswer, partialSuccess, readMessage } from './grpc.js'

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
  headers: IncomingMessage['headers'] | IncomingHttpHeaders
  /** Of the sender. */
  port: number | undefined
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
  /** Answers with what is no HTTP; not over gRPC. */
  garbage?: boolean
  /** Resets in the middle of the answer. */
  tear?: boolean
  /** Never ends the answer. */
  endless?: boolean
  /** Leaves out the first spans of the request, and says so. */
  partial?: { rejected: number; message: string }
  /** Over gRPC; `status` other than 200 stands for something that knows HTTP only. */
  grpc?: GrpcAnswer
}

export interface CollectorOptions extends Omit<CheckersOptions, 'ownPorts'> {
  respond?: Behaviour | ((request: ReceivedRequest) => Behaviour)
  /** A port that was free a moment ago; by default any. */
  port?: number
  /** The path of a unix socket to listen on, instead of a port. */
  socket?: string
  /** Speaks gRPC, and not HTTP/1.1. */
  grpc?: boolean
  /** Speaks TLS. */
  tls?: SecureContextOptions & { requestCert?: boolean; rejectUnauthorized?: boolean }
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

  /** Keeps the request, and tells how to answer once it is time to. */
  async function taken(
    of: Pick<ReceivedRequest, 'method' | 'path' | 'headers' | 'port'>,
    wire: Buffer,
    encoding: unknown,
  ) {
    const body = decompressed(wire, encoding)
    const request = { ...of, wireBytes: wire.length, body, accepted: false }
    requests.push(request)
    const { respond } = collector
    const behaviour = typeof respond === 'function' ? respond(request) : respond
    const { delayMs = 0 } = behaviour
    if (delayMs > 0) await new Promise(resolve => setTimeout(resolve, delayMs))
    return { request, behaviour }
  }

  function accept(request: ReceivedRequest, { partial }: Behaviour): void {
    const isJson = request.headers['content-type'] === 'application/json'
    const model = isJson ? checkers.jsonRequest(request.body.toString('utf8')) : checkers.request(request.body)
    received.push(...flatten(model).slice(partial?.rejected ?? 0))
    request.accepted = true
  }

  async function receive(req: IncomingMessage, res: ServerResponse): Promise<void> {
    const { method = '', url: path = '', headers } = req
    const { request, behaviour } = await taken(
      { method, path, headers, port: req.socket.remotePort },
      await buffer(req),
      headers['content-encoding'],
    )
    const { status = 200, hang, reset, garbage, tear, endless, partial } = behaviour
    if (hang) return
    if (reset) req.socket.resetAndDestroy()
    if (garbage) req.socket.end('\x00\xff this is no HTTP\r\n\r\n')
    if (reset || garbage) return
    const type = { 'content-type': headers['content-type'], ...behaviour.headers }
    if (status >= 200 && status < 300 && !String(type['content-type']).includes('html')) {
      assert.equal(method, 'POST')
      assert.match(headers['content-type'] ?? '', /^application\/(x-protobuf|json)$/)
      accept(request, behaviour)
    }
    const isJson = headers['content-type'] === 'application/json'
    // An empty message is no bytes in protobuf, and an empty object in JSON.
    const empty = isJson ? '{}' : undefined
    const body = behaviour.body ?? (partial ? partialBody(partial, isJson) : empty)
    res.writeHead(status, tear ? { ...type, 'content-length': '1000' } : type)
    if (tear) res.write('half', () => req.socket.resetAndDestroy())
    else if (endless) pour(() => res.write(Buffer.alloc(100_000)), res)
    else res.end(body)
  }

  async function receiveCall(stream: ServerHttp2Stream, headers: IncomingHttpHeaders): Promise<void> {
    const { wire, isCompressed } = await readMessage(stream, headers)
    const { ':method': method = '', ':path': path = '' } = headers
    const encoding = isCompressed ? headers['grpc-encoding'] : undefined
    const { request, behaviour } = await taken(
      { method, path, headers, port: stream.session?.socket.remotePort },
      wire,
      encoding,
    )
    const { status = 200, hang, reset, tear, endless, partial, grpc = {} } = behaviour
    if (hang) return
    if (reset) stream.session?.destroy()
    if (reset) return
    if (status !== 200 || behaviour.headers !== undefined) {
      stream.respond({ ':status': status, 'content-type': 'text/html', ...behaviour.headers })
      stream.end(behaviour.body)
      return
    }
    if (tear || endless) {
      stream.respond({ ':status': 200, 'content-type': 'application/grpc' })
      if (tear) stream.write('half', () => stream.close(2))
      else pour(() => stream.write(Buffer.alloc(100_000)), stream)
      return
    }
    if ((grpc.code ?? 0) === 0) accept(request, behaviour)
    answer(stream, { body: partial && partialBody(partial, false), ...grpc })
  }

  const onConnection = (socket: Socket): void => {
    sockets.add(socket.unref())
    socket.once('close', () => sockets.delete(socket)).on('error', () => socket.destroy())
  }
  const server = options.grpc ? listenForCalls() : listenForRequests()
  server.on('connection', onConnection)

  function listenForRequests(): Server {
    const onRequest = (req: IncomingMessage, res: ServerResponse): void => {
      receive(req, res).catch(error => {
        // A sender that goes away in the middle is its own affair; anything else is a finding.
        if (!req.destroyed || req.complete) failures.push(error)
        res.writeHead(400).end(String(error))
      })
    }
    return options.tls === undefined ? createServer(onRequest) : createHttpsServer(options.tls, onRequest)
  }

  function listenForCalls(): Server {
    const calls = options.tls === undefined ? createHttp2Server() : createSecureServer(options.tls)
    calls.on('stream', (stream: ServerHttp2Stream, headers: IncomingHttpHeaders) => {
      stream.on('error', () => {})
      receiveCall(stream, headers).catch(error => {
        if (!stream.destroyed) failures.push(error)
        stream.close(2)
      })
    })
    calls.on('sessionError', () => {})
    return calls
  }

  if (options.socket === undefined) server.listen(options.port ?? 0, '127.0.0.1')
  else server.listen(options.socket)
  await once(server, 'listening')
  // A test that failed may have left it open.
  server.unref()
  const { port } = options.socket === undefined ? (server.address() as AddressInfo) : { port: 0 }
  const checkers = await createCheckers({ ...options, ownPorts: port === 0 ? [] : [port] })

  const collector = {
    url: options.socket === undefined ? `http${options.tls ? 's' : ''}://127.0.0.1:${port}` : `unix:${options.socket}`,
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

const decompressed = (wire: Buffer, encoding: unknown): Buffer => {
  if (encoding === 'gzip') return gunzipSync(wire)
  return encoding === 'zstd' ? zstdDecompressSync(wire) : wire
}

const partialBody = ({ rejected, message }: { rejected: number; message: string }, asJson: boolean): Buffer =>
  asJson
    ? Buffer.from(JSON.stringify({ partialSuccess: { rejectedSpans: String(rejected), errorMessage: message } }))
    : partialSuccess(rejected, message)

/** Writes as long as there is somebody who takes it. */
function pour(
  write: () => boolean,
  stream: { readonly destroyed: boolean; once(event: 'drain', on: () => void): unknown },
): void {
  while (!stream.destroyed) {
    if (write()) continue
    stream.once('drain', () => pour(write, stream))
    return
  }
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
