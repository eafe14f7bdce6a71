/** How far a request has come through the layers of Express. */
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { OpenCall } from '../define.js'
import { Foreign, type Stamp } from './stamp.js'

export type Request = IncomingMessage & { route?: { path: unknown } }

/** A function at its place in a router, or in a route; or a route in a router. */
export interface Layer {
  readonly handle: ((...args: any[]) => unknown) & { stack?: unknown }
  readonly route?: { path: unknown }
  /** Only those in a route have one: undefined is for any. */
  readonly method?: string
}

/** A function of the application that runs, until it calls `next` or the request is over. */
// Classes for the reason of `MethodCall`.
export class Step {
  failure: unknown = undefined
  call: OpenCall<Step> | undefined = undefined

  constructor(
    readonly kind: 'request handler' | 'middleware' | 'error middleware',
    readonly layer: Layer,
    readonly progress: Progress,
    /** The error that it was called with. */
    readonly given?: unknown,
  ) {}
}

/** How far a request has come. */
export class Progress {
  /** Where the router that runs is mounted, by patterns. */
  base = ''
  /** Where its layer that runs is mounted. */
  mount = ''
  /** What Express has put onto the request and we have seen. */
  entered: Request['route']
  /** Its pattern with those of the routers around it. */
  pattern = ''
  /** The pattern of the route that a handler has run of. */
  route = ''
  /** The last handler has not passed on. */
  sure = false
  /** The response was complete before what runs now. */
  answered = false
  error: unknown = undefined
  /** Undefined when the request is over. */
  open: Step[] | undefined = []

  constructor(
    readonly server: OpenCall<object>,
    readonly req: Request,
    readonly res: ServerResponse,
    readonly method: string,
  ) {
    this.entered = req.route
  }
}

/** With a class of its own, as `serverCall` and for its reason: each of the layers looks for it. */
class ProgressOf extends Foreign {
  #progress: Progress
  constructor(req: object, progress: Progress) {
    super(req)
    this.#progress = progress
  }
  static set(req: object, progress: Progress): void {
    if (#progress in req) req.#progress = progress
    else new ProgressOf(req, progress)
  }
  static get(req: object): Progress | undefined {
    return #progress in req ? req.#progress : undefined
  }
}

export const progressOf: Stamp<Progress> = ProgressOf
