/** The API's TraceState over the text of a `tracestate` header (W3C Trace Context Level 2, section 3.3). */
import type { TraceState as ApiTraceState } from '@opentelemetry/api'

const MAX_MEMBERS = 32
// The specification asks for 512 (section "tracestate Limits"); Node's HTTP parser takes 16 KiB for all headers of a message.
const MAX_LENGTH = 8192

const KEY_CHARS = '[a-z0-9][a-z0-9_\\-*/@]{0,255}'
const VALUE_CHARS = '[\\x20-\\x2b\\x2d-\\x3c\\x3e-\\x7e]{0,255}[\\x21-\\x2b\\x2d-\\x3c\\x3e-\\x7e]'
const KEY = new RegExp(`^${KEY_CHARS}$`)
const VALUE = new RegExp(`^${VALUE_CHARS}$`)
const MEMBER = new RegExp(`^[ \\t]*(${KEY_CHARS})=(${VALUE_CHARS})[ \\t]*$`)
const BLANK = /^[ \t]*$/

export class TraceState implements ApiTraceState {
  private constructor(private readonly members: ReadonlyMap<string, string>) {}

  /**
   * Undefined if a member is malformed, if there are more than 32, or if the text is longer than 8,192 characters: the
   * header is then ignored as a whole. Of members with the same key the first counts, as it is the newest.
   */
  static parse(text: string): TraceState | undefined {
    if (text.length > MAX_LENGTH) return undefined
    const members = new Map<string, string>()
    let count = 0
    for (const part of text.split(',')) {
      const member = MEMBER.exec(part)
      if (member === null) {
        if (BLANK.test(part)) continue
        return undefined
      }
      if (++count > MAX_MEMBERS) return undefined
      const key = member[1] as string
      if (!members.has(key)) members.set(key, member[2] as string)
    }
    return new TraceState(members)
  }

  get(key: string): string | undefined {
    return this.members.get(key)
  }

  /** Puts the member first, as the newest; of 33 the last is left out. A malformed key or value changes nothing. */
  set(key: string, value: string): TraceState {
    if (!KEY.test(key) || !VALUE.test(value)) return this
    const members = new Map([[key, value]])
    for (const [k, v] of this.members) if (k !== key && members.size < MAX_MEMBERS) members.set(k, v)
    return new TraceState(members)
  }

  unset(key: string): TraceState {
    const members = new Map(this.members)
    members.delete(key)
    return new TraceState(members)
  }

  serialize(): string {
    let text = ''
    for (const [key, value] of this.members) text += `${text === '' ? '' : ','}${key}=${value}`
    return text
  }
}
