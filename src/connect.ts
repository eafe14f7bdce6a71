/** Joins definitions and tracer: a target for the hooks from each module, a listener from each channel. */
import { subscribe } from 'node:diagnostics_channel'
import type { Config } from './config/options.js'
import { log } from './diagnostics/log.js'
import type { Report, Target } from './hooks/index.js'
import type { Instrumentation } from './instrumentations/define.js'
import type { Scope } from './trace/span.js'
import type { Tracing } from './tracing.js'
import { version } from './version.js'

/**
 * The targets of all definitions; their channels are listened to at once, as a channel needs no module to be loaded.
 * `tracing` is asked for by the first of either.
 */
export function connect(
  definitions: readonly Instrumentation[],
  { instrumentations }: Pick<Config, 'instrumentations'>,
  tracing: () => Pick<Tracing, 'createKit'>,
): Target[] {
  const targets: Target[] = []
  for (const definition of definitions) {
    const scope: Scope = { name: `@org/trace/${definition.name}`, version }
    const options = instrumentations[definition.name] ?? {}
    for (const { name, versions, file, replaces, calls, patch } of definition.modules ?? []) {
      targets.push({
        name,
        versions,
        file,
        replaces,
        calls,
        apply: (exports, v) => patch(exports, tracing().createKit(scope, options, v)),
      })
    }
    for (const channel of definition.channels ?? []) {
      // With the first message: most processes never have one of most channels.
      let listen: ((message: any) => void) | undefined
      const hear = (message: unknown): void => {
        listen ??= channel.listen(tracing().createKit(scope, options, process.versions.node))
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
