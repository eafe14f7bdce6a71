/** What an instrumentation is given to work with. */
import { ROOT, spanOf } from './context/context.js'
import { identityOf } from './context/span-identity.js'
import { active, bind, setBase } from './context/storage.js'
import { log } from './diagnostics/log.js'
import { wrap } from './hooks/wrap.js'
import type { Kit, Operation } from './instrumentations/define.js'
import { environmentName } from './propagation/environment.js'
import { headersRead } from './propagation/format.js'
import { headerGetter, headerSetter } from './propagation/headers.js'
import { begin, createGuard, type Guard } from './trace/begin.js'
import type { Scope, Span } from './trace/span.js'
import { traced } from './trace/traced.js'
import type { TracerCore } from './trace/tracer.js'

export function createKit<Options extends object>(
  core: TracerCore,
  scope: Scope,
  options: Options,
  version: string,
  maxAgeMs: number,
): Kit<Options> {
  const guards = new Map<Operation<any>, Guard>()
  const guardOf = (operation: Operation<any>): Guard => {
    let guard = guards.get(operation)
    if (guard === undefined) guards.set(operation, (guard = createGuard(`${scope.name} (${version})`)))
    return guard
  }

  return {
    options,
    version,
    headerNames: headersRead(core.propagator),
    trace(target, method, operation) {
      const guard = createGuard(`${scope.name} (${version}), ${String(method)}`)
      wrap(target, method, original => traced(core, scope, operation, original as never, guard) as never)
    },
    wrap,
    bindCallback(target, method) {
      wrap(target, method, original => {
        return function (this: unknown, ...args: unknown[]) {
          const last = args.length - 1
          if (typeof args[last] === 'function') args[last] = bind(args[last] as () => unknown)
          return Reflect.apply(original as () => unknown, this, args)
        } as never
      })
    },
    headers() {
      const headers: Record<string, string> = {}
      try {
        core.propagator.inject(active(), headers, headerSetter)
      } catch (error) {
        log.debug('%s: headers threw: %s', scope.name, error)
      }
      return headers
    },
    adopt: headers => setBase(core.propagator.extract(ROOT, headers, headerGetter), maxAgeMs),
    environmentName,
    bind,
    detach: fn => bind(fn, ROOT),
    rejoin(open, fn, self, args) {
      const here = identityOf(spanOf(active()))?.traceId
      return here === identityOf(open.span as Span)?.traceId ? Reflect.apply(fn, self, args) : open.run(fn, self, args)
    },
    begin: (operation, call) => begin(core, scope, operation, call, guardOf(operation)),
  }
}
