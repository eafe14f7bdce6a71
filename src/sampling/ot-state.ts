/** The member `ot` of a tracestate: what OpenTelemetry says in it (specification/trace/tracestate-handling.md). */

export interface OtState {
  /** `th`: the digits of the rejection threshold, without the zeros at their end. */
  readonly threshold: string | undefined
  /** `rv`: the 14 digits of the trace's randomness, where its id is not random. */
  readonly randomness: string | undefined
  /** The sub-keys of others with their values. */
  readonly others: readonly string[]
}

export const OT_KEY = 'ot'
const MAX_LENGTH = 256
const NOTHING: OtState = { threshold: undefined, randomness: undefined, others: [] }

const SUB_KEY = /^([a-z][a-z0-9]*):([\w.-]*)$/
const THRESHOLD = /^[0-9a-f]{1,14}$/
const RANDOMNESS = /^[0-9a-f]{14}$/

export const isThreshold = (text: unknown): text is string => typeof text === 'string' && THRESHOLD.test(text)

/** What is malformed is left out, and so is the second of two equal keys. */
export function parseOt(member: string | undefined): OtState {
  if (member === undefined || member.length > MAX_LENGTH) return NOTHING
  let threshold: string | undefined
  let randomness: string | undefined
  const others: string[] = []
  const keys = new Set<string>()
  for (const pair of member.split(';')) {
    const [, key = '', value = ''] = SUB_KEY.exec(pair) ?? []
    if (key === '' || keys.has(key)) continue
    keys.add(key)
    if (key === 'th') threshold = THRESHOLD.test(value) ? value.replace(/0+$/, '') || '0' : undefined
    else if (key === 'rv') randomness = RANDOMNESS.test(value) ? value : undefined
    else others.push(pair)
  }
  return { threshold, randomness, others }
}

/** Undefined if there is nothing to say. Without `th` if the member were too long with it: `others` may fill it. */
export function formatOt({ threshold, randomness, others }: OtState): string | undefined {
  const rest = randomness === undefined ? others : [`rv:${randomness}`, ...others]
  const pairs = threshold === undefined ? rest : [`th:${threshold}`, ...rest]
  if (pairs.length === 0) return undefined
  const member = pairs.join(';')
  return member.length > MAX_LENGTH ? rest.join(';') : member
}
