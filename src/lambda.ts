/** AWS Lambda: an invocation is a span, and has its answer once its spans are delivered, as the process is frozen after that. */
import { existsSync, realpathSync } from 'node:fs'
import * as nodeModule from 'node:module'
import { basename, dirname, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import type { Environment } from './config/load.js'
import { log } from './diagnostics/log.js'
import { mainIsModule } from './hooks/installed.js'
import { resembling, wrap } from './hooks/wrap.js'
import { server } from './instrumentations/define.js'
import { begin, createGuard } from './trace/begin.js'
import type { OpenCall, Operation, Settled } from './trace/operation.js'
import type { TracerCore } from './trace/tracer.js'
import { version } from './version.js'

type Handler = (this: unknown, ...args: any[]) => unknown

interface Invocation {
  readonly event: any
  readonly context: any
}

/** The runtime needs some of what remains to give the answer. */
const RUNTIME_MS = 50
/** Marks handlers that write their answer to a stream, which is out before they return. */
const STREAMING = Symbol.for('aws.lambda.runtime.handler.streaming')
const SCOPE = { name: '@org/trace/aws-lambda', version }

const failureOf = ([error]: unknown[]): Settled => (error === null || error === undefined ? {} : { error })
const thrown = (error: unknown): Settled => ({ error: error ?? new Error('threw nothing') })
const ANSWERS = [
  ['done', failureOf],
  ['fail', ([error]: unknown[]) => thrown(error)],
  ['succeed', () => ({})],
] as const

/** Wraps the handler that `_HANDLER` names, when its file is loaded. `flush` never rejects. */
export function holdAnswers(
  variables: Environment,
  core: TracerCore,
  flush: (options: { timeoutMs: number }) => Promise<unknown>,
  limitMs: number,
): void {
  const found = find(variables)
  if (found === undefined) return
  const { file, path } = found
  const operation = invocationsOf(variables)
  const guard = createGuard(SCOPE.name)

  async function delivered(context: Invocation['context']): Promise<void> {
    try {
      const leftMs = Number(context?.getRemainingTimeInMillis?.() ?? Number.POSITIVE_INFINITY) - RUNTIME_MS
      await flush({ timeoutMs: Math.max(0, Math.min(limitMs, leftMs)) })
    } catch (error) {
      log.once('lambda', 'spans are not waited for: %s', error)
    }
  }

  let last: OpenCall<Invocation> | undefined
  const holding = (handler: Handler): Handler => {
    if (STREAMING in handler) return handler
    function held(this: unknown, event: unknown, context: any, callback: unknown): unknown {
      // It may have ended without an answer.
      last?.end(last.call)
      const open = begin(core, SCOPE, operation, { event, context }, guard)
      last = open
      let delivery: Promise<unknown> | undefined
      const settled = (outcome: Settled): Promise<unknown> => {
        open?.end({ event, context, ...outcome })
        delivery ??= delivered(context)
        return delivery
      }
      const passing = (answer: unknown, outcomeOf: (args: unknown[]) => Settled): unknown =>
        typeof answer !== 'function'
          ? answer
          : resembling(function (this: unknown, ...args: unknown[]) {
              settled(outcomeOf(args)).then(() => Reflect.apply(answer, this, args))
            }, answer)
      const args = [...arguments]
      if (args.length > 2) args[2] = passing(callback, failureOf)
      // The old ways to answer.
      for (const [name, outcomeOf] of ANSWERS) {
        const answer = context?.[name]
        if (typeof answer === 'function') Reflect.set(context, name, passing(answer, outcomeOf))
      }
      let result: unknown
      try {
        result = open === undefined ? Reflect.apply(handler, this, args) : open.run(handler, this, args)
      } catch (error) {
        open?.end({ event, context, ...thrown(error) })
        throw error
      }
      if (typeof (result as PromiseLike<unknown> | undefined)?.then !== 'function') return result
      return Promise.resolve(result).then(
        async value => {
          await settled({})
          return value
        },
        async error => {
          await settled(thrown(error))
          throw error
        },
      )
    }
    return resembling(held, handler) as Handler
  }
  const change = (exports: any): any => replaced(exports, path, holding)
  if (mainIsModule(file)) meetModule(file, path[0] as string, change)
  else meet(file, change)
}

/** Semantic conventions, "AWS Lambda" and "FaaS spans". */
function invocationsOf(variables: Environment): Operation<Invocation> {
  let isCold = variables.AWS_LAMBDA_INITIALIZATION_TYPE !== 'provisioned-concurrency'
  return {
    // Of a request, as API Gateway, load balancers and function URLs tell it.
    extract: ({ event }) => (typeof event?.headers === 'object' ? (event.headers ?? {}) : {}),
    start({ event, context }) {
      const isRequest = event?.requestContext !== undefined && event.headers !== undefined
      const draft = server(variables.AWS_LAMBDA_FUNCTION_NAME as string, {
        'cloud.resource_id': context?.invokedFunctionArn,
        'faas.coldstart': isCold,
        'faas.invocation_id': context?.awsRequestId,
        'faas.trigger': isRequest ? 'http' : 'other',
      })
      isCold = false
      return draft
    },
  }
}

/** The file and, in its exports, the path of the handler: as the runtime of AWS finds them. */
function find({ LAMBDA_TASK_ROOT, _HANDLER = '' }: Environment): { file: string; path: string[] } | undefined {
  const [, name = '', path = ''] = /^([^.]*)\.(.*)$/.exec(basename(_HANDLER)) ?? []
  if (path === '' || _HANDLER.includes('..')) return undefined
  const endings = ['', '.js', '.mjs', '.cjs']
  try {
    const root = LAMBDA_TASK_ROOT ?? process.cwd()
    const folder = dirname(_HANDLER)
    const place = resolve(root, folder, name)
    const there = endings.map(ending => place + ending).find(existsSync)
    const from = nodeModule.createRequire(resolve(root, 'index.js'))
    const file =
      there === undefined || there === place
        ? from.resolve(there ?? name, { paths: [root, resolve(root, folder)] })
        : realpathSync(there)
    return { file, path: path.split('.') }
  } catch (error) {
    log.debug('the handler %s is not found: %s', _HANDLER, error)
    return undefined
  }
}

/** `exports` with another handler at that path; as they are, if there is none. */
function replaced(exports: any, path: readonly string[], holding: (handler: Handler) => Handler): any {
  const [key = '', ...inner] = path
  const value = exports?.[key]
  if (inner.length > 0) {
    if (value !== null && typeof value === 'object') replaced(value, inner, holding)
    return exports
  }
  if (typeof value !== 'function') return exports
  const own = Object.getOwnPropertyDescriptor(exports, key)
  const data = { value: holding(value), enumerable: own?.enumerable ?? true, writable: true, configurable: true }
  if (Reflect.defineProperty(exports, key, data)) return exports
  // As compilers of ES modules define it: a getter, for good.
  const rest = Object.getOwnPropertyDescriptors(exports)
  return Object.create(Object.getPrototypeOf(exports), { ...rest, [key]: data })
}

/** Calls `change` with what the file exports, once it has run, and puts what it returns in its place. */
function meet(file: string, change: (exports: any) => any): void {
  wrap(nodeModule.Module.prototype as any, '_compile', (original: any) => {
    return function (this: NodeJS.Module, _content: string, filename: string) {
      const result = Reflect.apply(original, this, arguments)
      if (filename === file) this.exports = change(this.exports)
      return result
    }
  })
}

const KEY = '@org/trace handler'

interface Hooks {
  resolve(
    specifier: string,
    context: { readonly conditions?: Iterable<string> },
    next: (specifier: string, context: object) => { readonly url: string },
  ): { readonly url: string }
}

/** The same for an ES module: by one of ours in its place, for whoever imports it first, which is the runtime. */
function meetModule(file: string, name: string, change: (exports: any) => any): void {
  const { registerHooks } = nodeModule as unknown as { registerHooks?(hooks: Hooks): { deregister(): void } }
  if (registerHooks === undefined) {
    log.info('before Node 22.15 answers of handlers in ES modules are not held back until spans are delivered')
    return
  }
  const url = pathToFileURL(file).href
  const from = JSON.stringify(url)
  const code = `import * as real from ${from};export * from ${from};
    const { ${JSON.stringify(name)}: own } = globalThis[Symbol.for(${JSON.stringify(KEY)})](real);
    export { own as ${JSON.stringify(name)} }`
  let isMet = false
  const hooks = registerHooks({
    resolve(specifier, context, next) {
      const resolved = next(specifier, context)
      if (isMet || resolved.url !== url || ![...(context.conditions ?? [])].includes('import')) return resolved
      isMet = true
      return { ...resolved, url: `data:text/javascript,${encodeURIComponent(code)}`, format: 'module' } as never
    },
  })
  const meeting = (real: object): unknown => {
    hooks.deregister()
    return change({ ...real })
  }
  Object.defineProperty(globalThis, Symbol.for(KEY), { value: meeting, configurable: true })
}
