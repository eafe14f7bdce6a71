/** Containers and pods, by the files that they find. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { container } from '../../src/resource/container.js'
import { host } from '../../src/resource/host.js'
import { k8s } from '../../src/resource/k8s.js'
import { find, findNow } from './surroundings.js'

const ID = 'a4d00c9dd675d67f866c786181419e1b44832d4696780152e61afd44a3e02856'
const OTHER = '1'.repeat(64)
const UID = '1a2b3c4d-0000-4111-8222-123456789abc'

const GROUPS: Record<string, [cgroup: string, id: string | undefined]> = {
  'docker, v1': [`12:memory:/docker/${ID}\n1:name=systemd:/docker/${ID}`, ID],
  'docker, v2, by systemd': [`0::/system.slice/docker-${ID}.scope`, ID],
  podman: [`0::/machine.slice/libpod-${ID}.scope/container`, ID],
  'containerd in a pod, v1': [`11:cpu:/kubepods/burstable/pod${UID}/${ID}`, ID],
  'containerd in a pod, by systemd': [
    `0::/kubepods.slice/kubepods-pod${UID.replaceAll('-', '_')}.slice/cri-containerd-${ID}.scope`,
    ID,
  ],
  'containerd with colons': [`0::/system.slice/containerd.service/kubepods-pod1.slice:cri-containerd:${ID}`, ID],
  'cri-o': [`0::/kubepods.slice/crio-${ID}.scope`, ID],
  ecs: [`9:perf_event:/ecs/55091c13-b8cf-4801-b527-f4601742204d/${ID}`, ID],
  fargate: [
    '9:perf_event:/ecs/0123456789abcdef0123456789abcdef/0123456789abcdef0123456789abcdef-3456789012',
    '0123456789abcdef0123456789abcdef-3456789012',
  ],
  'one in another': [`1:name=systemd:/docker/${OTHER}/kubelet/kubepods/pod1/${ID}`, ID],
  'the second line': [`13:rdma:/\n12:pids:/docker/${ID}`, ID],
  'none, v1': ['12:memory:/user.slice/user-1000.slice\n1:name=systemd:/init.scope', undefined],
  'none, v2': ['0::/', undefined],
  'too long an id': [`0::/docker/${ID}0`, undefined],
  'too short an id': [`0::/docker/${ID.slice(1)}`, undefined],
}

for (const [what, [cgroup, id]] of Object.entries(GROUPS)) {
  test(`the control group tells the container: ${what}`, async () => {
    const expected = id === undefined ? undefined : { 'container.id': id }
    assert.deepEqual(await find(container, { files: { '/proc/self/cgroup': cgroup } }), expected)
  })
}

const line = (from: string, to: string): string => `710 676 254:1 ${from} ${to} rw,relatime - ext4 /dev/vda1 rw`
const pod = line(`/var/lib/kubelet/pods/${UID}/etc-hosts`, '/etc/hosts')

const MOUNTS: Record<string, [mountinfo: string, id: string | undefined]> = {
  docker: [line(`/var/lib/docker/containers/${ID}/resolv.conf`, '/etc/resolv.conf'), ID],
  nerdctl: [line(`/var/lib/nerdctl/1935db59/containers/default/${ID}/resolv.conf`, '/etc/resolv.conf'), ID],
  podman: [
    [
      line(`/containers/storage/overlay-containers/${OTHER}/userdata/hostname`, '/etc/hostname'),
      line(`/containers/overlay-containers/${ID}/userdata/.containerenv`, '/run/.containerenv'),
    ].join('\n'),
    ID,
  ],
  'a volume of the image in a pod': [
    `${pod}\n${line(`/var/lib/containerd/io.containerd.grpc.v1.cri/containers/${ID}/volumes/x`, '/data')}`,
    ID,
  ],
  'the sandbox of a pod, which is none': [
    `${pod}\n${line(`/var/lib/containerd/io.containerd.grpc.v1.cri/sandboxes/${OTHER}/hostname`, '/etc/hostname')}`,
    undefined,
  ],
  'the sandbox of a pod by docker, which is none': [
    `${pod}\n${line(`/var/lib/docker/containers/${OTHER}/hostname`, '/etc/hostname')}`,
    undefined,
  ],
  'no container': [line('/', '/'), undefined],
}

for (const [what, [mountinfo, id]] of Object.entries(MOUNTS)) {
  test(`mounts tell the container: ${what}`, async () => {
    const files = { '/proc/self/cgroup': '0::/', '/proc/self/mountinfo': mountinfo }
    assert.deepEqual(await find(container, { files }), id === undefined ? undefined : { 'container.id': id })
  })
}

test('long files take no long time', () => {
  const start = process.cpuUsage()
  for (const text of [
    '/docker/',
    'a',
    '-',
    ID,
    '/containers/',
    '/kubelet/pods/',
    `/kubelet/pods/${UID}/containers/`,
    ':',
  ]) {
    const long = text.repeat(500_000 / text.length)
    const files = { '/proc/self/cgroup': long, '/proc/self/mountinfo': long, '/etc/hosts': long, '/etc/hostname': long }
    findNow(container, { files })
    findNow(k8s, { files, variables: { KUBERNETES_SERVICE_HOST: '10.0.0.1' } })
  }
  const ms = process.cpuUsage(start).user / 1000
  assert.ok(ms < 2000, `${ms} ms`)
})

test('the id of the machine is told outside of containers only', () => {
  const machineId = '0123456789abcdef0123456789abcdef'
  const idIn = (files: Record<string, string>, variables = {}) => {
    const found = findNow(host, { files: { '/etc/machine-id': machineId, ...files }, variables })
    return (found as Record<string, unknown>)['host.id']
  }
  assert.equal(idIn({}), machineId)
  assert.equal(idIn({ '/proc/self/cgroup': `0::/docker/${ID}` }), undefined)
  assert.equal(idIn({ '/.dockerenv': '' }), undefined)
  assert.equal(idIn({ '/run/.containerenv': '' }), undefined)
  assert.equal(idIn({}, { KUBERNETES_SERVICE_HOST: '10.0.0.1' }), undefined)
  assert.equal(idIn({ '/etc/machine-id': 'uninitialized' }), undefined)
})

const K8S = { KUBERNETES_SERVICE_HOST: '10.0.0.1' }

test('a pod that was told nothing knows what the kubelet has put there', async () => {
  const files = {
    '/var/run/secrets/kubernetes.io/serviceaccount/namespace': 'shop',
    '/proc/self/cgroup': '0::/',
    '/proc/self/mountinfo': [
      pod,
      line(`/var/lib/kubelet/pods/${UID}/containers/cart/1c2b3a4d`, '/dev/termination-log'),
    ].join('\n'),
    '/etc/hosts': '# Kubernetes-managed hosts file.\n127.0.0.1\tlocalhost\n10.1.2.3\tcart-7d4b9c6f5b-x2z9k',
  }
  const expected = {
    'k8s.namespace.name': 'shop',
    'k8s.pod.name': 'cart-7d4b9c6f5b-x2z9k',
    'k8s.pod.uid': UID,
    'k8s.container.name': 'cart',
  }
  const variables = { ...K8S, HOSTNAME: 'cart-7d4b9c6f5b-x2z9k' }
  assert.deepEqual(await find(k8s, { files, variables }), expected)
  assert.deepEqual(
    await find(k8s, { files: { ...files, '/etc/hostname': variables.HOSTNAME }, variables: K8S }),
    expected,
  )
})

test('the downward API counts before, by variables and by files', async () => {
  const variables = {
    ...K8S,
    POD_NAME: 'web-0',
    POD_NAMESPACE: 'a',
    POD_UID: UID,
    NODE_NAME: 'n1',
    CONTAINER_NAME: 'c',
  }
  const expected = {
    'k8s.namespace.name': 'a',
    'k8s.pod.name': 'web-0',
    'k8s.pod.uid': UID,
    'k8s.node.name': 'n1',
    'k8s.container.name': 'c',
  }
  assert.deepEqual(await find(k8s, { variables }), expected)
  const files = { '/etc/podinfo/name': 'web-1', '/etc/podinfo/namespace': 'b', '/etc/podinfo/uid': UID }
  assert.deepEqual(await find(k8s, { variables: { ...K8S, POD_NAME: '' }, files }), {
    'k8s.namespace.name': 'b',
    'k8s.pod.name': 'web-1',
    'k8s.pod.uid': UID,
  })
})

test('the control group tells the pod, too', async () => {
  for (const cgroup of [
    `11:cpu:/kubepods/burstable/pod${UID}/${ID}`,
    `0::/kubepods.slice/kubepods-burstable-pod${UID.replaceAll('-', '_')}.slice/cri-containerd-${ID}.scope`,
  ]) {
    const found = await find(k8s, { variables: K8S, files: { '/proc/self/cgroup': cgroup } })
    assert.deepEqual(found, { 'k8s.pod.uid': UID })
  }
})

test('the name of the host is the name of the pod only where that is sure', async () => {
  const managed = '# Kubernetes-managed hosts file.\n'
  const nameOf = async (HOSTNAME: string, hosts: string) =>
    Object.values((await find(k8s, { variables: { ...K8S, HOSTNAME }, files: { '/etc/hosts': hosts } })) ?? {})[0]
  assert.equal(await nameOf('cart-7d4b9c6f5b-x2z9k', managed), 'cart-7d4b9c6f5b-x2z9k')
  // A stateful set, or a name that was given.
  assert.equal(await nameOf('web-0', managed), undefined)
  assert.equal(await nameOf('my-paint', managed), undefined)
  // On the network of the node.
  assert.equal(await nameOf('node-x2z9k', '# Kubernetes-managed hosts file (host network).\n'), undefined)
  assert.equal(await nameOf('cart-7d4b9c6f5b-x2z9k', '127.0.0.1 localhost'), undefined)
  // Cut.
  assert.equal(await nameOf(`${'a'.repeat(57)}-x2z9k`, managed), undefined)
  assert.equal(await nameOf(`${'a'.repeat(56)}-x2z9k`, managed), `${'a'.repeat(56)}-x2z9k`)
})

test('outside of Kubernetes nothing is found', async () => {
  assert.equal(
    await find(k8s, { variables: { POD_NAME: 'x' }, files: { '/etc/hosts': '127.0.0.1 localhost' } }),
    undefined,
  )
})
