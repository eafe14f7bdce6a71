/** Amazon SNS, by the AWS SDK v3: messages that are published to topics, devices and phones. */
import { defineInstrumentation } from './define.js'
import { type Destinations, sendBatch, sendOne } from './shared/aws-messages.js'
import { administer, type Client, type Input, inputOf, traceSend } from './shared/aws-sdk.js'

export default defineInstrumentation({
  name: 'aws-sdk-client-sns',
  title: 'Amazon SNS (AWS SDK v3)',
  category: 'messaging',
  modules: [
    {
      name: '@aws-sdk/client-sns',
      // Older ones neither know errors of the emulator nor ids of its answers.
      versions: '>=3.200 <4',
      patch: ({ SNSClient }: { SNSClient: { prototype: Client } }, kit) =>
        traceSend(
          SNSClient.prototype,
          kit,
          { PublishCommand: sendOne(topics), PublishBatchCommand: sendBatch(kit, topics) },
          administering,
        ),
    },
  ],
})

const topics: Destinations = {
  operation: 'publish',
  entries: 'PublishBatchRequestEntries',
  of(_self, input) {
    const { arn, name, region } = targetOf(input)
    return (kind, operation, type, count) =>
      kind(name === undefined ? operation : `${operation} ${name}`, {
        'messaging.system': 'aws.sns',
        'messaging.operation.name': operation,
        'messaging.operation.type': type,
        'messaging.destination.name': name,
        'messaging.batch.message_count': count,
        'messaging.message.id': undefined,
        'aws.request_id': undefined,
        'aws.sns.topic.arn': arn,
        'cloud.region': region,
      })
  },
  // Phones and devices show a message to people.
  carries: input => targetOf(input).arn !== undefined,
  redact: withoutNumber,
}

const administering = administer(
  'SNS',
  (_self, input) => {
    const { arn, region } = targetOf(input)
    return { 'aws.sns.topic.arn': arn, 'cloud.region': region }
  },
  (text, { args: [command] }) => withoutNumber(text, inputOf(command)),
)

interface Target {
  /** Of a topic. */
  readonly arn?: string
  readonly name?: string | undefined
  readonly region?: string | undefined
}

/** arn:aws:sns:<region>:<account>:<topic>, or `endpoint/<platform>/<application>/<id>` in place of the topic. */
function targetOf({ TopicArn, TargetArn }: Input): Target {
  const arn: unknown = TopicArn ?? TargetArn
  if (typeof arn !== 'string') return {}
  const [, , , region, , name = ''] = arn.split(':')
  const device = /^endpoint\/[^/]+\/([^/]+)/.exec(name)
  if (device !== null) return { name: device[1], region: region || undefined }
  return { arn, name: name || undefined, region: region || undefined }
}

/** Errors of the service tell the number that they are about. */
function withoutNumber(text: string, input: Input): string {
  const number: unknown = input.PhoneNumber ?? input.phoneNumber
  return typeof number === 'string' && number !== '' ? text.replaceAll(number, '?') : text
}
