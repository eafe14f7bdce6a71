/** Express 4 and 5, and the `router` package that Express 5 routes with: the route of a request, its handlers, its errors. */
import type { ServerResponse } from 'node:http'
import { choice, defineInstrumentation, internal, type Kit, type OpenCall, type Operation } from './define.js'
import { type Layer, Progress, progressOf, type Request, Step } from './shared/express-progress.js'
import { methodName, serverCall } from './shared/http.js'
import { createStamp } from './shared/stamp.js'

interface Options {
  layers: 'handler' | 'all' | 'none'
}

const layers = choice(
  ['handler', 'all', 'none'],
  'handler',
  'Spans below the one of the request: for the handlers of the route, for every middleware and router too, or none.',
)

// Patched, although `router` 2.3 publishes a tracing channel: it tells neither where a router is mounted nor that a
// handler has called `next()`, and versions before it publish nothing.
export default defineInstrumentation<Options>({
  name: 'express',
  title: 'Express 4, and 5 by its router',
  category: 'framework',
  options: { layers },
  modules: [
    { name: 'express', versions: '>=4.16 <5', file: 'lib/router/index.js', patch: traceRouter },
    { name: 'express', versions: '>=4.16 <5', file: 'lib/router/layer.js', patch: traceLayer },
    { name: 'router', versions: '>=1 <3', patch: (Router, kit) => traceRouter(Router.prototype, kit) },
    { name: 'router', versions: '>=1 <3', file: 'lib/layer.js', patch: traceLayer },
  ],
})

type Next = (error?: unknown) => unknown

interface Router {
  stack: Layer[]
  use(...args: unknown[]): unknown
  handle(req: Request, res: ServerResponse, done: Next): unknown
}

type RunsRequest = (this: Layer, req: Request, res: ServerResponse, next: Next) => unknown
type RunsError = (this: Layer, error: unknown, req: Request, res: ServerResponse, next: Next) => unknown

/** The pattern that a layer is mounted at. */
const mountedAt = createStamp<string>()

const isObject = (value: unknown): value is object => typeof value === 'object' && value !== null

function traceRouter(router: Router, kit: Kit<Options>): void {
  kit.wrap(router, 'use', use => {
    return function (this: Router, ...args: unknown[]) {
      const before = this?.stack?.length
      const result = Reflect.apply(use, this, args)
      const mount = mountOf(args[0])
      for (const layer of this.stack.slice(before)) mountedAt.set(layer, mount)
      return result
    }
  })

  kit.wrap(router, 'handle', handle => {
    return function (this: Router, req: Request, res: ServerResponse, done: Next) {
      const progress = isObject(req) && isObject(res) && typeof done === 'function' ? progressIn(req, res) : undefined
      if (progress === undefined) return Reflect.apply(handle, this, arguments as never)
      const { base, mount, pattern } = progress
      const leave: Next = function (this: unknown, error) {
        noteError(progress, error)
        if (!isAnswered(progress) && !error) progress.sure = false
        Object.assign(progress, { base, mount, pattern, entered: req.route })
        return Reflect.apply(done, this, arguments as never)
      }
      progress.base = mount
      return Reflect.apply(handle, this, [req, res, leave])
    }
  })
}

function traceLayer(Layer: { prototype: object }, kit: Kit<Options>): void {
  const every = kit.options.layers === 'all'
  const handlers = kit.options.layers !== 'none'

  const request = (original: RunsRequest): RunsRequest =>
    function (req, res, next) {
      const progress = progressHere(req)
      if (progress === undefined || this.handle.length > 3) return Reflect.apply(original, this, arguments as never)
      const kind = advance(progress, this)
      if (kind === undefined || !(kind === 'request handler' ? handlers : every)) {
        return Reflect.apply(original, this, arguments as never)
      }
      return follow(kit, new Step(kind, this, progress), original, this, [req, res, next])
    }

  const error = (original: RunsError): RunsError =>
    function (error, req) {
      const progress = progressHere(req)
      if (progress === undefined || this.handle.length !== 4) return Reflect.apply(original, this, arguments as never)
      noteError(progress, error)
      if (!every) return Reflect.apply(original, this, arguments as never)
      const step = new Step('error middleware', this, progress, error)
      return follow(kit, step, original, this, [...arguments])
    }

  const prototype = Layer.prototype as Record<string, never>
  // Underscores until router 2.
  kit.wrap(prototype, 'handle_request', request as never)
  kit.wrap(prototype, 'handleRequest', request as never)
  kit.wrap(prototype, 'handle_error', error as never)
  kit.wrap(prototype, 'handleError', error as never)
}

function progressHere(req: unknown): Progress | undefined {
  const server = isObject(req) ? serverCall.get(req) : undefined
  return server && progressOf.get(server)
}

/** Undefined where the request has no server span that records. */
function progressIn(req: Request, res: ServerResponse): Progress | undefined {
  const server = serverCall.get(req)
  if (server === undefined) return undefined
  const known = progressOf.get(server)
  if (known !== undefined || !server.span.isRecording()) return known
  const progress = new Progress(server, req, res, methodName(String(req.method)), req.route)
  progressOf.set(server, progress)
  server.beforeEnd(span => {
    for (const step of progress.open?.reverse() ?? []) step.call?.end(step)
    progress.open = undefined
    locate(progress)
    const { route, sure, error, method } = progress
    if (route !== '' && (sure || res.statusCode !== 404)) {
      span.set({ 'http.route': route })
      if (span.name === method) span.updateName(`${method} ${route}`)
    }
    // A response that was begun and not ended has been cut off: what Express does with an error that comes too late.
    if (error === undefined) return
    if (res.statusCode >= 500 || (res.headersSent && !res.writableEnded)) span.fail(error)
  })
  return progress
}

