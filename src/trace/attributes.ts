/** Which attributes the application may set, and how many. */
import type { Attributes as ApiAttributes } from '@opentelemetry/api'
import type { Attributes, AttributeValue } from '../semconv.js'

/** The value if it may be set: primitives, and arrays of one kind of primitive with gaps (specification/common/README.md#attribute). */
export function validValue(value: unknown): AttributeValue | undefined {
  if (!Array.isArray(value)) return isPrimitive(value) ? value : undefined
  let kind: string | undefined
  for (const item of value) {
    if (item === null || item === undefined) continue
    if (!isPrimitive(item) || (kind !== undefined && typeof item !== kind)) return undefined
    kind = typeof item
  }
  return value.slice() as string[]
}

const isPrimitive = (value: unknown): value is string | number | boolean =>
  typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean'

export function countDefined(attributes: Attributes): number {
  let count = 0
  for (const key in attributes) if (attributes[key] !== undefined) count++
  return count
}

/** A copy of at most `max` of the attributes, and how many more there were. */
export function limited(
  given: ApiAttributes | undefined,
  max: number,
): { attributes: Attributes | undefined; droppedAttributes: number } {
  if (given === undefined || given === null) return { attributes: undefined, droppedAttributes: 0 }
  const attributes: Attributes = {}
  let count = 0
  let droppedAttributes = 0
  for (const key of Object.keys(given)) {
    const value = validValue(given[key])
    if (value === undefined || key === '') continue
    if (count++ < max) attributes[key] = value
    else droppedAttributes++
  }
  return { attributes, droppedAttributes }
}
