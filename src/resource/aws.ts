/** Amazon Web Services: Lambda, Elastic Beanstalk, ECS, EKS and EC2. */
import type { ResourceAttributes } from '../semconv.js'
import { type Ask, type Detector, type Finding, firmware, objectIn, type Surroundings, textOf } from './detector.js'

export const aws: Detector = surroundings =>
  lambda(surroundings) ?? beanstalk(surroundings) ?? ecs(surroundings) ?? machine(surroundings)

const on = (platform: string, attributes: ResourceAttributes): ResourceAttributes => ({
  'cloud.provider': 'aws',
  'cloud.platform': platform,
  ...attributes,
})

const MIB = 1024 * 1024

/** AWS Lambda developer guide, "Defined runtime environment variables". */
function lambda({ variables }: Surroundings): Finding | undefined {
  const { AWS_LAMBDA_FUNCTION_NAME: name, AWS_LAMBDA_LOG_GROUP_NAME: group } = variables
  const { AWS_LAMBDA_LOG_STREAM_NAME: stream, AWS_LAMBDA_FUNCTION_MEMORY_SIZE: memory } = variables
  if (name === undefined) return undefined
  const attributes = on('aws_lambda', {
    'cloud.region': variables.AWS_REGION,
    'faas.name': name,
    'faas.version': variables.AWS_LAMBDA_FUNCTION_VERSION,
    'faas.instance': stream,
    'faas.max_memory': Number(memory) * MIB || undefined,
    'aws.log.group.names': group === undefined ? undefined : [group],
    'aws.log.stream.names': stream === undefined ? undefined : [stream],
  })
  return { attributes }
}

/** Written for its X-Ray daemon (Elastic Beanstalk developer guide, "Configuring AWS X-Ray debugging"). */
function beanstalk({ read }: Surroundings): Finding | undefined {
  const text = read('/var/elasticbeanstalk/xray/environment.conf')
  if (text === undefined) return undefined
  const { environment_name: name, version_label: version } = objectIn(text)
  const attributes = on('aws_elastic_beanstalk', {
    'service.namespace': textOf(name),
    'service.version': textOf(version),
  })
  return { attributes }
}

/** ECS developer guide, "Task metadata endpoint version 4". */
function ecs({ variables }: Surroundings): Finding | undefined {
  const url = variables.ECS_CONTAINER_METADATA_URI_V4
  const attributes = on('aws_ecs', { 'cloud.region': variables.AWS_REGION })
  if (url !== undefined) return { attributes, more: ask => ecsTask(ask, url) }
  return variables.ECS_CONTAINER_METADATA_URI === undefined ? undefined : { attributes }
}

async function ecsTask(ask: Ask, url: string): Promise<ResourceAttributes> {
  const [container, task] = (await Promise.all([ask(url), ask(`${url}/task`)])).map(objectIn) as [any, any]
  const arn = textOf(container.ContainerARN)
  const taskArn = textOf(task.TaskARN)
  // arn:aws:ecs:<region>:<account>:task/<cluster>/<id>
  const [, , , region, account, path] = taskArn?.split(':') ?? []
  const cluster = textOf(task.Cluster)
  const { 'awslogs-group': group, 'awslogs-stream': stream } = Object(container.LogOptions)
  const isLogged = container.LogDriver === 'awslogs'
  const [, image, tag] = IMAGE.exec(textOf(container.Image) ?? '') ?? []
  return {
    'cloud.account.id': account,
    'cloud.region': region,
    'cloud.availability_zone': textOf(task.AvailabilityZone),
    'cloud.resource_id': arn,
    'container.id': textOf(container.DockerId),
    'container.name': textOf(container.DockerName),
    'container.image.name': image,
    'container.image.tags': tag === undefined ? undefined : [tag],
    'aws.ecs.container.arn': arn,
    'aws.ecs.cluster.arn':
      cluster === undefined || cluster.startsWith('arn:') || taskArn === undefined
        ? cluster
        : `${taskArn.slice(0, taskArn.lastIndexOf(':'))}:cluster/${cluster}`,
    'aws.ecs.launchtype': textOf(task.LaunchType)?.toLowerCase(),
    'aws.ecs.task.arn': taskArn,
    'aws.ecs.task.id': path?.split('/').at(-1),
    'aws.ecs.task.family': textOf(task.Family),
    'aws.ecs.task.revision': textOf(task.Revision),
    'aws.log.group.names': isLogged && textOf(group) ? [group] : undefined,
    'aws.log.stream.names': isLogged && textOf(stream) ? [stream] : undefined,
  }
}

// <name>[:<tag>][@<digest>], where the name may begin with a host and a port.
const IMAGE = /^([^@]+?)(?::([\w.-]+))?(?:@.*)?$/

/** A machine of EC2; it may be a node of EKS, of which only what EKS has put into the pod is a sure sign. */
function machine(surroundings: Surroundings): Finding | undefined {
  const { variables } = surroundings
  const tokens = [variables.AWS_WEB_IDENTITY_TOKEN_FILE, variables.AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE]
  const isEks = tokens.some(file => file?.includes('eks.amazonaws.com'))
  const isMachine = isOfEc2(surroundings)
  if (!isEks && !isMachine) return undefined
  const tag = firmware(surroundings, 'board_asset_tag')
  const attributes = on(isEks ? 'aws_eks' : 'aws_ec2', {
    'cloud.region': variables.AWS_REGION,
    'host.id': tag.startsWith('i-') ? tag : undefined,
  })
  if (!isMachine || variables.AWS_EC2_METADATA_DISABLED?.toLowerCase() === 'true') return { attributes }
  const server = variables.AWS_EC2_METADATA_SERVICE_ENDPOINT ?? surroundings.servers.linkLocal
  return { attributes, more: ask => instance(ask, server.replace(/\/+$/, '')) }
}

/** EC2 user guide, "Identify EC2 instances"; the older machines, of Xen, have their id elsewhere. */
const isOfEc2 = (surroundings: Surroundings): boolean =>
  surroundings.variables.AWS_EC2_METADATA_SERVICE_ENDPOINT !== undefined ||
  firmware(surroundings, 'sys_vendor') === 'Amazon EC2' ||
  (surroundings.read('/sys/hypervisor/uuid')?.startsWith('ec2') ?? false)

/** EC2 user guide, "Use the Instance Metadata Service", of version 2. */
async function instance(ask: Ask, server: string): Promise<ResourceAttributes> {
  const token = await ask(`${server}/latest/api/token`, {
    method: 'PUT',
    headers: { 'X-aws-ec2-metadata-token-ttl-seconds': '60' },
  })
  if (token === undefined) return {}
  const headers = { 'X-aws-ec2-metadata-token': token }
  const [identity, name] = await Promise.all([
    ask(`${server}/latest/dynamic/instance-identity/document`, { headers }),
    ask(`${server}/latest/meta-data/hostname`, { headers }),
  ])
  const { accountId, region, availabilityZone, instanceId, instanceType, imageId } = objectIn(identity)
  return {
    'cloud.account.id': textOf(accountId),
    'cloud.region': textOf(region),
    'cloud.availability_zone': textOf(availabilityZone),
    'host.id': textOf(instanceId),
    'host.type': textOf(instanceType),
    'host.image.id': textOf(imageId),
    'host.name': textOf(name),
  }
}
