/** The machine: its name, its processor, and its id where this is no container. */
import { hostname } from 'node:os'
import { containerId } from './container.js'
import type { Detector, Surroundings } from './detector.js'

// Node's word -> the convention's, where they differ.
const ARCHITECTURES: Readonly<Record<string, string>> = { x64: 'amd64', ia32: 'x86', arm: 'arm32', ppc: 'ppc32' }

export const host: Detector = surroundings => ({
  attributes: {
    'host.id': machineId(surroundings),
    'host.name': hostname(),
    'host.arch': ARCHITECTURES[process.arch] ?? process.arch,
  },
})

const CONTAINER_SIGNS = ['/.dockerenv', '/run/.containerenv']

/** An image has one, too, which is the same in all containers (semantic conventions, host.id). */
function machineId(surroundings: Surroundings): string | undefined {
  const { read, variables } = surroundings
  const isContainer =
    variables.KUBERNETES_SERVICE_HOST !== undefined ||
    CONTAINER_SIGNS.some(path => read(path) !== undefined) ||
    containerId(surroundings) !== undefined
  const id = isContainer ? undefined : (read('/etc/machine-id') ?? read('/var/lib/dbus/machine-id'))
  return /^[\da-f]{32}$/.test(id ?? '') ? id : undefined
}
