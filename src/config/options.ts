/** The table of options: one row each, from which come the types, the reading of them and their documentation. */
import type { LogLevel } from '../diagnostics/log.js'
import type { Wanted } from './file/given.js'
import {
  compression,
  endpoint,
  GRPC_ENDPOINT,
  HTTP_ENDPOINT,
  headers,
  pemFile,
  proxyUrl,
  TRACES_PATH,
  zipkinEndpoint,
} from './otlp.js'
import { attributes, boolean, choice, count, limit, milliseconds, names, namesOrNone, text, words } from './parse.js'
import { type Definition, type Row, row, rowsOf } from './row.js'
import { sampler } from './sampler.js'

const LOG_LEVELS: readonly LogLevel[] = ['none', 'error', 'warn', 'info', 'debug', 'verbose', 'all']

const bothOtlp = (name: string): string[] => [`OTEL_EXPORTER_OTLP_TRACES_${name}`, `OTEL_EXPORTER_OTLP_${name}`]

const ALL_COUNTS = 'OTEL_ATTRIBUTE_COUNT_LIMIT'

const fixed = {
  serviceName: row<string | undefined>(
    text,
    undefined,
    'OTEL_SERVICE_NAME',
    "Name of the service. Without it: `service.name` of the resource attributes, the `name` in the application's package.json, or `unknown_service:node`.",
  ),
  resourceAttributes: row(
    attributes,
    {},
    'OTEL_RESOURCE_ATTRIBUTES',
    'What else describes the service; wins over what is detected.',
  ),
  resourceDetectors: row(
    namesOrNone([
      'all',
      'env',
      'host',
      'os',
      'process',
      'serviceinstance',
      'container',
      'k8s',
      'alibaba',
      'aws',
      'azure',
      'gcp',
    ]),
    ['all'],
    'OTEL_NODE_RESOURCE_DETECTORS',
    'What finds out more about where the service runs. The metadata server of a cloud is asked only where there is a sign of that cloud; the attributes above count in any case.',
  ),
  disabled: row(
    boolean,
    false,
    'OTEL_SDK_DISABLED',
    'No spans, nothing instrumented; the propagators still serve manual code.',
  ),
  exporters: row(
    namesOrNone(['otlp', 'console', 'otlp/stdout', 'otlp/file', 'zipkin']),
    ['otlp'],
    'OTEL_TRACES_EXPORTER',
    'Where finished spans go: to a collector, as waterfalls to standard error, as OTLP JSON to standard output or to a file, to Zipkin.',
  ),
  sampler,
  propagators: row(
    namesOrNone(['tracecontext', 'baggage', 'b3', 'b3multi', 'jaeger', 'ottrace', 'xray', 'xray-lambda']),
    ['tracecontext', 'baggage'],
    'OTEL_PROPAGATORS',
    'Headers by which a trace crosses processes. Each of the formats is written; of those that are there the last one counts.',
  ),
  batch: {
    scheduleDelayMs: row(
      milliseconds,
      5000,
      'OTEL_BSP_SCHEDULE_DELAY',
      'How long a finished span may wait to be sent.',
    ),
    exportTimeoutMs: row(milliseconds, 30_000, 'OTEL_BSP_EXPORT_TIMEOUT', 'How long one batch may take. 0: no limit.'),
    maxQueueSize: row(count(1), 2048, 'OTEL_BSP_MAX_QUEUE_SIZE', 'Spans that may wait; more are dropped.'),
    maxExportBatchSize: row(
      count(1),
      512,
      'OTEL_BSP_MAX_EXPORT_BATCH_SIZE',
      'Spans in one request, at most `batch.maxQueueSize`.',
    ),
  },
  limits: {
    attributeCount: row(limit, 128, ['OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT', ALL_COUNTS], 'Attributes of a span.'),
    attributeValueLength: row(
      limit,
      Number.POSITIVE_INFINITY,
      ['OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT', 'OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT'],
      'Length of a text value, in UTF-16 code units; longer ones are cut.',
    ),
    eventCount: row(limit, 128, 'OTEL_SPAN_EVENT_COUNT_LIMIT', 'Events of a span.'),
    linkCount: row(limit, 128, 'OTEL_SPAN_LINK_COUNT_LIMIT', 'Links of a span.'),
    eventAttributeCount: row(
      limit,
      128,
      ['OTEL_EVENT_ATTRIBUTE_COUNT_LIMIT', 'OTEL_SPAN_ATTRIBUTE_PER_EVENT_COUNT_LIMIT', ALL_COUNTS],
      'Attributes of an event.',
    ),
    linkAttributeCount: row(
      limit,
      128,
      ['OTEL_LINK_ATTRIBUTE_COUNT_LIMIT', 'OTEL_SPAN_ATTRIBUTE_PER_LINK_COUNT_LIMIT', ALL_COUNTS],
      'Attributes of a link.',
    ),
  },
  otlp: {
    protocol: row(
      choice(['http/protobuf', 'http/json', 'grpc']),
      'http/protobuf',
      bothOtlp('PROTOCOL'),
      'How spans are encoded and sent.',
    ),
    endpoint: row<string | undefined>(
      endpoint,
      undefined,
      bothOtlp('ENDPOINT'),
      `Where the collector takes traces. \`${TRACES_PATH}\` is appended to the second variable, and in code to a URL without a path; grpc needs no path. Without it: \`${HTTP_ENDPOINT}\`, with grpc \`${GRPC_ENDPOINT}\`.`,
      'credentials',
    ),
    insecure: row(
      boolean,
      false,
      bothOtlp('INSECURE'),
      'Whether grpc to a host:port, which says neither http nor https, goes without TLS.',
    ),
    certificate: row<string | undefined>(
      pemFile,
      undefined,
      bothOtlp('CERTIFICATE'),
      'Authorities to trust, instead of those that Node knows.',
    ),
    clientCertificate: row<string | undefined>(
      pemFile,
      undefined,
      bothOtlp('CLIENT_CERTIFICATE'),
      'Who we are, for mutual TLS.',
    ),
    clientKey: row<string | undefined>(pemFile, undefined, bothOtlp('CLIENT_KEY'), 'The key of that certificate.'),
    headers: row(headers, {}, bothOtlp('HEADERS'), 'Headers of every request, of all sources together.', 'value'),
    timeoutMs: row(milliseconds, 10_000, bothOtlp('TIMEOUT'), 'For one batch, retries included. 0: no limit.'),
    compression: row(compression, 'none', bothOtlp('COMPRESSION'), 'Of the request body.'),
  },
  otlpFile: row(
    text,
    'traces.jsonl',
    'TRACE_OTLP_FILE',
    'Where the exporter `otlp/file` appends a line of OTLP JSON for each batch. A file of 256 MiB is renamed, with `.1` at its end, in place of the one before it.',
  ),
  zipkin: {
    endpoint: row(
      zipkinEndpoint,
      'http://localhost:9411/api/v2/spans',
      'OTEL_EXPORTER_ZIPKIN_ENDPOINT',
      'Where the exporter `zipkin` sends its JSON.',
      'credentials',
    ),
    timeoutMs: row(milliseconds, 10_000, 'OTEL_EXPORTER_ZIPKIN_TIMEOUT', 'The same as `otlp.timeoutMs`, for Zipkin.'),
  },
  proxies: {
    http: row<string | undefined>(
      proxyUrl,
      undefined,
      ['http_proxy', 'HTTP_PROXY'],
      'The proxy to collectors of http URLs that are not on this machine.',
      'credentials',
    ),
    https: row<string | undefined>(
      proxyUrl,
      undefined,
      ['https_proxy', 'HTTPS_PROXY'],
      'The same for https URLs.',
      'credentials',
    ),
    except: row(
      words,
      [],
      ['no_proxy', 'NO_PROXY'],
      'Hosts and domains, with or without a port, networks (10.0.0.0/8) or `*`: reached without a proxy.',
    ),
  },
  spool: {
    path: row<string | undefined>(
      text,
      undefined,
      'TRACE_SPOOL',
      'A folder for spans that wait for a collector, so that they outlive an outage and the process. Without it they wait in memory.',
    ),
    maxBytes: row(
      count(1),
      256 * 1024 * 1024,
      'TRACE_SPOOL_MAX_BYTES',
      'Bytes that all processes of a service may have in the spool; the oldest spans are dropped.',
    ),
  },
  async: {
    relation: row(
      choice(['auto', 'parent', 'link']),
      'auto',
      'TRACE_ASYNC',
      'Whether what handles a message or job is a child of what sent it (`parent`) or begins a trace that is linked to it (`link`). `auto`: `parent`, but `link` for batches, schedules and old messages.',
    ),
    maxAgeMs: row(milliseconds, 3_600_000, 'TRACE_ASYNC_MAX_AGE_MS', 'From which age on a message is old.'),
  },
  http: {
    knownMethods: row<readonly string[] | undefined>(
      words,
      undefined,
      'OTEL_INSTRUMENTATION_HTTP_KNOWN_METHODS',
      'The only methods that name spans, in this case; others are told as `_OTHER`. Without it: those of RFC 9110, PATCH and QUERY.',
    ),
    secretParameters: row<readonly string[] | undefined>(
      words,
      undefined,
      'TRACE_HTTP_SECRET_PARAMETERS',
      'The only parameters of URLs whose values are replaced by `REDACTED`, in this case. Without it: the signatures and credentials of AWS, Google Cloud and Azure.',
    ),
  },
  logLevel: row(choice(LOG_LEVELS), 'warn', 'OTEL_LOG_LEVEL', 'What this package says on standard error.'),
  exitTimeoutMs: row(
    milliseconds,
    2000,
    'TRACE_EXIT_TIMEOUT_MS',
    'How long the process may take, when it ends, to deliver its last spans.',
  ),
}

