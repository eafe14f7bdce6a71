/** Our answer to each row of the compliance matrix: the test that shows it, or why there is none. */
import type { Answer } from './matrix.js'

const CONTEXT = 'test/compliance/context.test.ts'
const DOCUMENTS = 'test/compliance/documents.test.ts'
const ENVIRONMENT = 'test/compliance/environment.test.ts'
const EXPORTERS = 'test/compliance/exporters.test.ts'
const HEALTH = 'test/compliance/health.test.ts'
const TRACES = 'test/compliance/traces.test.ts'
const APPLICATION = 'test/config/application.test.ts'
const DECLARATIVE = 'test/declarative.test.ts'
const PARSE = 'test/config/file/parse.test.ts'
const SUBSTITUTE = 'test/config/file/substitute.test.ts'
const ECOSYSTEM = 'test/ecosystem.test.ts'
const CONSOLE = 'test/exporter/console.test.ts'
const END_TO_END = 'test/exporter/end-to-end.test.ts'
const FAULTS = 'test/exporter/faults.test.ts'
const HTTP = 'test/exporter/http.test.ts'
const OTLP_PROTO = 'test/exporter/otlp-proto.test.ts'
const ZIPKIN = 'test/exporter/zipkin.test.ts'
const SPAN_EXPORTER = 'test/pipeline/span-exporter.test.ts'
const CARRIER = 'test/propagation/environment.test.ts'
const FORMATS = 'test/propagation/formats.test.ts'
const INDEX = 'test/resource/index.test.ts'
const COMPOSITE = 'test/sampling/composite.test.ts'
const DELEGATING = 'test/sampling/delegating.test.ts'
const SAMPLED_END_TO_END = 'test/sampling/end-to-end.test.ts'
const JAEGER_REMOTE = 'test/sampling/jaeger-remote.test.ts'

const yes = (file: string, test: string): Answer => ({ status: 'yes', file, test })
const no = (why: string): Answer => ({ status: 'no', why })
const doesNotApply = (why: string): Answer => ({ status: 'does not apply', why })

