/** The shape of a configuration file: file format 1.0 and its release candidates, for what concerns traces. */
import {
  anything,
  boolean,
  choice,
  component,
  integer,
  later,
  list,
  mapping,
  number,
  orNothing,
  ratio,
  type Shape,
  text,
  written,
} from './shape.js'
import { isLeaf, isMapping } from './tree.js'

const nothing = mapping({}, { optional: true })
const words = list(text)
const pattern = { included: words, excluded: words }

// A header without a value is none.
const header = mapping({ name: written, value: orNothing(written) }, { required: ['name'] })

const tls = { ca_file: text, key_file: text, cert_file: text }

const otlp = {
  endpoint: text,
  headers: list(header),
  headers_list: text,
  compression: text,
  timeout: integer(0),
  // So in the first release candidates.
  certificate_file: text,
  client_key_file: text,
  client_certificate_file: text,
}

const exporter = component({
  otlp_http: mapping(
    { ...otlp, tls: mapping(tls, { optional: true }), encoding: choice('protobuf', 'json') },
    { optional: true },
  ),
  otlp_grpc: mapping(
    { ...otlp, tls: mapping({ ...tls, insecure: boolean }, { optional: true }), insecure: boolean },
    { optional: true },
  ),
  'otlp_file/development': mapping({ output_stream: text }, { optional: true }),
  console: nothing,
  none: nothing,
  zipkin: mapping({ endpoint: text, timeout: integer(0) }, { optional: true }),
})

const processor = component({
  batch: mapping(
    {
      schedule_delay: integer(0),
      export_timeout: integer(0),
      max_queue_size: integer(1),
      max_export_batch_size: integer(1),
      exporter,
    },
    { required: ['exporter'] },
  ),
  simple: mapping({ exporter }, { required: ['exporter'] }),
})

const sampler: Shape = later(() => samplers)
const composable: Shape = later(() => composables)

const delegates = (of: Shape): Readonly<Record<string, Shape>> => ({
  root: of,
  remote_parent_sampled: of,
  remote_parent_not_sampled: of,
  local_parent_sampled: of,
  local_parent_not_sampled: of,
})

const rule = mapping(
  {
    attribute_values: mapping({ key: text, values: words }, { required: ['key', 'values'] }),
    attribute_patterns: mapping({ key: text, ...pattern }, { required: ['key'] }),
    span_kinds: list(choice('internal', 'server', 'client', 'producer', 'consumer')),
    parent: list(choice('none', 'remote', 'local')),
    sampler: composable,
  },
  { required: ['sampler'] },
)

const share = mapping({ ratio }, { optional: true })

const composables = component({
  always_off: nothing,
  always_on: nothing,
  parent_based: mapping(delegates(composable), { optional: true }),
  parent_threshold: mapping({ root: composable }, { required: ['root'] }),
  probability: share,
  rule_based: mapping({ rules: list(rule, 0) }, { optional: true }),
})

const remote = mapping(
  { endpoint: text, interval: integer(0), initial_sampler: sampler },
  { required: ['endpoint', 'initial_sampler'] },
)

const samplers = component({
  always_off: nothing,
  always_on: nothing,
  'composite/development': composable,
  jaeger_remote: remote,
  'jaeger_remote/development': remote,
  parent_based: mapping(delegates(sampler), { optional: true }),
  'probability/development': share,
  trace_id_ratio_based: share,
})

const attributeLimits = { attribute_value_length_limit: integer(0), attribute_count_limit: integer(0) }

// `disabled` in the first release candidates.
const tracerConfig = mapping({ enabled: boolean, disabled: boolean })

const tracerProvider = mapping(
  {
    processors: list(processor),
    limits: mapping(
      {
        ...attributeLimits,
        event_count_limit: integer(0),
        link_count_limit: integer(0),
        event_attribute_count_limit: integer(0),
        link_attribute_count_limit: integer(0),
      },
      { optional: true },
    ),
    sampler,
    id_generator: component({ random: nothing }),
    'tracer_configurator/development': mapping({
      default_config: tracerConfig,
      tracers: list(mapping({ name: text, config: tracerConfig }, { required: ['name', 'config'] })),
    }),
  },
  { required: ['processors'] },
)

const propagator = mapping(
  {
    composite: list(
      component({
        tracecontext: nothing,
        baggage: nothing,
        b3: nothing,
        b3multi: nothing,
        jaeger: nothing,
        ottrace: nothing,
        xray: nothing,
      }),
    ),
    composite_list: text,
  },
  { optional: true },
)

const TYPES = {
  string: written,
  bool: boolean,
  int: integer(Number.MIN_SAFE_INTEGER),
  double: number,
  string_array: list(written),
  bool_array: list(boolean),
  int_array: list(integer(Number.MIN_SAFE_INTEGER)),
  double_array: list(number),
} as const

/** The type that an attribute says it has is the shape of its value. */
const attribute: Shape = (tree, path, report) => {
  const said = isMapping(tree) ? tree.entries.find(({ key }) => key === 'type')?.tree : undefined
  const type = said !== undefined && isLeaf(said) ? String(said.value ?? 'string') : 'string'
  const value = Object.hasOwn(TYPES, type) ? TYPES[type as keyof typeof TYPES] : anything
  const shape = mapping({ name: text, value, type: choice(...Object.keys(TYPES)) }, { required: ['name', 'value'] })
  return shape(tree, path, report)
}

// The first four are those of the schema, the others have their names here only.
const detectors = Object.fromEntries(
  'container host process service os serviceinstance env k8s alibaba aws azure gcp all'
    .split(' ')
    .map(name => [name, nothing]),
)

const resource = mapping(
  {
    attributes: list(attribute),
    attributes_list: text,
    schema_url: text,
    'detection/development': mapping({
      attributes: mapping(pattern),
      detectors: list(component(detectors)),
    }),
  },
  { optional: true },
)

const captured = { request_captured_headers: words, response_captured_headers: words, known_methods: list(text, 0) }

// What the conventions' other parts may ask for does not concern what is made here.
const general = mapping(
  {
    http: mapping({ client: mapping(captured), server: mapping(captured), semconv: anything }),
    sanitization: mapping({ url: mapping({ sensitive_query_parameters: list(text, 0) }) }),
    stability_opt_in_list: text,
    peer: anything,
    code: anything,
    db: anything,
    gen_ai: anything,
    messaging: anything,
    rpc: anything,
  },
  { optional: true },
)

/** Of another language, or of an instrumentation by its name. */
const languages = 'cpp dotnet erlang go java php python ruby rust swift'.split(' ')

export const schema = mapping(
  {
    file_format: written,
    disabled: boolean,
    log_level: choice(
      ...['trace', 'debug', 'info', 'warn', 'error', 'fatal'].flatMap(level => ['', 2, 3, 4].map(n => `${level}${n}`)),
    ),
    attribute_limits: mapping(attributeLimits, { optional: true }),
    logger_provider: anything,
    meter_provider: anything,
    propagator,
    resource,
    tracer_provider: tracerProvider,
    distribution: anything,
    'instrumentation/development': mapping(
      { general, js: anything, ...Object.fromEntries(languages.map(name => [name, anything])) },
      { optional: true },
    ),
  },
  { required: ['file_format'], open: true },
)
