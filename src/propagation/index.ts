/** The propagators that configuration names, as one. */
import type { TextMapPropagator } from '@opentelemetry/api'
import { isSuppressed } from '../context/context.js'
import { baggage } from './baggage.js'
import { tracecontext } from './tracecontext.js'

const FORMATS: Readonly<Record<string, TextMapPropagator>> = { tracecontext, baggage }

/** Of 'tracecontext' and 'baggage' those named; other names stand for nothing. Where spans are suppressed it is silent. */
export function createPropagator(names: readonly string[]): TextMapPropagator {
  const formats = Object.keys(FORMATS)
    .filter(name => names.includes(name))
    .map(name => FORMATS[name] as TextMapPropagator)

  return {
    inject(context, carrier, setter) {
      if (isSuppressed(context)) return
      for (const format of formats) format.inject(context, carrier, setter)
    },
    extract(context, carrier, getter) {
      for (const format of formats) context = format.extract(context, carrier, getter)
      return context
    },
    fields: () => formats.flatMap(format => format.fields()),
  }
}
