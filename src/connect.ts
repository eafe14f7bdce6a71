/** Joins definitions and tracer: a target for the hooks from each module, a listener from each channel, a Kit for both. */
import { subscribe } from 'node:diagnostics_channel'
import type { Config } from './config/options.js'
import { ROOT, spanOf } from './context/context.js'
import { identityOf } from './context/span-identity.js'
import { active, bind, setBase } from './context/storage.js'
import { log } from './diagnostics/log.js'
import type { Report, Target } from './hooks/index.js'
import { wrap } from './hooks/wrap.js'
import type { Instrumentation, Kit, Operation } from './instrumentations/define.js'
import { environmentName } from './propagation/environment.js'
import { headersRead } from './propagation/format.js'
import { headerGetter, headerSetter } from './propagation/headers.js'
import { begin, createGuard, type Guard } from './trace/begin.js'
import type { Scope, Span } from './trace/span.js'
import { traced } from './trace/traced.js'
import type { TracerCore } from './trace/tracer.js'
import { version } from './version.js'

/** The targets of all definitions; their channels are listened to at once, as a channel needs no module to be loaded. */
export function connect(definitions: readonly Instrumentation[], config: Config, core: TracerCore): Target[] {
  const targets: Target[] = []
  const { maxAgeMs } = config.async
  for (const definition of definitions) {
    const scope: Scope = { name: `@org/trace/${definition.name}`, version }
    const options = config.instrumentations[definition.name] ?? {}
    for (const { name, versions, file, late, replaces, patch } of definition.modules ?? []) {
      targets.push({
        name,
        versions,
        file,
        late,
        replaces,
        apply: (exports, v) => patch(exports, createKit(core, scope, options, v, maxAgeMs)),
      })
    }
    for (const channel of definition.channels ?? []) {
      // With the first message: most processes never have one of most channels.
      let listen: ((message: any) => void) | undefined
      const hear = (message: unknown): void => {
        listen ??= channel.listen(createKit(core, scope, options, process.versions.node, maxAgeMs))
        listen(message)
      }
      subscribe(channel.name, fenced(`${definition.name} on ${channel.name}`, hear))
    }
  }
  return targets
}

/** What has become of a target, in one line. */
export const report: Report = (event, { name, versions }, version, error) => {
  if (event === 'patched') log.debug('%s %s patched', name, version)
  else if (event === 'unsupported')
    log.once(`${name} ${version}`, '%s %s is not supported (%s) and not traced', name, version, versions)
  else log.once(`${name} ${version}`, '%s %s could not be patched and is not traced: %s', name, version, error)
}

const THEIRS = '@opentelemetry/instrumentation-'

/** Says which definition traces what an instrumentation of OpenTelemetry's own, known by the name of its tracer, traces too. */
export const coveredBy =
  (definitions: readonly Instrumentation[]) =>
  (tracerName: string): string | undefined => {
    if (!tracerName.startsWith(THEIRS)) return undefined
    const library = tracerName.slice(THEIRS.length)
    // Theirs may be of a family, as aws-sdk is, of which one definition traces a part.
    return definitions.find(
      ({ name, modules }) =>
        name === library || name.startsWith(`${library}-`) || modules?.some(module => module.name === library),
    )?.name
  }

// Node rethrows what a subscriber throws, later, as an uncaught exception of the application.
function fenced(label: string, listen: (message: any) => void): (message: unknown) => void {
  return message => {
    try {
      listen(message)
    } catch (error) {
      log.once(label, '%s failed: %s', label, error)
    }
  }
}

function createKit<Options extends object>(
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
