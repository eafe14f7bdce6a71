/** Variables of OpenTelemetry that the table of options does not have: other spellings, those of other signals, mistakes. */
import { boolean } from './parse.js'
import { inCapitals } from './row.js'
import { inQuotes } from './show.js'
import type { Environment, Note } from './sources.js'

const ENABLED = 'OTEL_NODE_ENABLED_INSTRUMENTATIONS'
const BY_DEFAULT = 'OTEL_INSTRUMENTATION_COMMON_DEFAULT_ENABLED'
const SPAN_INSECURE = 'OTEL_EXPORTER_OTLP_SPAN_INSECURE'
const TRACES_INSECURE = 'OTEL_EXPORTER_OTLP_TRACES_INSECURE'

type Level = Note['level']

const NO_JAEGER = 'there is no exporter of this kind: Jaeger takes OTLP, use OTEL_EXPORTER_OTLP_ENDPOINT'
const OTHER_SIGNAL = 'is not used: metrics and logs are not made here'

const family = (prefix: string, names: string): string[] => names.split(' ').map(name => prefix + name)

const OTLP = 'ENDPOINT PROTOCOL HEADERS TIMEOUT COMPRESSION INSECURE CERTIFICATE CLIENT_KEY CLIENT_CERTIFICATE'

/** Names that others know, with how loudly which words are said of them. */
const recognised: readonly (readonly [names: readonly string[], level: Level | undefined, words: string])[] = [
  [
    family('OTEL_EXPORTER_JAEGER_', 'ENDPOINT USER PASSWORD TIMEOUT PROTOCOL AGENT_HOST AGENT_PORT'),
    'warn',
    `is not used; ${NO_JAEGER}`,
  ],
  [['OTEL_EXPORTER_ZIPKIN_PROTOCOL'], 'warn', 'is not used: Zipkin gets JSON'],
  [['OTEL_ENTITIES'], 'warn', 'is not used: of entities, only the attributes in OTEL_RESOURCE_ATTRIBUTES are sent'],
  [
    ['OTEL_SEMCONV_EXCEPTION_SIGNAL_OPT_IN'],
    'warn',
    'is not used: exceptions are events of their spans, as logs are not made here',
  ],
  // The conventions that it chooses between are the stable ones here, always.
  [['OTEL_SEMCONV_STABILITY_OPT_IN'], undefined, ''],
  [['OTEL_METRICS_EXPORTER', 'OTEL_LOGS_EXPORTER'], 'info', OTHER_SIGNAL],
  [family('OTEL_EXPORTER_OTLP_METRICS_', OTLP), 'debug', OTHER_SIGNAL],
  [family('OTEL_EXPORTER_OTLP_LOGS_', OTLP), 'debug', OTHER_SIGNAL],
  [
    family(
      'OTEL_EXPORTER_',
      'OTLP_METRICS_TEMPORALITY_PREFERENCE OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION OTLP_METRIC_INSECURE PROMETHEUS_HOST PROMETHEUS_PORT',
    ),
    'debug',
    OTHER_SIGNAL,
  ],
  [family('OTEL_METRIC', '_EXPORT_INTERVAL _EXPORT_TIMEOUT S_EXEMPLAR_FILTER'), 'debug', OTHER_SIGNAL],
  [family('OTEL_BLRP_', 'SCHEDULE_DELAY EXPORT_TIMEOUT MAX_QUEUE_SIZE MAX_EXPORT_BATCH_SIZE'), 'debug', OTHER_SIGNAL],
  [family('OTEL_LOGRECORD_', 'ATTRIBUTE_VALUE_LENGTH_LIMIT ATTRIBUTE_COUNT_LIMIT'), 'debug', OTHER_SIGNAL],
  [['OTEL_NODE_EXPERIMENTAL_SDK_METRICS'], 'debug', 'is not used: health() has these counters'],
  [
    ['OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT'],
    'debug',
    'is not used: no instrumentation here knows such messages',
  ],
]

// Names of other languages, and those that the operator for Kubernetes refers to in the values of others.
const FOREIGN =
  /^OTEL_(JAVA|JAVAAGENT|PYTHON|DOTNET|GO|PHP|RUBY|ERLANG|CPP|RUST|SWIFT|RESOURCE_ATTRIBUTES|POD|NODE)_|^OTEL_(POD|NODE)_IP$/

interface Explained {
  /** With what other spellings stand for. */
  readonly env: Environment
  readonly notes: readonly Note[]
}

