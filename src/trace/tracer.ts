/** Starts spans: for operations, and for the application through the OpenTelemetry API. */
import type {
  Attributes as ApiAttributes,
  Sampler as ApiSampler,
  Span as ApiSpan,
  Context,
  Link,
  SpanOptions,
  TextMapPropagator,
  Tracer,
  TracerOptions,
  TracerProvider,
} from '@opentelemetry/api'
import { isSuppressed, SPAN_KEY, spanOf, withSpan } from '../context/context.js'
import { active, run } from '../context/storage.js'
import { limited } from './attributes.js'
import { anchorAt, monotonicNow, toMs } from './clock.js'
import { type Decision, decide, leftOut, type Prospect } from './decide.js'
import { draw, idFlags, page, SPAN_ID_BYTES, spanIdText, TRACE_ID_BYTES } from './ids.js'
import type { IsLinked } from './passage.js'
import type { Sampler } from './sampler.js'
import {
  INTERNAL,
  identityOf,
  NonRecordingSpan,
  RANDOM,
  SAMPLED,
  type Scope,
  Span,
  type SpanDraft,
  type SpanHost,
  type SpanIdentity,
  type SpanKind,
} from './span.js'
import { UnsampledRoot } from './unsampled-root.js'

/** What every tracer of a process shares. */
export interface TracerCore {
  readonly host: SpanHost
  readonly sampler: Sampler
  /** The `tracestate` of root spans that `sampler` keeps. */
  readonly rootState?: string | undefined
  /** In place of `sampler`: one that looks at more than parent and trace id. */
  readonly decider?: ApiSampler | undefined
  readonly propagator: TextMapPropagator
  readonly isLinked: IsLinked
}

/** Bytes for a span below `parent`: of a root the trace id comes first. Returns where the span id begins. */
export const drawIds = (parent: SpanIdentity | undefined): number =>
  parent === undefined ? draw(TRACE_ID_BYTES + SPAN_ID_BYTES) + TRACE_ID_BYTES : draw(SPAN_ID_BYTES)

/**
 * A recording span under `parent` with the id at `idAt` of the bytes; `parentSpan` lends its clock if it is of this process.
 * `decision` is what a sampler has said, where one was asked that says more than yes.
 */
export function startSpan(
  core: TracerCore,
  scope: Scope,
  parent: SpanIdentity | undefined,
  draft: SpanDraft,
  parentSpan: ApiSpan | undefined,
  startMs?: number,
  idAt: number = drawIds(parent),
  bytes: Buffer = page,
  decision?: Decision,
): Span {
  const monotonicMs = monotonicNow()
  const anchor = parentSpan instanceof Span ? parentSpan.anchor : anchorAt(monotonicMs)
  const flags = (parent === undefined ? idFlags : parent.traceFlags & RANDOM) | SAMPLED
  return new Span(
    core.host,
    scope,
    bytes,
    idAt,
    parent,
    decision === undefined ? flags : decision.traceFlags,
    decision === undefined ? stateBelow(core, parent) : decision.traceState,
    draft,
    anchor,
    startMs ?? anchor.offsetMs + monotonicMs,
  )
}

const stateBelow = (core: TracerCore, parent: SpanIdentity | undefined): string | undefined =>
  parent === undefined ? core.rootState : parent.traceState

/** What a sampler adds to a span, and who hears of its start. */
export function started(core: TracerCore, span: Span, parent: Context, decision: Decision | undefined): void {
  if (decision?.attributes !== undefined) span.setAttributes(decision.attributes)
  core.host.onStart?.(span, parent)
}

function silent(parent: SpanIdentity | undefined, bytes: Buffer, idAt: number): ApiSpan {
  if (parent === undefined) return new UnsampledRoot(bytes, idAt)
  const flags = parent.traceFlags & RANDOM
  return new NonRecordingSpan(parent.traceId, spanIdText(bytes, idAt), flags, parent.traceState, false)
}

function createTracer(core: TracerCore, scope: Scope): Tracer {
  function startManual(name: string, options: SpanOptions = {}, context: Context = active()): ApiSpan {
    const parentSpan = options?.root === true ? undefined : spanOf(context)
    const parent = identityOf(parentSpan)
    const idAt = drawIds(parent)
    // The name may be an object whose `toString` makes spans, and with them the next page.
    const bytes = page
    let decision: Decision | undefined
    if (isSuppressed(context)) return silent(parent, bytes, idAt)
    if (core.decider !== undefined) {
      const prospect: Prospect = {
        context: options?.root === true ? context.deleteValue(SPAN_KEY) : context,
        parent,
        bytes,
        idAt,
        name: String(name),
        kind: kindOf(options?.kind),
        attributes: options?.attributes ?? {},
        links: options?.links ?? [],
      }
      decision = decide(core.decider, prospect)
      if (!decision.recorded) return leftOut(decision, prospect)
    } else if (!core.sampler(parent, bytes, idAt - TRACE_ID_BYTES)) return silent(parent, bytes, idAt)
    const draft: SpanDraft = { name: String(name), kind: kindOf(options?.kind), attributes: {} }
    const startMs = options?.startTime === undefined ? undefined : toMs(options.startTime, anchorAt(monotonicNow()))
    const span = startSpan(core, scope, parent, draft, parentSpan, startMs, idAt, bytes, decision)
    if (options?.attributes !== undefined) span.setAttributes(options.attributes)
    if (Array.isArray(options?.links)) for (const link of options.links as Link[]) span.addLink(link)
    started(core, span, context, decision)
    return span
  }

  return {
    startSpan: startManual,
    startActiveSpan(name: string, ...rest: unknown[]): any {
      const fn = rest.pop() as (span: ApiSpan) => unknown
      const [options, context = active()] = rest as [SpanOptions?, Context?]
      const span = startManual(name, options, context)
      return run(withSpan(context, span), fn, undefined, [span])
    },
  }
}

const kindOf = (kind: unknown): SpanKind =>
  typeof kind === 'number' && Number.isInteger(kind) && kind >= 0 && kind <= 4 ? (kind as SpanKind) : INTERNAL

const NO_NAME = 'unknown'

/** One tracer, and so one scope object, for each name, version, schema URL and attributes. */
export function createTracerProvider(core: TracerCore): TracerProvider {
  const tracers = new Map<string, Tracer>()
  return {
    getTracer(name, version, options) {
      // The API has no type for attributes of the scope yet (specification/trace/api.md#get-a-tracer).
      const given = options as (TracerOptions & { attributes?: ApiAttributes }) | undefined
      const { attributes } = limited(given?.attributes, Infinity)
      const scope: Scope = { name: name || NO_NAME, version, schemaUrl: given?.schemaUrl, attributes }
      const key = JSON.stringify([scope.name, version, scope.schemaUrl, attributes])
      let tracer = tracers.get(key)
      if (tracer === undefined) tracers.set(key, (tracer = createTracer(core, scope)))
      return tracer
    },
  }
}
