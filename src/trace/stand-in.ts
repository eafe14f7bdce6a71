/** Tracers for OpenTelemetry's own instrumentations of what is traced already, whose spans would be the second ones. */
import type {
  Span as ApiSpan,
  Context,
  SpanOptions,
  TextMapPropagator,
  Tracer,
  TracerProvider,
} from '@opentelemetry/api'
import { spanOf, withSpan } from '../context/context.js'
import { identityOf, NO_SPAN, NonRecordingSpan } from '../context/span-identity.js'
import { active, run } from '../context/storage.js'
import { log } from '../diagnostics/log.js'
import { CLIENT, PRODUCER } from './ended-span.js'

/** Of OpenTelemetry's own SDK beside us one warning is enough: this is its key. */
export const RIVAL = 'rival'

/**
 * What `provider` returns, with stand-ins for those tracers of which `coveredBy` names the instrumentation of ours that does their work.
 * What a stand-in starts is the active span once more, which records nothing; the first is told of, unless
 * the whole SDK was.
 */
export function withStandIns(
  provider: () => TracerProvider,
  coveredBy: (tracerName: string) => string | undefined,
): TracerProvider {
  return {
    getTracer(name, version, options) {
      const own = coveredBy(name)
      // Theirs of a family sends headers for members of it that have no instrumentation of ours.
      if (own !== undefined) return createStandIn(name.endsWith(`-${own}`), () => tellOfRival(name, own))
      try {
        return provider().getTracer(name, version, options)
      } catch (error) {
        // What makes spans is loaded with the first tracer, and may have been removed since the start.
        return createStandIn(false, () => log.once('tracers', 'tracers make no spans: %s', error))
      }
    },
  }
}

/** Stands for the active span where the instrumentation of ours sends headers of its own. */
class Outgoing extends NonRecordingSpan {}

/** `propagator`, which sends nothing for a stand-in: undici's requests would have each header twice. */
export const withoutStandIns = (propagator: TextMapPropagator): TextMapPropagator => ({
  inject(context, carrier, setter) {
    if (!(spanOf(context) instanceof Outgoing)) propagator.inject(context, carrier, setter)
  },
  extract: (context, carrier, getter) => propagator.extract(context, carrier, getter),
  fields: () => propagator.fields(),
})

const tellOfRival = (tracerName: string, own: string): void =>
  log.once(
    RIVAL,
    '%s runs beside @org/trace: its spans are left out, as %s is traced already; remove it, or set OTEL_NODE_DISABLED_INSTRUMENTATIONS=%s',
    tracerName,
    own,
    own,
  )

/** `same`: what it would send is sent already. `tell` is called with each span that it is asked for. */
function createStandIn(same: boolean, tell: () => void): Tracer {
  function startSpan(_name: string, options?: SpanOptions, context: Context = active()): ApiSpan {
    tell()
    // Ours first: the context given may be one made from headers that our span is the child of already.
    const identity = identityOf(spanOf(active())) ?? identityOf(spanOf(context))
    if (identity === undefined) return NO_SPAN
    const { traceId, spanId, traceFlags, traceState, isRemote } = identity
    const Kind = same && (options?.kind === CLIENT || options?.kind === PRODUCER) ? Outgoing : NonRecordingSpan
    return new Kind(traceId, spanId, traceFlags, traceState, isRemote)
  }

  return {
    startSpan,
    startActiveSpan(name: string, ...rest: unknown[]): any {
      const fn = rest.pop() as (span: ApiSpan) => unknown
      const [options, context = active()] = rest as [SpanOptions?, Context?]
      const span = startSpan(name, options, context)
      return run(withSpan(context, span), fn, undefined, [span])
    },
  }
}
