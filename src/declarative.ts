/** Configuration files for code: what the package's users call, loaded when they do. */
import type { ComponentKind, CreateComponent } from './config/file/components.js'
import type * as ConfigFile from './config/file/index.js'
import { environment } from './config/load.js'

/**
 * Reads a file of OpenTelemetry's declarative configuration, or its text, with the environment's values in it. The model has the
 * names of the file; components that are not known here have their `properties` in it. Never throws.
 */
export const parseConfigFile = (pathOrText: string): ConfigFile.ParsedConfigFile =>
  typeof pathOrText === 'string'
    ? part().parseFile(pathOrText, environment)
    : { errors: ['expected a path or a text'], warnings: [] }

/**
 * Says how a component is made that a configuration file names and this package does not know: an OpenTelemetry object of
 * that kind, from its `properties` there. Call it before tracing is started. False if there is one of this name already,
 * which stays. Never throws.
 */
export const registerComponent = (kind: ComponentKind, name: string, create: CreateComponent): boolean =>
  part().register(kind, name, create)

const part = (): typeof ConfigFile => require('./config/file/index.js') as typeof ConfigFile
