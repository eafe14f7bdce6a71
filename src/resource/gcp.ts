/** Google Cloud: App Engine, Cloud Run, its functions and jobs, Kubernetes Engine and Compute Engine. */
import type { ResourceAttributes } from '../semconv.js'
import { type Detector, firmware, type Surroundings } from './detector.js'

/** What the metadata server is asked for, and what an answer means. */
type Questions = Readonly<Record<string, (answer: string) => ResourceAttributes>>

export const gcp: Detector = surroundings => {
  const found = platform(surroundings)
  if (found === undefined) return undefined
  const [name, attributes, questions] = found
  return {
    attributes: { 'cloud.provider': 'gcp', 'cloud.platform': name, ...attributes },
    async more(ask) {
      const all = Object.entries({ ...ACCOUNT, ...questions })
      const answers = await Promise.all(
        all.map(async ([path, read]) => {
          const answer = await ask(`${serverOf(surroundings)}/computeMetadata/v1/${path}`, { headers: FLAVOR })
          return answer === undefined || answer === '' ? {} : read(answer)
        }),
      )
      return Object.assign({}, ...answers)
    },
  }
}

// Without it the server refuses (Compute Engine documentation, "About VM metadata").
const FLAVOR = { 'Metadata-Flavor': 'Google' }

/** The variable of Google's own libraries names a host. */
function serverOf({ variables, servers }: Surroundings): string {
  const { GCE_METADATA_HOST: host } = variables
  // By its address, as no name has to be looked up then.
  if (host === undefined || host === 'metadata.google.internal') return servers.linkLocal
  return `http://${host}`
}

// projects/<number>/zones/<zone>, projects/<number>/machineTypes/<type>
const last = (path: string): string => path.slice(path.lastIndexOf('/') + 1)

/** Of a zone, such as europe-west1-b. */
const regionOf = (zone: string): string => zone.replace(/-[^-]*$/, '')

const isZone = (location: string): boolean => location.split('-').length > 2

const ACCOUNT: Questions = { 'project/project-id': id => ({ 'cloud.account.id': id }) }
const HOST_ID: Questions = { 'instance/id': id => ({ 'host.id': id }) }
const ZONE: Questions = {
  'instance/zone': zone => ({ 'cloud.availability_zone': last(zone), 'cloud.region': regionOf(last(zone)) }),
}
const MACHINE: Questions = {
  ...HOST_ID,
  ...ZONE,
  'instance/name': name => ({ 'host.name': name, 'gcp.gce.instance.name': name }),
  'instance/hostname': name => ({ 'gcp.gce.instance.hostname': name }),
  'instance/machine-type': type => ({ 'host.type': last(type) }),
}
const CLUSTER: Questions = {
  ...HOST_ID,
  'instance/attributes/cluster-name': name => ({ 'k8s.cluster.name': name }),
  'instance/attributes/cluster-location': location =>
    isZone(location)
      ? { 'cloud.availability_zone': location, 'cloud.region': regionOf(location) }
      : { 'cloud.region': location },
}
const SERVERLESS: Questions = {
  'instance/id': id => ({ 'faas.instance': id }),
  'instance/region': region => ({ 'cloud.region': last(region) }),
}

function platform(surroundings: Surroundings): [string, ResourceAttributes, Questions] | undefined {
  const { variables } = surroundings
  const { GAE_SERVICE, K_SERVICE, CLOUD_RUN_JOB, FUNCTION_TARGET, CLOUD_RUN_TASK_INDEX } = variables
  if (GAE_SERVICE !== undefined) {
    const { GAE_VERSION, GAE_INSTANCE } = variables
    const faas = { 'faas.name': GAE_SERVICE, 'faas.version': GAE_VERSION, 'faas.instance': GAE_INSTANCE }
    return ['gcp_app_engine', faas, ZONE]
  }
  // Knative has the same variable, in clusters.
  if (K_SERVICE !== undefined && variables.KUBERNETES_SERVICE_HOST === undefined) {
    const name = FUNCTION_TARGET === undefined ? 'gcp_cloud_run' : 'gcp_cloud_functions'
    return [name, { 'faas.name': K_SERVICE, 'faas.version': variables.K_REVISION }, SERVERLESS]
  }
  if (CLOUD_RUN_JOB !== undefined) {
    const job = {
      'faas.name': CLOUD_RUN_JOB,
      'gcp.cloud_run.job.execution': variables.CLOUD_RUN_EXECUTION,
      'gcp.cloud_run.job.task_index': /^\d+$/.test(CLOUD_RUN_TASK_INDEX ?? '')
        ? Number(CLOUD_RUN_TASK_INDEX)
        : undefined,
    }
    return ['gcp_cloud_run', job, SERVERLESS]
  }
  if (!isMachine(surroundings)) return undefined
  if (variables.KUBERNETES_SERVICE_HOST !== undefined) return ['gcp_kubernetes_engine', {}, CLUSTER]
  return ['gcp_compute_engine', {}, MACHINE]
}

/** Compute Engine documentation, "Detect if a VM is running in Compute Engine". */
const isMachine = (surroundings: Surroundings): boolean =>
  surroundings.variables.GCE_METADATA_HOST !== undefined ||
  ['Google Compute Engine', 'Google'].includes(firmware(surroundings, 'product_name'))
