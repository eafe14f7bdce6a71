/** What a span tells of an error. */
import type { Exception } from '@opentelemetry/api'
import type { SemanticAttributes } from '../semconv.js'

// An error that climbs through many spans is told once: by the innermost that saw it.
const recorded = new WeakMap<object, string>()

/** True the first time that an error is seen in a trace. */
export function firstInTrace(error: unknown, traceId: string): boolean {
  if (error === null || typeof error !== 'object') return true
  if (recorded.get(error) === traceId) return false
  recorded.set(error, traceId)
  return true
}

/** The error's code if it has one, else its class: of low cardinality (semantic conventions, `error.type`). */
export function errorType(error: unknown): string {
  const code = error !== null && typeof error === 'object' ? (error as { code?: unknown }).code : undefined
  return typeof code === 'string' && code !== '' ? code : className(error)
}

/** The error's class, or the name that a plain Error was given. */
function className(error: unknown): string {
  if (error === null || typeof error !== 'object') return typeof error === 'string' ? 'Error' : typeof error
  const { name } = error as { name?: unknown }
  const given = typeof name === 'string' && name !== '' ? name : 'Error'
  const ofClass = error.constructor?.name
  return ofClass === undefined || ['', 'Object', 'Error'].includes(ofClass) ? given : ofClass
}

export const messageOf = (error: unknown): string => {
  if (error !== null && typeof error === 'object' && 'message' in error) return String(error.message)
  return typeof error === 'string' ? error : ''
}

/** Attributes of an `exception` event; undefined for what is neither an error nor a text. */
export function exceptionAttributes(error: Exception): SemanticAttributes | undefined {
  if (typeof error === 'string') return { 'exception.message': error }
  if (error === null || typeof error !== 'object') return undefined
  const { message } = error
  const stack = stackOf(error)
  const attributes: SemanticAttributes = { 'exception.type': className(error) }
  if (message !== undefined) attributes['exception.message'] = String(message)
  if (stack !== undefined) attributes['exception.stacktrace'] = stack
  return attributes
}

const MAX_CAUSES = 10

/** The error's stack, and below it those of its causes. */
function stackOf(error: object): string | undefined {
  let { stack, cause } = error as { stack?: unknown; cause?: unknown }
  if (typeof stack !== 'string') return undefined
  const seen = new Set<unknown>([error])
  while (cause !== undefined && cause !== null && !seen.has(cause) && seen.size <= MAX_CAUSES) {
    seen.add(cause)
    const told = typeof cause === 'object' ? (cause as { stack?: unknown }).stack : cause
    stack += `\nCaused by: ${typeof told === 'string' ? told : messageOf(cause)}`
    cause = typeof cause === 'object' ? (cause as { cause?: unknown }).cause : undefined
  }
  return stack as string
}
