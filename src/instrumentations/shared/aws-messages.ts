/** Messages that the AWS SDK v3 sends, alone or in batches: their spans, and the trace in their attributes. */
import { client, type Kit, type OpenCall, type Operation, producer, type SpanDraft } from '../define.js'
import { answered, type Client, codeOf, type Input, inputOf, type Sent, withInput } from './aws-sdk.js'
import { headersToSend } from './http.js'

export type OperationType = 'create' | 'send' | 'receive' | 'process' | 'settle'

/** The span of an operation on one queue or topic. `count` is the number of messages, of operations on batches. */
export type Describe = (kind: typeof client, operation: string, type: OperationType, count?: number) => SpanDraft

/** Where the messages of a service go. */
export interface Destinations {
  /** What the service calls its sending. */
  readonly operation: 'send' | 'publish'
  /** Where a batch has its messages. */
  readonly entries: 'Entries' | 'PublishBatchRequestEntries'
  of(self: Client, input: Input): Describe
  /** False for messages that have no reader who could go on in the trace. */
  carries(input: Input): boolean
  /** Removes what may not be told from an error's message and stack. */
  redact?(text: string, input: Input): string
}

export function sendOne(to: Destinations): Operation<Sent> {
  const { redact } = to
  return {
    inside: 'hidden',
    start: ({ self, args: [command] }) => to.of(self, inputOf(command))(producer, to.operation, 'send'),
    inject(call, headers) {
      const [command, ...rest] = call.args
      const input = inputOf(command)
      if (to.carries(input)) call.args = [withInput(command, withHeaders(input, headers, [input])), ...rest]
    },
    finish(span, call) {
      span.set({ 'messaging.message.id': call.result?.MessageId })
      answered(span, call)
    },
    ...(redact && { describe: (text: string, { args: [command] }: Sent) => redact(text, inputOf(command)) }),
  }
}

/** One message of a batch, which starts a branch of its own. */
interface Created {
  readonly describe: Describe
  readonly batch: readonly Input[]
  /** With the headers, once there are any. */
  entry: Input
  headers: Record<string, string> | undefined
  open: OpenCall<Created> | undefined
  id?: string | undefined
  failure?: string | undefined
}

const create: Operation<Created> = {
  inside: 'none',
  start: ({ describe }) => describe(producer, 'create', 'create'),
  inject(created, headers) {
    created.headers = headers
    created.entry = withHeaders(created.entry, headers, created.batch)
  },
  finish(span, { id, failure }) {
    span.set({ 'messaging.message.id': id, 'error.type': failure })
    if (failure !== undefined) span.fail()
  },
}

export function sendBatch(kit: Kit<object>, to: Destinations): Operation<Sent & { created?: Created[] }> {
  const entriesOf = (input: Input): readonly Input[] => {
    const entries = input[to.entries]
    return Array.isArray(entries) ? entries : []
  }
  return {
    inside: 'hidden',
    start(call) {
      const input = inputOf(call.args[0])
      const describe = to.of(call.self, input)
      const batch = entriesOf(input)
      call.created = batch.map(entry => {
        const created: Created = { describe, batch, entry, headers: undefined, open: undefined }
        created.open = kit.begin(create, created)
        return created
      })
      return describe(client, to.operation, 'send', batch.length)
    },
    links: ({ created = [] }) => created.map(({ headers }) => headers),
    inject(call, headers) {
      const [command, ...rest] = call.args
      const input = inputOf(command)
      const batch = entriesOf(input)
      if (batch.length === 0) return
      const entries = call.created?.map(({ entry }) => entry) ?? batch.map(entry => withHeaders(entry, headers, batch))
      call.args = [withInput(command, { ...input, [to.entries]: entries }), ...rest]
    },
    finish(span, call) {
      const { created = [], result, error } = call
      for (const one of created) {
        one.id = result?.Successful?.find(({ Id }: Input) => Id === one.entry.Id)?.MessageId
        one.failure =
          error === undefined
            ? result?.Failed?.find(({ Id }: Input) => Id === one.entry.Id)?.Code
            : (codeOf(error) ?? 'Error')
        one.open?.end(one)
      }
      answered(span, call)
    },
  }
}

// SQS refuses a message with more (SQS developer guide, message metadata), and SNS hands none with more on to SQS as it is.
const MAX_ATTRIBUTES = 10

/** A copy that carries the trace in its message attributes, as far as there is room in it and in its batch. */
function withHeaders(message: Input, headers: Record<string, string>, batch: readonly Input[]): Input {
  // The SDK says what it thinks of it.
  if (typeof message !== 'object' || message === null) return message
  const own = message.MessageAttributes
  const ownText = (name: string): unknown => own?.[name] && (own[name].StringValue ?? OF_ANOTHER_TYPE)
  // What has such a name is the application's own business, unless it forwards a trace.
  const names = headersToSend(headers, ownText).filter(name => isAttribute(name, headers[name]))
  if (names.length === 0) return message
  const bytes = Math.max(HEADERS_BYTES, bytesOf(headers))
  if (!hasRoom([message], bytes) || !hasRoom(batch, bytes)) return message
  const MessageAttributes = { ...own }
  // Baggage means nothing without a trace.
  for (const name of [...names.filter(isTrace), ...names.filter(name => !isTrace(name))]) {
    if (!(name in MessageAttributes) && Object.keys(MessageAttributes).length >= MAX_ATTRIBUTES) continue
    MessageAttributes[name] = { DataType: 'String', StringValue: headers[name] }
  }
  return { ...message, MessageAttributes }
}

// Not the text of any trace.
const OF_ANOTHER_TYPE = 'of another type'

const isTrace = (name: string): boolean => !/^(?:baggage$|uberctx-|ot-baggage-)/.test(name)

// What SQS takes, dots left out: it has rules for where they may stand (API reference, MessageAttributeValue).
const isAttribute = (name: string, value: string | undefined): boolean => /^[\w-]{1,256}$/.test(name) && value !== ''

// What a request may have, attributes included, and may still have on a queue that is set so: 256 KiB until August 2025.
const LIMITS_BYTES = [262_144, 1_048_576]
// A traceparent of 55, a tracestate of 512 and a baggage of 8192 bytes, with their names and types.
const HEADERS_BYTES = 9_000

const bytesOf = (headers: Record<string, string>): number =>
  Object.entries(headers).reduce((sum, [name, value]) => sum + name.length + 'String'.length + value.length, 0)

/** False where the headers, of so many bytes each time, could lift messages over a limit that they keep. */
function hasRoom(messages: readonly Input[], headersBytes: number): boolean {
  const bytes = messages.reduce((sum, message) => sum + sizeOf(message), 0)
  return LIMITS_BYTES.every(limit => bytes > limit || bytes + messages.length * headersBytes <= limit)
}

function sizeOf(message: Input): number {
  let bytes = lengthOf(message?.MessageBody ?? message?.Message)
  for (const [name, attribute] of Object.entries<Input>(message?.MessageAttributes ?? {})) {
    const { DataType, StringValue, BinaryValue } = attribute ?? {}
    bytes += lengthOf(name) + lengthOf(DataType) + lengthOf(StringValue) + lengthOf(BinaryValue)
  }
  return bytes
}

const lengthOf = (value: unknown): number =>
  typeof value === 'string' || ArrayBuffer.isView(value) ? Buffer.byteLength(value as string) : 0
