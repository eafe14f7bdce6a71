/** Calls of the AWS SDK v3: each command that a client sends is one call of an operation. */

import type { SemanticAttributes } from '../../semconv.js'
import { type Call, client, type Kit, type Operation, type Settled, type TracedSpan } from '../define.js'

/** What a command asks for: of any command, so that every key may be missing and may have any value. */
export type Input = { readonly [key: string]: any }

export interface Client {
  /** The endpoint is a function, where the application chose one. */
  readonly config?: { readonly endpoint?: unknown }
  send: Send
}

export interface Command {
  readonly input?: Input
}

export type Send = (this: Client, ...args: [Command, ...unknown[]]) => unknown
export type Sent = Call<Client, [Command, ...unknown[]], any>

/** Wraps a client's `send`: `byName` has what is done for commands by the name of their class, `other` is for the rest. */
export function traceSend(
  prototype: Client,
  kit: Kit<object>,
  byName: Record<string, Operation<Sent> | ((original: Send) => Send)>,
  other: Operation<Sent>,
): void {
  kit.wrap(prototype, 'send', original => {
    const traced = (operation: Operation<Sent>): Send => {
      const copy = { send: original }
      kit.trace(copy, 'send', operation)
      return copy.send
    }
    const sends = new Map<unknown, Send>()
    for (const [name, how] of Object.entries(byName)) {
      sends.set(name, typeof how === 'function' ? how(original) : traced(how))
    }
    const rest = traced(other)
    return function (this: Client, ...args) {
      return Reflect.apply(namedAs(args[0], sends) ?? rest, this, args)
    }
  })
}

/** Commands are known by their class's name, their own or an inherited one: there may be several copies of the SDK. */
function namedAs(command: unknown, sends: ReadonlyMap<unknown, Send>): Send | undefined {
  let type: unknown = (command as object | undefined)?.constructor
  while (typeof type === 'function' && !sends.has(type.name)) type = Object.getPrototypeOf(type)
  return sends.get((type as Function | undefined)?.name)
}

export const inputOf = (command: Command): Input => command.input ?? {}

/** The command with another input. The application's own is left as it is; its middleware is used. */
export const withInput = (command: Command, input: Input): Command =>
  Object.create(command, { input: { value: input, writable: true, enumerable: true, configurable: true } })

/** What is no message: a remote call. */
export const administer = (
  service: string,
  attributesOf: (self: Client, input: Input) => SemanticAttributes,
  describe?: (text: string, call: Sent) => string,
): Operation<Sent> => ({
  inside: 'hidden',
  start({ self, args: [command] }) {
    const [, name] = /^(.+)Command$/.exec(String(command?.constructor?.name)) ?? []
    if (name === undefined) return undefined
    const method = `${service}/${name}`
    return client(method, {
      'rpc.system.name': 'aws-api',
      'rpc.method': method,
      'aws.request_id': undefined,
      ...attributesOf(self, inputOf(command)),
    })
  },
  finish: answered,
  ...(describe && { describe }),
})

export function answered(span: TracedSpan, { result, error }: Settled): void {
  const failed = result?.Failed?.[0]
  span.set({
    'aws.request_id': (result ?? (error as ServiceError | undefined))?.$metadata?.requestId,
    'error.type': error === undefined ? failed?.Code : codeOf(error),
  })
  if (failed !== undefined) span.fail()
}

interface ServiceError {
  readonly code?: unknown
  readonly name?: unknown
  readonly $metadata?: { readonly requestId?: string }
}

/** Of an error that the service answered with, the name: its class may stand for many. */
export function codeOf(error: unknown): string | undefined {
  const { code, name } = error as ServiceError
  return typeof code === 'string' ? code : typeof name === 'string' ? name : undefined
}
