/** The pod of Kubernetes that the process runs in, by what the downward API and the kubelet have put there. */
import type { ResourceAttributes } from '../semconv.js'
import type { Detector, Surroundings } from './detector.js'

const NAMESPACE_FILE = '/var/run/secrets/kubernetes.io/serviceaccount/namespace'

export const k8s: Detector = surroundings => {
  const { variables, read } = surroundings
  if (variables.KUBERNETES_SERVICE_HOST === undefined && read(NAMESPACE_FILE) === undefined) return undefined
  const mounts = read('/proc/self/mountinfo') ?? ''
  const attributes: ResourceAttributes = {
    'k8s.namespace.name': told(surroundings, NAMESPACE) ?? read('/etc/podinfo/namespace') ?? read(NAMESPACE_FILE),
    'k8s.pod.name': told(surroundings, POD_NAME) ?? read('/etc/podinfo/name') ?? generatedName(surroundings),
    'k8s.pod.uid': told(surroundings, POD_UID) ?? read('/etc/podinfo/uid') ?? uidIn(mounts, read('/proc/self/cgroup')),
    'k8s.node.name': told(surroundings, NODE_NAME),
    'k8s.container.name': told(surroundings, CONTAINER_NAME) ?? CONTAINER.exec(mounts)?.[1],
  }
  return { attributes }
}

// There is no standard for these names: what OpenTelemetry's operator, the documentation of Kubernetes and its users take.
const NAMESPACE = ['K8S_NAMESPACE_NAME', 'K8S_POD_NAMESPACE', 'K8S_NAMESPACE', 'POD_NAMESPACE', 'MY_POD_NAMESPACE']
const POD_NAME = ['OTEL_RESOURCE_ATTRIBUTES_POD_NAME', 'K8S_POD_NAME', 'POD_NAME', 'MY_POD_NAME']
const POD_UID = ['OTEL_RESOURCE_ATTRIBUTES_POD_UID', 'K8S_POD_UID', 'POD_UID', 'MY_POD_UID']
const NODE_NAME = ['OTEL_RESOURCE_ATTRIBUTES_NODE_NAME', 'K8S_NODE_NAME', 'NODE_NAME', 'MY_NODE_NAME']
const CONTAINER_NAME = ['K8S_CONTAINER_NAME', 'CONTAINER_NAME']

const told = ({ variables }: Surroundings, names: readonly string[]): string | undefined =>
  names.map(name => variables[name]).find(value => value !== undefined && value !== '')

// Where the kubelet keeps what it mounts: /etc/hosts, volumes, and the message that a container leaves behind.
const UID = /\/kubelet\/pods\/([\da-f]{8}(?:-[\da-f]{4}){3}-[\da-f]{12})\//
const CONTAINER = /\/kubelet\/pods\/[\da-f-]{36}\/containers\/([^/ ]+)\/[\da-f]+ /
// Names of control groups have underscores for dashes where systemd makes them.
const UID_IN_GROUP = /\bpod([\da-f]{8}(?:[-_][\da-f]{4}){3}[-_][\da-f]{12})\b/

const uidIn = (mounts: string, groups = ''): string | undefined =>
  UID.exec(mounts)?.[1] ?? UID_IN_GROUP.exec(groups)?.[1]?.replaceAll('_', '-')

const MAX_HOST_NAME = 63
// What Kubernetes makes up for a pod of a deployment, a daemon set or a job: no vowels, and no digits that look like some.
const GENERATED = /-[bcdfghjklmnpqrstvwxz2456789]{5}$/

/**
 * The name of the host is that of the pod, but where the pod has the node's network, where it was given another one, and
 * where it was cut.
 */
function generatedName({ variables, read }: Surroundings): string | undefined {
  const name = variables.HOSTNAME ?? read('/etc/hostname') ?? ''
  const hosts = read('/etc/hosts') ?? ''
  const isOfPod = hosts.startsWith('# Kubernetes-managed hosts file.')
  return isOfPod && name.length < MAX_HOST_NAME && GENERATED.test(name) ? name : undefined
}