/** The whole table, with the options of the given instrumentations: `instrumentations.pg.parameters`, `TRACE_PG_PARAMETERS`. */
export function createTable(definitions: readonly Definition[]) {
  const all = definitions.map(({ name }) => name)
  return {
    ...fixed,
    enabledInstrumentations: row<readonly string[] | undefined>(
      namesOrNone(all, 'a list of instrumentations, or none alone'),
      undefined,
      'OTEL_NODE_ENABLED_INSTRUMENTATIONS',
      'The only instrumentations to use. Without it: all but those whose `OTEL_INSTRUMENTATION_{NAME}_ENABLED` (as in `PG`, `NODE_CRON`) is false or, where that is not set, `OTEL_INSTRUMENTATION_COMMON_DEFAULT_ENABLED`.',
    ),
    disabledInstrumentations: row(
      names(all, 'a list of instrumentations'),
      [],
      'OTEL_NODE_DISABLED_INSTRUMENTATIONS',
      'Instrumentations not to use, even if they are enabled.',
    ),
    instrumentationModules: row(
      words,
      [],
      'TRACE_INSTRUMENTATIONS',
      'Modules whose OpenTelemetry instrumentations are loaded and enabled, from the working directory on.',
    ),
    instrumentations: Object.fromEntries(definitions.map(definition => [definition.name, rowsOf(definition)])),
  }
}

type Values<T> = T extends Row<infer V> ? V : { readonly [K in keyof T]: Values<T[K]> }
type Given<T> = T extends Row<infer V> ? V : { readonly [K in keyof T]?: Given<T[K]> }
type AllRows = ReturnType<typeof createTable>

/** Every option with its value, deeply frozen. */
export interface Config extends Omit<Values<AllRows>, 'serviceName' | 'otlp'> {
  readonly otlp: Omit<Values<AllRows>['otlp'], 'endpoint'> & { readonly endpoint: string }
  readonly serviceName: string
  /** In the package.json that the service is named after, if it is. */
  readonly serviceVersion?: string
  /** Components of the application that a configuration file names, if it does. */
  readonly wanted?: readonly Wanted[]
}

/** What `init` takes: each option wins over the environment, and over its default. */
export type Options = Given<AllRows>
