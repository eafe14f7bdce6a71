/** Getter and setter over trace headers as carriers have them: node headers, message headers, Buffers, any case. */
import type { TextMapGetter, TextMapSetter } from '@opentelemetry/api'

/** Trace headers as a carrier has them: keys of any case, values as the library keeps them. */
export type Headers = Readonly<Record<string, unknown>>

function single(value: unknown): string | undefined {
  if (typeof value === 'string') return value
  if (value instanceof Uint8Array)
    return Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString('latin1')
  return undefined
}

/** The text of a header: of several values, joined as HTTP joins them (RFC 9110, section 5.3). */
export function headerText(value: unknown): string | undefined {
  if (!Array.isArray(value)) return single(value)
  return value
    .map(single)
    .filter(item => item !== undefined)
    .join(',')
}

export const headerGetter: TextMapGetter<Headers> = {
  keys: carrier => Object.keys(carrier),
  get(carrier, key) {
    const exact = carrier[key]
    if (exact !== undefined) return headerText(exact)
    for (const name in carrier) {
      if (name.length === key.length && name.toLowerCase() === key) return headerText(carrier[name])
    }
    return undefined
  },
}

/** The same for names that are in lower case already. */
export const lowerCaseGetter: TextMapGetter<Headers> = {
  keys: carrier => Object.keys(carrier),
  get: (carrier, key) => headerText(carrier[key]),
}

export const headerSetter: TextMapSetter<Record<string, string>> = {
  set(carrier, key, value) {
    carrier[key] = value
  },
}
