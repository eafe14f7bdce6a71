/** The container that the process runs in, by the control groups and mounts of Linux. */
import type { Detector, Surroundings } from './detector.js'

export const container: Detector = surroundings => {
  const id = containerId(surroundings)
  return id === undefined ? undefined : { attributes: { 'container.id': id } }
}

// As the end of a group's name: `/docker/<id>`, `cri-containerd-<id>.scope`, `:cri-containerd:<id>`; on Fargate it is shorter.
const IN_GROUP = /(?:^|[/:-])([\da-f]{64}|[\da-f]{32}-\d+)(?:\.scope)?(?=\/|$)/g

// What a container has mounted of its own: files of podman and docker, and volumes of containerd's images.
const IN_MOUNTS = [
  /\/overlay-containers\/([\da-f]{64})\/userdata\/\.containerenv /,
  /\/io\.containerd\.grpc\.v1\.cri\/containers\/([\da-f]{64})\//,
]
// In a pod these are those of the container that keeps its network.
const IN_MOUNTS_OUTSIDE_PODS = /[/-]containers\/(?:[^/ ]+\/)?([\da-f]{64})\//

/** Undefined where there is none, or none that is sure. */
export function containerId({ read }: Surroundings): string | undefined {
  for (const line of (read('/proc/self/cgroup') ?? '').split('\n')) {
    // A container may run in another one: the innermost is ours.
    const id = [...line.matchAll(IN_GROUP)].at(-1)?.[1]
    if (id !== undefined) return id
  }
  // In a namespace of its own (cgroup v2) the group is only '/'.
  const mounts = read('/proc/self/mountinfo') ?? ''
  for (const expression of IN_MOUNTS) {
    const id = expression.exec(mounts)?.[1]
    if (id !== undefined) return id
  }
  return mounts.includes('/kubelet/pods/') ? undefined : IN_MOUNTS_OUTSIDE_PODS.exec(mounts)?.[1]
}
