/** Events of Node's requests and responses, overheard in their `emit`: what is done for each of them is done eight times a request. */
import type { ServerResponse } from 'node:http'
import type { OpenCall } from '../define.js'
import { serverCall } from './http.js'

export type Emit = (this: unknown, event: string, ...args: any[]) => boolean

// What `listenerCount` reads; the call costs 60 ns, eight times a request.
export type Listeners = { readonly _events?: Readonly<Record<string, unknown>> }

/** Whether the application listens: a single listener of 'finish' is Node's own, and so may be one of 'end'. */
export function isHeard({ _events }: Listeners, event: string): boolean {
  const listeners = _events?.[event]
  if (typeof listeners !== 'function') return listeners !== undefined
  return event !== 'finish' && (event !== 'end' || !isNodes(listeners))
}

/** Node's listener of 'end', which is the same for all requests: to read a name takes 0.1 us of each (Node 24). */
let clearIncoming: unknown

function isNodes(listener: object): boolean {
  if (clearIncoming === undefined && (listener as { name?: unknown }).name === 'clearIncoming') clearIncoming = listener
  return listener === clearIncoming
}

// `emit` takes a rest parameter: handed on as `arguments` it costs 300 ns, eight times a request, and so written out 30 (Node 20).
export const passing =
  (emit: Emit) =>
  (self: unknown, event: string, subject: unknown, all: IArguments): boolean => {
    if (all.length === 1) return emit.call(self, event)
    if (all.length === 2) return emit.call(self, event, subject)
    return Reflect.apply(emit, self, all as never)
  }

// Of several responses that an application makes for one request, the server's own.
export function answeredBy(res: ServerResponse): OpenCall<{ readonly res: unknown }> | undefined {
  const open: OpenCall<{ readonly res: unknown }> | undefined = res.req && serverCall.get(res.req)
  return open?.call.res === res ? open : undefined
}

// Made without a connection, as adapters of serverless platforms do, a response is finished and never closed.
export const isUnconnected = ({ socket }: ServerResponse): boolean =>
  (socket as { parser?: unknown } | null)?.parser === undefined
