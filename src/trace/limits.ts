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
