/** Microsoft Azure: Functions, App Service, Container Apps and virtual machines. */
import type { ResourceAttributes } from '../semconv.js'
import { type Ask, type Detector, type Finding, firmware, objectIn, type Surroundings, textOf } from './detector.js'

export const azure: Detector = surroundings => site(surroundings) ?? app(surroundings) ?? machine(surroundings)

const on = (platform: string, attributes: ResourceAttributes): ResourceAttributes => ({
  'cloud.provider': 'azure',
  'cloud.platform': platform,
  ...attributes,
})

const MIB = 1024 * 1024

/** App Service documentation, "Environment variables and app settings"; functions have the same variables. */
function site({ variables }: Surroundings): Finding | undefined {
  const { WEBSITE_SITE_NAME: name, WEBSITE_INSTANCE_ID: instance, WEBSITE_MEMORY_LIMIT_MB: memory } = variables
  const { WEBSITE_RESOURCE_GROUP: group, WEBSITE_OWNER_NAME: owner } = variables
  if (name === undefined) return undefined
  // <subscription>+<group>-<region>webspace
  const [subscription] = owner?.includes('+') ? owner.split('+') : []
  const resource = `/subscriptions/${subscription}/resourceGroups/${group}/providers/Microsoft.Web/sites/${name}`
  const attributes: ResourceAttributes = {
    'cloud.region': variables.REGION_NAME,
    'cloud.account.id': subscription,
    'cloud.resource_id': subscription !== undefined && group !== undefined ? resource : undefined,
    'azure.resource_group.name': group,
    'deployment.environment.name': variables.WEBSITE_SLOT_NAME,
  }
  if (variables.FUNCTIONS_EXTENSION_VERSION === undefined) return { attributes: on('azure.app_service', attributes) }
  const faas = {
    'faas.name': name,
    'faas.instance': instance,
    'faas.max_memory': Number(memory) * MIB || undefined,
  }
  return { attributes: on('azure.functions', { ...attributes, ...faas }) }
}

/** Container Apps documentation, "Built-in environment variables". */
function app({ variables }: Surroundings): Finding | undefined {
  if (variables.CONTAINER_APP_NAME === undefined) return undefined
  const { CONTAINER_APP_REPLICA_NAME: replica } = variables
  return { attributes: on('azure.container_apps', { 'container.name': replica }) }
}

// Of every machine of Azure, and of no other one that runs on Hyper-V.
const ASSET_TAG = '7783-7084-3265-9085-8269-3286-77'

function machine(surroundings: Surroundings): Finding | undefined {
  if (firmware(surroundings, 'chassis_asset_tag') !== ASSET_TAG) return undefined
  return { attributes: on('azure.vm', {}), more: ask => compute(ask, surroundings.servers.linkLocal) }
}

/** Azure documentation, "Azure Instance Metadata Service". */
async function compute(ask: Ask, server: string): Promise<ResourceAttributes> {
  const url = `${server}/metadata/instance/compute?api-version=2021-02-01&format=json`
  const known = objectIn(await ask(url, { headers: { Metadata: 'true' } }))
  return {
    'cloud.account.id': textOf(known.subscriptionId),
    'cloud.region': textOf(known.location),
    'cloud.availability_zone': textOf(known.zone),
    'cloud.resource_id': textOf(known.resourceId),
    'azure.resource_group.name': textOf(known.resourceGroupName),
    'host.id': textOf(known.vmId),
    'host.name': textOf(known.name),
    'host.type': textOf(known.vmSize),
  }
}