/** By section, heading and row. Tests are named with the suites that they are in. */
export const answers: Readonly<Record<string, Answer>> = {
  'Traces / TracerProvider / Create TracerProvider': yes(TRACES, 'TracerProvider / Create TracerProvider'),
  'Traces / TracerProvider / Get a Tracer': yes(TRACES, 'TracerProvider / Get a Tracer'),
  'Traces / TracerProvider / Get a Tracer with schema_url': yes(
    TRACES,
    'TracerProvider / Get a Tracer with schema_url',
  ),
  'Traces / TracerProvider / Get a Tracer with scope attributes': yes(
    TRACES,
    'TracerProvider / Get a Tracer with scope attributes',
  ),
  'Traces / TracerProvider / Associate Tracer with InstrumentationScope': yes(
    TRACES,
    'TracerProvider / Associate Tracer with InstrumentationScope',
  ),
  'Traces / TracerProvider / Safe for concurrent calls': yes(TRACES, 'TracerProvider / Safe for concurrent calls'),
  'Traces / TracerProvider / Shutdown (SDK only required)': yes(TRACES, 'the end / Shutdown (SDK only required)'),
  'Traces / TracerProvider / ForceFlush (SDK only required)': yes(
    TRACES,
    'TracerProvider / ForceFlush (SDK only required)',
  ),
  'Traces / Trace / Context interaction / Get active Span': yes(
    TRACES,
    'Trace / Context interaction / Get active Span',
  ),
  'Traces / Trace / Context interaction / Set active Span': yes(
    TRACES,
    'Trace / Context interaction / Set active Span',
  ),
  'Traces / Tracer / Create a new Span': yes(TRACES, 'Tracer / Create a new Span'),
  'Traces / Tracer / Documentation defines adding attributes at span creation as preferred': yes(
    DOCUMENTS,
    'README.md says that attributes are best given at creation',
  ),
  'Traces / Tracer / Get active Span': yes(TRACES, 'Tracer / Get active Span'),
  'Traces / Tracer / Mark Span active': yes(TRACES, 'Tracer / Mark Span active'),
  'Traces / Tracer / Safe for concurrent calls': yes(TRACES, 'Tracer / Safe for concurrent calls'),
  'Traces / SpanContext / IsValid': yes(TRACES, 'SpanContext / IsValid'),
  'Traces / SpanContext / IsRemote': yes(TRACES, 'SpanContext / IsRemote'),
  'Traces / SpanContext / Conforms to the W3C TraceContext spec': yes(
    TRACES,
    'SpanContext / Conforms to the W3C TraceContext spec',
  ),
  'Traces / SpanContext / Support W3C Trace Context Level 2 randomness': yes(
    TRACES,
    'SpanContext / Support W3C Trace Context Level 2 randomness',
  ),
  'Traces / Span / Create root span': yes(TRACES, 'Span / Create root span'),
  'Traces / Span / Create with default parent (active span)': yes(
    TRACES,
    'Span / Create with default parent (active span)',
  ),
  'Traces / Span / Create with parent from Context': yes(TRACES, 'Span / Create with parent from Context'),
  'Traces / Span / No explicit parent Span/SpanContext allowed': yes(
    TRACES,
    'Span / No explicit parent Span/SpanContext allowed',
  ),
  'Traces / Span / SpanProcessor.OnStart receives parent Context': yes(
    TRACES,
    'Span / SpanProcessor.OnStart receives parent Context',
  ),
  'Traces / Span / UpdateName': yes(TRACES, 'Span / UpdateName'),
  'Traces / Span / User-defined start timestamp': yes(TRACES, 'Span / User-defined start timestamp'),
  'Traces / Span / End': yes(TRACES, 'Span / End'),
  'Traces / Span / End with timestamp': yes(TRACES, 'Span / End with timestamp'),
  'Traces / Span / IsRecording': yes(TRACES, 'Span / IsRecording'),
  'Traces / Span / IsRecording becomes false after End': yes(TRACES, 'Span / IsRecording becomes false after End'),
  'Traces / Span / Set status with StatusCode (Unset, Ok, Error)': yes(
    TRACES,
    'Span / Set status with StatusCode (Unset, Ok, Error)',
  ),
  'Traces / Span / Safe for concurrent calls': yes(TRACES, 'Span / Safe for concurrent calls'),
  'Traces / Span / events collection size limit': yes(TRACES, 'Span / events collection size limit'),
  'Traces / Span / attribute collection size limit': yes(TRACES, 'Span / attribute collection size limit'),
  'Traces / Span / links collection size limit': yes(TRACES, 'Span / links collection size limit'),
  'Traces / Span / SpanProcessor.OnEnding': yes(TRACES, 'Span / SpanProcessor.OnEnding'),
  'Traces / Span attributes / SetAttribute': yes(TRACES, 'Span attributes / SetAttribute'),
  'Traces / Span attributes / String type': yes(TRACES, 'Span attributes / String type'),
  'Traces / Span attributes / Boolean type': yes(TRACES, 'Span attributes / Boolean type'),
  'Traces / Span attributes / Double floating-point type': yes(TRACES, 'Span attributes / Double floating-point type'),
  'Traces / Span attributes / Signed int64 type': yes(TRACES, 'Span attributes / Signed int64 type'),
  'Traces / Span attributes / Array of primitives (homogeneous)': yes(
    TRACES,
    'Span attributes / Array of primitives (homogeneous)',
  ),
  'Traces / Span attributes / `null` values documented as invalid/undefined': yes(
    TRACES,
    'Span attributes / `null` values documented as invalid/undefined',
  ),
  'Traces / Span attributes / Unicode support for keys and string values': yes(
    TRACES,
    'Span attributes / Unicode support for keys and string values',
  ),
  'Traces / Span linking / Links can be recorded on span creation': yes(
    TRACES,
    'Span linking / Links can be recorded on span creation',
  ),
  'Traces / Span linking / Links can be recorded after span creation': yes(
    TRACES,
    'Span linking / Links can be recorded after span creation',
  ),
  'Traces / Span linking / Links order is preserved': yes(TRACES, 'Span linking / Links order is preserved'),
  'Traces / Span events / AddEvent': yes(TRACES, 'Span events / AddEvent'),
  'Traces / Span events / Add order preserved': yes(TRACES, 'Span events / Add order preserved'),
  'Traces / Span events / Safe for concurrent calls': yes(TRACES, 'Span events / Safe for concurrent calls'),
  'Traces / Span exceptions / RecordException': yes(TRACES, 'Span exceptions / RecordException'),
  'Traces / Span exceptions / RecordException with extra parameters': yes(
    TRACES,
    'Span exceptions / RecordException with extra parameters',
  ),
  'Traces / Sampling / Allow samplers to modify tracestate': yes(
    TRACES,
    'Sampling / Allow samplers to modify tracestate',
  ),
  'Traces / Sampling / ShouldSample gets full parent Context': yes(
    TRACES,
    'Sampling / ShouldSample gets full parent Context',
  ),
  'Traces / Sampling / Sampler: JaegerRemoteSampler': yes(
    JAEGER_REMOTE,
    'it asks for the service again and again, and takes what it is told',
  ),
  'Traces / Sampling / New Span ID created also for non-recording Spans': yes(
    TRACES,
    'Sampling / New Span ID created also for non-recording Spans',
  ),
  'Traces / Sampling / IdGenerators': yes(
    ECOSYSTEM,
    'a sampler, an id generator, a propagator and a resource of others',
  ),
  'Traces / Sampling / SpanLimits': yes(TRACES, 'Sampling / SpanLimits'),
  'Traces / Sampling / Built-in `SpanProcessor`s implement `ForceFlush` spec': yes(
    ECOSYSTEM,
    'a flush that takes too long, and one that fails, say so',
  ),
  'Traces / Sampling / Attribute Limits': yes(
    OTLP_PROTO,
    'strings over the length are cut in spans, events and links, never inside a surrogate pair, and never in the resource',
  ),
  'Traces / Sampling / Fetch InstrumentationScope from ReadableSpan': yes(
    TRACES,
    'Sampling / Fetch InstrumentationScope from ReadableSpan',
  ),
  'Traces / Sampling / TraceIdRatioBased sampler implements OpenTelemetry tracestate `th` field': yes(
    SAMPLED_END_TO_END,
    'parentbased_traceidratio: roots are sampled by their trace id, and say by which threshold',
  ),
  'Traces / Sampling / CompositeSampler and built-in ComposableSamplers': yes(
    COMPOSITE,
    'the example of the specification',
  ),
  'Traces / Sampling / Sampler: AlwaysRecord': yes(
    DELEGATING,
    'what is dropped is recorded, and the rest of the answer stays',
  ),
  'Baggage / Basic support': yes(CONTEXT, 'Baggage / Basic support'),
  'Baggage / Use official header name `baggage`': yes(CONTEXT, 'Baggage / Use official header name `baggage`'),
  'Resource / Create from Attributes': yes(CONTEXT, 'Resource / Create from Attributes'),
  'Resource / Create empty': yes(CONTEXT, 'Resource / Create empty'),
  'Resource / Merge (v2)': yes(CONTEXT, 'Resource / Merge (v2)'),
  'Resource / Retrieve attributes': yes(CONTEXT, 'Resource / Retrieve attributes'),
  'Resource / Default value for service.name': yes(APPLICATION, 'no package.json anywhere is unknown_service:node'),
  'Resource / Resource detector interface/mechanism': yes(
    INDEX,
    'only the detectors that are named are used, and none of them is needed for what is configured',
  ),
  'Resource / Resource detectors populate Schema URL': yes(
    EXPORTERS,
    'OTLP / SchemaURL in ResourceSpans and ScopeSpans',
  ),
  'Context Propagation / Create Context Key': yes(CONTEXT, 'Context / Create Context Key'),
  'Context Propagation / Get value from Context': yes(CONTEXT, 'Context / Get value from Context'),
  'Context Propagation / Set value for Context': yes(CONTEXT, 'Context / Set value for Context'),
  'Context Propagation / Attach Context': yes(CONTEXT, 'Context / Attach Context'),
  'Context Propagation / Detach Context': yes(CONTEXT, 'Context / Detach Context'),
  'Context Propagation / Get current Context': yes(CONTEXT, 'Context / Get current Context'),
  'Context Propagation / Composite Propagator': yes(CONTEXT, 'Propagators / Composite Propagator'),
  'Context Propagation / Global Propagator': yes(CONTEXT, 'Propagators / Global Propagator'),
  'Context Propagation / TraceContext Propagator': yes(CONTEXT, 'Propagators / Composite Propagator'),
  'Context Propagation / B3 Propagator': yes(FORMATS, 'b3 goes on through requests, messages and processes'),
  'Context Propagation / Jaeger Propagator': yes(FORMATS, 'jaeger goes on through requests, messages and processes'),
  'Context Propagation / OT Propagator': yes(FORMATS, 'ottrace goes on through requests, messages and processes'),
  'Context Propagation / OpenCensus Binary Propagator': doesNotApply(
    'The specification has deprecated the OpenCensus formats, and gRPC libraries of today read traceparent.',
  ),
  'Context Propagation / TextMapPropagator': yes(CONTEXT, 'Propagators / TextMapPropagator'),
  'Context Propagation / Fields': yes(CONTEXT, 'Propagators / Fields'),
  'Context Propagation / Setter argument': yes(CONTEXT, 'Propagators / Setter argument'),
  'Context Propagation / Getter argument': yes(CONTEXT, 'Propagators / Getter argument'),
  'Context Propagation / Getter argument returning Keys': yes(
    FORMATS,
    'ottrace goes on through requests, messages and processes',
  ),
  'Context Propagation / Environment Variables as Context Propagation Carriers': yes(
    CARRIER,
    'spans that have no parent are children of it, those of requests that come in are not',
  ),
  'Environment Variables / OTEL_SDK_DISABLED': yes(ENVIRONMENT, 'OTEL_SDK_DISABLED'),
  'Environment Variables / OTEL_RESOURCE_ATTRIBUTES': yes(ENVIRONMENT, 'OTEL_RESOURCE_ATTRIBUTES'),
  'Environment Variables / OTEL_SERVICE_NAME': yes(ENVIRONMENT, 'OTEL_SERVICE_NAME'),
  'Environment Variables / OTEL_LOG_LEVEL': yes(ENVIRONMENT, 'OTEL_LOG_LEVEL'),
  'Environment Variables / OTEL_PROPAGATORS': yes(ENVIRONMENT, 'OTEL_PROPAGATORS'),
  'Environment Variables / OTEL_BSP_*': yes(ENVIRONMENT, 'OTEL_BSP_*'),
  'Environment Variables / OTEL_EXPORTER_OTLP_*': yes(ENVIRONMENT, 'OTEL_EXPORTER_OTLP_*'),
  'Environment Variables / OTEL_EXPORTER_ZIPKIN_*': yes(ENVIRONMENT, 'OTEL_EXPORTER_ZIPKIN_*'),
  'Environment Variables / OTEL_TRACES_EXPORTER': yes(ENVIRONMENT, 'OTEL_TRACES_EXPORTER'),
  'Environment Variables / OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT': yes(ENVIRONMENT, 'OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT'),
  'Environment Variables / OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT': yes(
    ENVIRONMENT,
    'OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT',
  ),
  'Environment Variables / OTEL_SPAN_EVENT_COUNT_LIMIT': yes(ENVIRONMENT, 'OTEL_SPAN_EVENT_COUNT_LIMIT'),
  'Environment Variables / OTEL_SPAN_LINK_COUNT_LIMIT': yes(ENVIRONMENT, 'OTEL_SPAN_LINK_COUNT_LIMIT'),
  'Environment Variables / OTEL_EVENT_ATTRIBUTE_COUNT_LIMIT': yes(ENVIRONMENT, 'OTEL_EVENT_ATTRIBUTE_COUNT_LIMIT'),
  'Environment Variables / OTEL_LINK_ATTRIBUTE_COUNT_LIMIT': yes(ENVIRONMENT, 'OTEL_LINK_ATTRIBUTE_COUNT_LIMIT'),
  'Environment Variables / OTEL_TRACES_SAMPLER': yes(ENVIRONMENT, 'OTEL_TRACES_SAMPLER'),
  'Environment Variables / OTEL_TRACES_SAMPLER_ARG': yes(ENVIRONMENT, 'OTEL_TRACES_SAMPLER_ARG'),
  'Environment Variables / OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT': yes(ENVIRONMENT, 'OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT'),
  'Environment Variables / OTEL_ATTRIBUTE_COUNT_LIMIT': yes(ENVIRONMENT, 'OTEL_ATTRIBUTE_COUNT_LIMIT'),
  'Environment Variables / OTEL_CONFIG_FILE': yes(ENVIRONMENT, 'OTEL_CONFIG_FILE'),
  'Declarative configuration / `Parse` a configuration file': yes(PARSE, 'the smallest file'),
  'Declarative configuration / The `Parse` operation accepts the configuration YAML file format': yes(
    PARSE,
    'what is no YAML is an error by its line',
  ),
  'Declarative configuration / The `Parse` operation performs environment variable substitution': yes(
    SUBSTITUTE,
    'the pseudocode of the specification',
  ),
  'Declarative configuration / The `Parse` operation returns configuration model': yes(PARSE, 'the smallest file'),
  'Declarative configuration / The `Parse` operation resolves plugin component configuration to `properties`': yes(
    PARSE,
    'components that are not known keep their properties',
  ),
  'Declarative configuration / `Create` SDK components': yes(
    DECLARATIVE,
    'spans go where the file says, with the resource that it has',
  ),
  'Declarative configuration / The `Create` operation accepts configuration model': yes(
    DECLARATIVE,
    'init() takes a file, or a model that may have been changed, in place of what the environment says',
  ),
  'Declarative configuration / The `Create` operation returns `TracerProvider`': yes(
    DECLARATIVE,
    'spans go where the file says, with the resource that it has',
  ),
  'Declarative configuration / The `Create` operation returns `MeterProvider`': doesNotApply(
    'There are no metrics in this package.',
  ),
  'Declarative configuration / The `Create` operation returns `LoggerProvider`': doesNotApply(
    'There are no logs in this package.',
  ),
  'Declarative configuration / The `Create` operation returns `Propagators`': yes(ENVIRONMENT, 'OTEL_CONFIG_FILE'),
  'Declarative configuration / The `Create` operation calls `CreateComponent` of corresponding `PluginComponentProvider` when encountering plugin components':
    yes(DECLARATIVE, 'components of the application are made with their properties, and joined to the rest'),
  'Declarative configuration / Register a `PluginComponentProvider`': yes(
    DECLARATIVE,
    'components that are not registered, throw, or are of no shape are said and left out',
  ),
  'Exporters / Exporter interface': yes(SPAN_EXPORTER, 'spans go out in batches, and are counted'),
  'Exporters / Exporter interface has `ForceFlush`': yes(
    ECOSYSTEM,
    'the exporter of init is flushed and shut down with the rest',
  ),
  'Exporters / Standard output (logging)': yes(
    CONSOLE,
    'a trace is printed once its root has ended and nothing came for 100 ms',
  ),
  'Exporters / In-memory (mock exporter)': yes(
    ECOSYSTEM,
    'of SDK 2.x / an in-memory exporter behind a simple processor sees what is exported',
  ),
  'Exporters / OTLP / OTLP/gRPC Exporter': yes(
    END_TO_END,
    "grpc: a server's spans arrive while it lives, and its own requests are not among them",
  ),
  'Exporters / OTLP / OTLP/HTTP binary Protobuf Exporter': yes(
    END_TO_END,
    "http/protobuf: a server's spans arrive while it lives, and its own requests are not among them",
  ),
  'Exporters / OTLP / OTLP/HTTP JSON Protobuf Exporter': yes(
    END_TO_END,
    "http/json: a server's spans arrive while it lives, and its own requests are not among them",
  ),
  'Exporters / OTLP / OTLP/HTTP gzip Content-Encoding support': yes(HTTP, 'a batch may be compressed'),
  'Exporters / OTLP / Enforces request size limit': yes(
    HTTP,
    'a request beyond 20 MiB is not sent, and one that the collector calls too large is told apart',
  ),
  'Exporters / OTLP / Enforces response size limit': yes(
    FAULTS,
    'http/protobuf: a collector that never ends its answer, having taken all',
  ),
  'Exporters / OTLP / Concurrent sending': no(
    'The specification says MAY: batches of one destination go one after the other, which bounds memory and keeps their order; destinations are served at the same time.',
  ),
  'Exporters / OTLP / Honors retryable responses with backoff': yes(
    HTTP,
    'a retry sends the same batch until it is taken',
  ),
  'Exporters / OTLP / Honors non-retryable responses': yes(
    FAULTS,
    'http/protobuf: a collector that calls the batch bad',
  ),
  'Exporters / OTLP / Honors throttling response': yes(HTTP, 'Retry-After is read as seconds and as a date'),
  'Exporters / OTLP / Multi-destination spec compliance': yes(EXPORTERS, 'OTLP / Multi-destination spec compliance'),
  'Exporters / OTLP / SchemaURL in ResourceSpans and ScopeSpans': yes(
    EXPORTERS,
    'OTLP / SchemaURL in ResourceSpans and ScopeSpans',
  ),
  'Exporters / OTLP / SchemaURL in ResourceLogs and ScopeLogs': doesNotApply('There are no logs in this package.'),
  'Exporters / OTLP / Honors the user agent spec': yes(EXPORTERS, 'OTLP / Honors the user agent spec'),
  'Exporters / OTLP / Partial Success messages are handled and logged for OTLP/gRPC': yes(
    FAULTS,
    'grpc: a collector that gives advice',
  ),
  'Exporters / OTLP / Partial Success messages are handled and logged for OTLP/HTTP': yes(
    HTTP,
    'partial success tells how many spans were not taken, and why',
  ),
  'Exporters / Zipkin / Zipkin V2 JSON': yes(ZIPKIN, 'Zipkin V2 JSON'),
  'Exporters / Zipkin / Zipkin V2 Protobuf': no(
    'JSON is the format that every Zipkin server takes; the specification has deprecated the exporter.',
  ),
  'Exporters / Zipkin / Service name mapping': yes(ZIPKIN, 'Service name mapping'),
  'Exporters / Zipkin / SpanKind mapping': yes(ZIPKIN, 'SpanKind mapping'),
  'Exporters / Zipkin / InstrumentationLibrary mapping': yes(ZIPKIN, 'InstrumentationLibrary mapping'),
  'Exporters / Zipkin / InstrumentationScope mapping': yes(ZIPKIN, 'InstrumentationScope mapping'),
  'Exporters / Zipkin / Boolean attributes': yes(ZIPKIN, 'Boolean attributes'),
  'Exporters / Zipkin / Array attributes': yes(ZIPKIN, 'Array attributes'),
  'Exporters / Zipkin / Status mapping': yes(ZIPKIN, 'Status mapping'),
  'Exporters / Zipkin / Error Status mapping': yes(ZIPKIN, 'Error Status mapping'),
  'Exporters / Zipkin / Event attributes mapping to Annotations': yes(
    ZIPKIN,
    'Event attributes mapping to Annotations',
  ),
  'Exporters / Zipkin / Integer microseconds in timestamps': yes(ZIPKIN, 'Integer microseconds in timestamps'),
  'SDK Self-Observability / Span metrics / `otel.sdk.span.started`': yes(HEALTH, 'otel.sdk.span.started'),
  'SDK Self-Observability / Span metrics / `otel.sdk.span.live`': yes(HEALTH, 'otel.sdk.span.live'),
  'SDK Self-Observability / Span metrics / `otel.sdk.processor.span.queue.size`': yes(
    HEALTH,
    'otel.sdk.processor.span.queue.size',
  ),
  'SDK Self-Observability / Span metrics / `otel.sdk.processor.span.queue.capacity`': yes(
    HEALTH,
    'otel.sdk.processor.span.queue.capacity',
  ),
  'SDK Self-Observability / Span metrics / `otel.sdk.processor.span.processed`': yes(
    HEALTH,
    'otel.sdk.processor.span.processed',
  ),
  'SDK Self-Observability / Span metrics / `otel.sdk.exporter.span.inflight`': yes(
    HEALTH,
    'otel.sdk.exporter.span.inflight',
  ),
  'SDK Self-Observability / Span metrics / `otel.sdk.exporter.span.exported`': yes(
    HEALTH,
    'otel.sdk.exporter.span.exported',
  ),
  'SDK Self-Observability / Shared metrics / `otel.sdk.exporter.operation.duration`': yes(
    HEALTH,
    'otel.sdk.exporter.operation.duration',
  ),
}
