/** What sends the spans: service, host, operating system and process (semantic conventions, resource attributes). */
import { randomUUID } from 'node:crypto'
import { hostname, release } from 'node:os'
import { basename } from 'node:path'
import type { Config } from './config/options.js'
import type { Attributes } from './semconv.js'
import { version } from './version.js'

// Node's word -> the convention's, where they differ.
const ARCHITECTURES: Readonly<Record<string, string>> = { x64: 'amd64', ia32: 'x86', arm: 'arm32', ppc: 'ppc32' }
const SYSTEMS: Readonly<Record<string, string>> = { win32: 'windows', sunos: 'solaris', android: 'linux' }

/**
 * The configured attributes win over the detected ones, the service name over both. Arguments of the process are left
 * out, as they may hold secrets.
 */
export function detectResource(
  config: Pick<Config, 'serviceName' | 'serviceVersion' | 'resourceAttributes'>,
): Attributes {
  return {
    'service.version': config.serviceVersion,
    'service.instance.id': randomUUID(),
    'host.name': hostname(),
    'host.arch': ARCHITECTURES[process.arch] ?? process.arch,
    'os.type': SYSTEMS[process.platform] ?? process.platform,
    'os.version': release(),
    'process.pid': process.pid,
    'process.executable.name': basename(process.execPath),
    'process.executable.path': process.execPath,
    'process.command': process.argv[1],
    'process.runtime.name': 'nodejs',
    'process.runtime.version': process.versions.node,
    'process.runtime.description': 'Node.js',
    'telemetry.sdk.name': '@org/trace',
    'telemetry.sdk.language': 'nodejs',
    'telemetry.sdk.version': version,
    ...config.resourceAttributes,
    'service.name': config.serviceName,
  }
}
