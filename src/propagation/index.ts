/** The propagators that configuration names, as one. */
import { isSuppressed } from '../context/context.js'
import { baggage } from './baggage.js'
import { type Format, headersRead } from './format.js'
import type * as Formats from './formats.js'
import { tracecontext } from './tracecontext.js'

const STANDARD: Readonly<Record<string, Format>> = { tracecontext, baggage }

/**
 * In the order of the names, each once; one that is not known stands for nothing. Where several formats bring a trace, the
 * last of them counts. Where spans are suppressed it is silent. `variables` are those of the process.
 */
export function createPropagator(
  names: readonly string[],
  variables: Readonly<Record<string, string | undefined>> = {},
): Format {
  const formats = [...new Set(names)].map(name => formatOf(name, variables)).filter(format => format !== undefined)
  const own = formats.flatMap(format => format.fields())

  return {
    inject(context, carrier, setter) {
      if (isSuppressed(context)) return
      for (const format of formats) format.inject(context, carrier, setter)
    },
    extract(context, carrier, getter) {
      for (const format of formats) context = format.extract(context, carrier, getter)
      return context
    },
    fields: () => [...own],
    alsoReads: [...new Set(formats.flatMap(headersRead))].filter(name => !own.includes(name)),
  }
}

function formatOf(name: string, variables: Readonly<Record<string, string | undefined>>): Format | undefined {
  if (Object.hasOwn(STANDARD, name)) return STANDARD[name]
  // A file of its own: most processes need none of these.
  const others = (require('./formats.js') as typeof Formats).formatsOver(variables)
  return Object.hasOwn(others, name) ? others[name] : undefined
}
