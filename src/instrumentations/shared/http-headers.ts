/** The options that name headers of HTTP messages, which are then attributes of the spans. */
import type { Operation, Option } from '../define.js'
import type * as Captured from './captured-headers.js'

interface ServerHeaders {
  serverRequestHeaders: readonly string[]
  serverResponseHeaders: readonly string[]
}

export interface ClientHeaders {
  clientRequestHeaders: readonly string[]
  clientResponseHeaders: readonly string[]
}

const headers = (of: string, env: string): Option<readonly string[]> => ({
  default: [],
  about: `Headers of ${of} that are recorded, as they are: name none that hold secrets.`,
  env: `OTEL_INSTRUMENTATION_HTTP_${env}_HEADERS`,
})

const serverHeaders = {
  serverRequestHeaders: headers('requests that come in', 'SERVER_CAPTURE_REQUEST'),
  serverResponseHeaders: headers('their responses', 'SERVER_CAPTURE_RESPONSE'),
}

export const clientHeaders = {
  clientRequestHeaders: headers('requests that go out', 'CLIENT_CAPTURE_REQUEST'),
  clientResponseHeaders: headers('their responses', 'CLIENT_CAPTURE_RESPONSE'),
}

export type HttpHeaders = ServerHeaders & ClientHeaders
export const httpHeaders = { ...serverHeaders, ...clientHeaders }

/** The value, or list of values, of a header by its name in lower case. */
export type HeaderOf<M> = (call: M, name: string) => unknown

/** The operation of a server, which also records the headers that are named, and is the same one where none are. */
export const recordingServer = <M extends object>(
  operation: Operation<M>,
  { serverRequestHeaders, serverResponseHeaders }: ServerHeaders,
  ofRequest: HeaderOf<M>,
  ofResponse: HeaderOf<M>,
): Operation<M> =>
  serverRequestHeaders.length + serverResponseHeaders.length === 0
    ? operation
    : part().recordingServer(operation, serverRequestHeaders, serverResponseHeaders, ofRequest, ofResponse)

/** The same for a client. */
export const recordingClient = <M extends object>(
  operation: Operation<M>,
  { clientRequestHeaders, clientResponseHeaders }: ClientHeaders,
  ofRequest: HeaderOf<M>,
  ofResponse: HeaderOf<M>,
): Operation<M> =>
  clientRequestHeaders.length + clientResponseHeaders.length === 0
    ? operation
    : part().recordingClient(operation, clientRequestHeaders, clientResponseHeaders, ofRequest, ofResponse)

// Few applications name any.
const part = (): typeof Captured => require('./captured-headers.js') as typeof Captured