/** `unknown` are those of the names in `env` that are not among `known`. */
export function explain(
  unknown: readonly string[],
  env: Environment,
  known: ReadonlySet<string>,
  instrumentations: readonly string[],
): Explained {
  const notes: Note[] = []
  const rest = unknown.filter(name => env[name]?.trim())
  const added = { ...insecure(rest, env, notes), ...switched(rest, env, instrumentations, notes) }
  const candidates = [...known, ...recognised.flatMap(([names]) => names)]
  for (const name of rest.filter(name => !isSpelling(name, instrumentations))) {
    const [, level, words] = recognised.find(([names]) => names.includes(name)) ?? strange(name, candidates)
    if (level !== undefined) notes.push({ level: isNone(env[name]) ? 'debug' : level, text: `${shown(name)} ${words}` })
  }
  return { env: { ...env, ...added }, notes: shortened(notes) }
}

/** The name that was meant, perhaps. */
function strange(name: string, candidates: readonly string[]): readonly [undefined, Level, string] {
  if (FOREIGN.test(name)) return [undefined, 'debug', 'is not used']
  const near = nearest(name, candidates)
  return [undefined, 'info', near === undefined ? 'is not known' : `is not known; did you mean ${near}?`]
}

const isNone = (value: string | undefined): boolean => value?.trim().toLowerCase() === 'none'

const isSpelling = (name: string, instrumentations: readonly string[]): boolean =>
  name === SPAN_INSECURE || name === BY_DEFAULT || instrumentations.some(own => switchOf(own) === name)

function insecure(unknown: readonly string[], env: Environment, notes: Note[]): Environment {
  if (!unknown.includes(SPAN_INSECURE)) return {}
  notes.push({ level: 'warn', text: `${SPAN_INSECURE} is obsolete; use ${TRACES_INSECURE}` })
  return env[TRACES_INSECURE]?.trim() ? {} : { [TRACES_INSECURE]: env[SPAN_INSECURE] }
}

const switchOf = (instrumentation: string): string => `OTEL_INSTRUMENTATION_${inCapitals(instrumentation)}_ENABLED`

/** The list of instrumentations to use, where single ones are switched on or off. */
function switched(
  unknown: readonly string[],
  env: Environment,
  instrumentations: readonly string[],
  notes: Note[],
): Environment {
  const given = (name: string): boolean | undefined =>
    unknown.includes(name) ? switchPosition(name, env[name] ?? '', notes) : undefined
  const byDefault = given(BY_DEFAULT) ?? true
  const used = instrumentations.filter(name => given(switchOf(name)) ?? byDefault)
  if (used.length === instrumentations.length || env[ENABLED]?.trim()) return {}
  return { [ENABLED]: used.join() || 'none' }
}

function switchPosition(name: string, value: string, notes: Note[]): boolean {
  const text = value.trim()
  return boolean.parse(
    text,
    () =>
      notes.push({
        level: 'warn',
        text: `${name}: ignored ${inQuotes(text)}, expected ${boolean.expected}; using false`,
      }),
    name,
  ) as boolean
}

const MAX_NOTES = 20

function shortened(notes: Note[]): Note[] {
  if (notes.length <= MAX_NOTES) return notes
  const more = notes.length - MAX_NOTES
  return [...notes.slice(0, MAX_NOTES), { level: 'info', text: `${more} more variables OTEL_... are not used` }]
}

const shown = (name: string): string => (/^\w{1,100}$/.test(name) ? name : inQuotes(name))

const MAX_NAME = 100

/** The name with the fewest letters to change, if those are few. */
function nearest(name: string, candidates: readonly string[]): string | undefined {
  if (name.length > MAX_NAME) return undefined
  let best: string | undefined
  let fewest = Math.min(3, Math.floor(name.length / 5)) + 1
  for (const candidate of candidates) {
    if (Math.abs(candidate.length - name.length) >= fewest) continue
    const changes = distance(name.toUpperCase(), candidate)
    if (changes < fewest) {
      fewest = changes
      best = candidate
    }
  }
  return best
}

/** Letters to add, leave out, replace or swap with the next, to make one text of the other. */
function distance(a: string, b: string): number {
  let before: number[] = []
  let above = Array.from({ length: b.length + 1 }, (_, at) => at)
  for (let i = 1; i <= a.length; i++) {
    const row = [i]
    for (let j = 1; j <= b.length; j++) {
      const same = a[i - 1] === b[j - 1]
      let fewest = Math.min(
        (above[j] as number) + 1,
        (row[j - 1] as number) + 1,
        (above[j - 1] as number) + (same ? 0 : 1),
      )
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1])
        fewest = Math.min(fewest, (before[j - 2] as number) + 1)
      row.push(fewest)
    }
    before = above
    above = row
  }
  return above[b.length] as number
}

const HINTS: Readonly<Record<string, string>> = {
  '"jaeger"': NO_JAEGER,
  '"logging"': 'console prints spans',
}

/** What to say besides, when a value is ignored that other SDKs know. */
export const hintFor = (where: string, shownValue: string): string | undefined =>
  where === 'OTEL_TRACES_EXPORTER' ? HINTS[shownValue.toLowerCase()] : undefined
