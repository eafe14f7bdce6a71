/** How much one span may hold (specification/trace/sdk.md#span-limits). */

export interface Limits {
  readonly attributeCount: number
  /** In UTF-16 code units; Infinity is no limit. */
  readonly attributeValueLength: number
  readonly eventCount: number
  readonly linkCount: number
  readonly eventAttributeCount: number
  readonly linkAttributeCount: number
}

/** The value cut to `maxLength` code units, in strings and in arrays of strings. */
export function truncate<T>(value: T, maxLength: number): T {
  if (typeof value === 'string') return (value.length > maxLength ? value.slice(0, maxLength) : value) as T
  if (Array.isArray(value)) return value.map((item: unknown) => truncate(item, maxLength)) as T
  return value
}