/** A layer is about to run. */
function advance(progress: Progress, layer: Layer): 'request handler' | 'middleware' | undefined {
  const inRoute = 'method' in layer
  if (!isAnswered(progress)) {
    if (inRoute) progress.route = progress.pattern
    progress.sure = inRoute
  }
  if (inRoute) return 'request handler'
  if (layer.route !== undefined) {
    enter(progress, layer.route)
    return undefined
  }
  progress.entered = progress.req.route
  progress.mount = joined(progress.base, mountedAt.get(layer) ?? '')
  return 'middleware'
}

function enter(progress: Progress, route: { path: unknown }): void {
  progress.entered = route
  progress.mount = progress.base
  progress.pattern = joined(progress.base, textOf(route.path)) || '/'
}

/** Whether the response is complete: what runs afterwards is not where it came from. */
function isAnswered(progress: Progress): boolean {
  if (!progress.answered && progress.res.writableEnded) {
    progress.answered = true
    preferMount(progress)
  }
  return progress.answered
}

/** Where no handler of a route answers, the middleware does that stands at a path of its own, as GraphQL servers do. */
function preferMount(progress: Progress): void {
  if (!progress.sure && !progress.route.startsWith(progress.mount)) progress.route = progress.mount
}

/** Brings the route up to date, where nothing is about to run that would. */
function locate(progress: Progress): void {
  if (progress.answered) return
  const matched = progress.req.route
  if (isObject(matched) && matched !== progress.entered) {
    // Express is still at its parameters.
    enter(progress, matched)
    progress.route = progress.pattern
    progress.sure = true
  } else preferMount(progress)
}

/** An error goes to error middleware, or leaves a router. */
function noteError(progress: Progress, error: unknown): void {
  if (!isError(error) || error === progress.error) return
  locate(progress)
  progress.error = error
  progress.server.span.noteError(error)
}

// The two words are no errors: they leave the route, or the router.
const isError = (error: unknown): boolean => Boolean(error) && error !== 'route' && error !== 'router'

const running: Operation<Step> = {
  needsParent: true,
  start({ kind, layer: { handle }, progress: { pattern, mount } }) {
    // A function may be called anything: its name is a property like others.
    const name = typeof handle.name === 'string' && handle.name !== '' ? handle.name : undefined
    if (kind === 'request handler') {
      return internal(`${kind} - ${pattern}`, { 'http.route': pattern, 'code.function.name': name })
    }
    const route = kind === 'middleware' && mount !== '' ? mount : undefined
    if (Array.isArray(handle.stack) || name === 'mounted_app') {
      return internal(`router - ${route ?? '/'}`, { 'http.route': route })
    }
    return internal(`${kind} - ${name ?? '<anonymous>'}`, { 'http.route': route, 'code.function.name': name })
  },
  finish(span, { failure }) {
    if (failure !== undefined && !isRefusal(failure)) span.fail(failure)
  },
}

/** An error that Express answers with a status of 4xx is the client's. */
function isRefusal(error: unknown): boolean {
  const { status, statusCode = status } = Object(error) as { status?: unknown; statusCode?: unknown }
  return typeof statusCode === 'number' && statusCode >= 400 && statusCode < 500
}

/** Runs a method of a layer in a span. */
function follow(kit: Kit<Options>, step: Step, run: RunsRequest | RunsError, self: Layer, args: unknown[]): unknown {
  const at = step.kind === 'error middleware' ? 3 : 2
  const proceed = args[at]
  const { open } = step.progress
  const call = open === undefined || typeof proceed !== 'function' ? undefined : kit.begin(running, step)
  if (call === undefined) return Reflect.apply(run, self, args as never)
  step.call = call
  open?.push(step)
  args[at] = nextOf(step, call, proceed as Next)
  return call.run(run as never, self, args as never)
}

// By itself: made within `follow` it holds the arguments, too, and on Node 24 requests that are over pile up by the hundred until
// the code is optimized: 215 MB instead of 86 after a load of 2 s.
const nextOf = (step: Step, call: OpenCall<Step>, proceed: Next): Next =>
  function next(this: unknown, error) {
    if (isError(error) && error !== step.given) step.failure = error
    call.end(step)
    return call.handOver(proceed, this, arguments as never)
  }

/** As `use` reads its first argument: a path, or else a function, in lists or not. */
function mountOf(first: unknown): string {
  let inner = first
  while (Array.isArray(inner) && inner.length > 0) inner = inner[0]
  if (typeof inner === 'function') return ''
  return typeof first === 'string' ? first.replace(/\/$/, '') : textOf(first)
}

/** A path as the application wrote it. */
function textOf(path: unknown): string {
  if (typeof path === 'string') return path
  if (path instanceof RegExp) return path.source
  return Array.isArray(path) ? path.map(textOf).join(',') : ''
}

function joined(base: string, pattern: string): string {
  if (pattern === '' || pattern === '/') return base
  return base === '' || pattern.startsWith('/') ? base + pattern : `${base}/${pattern}`
}
