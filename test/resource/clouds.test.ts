/** The clouds, by their variables, their machines' firmware and metadata servers that are ours. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { alibaba } from '../../src/resource/alibaba.js'
import { aws } from '../../src/resource/aws.js'
import { azure } from '../../src/resource/azure.js'
import { gcp } from '../../src/resource/gcp.js'
import { createMetadata, find, findNow } from './surroundings.js'

test('where there is no sign of a cloud, nobody is asked', () => {
  const files = { '/sys/class/dmi/id/sys_vendor': 'Dell Inc.', '/sys/class/dmi/id/product_name': 'XPS' }
  for (const detector of [alibaba, aws, azure, gcp]) {
    assert.equal(findNow(detector, {}), undefined)
    assert.equal(findNow(detector, { files }), undefined)
  }
})

describe('AWS', () => {
  const EC2 = { '/sys/class/dmi/id/sys_vendor': 'Amazon EC2', '/sys/class/dmi/id/board_asset_tag': 'i-0abc' }

  test('Lambda', async () => {
    const variables = {
      AWS_LAMBDA_FUNCTION_NAME: 'cart',
      AWS_LAMBDA_FUNCTION_VERSION: '$LATEST',
      AWS_LAMBDA_FUNCTION_MEMORY_SIZE: '128',
      AWS_LAMBDA_LOG_GROUP_NAME: '/aws/lambda/cart',
      AWS_LAMBDA_LOG_STREAM_NAME: '2026/08/01/[$LATEST]1',
      AWS_REGION: 'eu-west-1',
    }
    assert.deepEqual(await find(aws, { variables, files: EC2 }), {
      'cloud.provider': 'aws',
      'cloud.platform': 'aws_lambda',
      'cloud.region': 'eu-west-1',
      'faas.name': 'cart',
      'faas.version': '$LATEST',
      'faas.instance': '2026/08/01/[$LATEST]1',
      'faas.max_memory': 134_217_728,
      'aws.log.group.names': ['/aws/lambda/cart'],
      'aws.log.stream.names': ['2026/08/01/[$LATEST]1'],
    })
  })

  test('Elastic Beanstalk', async () => {
    const path = '/var/elasticbeanstalk/xray/environment.conf'
    const conf = { deployment_id: 23, version_label: 'v5', environment_name: 'shop-prod' }
    assert.deepEqual(await find(aws, { files: { ...EC2, [path]: JSON.stringify(conf) } }), {
      'cloud.provider': 'aws',
      'cloud.platform': 'aws_elastic_beanstalk',
      'service.namespace': 'shop-prod',
      'service.version': 'v5',
    })
    for (const text of ['', '{', 'null', '[]', '{"version_label":{}}'])
      assert.deepEqual(await find(aws, { files: { [path]: text } }), {
        'cloud.provider': 'aws',
        'cloud.platform': 'aws_elastic_beanstalk',
      })
  })

  const task = {
    Cluster: 'default',
    TaskARN: 'arn:aws:ecs:us-west-2:111122223333:task/default/158d1c8083dd49d6b527399fd6414f5c',
    Family: 'curltest',
    Revision: '26',
    AvailabilityZone: 'us-west-2d',
    LaunchType: 'FARGATE',
  }
  const ofTask = {
    DockerId: 'ea32192c8553fbff06c9340478a2ff089b2bb5646fb718b4ee206641c9086d66',
    DockerName: 'ecs-curltest-24-curl-cca48e8dcadd97805600',
    Image: '111122223333.dkr.ecr.us-west-2.amazonaws.com:443/curltest:latest@sha256:00',
    ContainerARN: 'arn:aws:ecs:us-west-2:111122223333:container/0206b271-b33f-47ab-86c6-a0ba208a70a9',
    LogDriver: 'awslogs',
    LogOptions: { 'awslogs-group': '/ecs/metadata', 'awslogs-region': 'us-west-2', 'awslogs-stream': 'ecs/curl/8f03' },
  }

  test('ECS', async () => {
    const { url } = await createMetadata({
      'GET /v4/x': JSON.stringify(ofTask),
      'GET /v4/x/task': JSON.stringify(task),
    })
    const variables = { ECS_CONTAINER_METADATA_URI_V4: `${url}/v4/x`, AWS_REGION: 'us-west-2' }
    const arn = 'arn:aws:ecs:us-west-2:111122223333'
    assert.deepEqual(await find(aws, { variables, files: EC2 }), {
      'cloud.provider': 'aws',
      'cloud.platform': 'aws_ecs',
      'cloud.account.id': '111122223333',
      'cloud.region': 'us-west-2',
      'cloud.availability_zone': 'us-west-2d',
      'cloud.resource_id': ofTask.ContainerARN,
      'container.id': ofTask.DockerId,
      'container.name': ofTask.DockerName,
      'container.image.name': '111122223333.dkr.ecr.us-west-2.amazonaws.com:443/curltest',
      'container.image.tags': ['latest'],
      'aws.ecs.container.arn': ofTask.ContainerARN,
      'aws.ecs.cluster.arn': `${arn}:cluster/default`,
      'aws.ecs.launchtype': 'fargate',
      'aws.ecs.task.arn': task.TaskARN,
      'aws.ecs.task.id': '158d1c8083dd49d6b527399fd6414f5c',
      'aws.ecs.task.family': 'curltest',
      'aws.ecs.task.revision': '26',
      'aws.log.group.names': ['/ecs/metadata'],
      'aws.log.stream.names': ['ecs/curl/8f03'],
    })
  })

  test('ECS whose endpoint says nothing of use', async () => {
    for (const text of ['', 'null', '[1]', '{"LogOptions":1,"LogDriver":"awslogs","Image":5,"Cluster":{}}', '{']) {
      const { url } = await createMetadata({ 'GET /x': text, 'GET /x/task': text })
      const variables = { ECS_CONTAINER_METADATA_URI_V4: `${url}/x` }
      assert.deepEqual(await find(aws, { variables }), { 'cloud.provider': 'aws', 'cloud.platform': 'aws_ecs' })
    }
  })

  const machineRoutes = {
    'PUT /latest/api/token': (req: { headers: Record<string, unknown> }) =>
      req.headers['x-aws-ec2-metadata-token-ttl-seconds'] === '60' ? 'secret' : undefined,
    'GET /latest/dynamic/instance-identity/document': (req: { headers: Record<string, unknown> }) =>
      req.headers['x-aws-ec2-metadata-token'] === 'secret'
        ? JSON.stringify({
            accountId: '123456789012',
            architecture: 'x86_64',
            availabilityZone: 'us-west-2b',
            imageId: 'ami-5fb8c835',
            instanceId: 'i-1234567890abcdef0',
            instanceType: 't2.micro',
            region: 'us-west-2',
          })
        : undefined,
    'GET /latest/meta-data/hostname': (req: { headers: Record<string, unknown> }) =>
      req.headers['x-aws-ec2-metadata-token'] === 'secret' ? 'ip-10-0-0-1.ec2.internal' : undefined,
  }
  const machine = {
    'cloud.provider': 'aws',
    'cloud.platform': 'aws_ec2',
    'cloud.account.id': '123456789012',
    'cloud.region': 'us-west-2',
    'cloud.availability_zone': 'us-west-2b',
    'host.id': 'i-1234567890abcdef0',
    'host.type': 't2.micro',
    'host.image.id': 'ami-5fb8c835',
    'host.name': 'ip-10-0-0-1.ec2.internal',
  }

  test('EC2, by its firmware, with a token', async () => {
    const { url: server } = await createMetadata(machineRoutes)
    assert.deepEqual(await find(aws, { files: EC2, server }), machine)
    assert.deepEqual(await find(aws, { files: { '/sys/hypervisor/uuid': 'ec2e1916-9099' }, server }), machine)
    assert.deepEqual(await find(aws, { variables: { AWS_EC2_METADATA_SERVICE_ENDPOINT: `${server}/` } }), machine)
    assert.deepEqual(findNow(aws, { files: EC2, server }), {
      'cloud.provider': 'aws',
      'cloud.platform': 'aws_ec2',
      'host.id': 'i-0abc',
    })
  })

  test('EC2 that may not be asked, or gives no token', async () => {
    const { url: server, asked } = await createMetadata(machineRoutes)
    const known = { 'cloud.provider': 'aws', 'cloud.platform': 'aws_ec2', 'host.id': 'i-0abc' }
    assert.deepEqual(await find(aws, { files: EC2, server, variables: { AWS_EC2_METADATA_DISABLED: 'true' } }), known)
    assert.deepEqual(asked, [])
    const silent = await createMetadata({})
    assert.deepEqual(await find(aws, { files: EC2, server: silent.url }), known)
    assert.deepEqual(silent.asked, ['PUT /latest/api/token'])
  })

  test('EKS, by the tokens that it gives to pods', async () => {
    const { url: server } = await createMetadata(machineRoutes)
    const variables = { AWS_WEB_IDENTITY_TOKEN_FILE: '/var/run/secrets/eks.amazonaws.com/serviceaccount/token' }
    assert.deepEqual(await find(aws, { files: EC2, server, variables }), { ...machine, 'cloud.platform': 'aws_eks' })
    const AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE = '/var/run/secrets/pods.eks.amazonaws.com/serviceaccount/token'
    assert.deepEqual(await find(aws, { variables: { AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE } }), {
      'cloud.provider': 'aws',
      'cloud.platform': 'aws_eks',
    })
  })
})

describe('Google Cloud', () => {
  const routes = Object.fromEntries(
    Object.entries({
      'project/project-id': 'shop',
      'instance/id': '6174',
      'instance/name': 'vm-1',
      'instance/hostname': 'vm-1.c.shop.internal',
      'instance/zone': 'projects/42/zones/europe-west1-b',
      'instance/region': 'projects/42/regions/europe-west1',
      'instance/machine-type': 'projects/42/machineTypes/e2-micro',
      'instance/attributes/cluster-name': 'prod',
      'instance/attributes/cluster-location': 'europe-west1',
    }).map(([path, text]) => [
      `GET /computeMetadata/v1/${path}`,
      (req: { headers: Record<string, unknown> }) => (req.headers['metadata-flavor'] === 'Google' ? text : undefined),
    ]),
  )
  const files = { '/sys/class/dmi/id/product_name': 'Google Compute Engine' }
  const of = (platform: string) => ({ 'cloud.provider': 'gcp', 'cloud.platform': platform, 'cloud.account.id': 'shop' })

  test('Compute Engine', async () => {
    const { url } = await createMetadata(routes)
    const expected = {
      ...of('gcp_compute_engine'),
      'cloud.region': 'europe-west1',
      'cloud.availability_zone': 'europe-west1-b',
      'host.id': '6174',
      'host.name': 'vm-1',
      'host.type': 'e2-micro',
      'gcp.gce.instance.name': 'vm-1',
      'gcp.gce.instance.hostname': 'vm-1.c.shop.internal',
    }
    assert.deepEqual(await find(gcp, { files, server: url }), expected)
    assert.deepEqual(await find(gcp, { variables: { GCE_METADATA_HOST: url.slice(7) } }), expected)
    const GCE_METADATA_HOST = 'metadata.google.internal'
    assert.deepEqual(await find(gcp, { variables: { GCE_METADATA_HOST }, server: url }), expected)
  })

  test('Kubernetes Engine, regional and zonal', async () => {
    const variables = { KUBERNETES_SERVICE_HOST: '10.0.0.1', K_SERVICE: 'knative' }
    const expected = { ...of('gcp_kubernetes_engine'), 'host.id': '6174', 'k8s.cluster.name': 'prod' }
    const regional = await createMetadata(routes)
    assert.deepEqual(await find(gcp, { files, variables, server: regional.url }), {
      ...expected,
      'cloud.region': 'europe-west1',
    })
    const zonal = await createMetadata({
      ...routes,
      'GET /computeMetadata/v1/instance/attributes/cluster-location': 'europe-west1-b',
    })
    assert.deepEqual(await find(gcp, { files, variables, server: zonal.url }), {
      ...expected,
      'cloud.region': 'europe-west1',
      'cloud.availability_zone': 'europe-west1-b',
    })
    assert.equal(findNow(gcp, { variables }), undefined)
  })

  test('Cloud Run, its functions and jobs, App Engine', async () => {
    const { url: server } = await createMetadata(routes)
    const service = { K_SERVICE: 'cart', K_REVISION: 'cart-00001', K_CONFIGURATION: 'cart' }
    const run = {
      'faas.name': 'cart',
      'faas.version': 'cart-00001',
      'faas.instance': '6174',
      'cloud.region': 'europe-west1',
    }
    assert.deepEqual(await find(gcp, { variables: service, server }), { ...of('gcp_cloud_run'), ...run })
    assert.deepEqual(await find(gcp, { variables: { ...service, FUNCTION_TARGET: 'handle' }, server }), {
      ...of('gcp_cloud_functions'),
      ...run,
    })
    const job = { CLOUD_RUN_JOB: 'bill', CLOUD_RUN_EXECUTION: 'bill-x', CLOUD_RUN_TASK_INDEX: '0' }
    assert.deepEqual(await find(gcp, { variables: job, server }), {
      ...of('gcp_cloud_run'),
      'faas.name': 'bill',
      'faas.instance': '6174',
      'cloud.region': 'europe-west1',
      'gcp.cloud_run.job.execution': 'bill-x',
      'gcp.cloud_run.job.task_index': 0,
    })
    const app = { GAE_SERVICE: 'default', GAE_VERSION: '1', GAE_INSTANCE: 'i' }
    assert.deepEqual(await find(gcp, { variables: app, server }), {
      ...of('gcp_app_engine'),
      'faas.name': 'default',
      'faas.version': '1',
      'faas.instance': 'i',
      'cloud.region': 'europe-west1',
      'cloud.availability_zone': 'europe-west1-b',
    })
  })
})

describe('Azure', () => {
  const site = {
    WEBSITE_SITE_NAME: 'shop',
    WEBSITE_INSTANCE_ID: 'f00',
    WEBSITE_OWNER_NAME: 'sub-1+group-WestEuropewebspace',
    WEBSITE_RESOURCE_GROUP: 'group',
    WEBSITE_SLOT_NAME: 'Production',
    REGION_NAME: 'West Europe',
  }
  const common = {
    'cloud.provider': 'azure',
    'cloud.account.id': 'sub-1',
    'cloud.region': 'West Europe',
    'cloud.resource_id': '/subscriptions/sub-1/resourceGroups/group/providers/Microsoft.Web/sites/shop',
    'azure.resource_group.name': 'group',
    'deployment.environment.name': 'Production',
  }

  test('App Service', async () => {
    assert.deepEqual(await find(azure, { variables: site }), { ...common, 'cloud.platform': 'azure.app_service' })
    assert.deepEqual(await find(azure, { variables: { WEBSITE_SITE_NAME: 'x', WEBSITE_OWNER_NAME: 'odd' } }), {
      'cloud.provider': 'azure',
      'cloud.platform': 'azure.app_service',
    })
  })

  test('Functions', async () => {
    const variables = { ...site, FUNCTIONS_EXTENSION_VERSION: '~4', WEBSITE_MEMORY_LIMIT_MB: '512' }
    assert.deepEqual(await find(azure, { variables }), {
      ...common,
      'cloud.platform': 'azure.functions',
      'faas.name': 'shop',
      'faas.instance': 'f00',
      'faas.max_memory': 536_870_912,
    })
  })

  test('Container Apps', async () => {
    const variables = { CONTAINER_APP_NAME: 'cart', CONTAINER_APP_REPLICA_NAME: 'cart--1-x' }
    assert.deepEqual(await find(azure, { variables }), {
      'cloud.provider': 'azure',
      'cloud.platform': 'azure.container_apps',
      'container.name': 'cart--1-x',
    })
  })

  test('a virtual machine', async () => {
    const compute = {
      location: 'westeurope',
      name: 'vm-1',
      resourceGroupName: 'group',
      resourceId: '/subscriptions/sub-1/resourceGroups/group/providers/Microsoft.Compute/virtualMachines/vm-1',
      subscriptionId: 'sub-1',
      vmId: '02aab8a4',
      vmSize: 'Standard_A3',
      zone: '',
    }
    const { url: server } = await createMetadata({
      'GET /metadata/instance/compute?api-version=2021-02-01&format=json': req =>
        req.headers.metadata === 'true' ? JSON.stringify(compute) : undefined,
    })
    const files = { '/sys/class/dmi/id/chassis_asset_tag': '7783-7084-3265-9085-8269-3286-77' }
    assert.deepEqual(await find(azure, { files, server }), {
      'cloud.provider': 'azure',
      'cloud.platform': 'azure.vm',
      'cloud.account.id': 'sub-1',
      'cloud.region': 'westeurope',
      'cloud.resource_id': compute.resourceId,
      'azure.resource_group.name': 'group',
      'host.id': '02aab8a4',
      'host.name': 'vm-1',
      'host.type': 'Standard_A3',
    })
  })
})

test('Alibaba Cloud', async () => {
  const identity = {
    'zone-id': 'cn-hangzhou-i',
    'instance-id': 'i-bp1',
    'region-id': 'cn-hangzhou',
    'image-id': 'centos',
    'owner-account-id': '123',
    'instance-type': 'ecs.g6.large',
  }
  const { url: server } = await createMetadata({
    'GET /latest/dynamic/instance-identity/document': JSON.stringify(identity),
    'GET /latest/meta-data/hostname': 'iZbp1',
  })
  const files = { '/sys/class/dmi/id/product_name': 'Alibaba Cloud ECS' }
  assert.deepEqual(await find(alibaba, { files, server }), {
    'cloud.provider': 'alibaba_cloud',
    'cloud.platform': 'alibaba_cloud_ecs',
    'cloud.account.id': '123',
    'cloud.region': 'cn-hangzhou',
    'cloud.availability_zone': 'cn-hangzhou-i',
    'host.id': 'i-bp1',
    'host.type': 'ecs.g6.large',
    'host.image.id': 'centos',
    'host.name': 'iZbp1',
  })
})
