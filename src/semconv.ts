/** The type of every attribute that this package may set: OpenTelemetry semantic conventions, stable names where there are any. */

/** A value that OTLP can carry as one attribute: a primitive, or an array of primitives of one type. */
export type AttributeValue = string | number | boolean | readonly string[] | readonly number[] | readonly boolean[]

/** Attributes of a span by name. An undefined value is no attribute: it only keeps the object's shape. */
export type Attributes = Record<string, AttributeValue | undefined>

/** Of the version of the conventions that these names are of. */
export const SCHEMA_URL = 'https://opentelemetry.io/schemas/1.44.0'

/** Attributes of the semantic conventions, so that a misspelt name fails to compile. */
export interface SemanticAttributes {
  'aws.request_id'?: string
  'aws.sns.topic.arn'?: string
  'aws.sqs.queue.url'?: string
  'cloud.region'?: string
  'client.address'?: string
  'code.file.path'?: string
  'code.function.name'?: string
  'cloud.resource_id'?: string
  'db.collection.name'?: string
  'db.namespace'?: string
  'db.operation.name'?: string
  'db.operation.batch.size'?: number
  /** By name, or by position from 0 on. */
  [parameter: `db.query.parameter.${string}`]: string | undefined
  'db.query.summary'?: string
  'db.query.text'?: string
  'db.response.returned_rows'?: number
  'db.response.status_code'?: string
  'db.stored_procedure.name'?: string
  'db.system.name'?: string
  'error.type'?: string
  'exception.message'?: string
  'exception.stacktrace'?: string
  'exception.type'?: string
  'faas.coldstart'?: boolean
  'faas.cron'?: string
  'faas.invocation_id'?: string
  'faas.trigger'?: 'http' | 'other'
  /** By name in lower case. */
  [header: `http.${'request' | 'response'}.header.${string}`]: readonly string[] | undefined
  'http.request.method'?: string
  'http.request.method_original'?: string
  'http.request.resend_count'?: number
  'http.response.status_code'?: number
  'http.route'?: string
  'messaging.batch.message_count'?: number
  'messaging.bull.job.attempt'?: number
  'messaging.bull.job.name'?: string
  'messaging.bullmq.job.attempt'?: number
  'messaging.bullmq.job.name'?: string
  'messaging.client.id'?: string
  'messaging.consumer.group.name'?: string
  'messaging.destination.anonymous'?: boolean
  'messaging.destination.name'?: string
  'messaging.destination.partition.id'?: string
  'messaging.destination.template'?: string
  'messaging.destination.temporary'?: boolean
  'messaging.kafka.message.key'?: string
  'messaging.kafka.message.tombstone'?: boolean
  'messaging.kafka.offset'?: number
  'messaging.message.conversation_id'?: string
  'messaging.message.id'?: string
  'messaging.operation.name'?: string
  'messaging.operation.type'?: 'create' | 'send' | 'receive' | 'process' | 'settle'
  'messaging.rabbitmq.destination.routing_key'?: string
  'messaging.rabbitmq.message.delivery_tag'?: number
  'messaging.system'?: string
  'network.peer.address'?: string
  'network.peer.port'?: number
  'network.protocol.name'?: string
  'network.protocol.version'?: string
  'network.transport'?: string
  'process.command_args'?: readonly string[]
  'process.executable.name'?: string
  'process.executable.path'?: string
  'process.exit.code'?: number
  'process.pid'?: number
  'rpc.method'?: string
  'rpc.service'?: string
  'rpc.system.name'?: string
  'server.address'?: string
  'server.port'?: number
  'thread.id'?: number
  'url.full'?: string
  'url.path'?: string
  'url.query'?: string
  'url.scheme'?: string
  'user_agent.original'?: string
}

/** The same of what sends the spans. */
export interface ResourceAttributes {
  'aws.ecs.cluster.arn'?: string
  'aws.ecs.container.arn'?: string
  'aws.ecs.launchtype'?: string
  'aws.ecs.task.arn'?: string
  'aws.ecs.task.family'?: string
  'aws.ecs.task.id'?: string
  'aws.ecs.task.revision'?: string
  'aws.log.group.names'?: readonly string[]
  'aws.log.stream.names'?: readonly string[]
  'azure.resource_group.name'?: string
  'cloud.account.id'?: string
  'cloud.availability_zone'?: string
  'cloud.platform'?: string
  'cloud.provider'?: string
  'cloud.region'?: string
  'cloud.resource_id'?: string
  'container.id'?: string
  'container.image.name'?: string
  'container.image.tags'?: readonly string[]
  'container.name'?: string
  'deployment.environment.name'?: string
  'faas.instance'?: string
  'faas.max_memory'?: number
  'faas.name'?: string
  'faas.version'?: string
  'gcp.cloud_run.job.execution'?: string
  'gcp.cloud_run.job.task_index'?: number
  'gcp.gce.instance.hostname'?: string
  'gcp.gce.instance.name'?: string
  'host.arch'?: string
  'host.id'?: string
  'host.image.id'?: string
  'host.name'?: string
  'host.type'?: string
  'k8s.cluster.name'?: string
  'k8s.container.name'?: string
  'k8s.namespace.name'?: string
  'k8s.node.name'?: string
  'k8s.pod.name'?: string
  'k8s.pod.uid'?: string
  'os.type'?: string
  'os.version'?: string
  'process.command'?: string
  'process.executable.name'?: string
  'process.executable.path'?: string
  'process.pid'?: number
  'process.runtime.description'?: string
  'process.runtime.name'?: string
  'process.runtime.version'?: string
  'service.instance.id'?: string
  'service.namespace'?: string
  'service.version'?: string
}
