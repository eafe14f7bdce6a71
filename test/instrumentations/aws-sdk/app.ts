/** Applications of the AWS SDK against an emulator of SQS and SNS, or against a service that shows what reaches it. */
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { createServer, type IncomingHttpHeaders } from 'node:http'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import { pathToFileURL } from 'node:url'
import { CreateQueueCommand, DeleteQueueCommand, SQSClient } from '@aws-sdk/client-sqs'
import { type AppOptions, runApp } from '../../helpers/child.js'
import { createCollector, type ReceivedSpan } from '../../helpers/collector.js'
import { uniqueName } from '../../helpers/services.js'

const settings = { region: 'eu-west-1', credentials: { accessKeyId: 'test', secretAccessKey: 'test' } }

interface Run extends AppOptions {
  /** How many spans to expect. */
  spans: number
  /** Instead of the emulator. */
  endpoint?: string
  /** More to import, by name: packages, or files. */
  imports?: Record<string, string>
  /** The queue is one. */
  fifo?: boolean
}

/** What every application here starts with. */
function prelude(type: AppOptions['type'], more: Record<string, string>): string {
  const own = Object.entries(more).map(([name, from]) =>
    type === 'esm'
      ? `import * as ${name} from '${from.startsWith('/') ? pathToFileURL(from).href : from}'`
      : `const ${name} = require('${from}')`,
  )
  const imports =
    type === 'esm'
      ? `import * as sdk from '@aws-sdk/client-sqs'
         import { trace } from '@opentelemetry/api'
         import assert from 'node:assert/strict'
         import { isDeepStrictEqual } from 'node:util'`
      : `const sdk = require('@aws-sdk/client-sqs')
         const { trace } = require('@opentelemetry/api')
         const assert = require('node:assert/strict')
         const { isDeepStrictEqual } = require('node:util')`
  return `${imports}
    ${own.join('\n')}
    const { SQS, SQSClient, SendMessageCommand, SendMessageBatchCommand, ReceiveMessageCommand } = sdk
    const settings = { ...${JSON.stringify(settings)}, endpoint: process.env.SQS_URL }
    const client = new SQSClient(settings)
    const QueueUrl = process.env.QUEUE_URL
    const send = (MessageBody, more) => client.send(new SendMessageCommand({ QueueUrl, MessageBody, ...more }))
    const receive = async more => {
      const command = new ReceiveMessageCommand({ QueueUrl, MaxNumberOfMessages: 10, ...more })
      return (await client.send(command)).Messages ?? []
    }
    const inSpan = (name, fn) => trace.getTracer('app').startActiveSpan(name, async span => {
      try { return await fn(span) } finally { span.end() }
    })
    const activeName = () => trace.getActiveSpan()?.name
    const activeTrace = () => trace.getActiveSpan()?.spanContext().traceId
    const sleep = ms => new Promise(resolve => setTimeout(resolve, ms))
    const say = value => console.log(JSON.stringify(value ?? null))
    const main = fn => fn().catch(error => { console.error(error); process.exitCode = 1 })
  `
}

/** Runs `body`, inside an async function, as an application with a queue of its own. Returns what it said, and its spans. */
async function runWith(
  emulator: string,
  body: string,
  { spans: count, endpoint = emulator, imports = {}, fifo = false, env, ...options }: Run,
) {
  const untraced = new SQSClient({ ...settings, endpoint: emulator })
  const collector = await createCollector()
  const queue = uniqueName('queue') + (fifo ? '.fifo' : '')
  const Attributes: Record<string, string> = fifo ? { FifoQueue: 'true', ContentBasedDeduplication: 'true' } : {}
  const { QueueUrl = '' } = await untraced.send(new CreateQueueCommand({ QueueName: queue, Attributes }))
  try {
    const ended = await runApp({
      code: `${prelude(options.type, imports)}\nmain(async () => {\n${body}\n})`,
      collector,
      env: { SQS_URL: endpoint, QUEUE_URL: QueueUrl, AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED: 'true', ...env },
      ...options,
    })
    assert.equal(ended.stderr, '')
    assert.equal(ended.code, 0)
    const spans = count === 0 ? collector.spans() : await collector.waitFor(count)
    await collector.close()
    assert.equal(spans.length, count, `spans: ${spans.map(({ kind, name }) => `${kind} ${name}`).join(', ')}`)
    const said = ended.stdout.split('\n').filter(line => line !== '')
    return { spans, queue, QueueUrl, said: said.map(line => JSON.parse(line)) }
  } finally {
    await untraced.send(new DeleteQueueCommand({ QueueUrl }))
    untraced.destroy()
  }
}

/** Runs applications against the emulator at this endpoint. */
export const applications = (emulator: string) => ({
  run: (body: string, options: Run) => runWith(emulator, body, options),
})

export const one = (spans: readonly ReceivedSpan[], name: string): ReceivedSpan => {
  const found = spans.filter(span => span.name === name)
  assert.equal(found.length, 1, `${found.length} spans are named ${name}: ${spans.map(span => span.name).join(', ')}`)
  return found[0] as ReceivedSpan
}

export const idOf = ({ traceId, spanId }: { traceId: string; spanId: string }): string => `${traceId}-${spanId}`

export interface SeenRequest {
  headers: IncomingHttpHeaders
  target: string
  input: any
}

/** A queue service that shows what reaches it, and answers what `answer` says. */
export async function createRecorder(
  answer: (request: SeenRequest, count: number) => { status?: number; body: object },
) {
  const requests: SeenRequest[] = []
  const server = createServer(async (req, res) => {
    const target = String(req.headers['x-amz-target']).replace('AmazonSQS.', '')
    const request = { headers: req.headers, target, input: JSON.parse(await text(req)) }
    requests.push(request)
    const { status = 200, body } = answer(request, requests.length)
    res.writeHead(status, { 'content-type': 'application/x-amz-json-1.0', 'x-amzn-requestid': 'request-1' })
    res.end(JSON.stringify(body))
  })
  server.listen(0, '127.0.0.1').unref()
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  return { url: `http://127.0.0.1:${port}`, requests, close: () => server.close() }
}

const md5 = (body: string): string => createHash('md5').update(body).digest('hex')
export const accepted = ({ input }: SeenRequest) => ({
  body: { MessageId: 'id-1', MD5OfMessageBody: md5(String(input.MessageBody)) },
})
