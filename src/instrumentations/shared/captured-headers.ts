/** Headers of HTTP requests and responses as attributes of their spans (semantic conventions, http.request.header.<key>). */
import type { SemanticAttributes } from '../../semconv.js'
import type { Operation } from '../define.js'
import type { HeaderOf } from './http-headers.js'

/** What samplers may ask for is told when the span starts: the headers of the request. */
export function recordingServer<M extends object>(
  operation: Operation<M>,
  requestNames: readonly string[],
  responseNames: readonly string[],
  ofRequest: HeaderOf<M>,
  ofResponse: HeaderOf<M>,
): Operation<M> {
  const request = attributesFor('request', requestNames, ofRequest)
  const response = attributesFor('response', responseNames, ofResponse)
  return {
    ...operation,
    start(call) {
      const draft = operation.start(call)
      if (draft !== undefined) Object.assign(draft.attributes, request(call))
      return draft
    },
    finish(span, call) {
      span.set(response(call))
      operation.finish?.(span, call)
    },
  }
}

/** All of the headers of a request that goes out are known when they have been sent. */
export function recordingClient<M extends object>(
  operation: Operation<M>,
  requestNames: readonly string[],
  responseNames: readonly string[],
  ofRequest: HeaderOf<M>,
  ofResponse: HeaderOf<M>,
): Operation<M> {
  const request = attributesFor('request', requestNames, ofRequest)
  const response = attributesFor('response', responseNames, ofResponse)
  return {
    ...operation,
    finish(span, call) {
      span.set(request(call)).set(response(call))
      operation.finish?.(span, call)
    },
  }
}

function attributesFor<M>(
  message: 'request' | 'response',
  given: readonly string[],
  headerOf: HeaderOf<M>,
): (call: M) => SemanticAttributes {
  const names = [...new Set(given.map(name => name.toLowerCase()))]
  return call => {
    const attributes: SemanticAttributes = {}
    for (const name of names) {
      const value = headerOf(call, name)
      if (value === undefined) continue
      attributes[`http.${message}.header.${name}`] = Array.isArray(value) ? value.map(String) : [String(value)]
    }
    return attributes
  }
}
