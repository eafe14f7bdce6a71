/** The header `baggage` (W3C Baggage, https://www.w3.org/TR/baggage/) and the API's Baggage over it. */
import type {
  Baggage as ApiBaggage,
  BaggageEntry,
  BaggageEntryMetadata,
  Context,
  TextMapGetter,
  TextMapPropagator,
  TextMapSetter,
} from '@opentelemetry/api'
import { BAGGAGE_KEY } from '../context/context.js'
import { headerText } from './headers.js'

const BAGGAGE = 'baggage'

// What every platform has to carry on (section "Limits"); what is over it is left out member by member.
const MAX_BYTES = 8192

const TOKEN_CHARS = "[!#$%&'*+\\-.^_`|~0-9A-Za-z]+"
const OCTETS = '[\\x21\\x23-\\x2b\\x2d-\\x3a\\x3c-\\x5b\\x5d-\\x7e]+'
export const TOKEN = new RegExp(`^${TOKEN_CHARS}$`)
// A key, and perhaps an equals sign and a value. Nested so that no two runs of blanks meet: linear on any input.
const PAIR = new RegExp(`^[ \\t]*(${TOKEN_CHARS})[ \\t]*(?:(=)[ \\t]*(?:(${OCTETS})[ \\t]*)?)?$`)
const PERCENT_ENCODED = /(?:%[0-9A-Fa-f]{2})+/g
// By its numbers: the property's name costs 1 of the 47 million instructions of a start.
const LONE_SURROGATE = /[\ud800-\udfff]/gu

/** Immutable; every change returns another one. */
class Baggage implements ApiBaggage {
  constructor(private readonly entries: ReadonlyMap<string, BaggageEntry>) {}

  getEntry(key: string): BaggageEntry | undefined {
    const entry = this.entries.get(key)
    return entry && { ...entry }
  }

  getAllEntries(): [string, BaggageEntry][] {
    return Array.from(this.entries, ([key, entry]) => [key, { ...entry }])
  }

  setEntry(key: string, entry: BaggageEntry): Baggage {
    return new Baggage(new Map(this.entries).set(key, { ...entry }))
  }

  removeEntry(key: string): Baggage {
    return this.removeEntries(key)
  }

  removeEntries(...keys: string[]): Baggage {
    const entries = new Map(this.entries)
    for (const key of keys) entries.delete(key)
    return new Baggage(entries)
  }

  clear(): Baggage {
    return new Baggage(new Map())
  }
}

/** What the context's baggage holds, whoever made it. */
export const baggageEntries = (context: Context): [string, BaggageEntry][] =>
  (context.getValue(BAGGAGE_KEY) as ApiBaggage | undefined)?.getAllEntries() ?? []

/** The context with these entries in its baggage, in place of those of the same keys. */
export const withBaggage = (context: Context, entries: readonly [string, BaggageEntry][]): Context =>
  context.setValue(BAGGAGE_KEY, new Baggage(new Map([...baggageEntries(context), ...entries])))

/**
 * Carries baggage on in both directions, up to 8,192 bytes: members beyond that, and malformed ones, are left out whole.
 * Of members with the same key the last counts. Properties are an entry's metadata, as text.
 */
export const baggage: TextMapPropagator = {
  inject(context: Context, carrier: unknown, setter: TextMapSetter): void {
    let text = ''
    for (const [key, entry] of baggageEntries(context)) {
      if (key === '') continue
      const member = `${text === '' ? '' : ','}${encodeKey(key)}=${encodeText(entry.value)}${suffix(entry.metadata)}`
      if (text.length + member.length <= MAX_BYTES) text += member
    }
    if (text !== '') setter.set(carrier, BAGGAGE, text)
  },

  extract(context: Context, carrier: unknown, getter: TextMapGetter): Context {
    const text = headerText(getter.get(carrier, BAGGAGE))
    if (text === undefined) return context
    const entries = new Map<string, BaggageEntry>()
    // A member that does not end within the limit is over it, and so is all that follows.
    const within = text.length <= MAX_BYTES ? text : text.slice(0, Math.max(text.lastIndexOf(',', MAX_BYTES), 0))
    for (const member of within.split(',')) {
      const [pair = '', ...properties] = member.split(';')
      const parts = PAIR.exec(pair)
      if (parts === null || parts[2] === undefined) continue
      const metadata = wellFormed(properties)
      const entry: BaggageEntry = { value: decodeText(parts[3] ?? '') }
      if (metadata !== '') entry.metadata = { toString: () => metadata } as BaggageEntryMetadata
      entries.set(decodeKey(parts[1] as string), entry)
    }
    return entries.size === 0 ? context : context.setValue(BAGGAGE_KEY, new Baggage(entries))
  },

  fields: () => [BAGGAGE],
}

/** Those properties that may stand in a header, without the blanks around them; their values stay encoded. */
function wellFormed(properties: readonly string[]): string {
  let text = ''
  for (const property of properties) {
    const parts = PAIR.exec(property)
    if (parts !== null) text += `${text === '' ? '' : ';'}${parts[1]}${parts[2] ?? ''}${parts[3] ?? ''}`
  }
  return text
}

function suffix(metadata: BaggageEntryMetadata | undefined): string {
  const properties = wellFormed(String(metadata ?? '').split(';'))
  return properties === '' ? '' : `;${properties}`
}

// String(), as applications in JavaScript put numbers here.
export const encodeText = (text: string): string => encodeURIComponent(String(text).replace(LONE_SURROGATE, '\ufffd'))

/** Octets that are no UTF-8 become U+FFFD; a percent sign that encodes nothing stays. */
export const decodeText = (text: string): string =>
  text.replace(PERCENT_ENCODED, octets => Buffer.from(octets.replaceAll('%', ''), 'hex').toString())

// A key has to be a token, which W3C does not decode but OpenTelemetry does: names of the API may be any text. So a key
// is encoded only where it has to be, and decoded only where encoding gives the same key again.
const encodeKey = (key: string): string => (TOKEN.test(key) ? key : encodeText(key))

function decodeKey(token: string): string {
  const key = decodeText(token)
  return encodeKey(key) === token ? key : token
}
