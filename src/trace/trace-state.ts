/** The API's TraceState over the text of a `tracestate` header (W3C Trace Context Level 2, section 3.3). */
import type { TraceState as ApiTraceState } from '@opentelemetry/api'

const MAX_MEMBERS = 32
const KEY = /^(?:[a-z0-9][a-z0-9_\-*/@]{0,255})$/
const VALUE = /^[\x20-\x2b\x2d-\x3c\x3e-\x7e]{0,255}[\x21-\x2b\x2d-\x3c\x3e-\x7e]$/

export class TraceState implements ApiTraceState {
  private constructor(private readonly members: ReadonlyMap<string, string>) {}

  static readonly empty = new TraceState(new Map())

  /** Undefined if any member is malformed or there are more than 32: the header is then ignored as a whole. */
  static parse(text: string): TraceState | undefined {
    const members = new Map<string, string>()
    let count = 0
    for (const part of text.split(',')) {
      const member = part.trim()
      if (member === '') continue
      const equals = member.indexOf('=')
      const key = member.slice(0, equals)
      const value = member.slice(equals + 1)
      if (equals < 1 || ++count > MAX_MEMBERS || !KEY.test(key) || !VALUE.test(value)) return undefined
      if (!members.has(key)) members.set(key, value)
    }
    return new TraceState(members)
  }

  get(key: string): string | undefined {
    return this.members.get(key)
  }

  /** Puts the member first, as the newest. A malformed key or value, or a 33rd member, leaves the state as it is. */
  set(key: string, value: string): TraceState {
    if (!KEY.test(key) || !VALUE.test(value)) return this
    const members = new Map([[key, value]])
    for (const [k, v] of this.members) if (k !== key) members.set(k, v)
    return members.size > MAX_MEMBERS ? this : new TraceState(members)
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
