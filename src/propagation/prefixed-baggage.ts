/** Baggage with a header for each of its entries, whose name is a prefix and the key. */
import type { BaggageEntry, Context, TextMapGetter, TextMapSetter } from '@opentelemetry/api'
import { baggageEntries, TOKEN, withBaggage } from './baggage.js'
import { headerText } from './headers.js'

// As of the one header of W3C; each of these counts in limits of servers, too.
const MAX_BYTES = 8192
const MAX_ENTRIES = 64
// What AMQP 0-9-1 has for a name.
const MAX_NAME = 255

/** Entries that do not fit, and those that cannot stand in a header, are left out. Their metadata has no place. */
export function injectPrefixed(
  context: Context,
  carrier: unknown,
  setter: TextMapSetter,
  prefix: string,
  encode: (value: string) => string | undefined,
): void {
  let bytes = 0
  let count = 0
  for (const [key, { value }] of baggageEntries(context)) {
    const name = `${prefix}${key}`
    const text = name.length <= MAX_NAME && TOKEN.test(key) ? encode(String(value)) : undefined
    if (text === undefined || bytes + name.length + text.length > MAX_BYTES) continue
    if (count++ === MAX_ENTRIES) return
    bytes += name.length + text.length
    setter.set(carrier, name, text)
  }
}

/** Adds what the headers hold to the baggage that the context has. Servers may have changed the case of a key. */
export function extractPrefixed(
  context: Context,
  carrier: unknown,
  getter: TextMapGetter,
  prefix: string,
  decode: (text: string) => string,
): Context {
  const entries: [string, BaggageEntry][] = []
  let bytes = 0
  for (const name of getter.keys(carrier)) {
    if (name.length <= prefix.length || name.slice(0, prefix.length).toLowerCase() !== prefix) continue
    const text = headerText(getter.get(carrier, name))
    if (text === undefined || bytes + name.length + text.length > MAX_BYTES) continue
    bytes += name.length + text.length
    entries.push([name.slice(prefix.length), { value: decode(text) }])
    if (entries.length === MAX_ENTRIES) break
  }
  return entries.length === 0 ? context : withBaggage(context, entries)
}
