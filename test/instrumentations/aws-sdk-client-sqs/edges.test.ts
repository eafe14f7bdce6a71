/** What @aws-sdk/client-sqs does at its edges: what no loop reads, old messages, FIFO queues, attributes of every type. */
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { describe, test } from 'node:test'
import { sqs } from '../../helpers/services.js'
import { oneTrace } from '../../helpers/spans.js'
import { accepted, applications, createRecorder, idOf, one } from '../aws-sdk/app.js'

const { run } = applications(sqs())

const md5 = (text: string): string => createHash('md5').update(text).digest('hex')

for (const type of ['cjs', 'esm'] as const) {
  describe(`@aws-sdk/client-sqs in ${type}`, { concurrency: 2 }, () => {
    test('messages that no loop reads are not processed, as far as can be told, and are what they are', async () => {
      const { spans, queue, said } = await run(
        `for (const body of ['1', '2', '3', '4']) await inSpan('request', () => send(body))
        await inSpan('poll', async () => {
          const Messages = await receive()
          say(Messages[0].Body)
          say(Messages.shift().Body)
          say(Messages.pop().Body)
          say(Messages.at(-1).Body)
          say(Messages.length)
          while (Messages.length > 0) {
            const message = Messages.shift()
            await inSpan('work', () => sleep(1))
          }
          say(activeName())
        })`,
        { type, spans: 12 },
      )
      assert.deepEqual(said, ['1', '1', '4', '3', 2, 'poll'])
      const received = one(spans, `receive ${queue}`)
      assert.deepEqual(received.links.map(idOf), spans.filter(({ name }) => name === `send ${queue}`).map(idOf))
      const poll = one(spans, 'poll')
      for (const work of spans.filter(({ name }) => name === 'work')) assert.equal(work.parentSpanId, poll.spanId)
    })

    test('what is left of the array after some were taken out is processed in its loop', async () => {
      const { spans, queue, said } = await run(
        `for (const body of ['1', '2', '3']) await send(body)
        const Messages = await receive()
        Messages.shift()
        Messages.reverse()
        for (const message of Messages) say([message.Body, activeTrace() !== undefined])
        say(Messages.filter(() => true).length)`,
        { type, spans: 5 },
      )
      assert.deepEqual(said, [['3', true], ['2', true], 2])
      assert.equal(spans.filter(({ name }) => name === `process ${queue}`).length, 2)
    })

    test('a FIFO queue: messages one by one and in a batch', async () => {
      const { spans, queue } = await run(
        `await inSpan('request', async () => {
          await send('1', { MessageGroupId: 'a' })
          const Entries = Object.freeze(['b', 'c'].map(Id => Object.freeze({ Id, MessageBody: Id, MessageGroupId: Id, MessageDeduplicationId: Id })))
          const { Successful } = await client.send(new SendMessageBatchCommand(Object.freeze({ QueueUrl, Entries })))
          assert.equal(Successful.length, 2)
        })
        for (const message of await receive()) {
          await client.send(new sdk.DeleteMessageCommand({ QueueUrl, ReceiptHandle: message.ReceiptHandle }))
        }`,
        { type, spans: 11, fifo: true },
      )
      oneTrace(spans)
      assert.equal(spans.filter(({ name }) => name === `process ${queue}`).length, 3)
    })

    test('attributes of every type, and those of the system, arrive as they were given', async () => {
      const service = await createRecorder(accepted)
      await run(
        `const system = Object.freeze({ AWSTraceHeader: Object.freeze({ DataType: 'String', StringValue: 'Root=1-67891233-abcdef012345678912345678' }) })
        const bytes = Buffer.from([0, 255, 1])
        const MessageAttributes = Object.freeze({
          bytes: Object.freeze({ DataType: 'Binary', BinaryValue: bytes }),
          image: { DataType: 'Binary.png', BinaryValue: bytes },
          number: { DataType: 'Number.int', StringValue: '5' },
        })
        await send('1', { MessageAttributes, MessageSystemAttributes: system })
        await send('2', { MessageAttributes: { traceparent: { DataType: 'Binary', BinaryValue: bytes } } })
        assert.equal(MessageAttributes.bytes.BinaryValue, bytes)`,
        { type, spans: 2, endpoint: service.url },
      )
      service.close()
      const [first, second] = service.requests.map(({ input }) => input)
      const { traceparent, ...own } = first.MessageAttributes
      assert.match(traceparent.StringValue, /^00-/)
      assert.deepEqual(own, {
        bytes: { DataType: 'Binary', BinaryValue: 'AP8B' },
        image: { DataType: 'Binary.png', BinaryValue: 'AP8B' },
        number: { DataType: 'Number.int', StringValue: '5' },
      })
      assert.deepEqual(Object.keys(first.MessageSystemAttributes), ['AWSTraceHeader'])
      assert.deepEqual(second.MessageAttributes, { traceparent: { DataType: 'Binary', BinaryValue: 'AP8B' } })
    })

    test('a message whose attributes fill it up gets no more', async () => {
      const service = await createRecorder(accepted)
      await run(
        `const text = StringValue => ({ DataType: 'String', StringValue })
        await send('x'.repeat(200000), { MessageAttributes: { own: text('y'.repeat(60000)) } })
        await send('x'.repeat(200000), { MessageAttributes: { own: text('y'.repeat(6000)) } })`,
        { type, spans: 2, endpoint: service.url },
      )
      service.close()
      assert.deepEqual(
        service.requests.map(({ input }) => Object.keys(input.MessageAttributes)),
        [['own'], ['own', 'traceparent']],
      )
    })

    test('a message that was sent long ago is processed in a trace of its own', async () => {
      const parent = `00-${'1'.repeat(32)}-${'2'.repeat(16)}-01`
      const traceparent = { DataType: 'String', StringValue: parent }
      const Messages = [
        { MessageId: 'old', Attributes: { SentTimestamp: String(Date.now() - 2 * 3_600_000) } },
        { MessageId: 'new', Attributes: { SentTimestamp: String(Date.now()) } },
        { MessageId: 'odd', Attributes: { SentTimestamp: 'yesterday' } },
      ].map(message => ({ ...message, Body: 'x', MD5OfBody: md5('x'), MessageAttributes: { traceparent } }))
      const service = await createRecorder(() => ({ body: { Messages } }))
      const { spans, said } = await run(
        `for (const message of await receive({ AttributeNames: ['SentTimestamp'] })) say(Object.keys(message).sort())`,
        { type, spans: 3, endpoint: service.url },
      )
      service.close()
      assert.deepEqual(said, Array(3).fill(['Attributes', 'Body', 'MD5OfBody', 'MessageId']))
      const told = spans.map(({ attributes, parentSpanId, links }) => [
        attributes['messaging.message.id'],
        parentSpanId ?? '',
        links.length,
      ])
      assert.deepEqual(told.sort(), [
        ['new', '2'.repeat(16), 0],
        ['odd', '2'.repeat(16), 0],
        ['old', '', 1],
      ])
    })
  })
}
