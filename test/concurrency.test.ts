/** Many requests at once through every library: each trace holds the spans of its own request and no other's. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { startApp } from './helpers/child.js'
import { type Collector, createCollector, type ReceivedSpan } from './helpers/collector.js'
import { postgres, rabbitmq, sqs, uniqueName } from './helpers/services.js'
import { assertTree, type ExpectedSpan, oneTrace } from './helpers/spans.js'

const REQUESTS = 200

const app = (type: 'cjs' | 'esm'): string => `
${
  type === 'esm'
    ? `
import express from 'express'
import pg from 'pg'
import amqp from 'amqplib'
import { SQSClient, SendMessageCommand, CreateQueueCommand, ReceiveMessageCommand } from '@aws-sdk/client-sqs'
import { trace } from '@opentelemetry/api'
`
    : `
const express = require('express')
const pg = require('pg')
const amqp = require('amqplib')
const { SQSClient, SendMessageCommand, CreateQueueCommand, ReceiveMessageCommand } = require('@aws-sdk/client-sqs')
const { trace } = require('@opentelemetry/api')
`
}
async function main() {
  const pool = new pg.Pool({ connectionString: process.env.PG, max: 3 })
  const broker = await amqp.connect(process.env.AMQP)
  const channel = await broker.createChannel()
  await channel.assertQueue(process.env.QUEUE, { autoDelete: true })
  const sqs = new SQSClient({ endpoint: process.env.SQS, region: 'eu-west-1', credentials: { accessKeyId: 'a', secretAccessKey: 'b' } })
  const { QueueUrl } = await sqs.send(new CreateQueueCommand({ QueueName: process.env.QUEUE }))
  const mark = id => trace.getActiveSpan()?.setAttribute('app.id', id)
  let consumed = 0, received = 0

  await channel.consume(process.env.QUEUE, async message => {
    const id = message.content.toString()
    mark(id)
    await new Promise(resolve => setTimeout(resolve, Math.random() * 5))
    await pool.query('select $1::text as consumed', [id])
    channel.ack(message)
    consumed++
  })

  const web = express()
  web.get('/inner/:id', (req, res) => {
    mark(req.params.id)
    setTimeout(() => res.send(req.params.id), Math.random() * 5)
  })
  web.get('/outer/:id', async (req, res) => {
    const { id } = req.params
    mark(id)
    const { rows } = await pool.query('select $1::text as id', [id])
    const answer = await fetch(\`http://127.0.0.1:\${req.socket.localPort}/inner/\${id}\`)
    if ((await answer.text()) !== id || rows[0].id !== id) throw new Error('mixed up')
    channel.sendToQueue(process.env.QUEUE, Buffer.from(id))
    await sqs.send(new SendMessageCommand({ QueueUrl, MessageBody: id }))
    res.send(id)
  })
  web.get('/done', async (req, res) => {
    if (received < ${REQUESTS}) {
      const { Messages = [] } = await sqs.send(new ReceiveMessageCommand({ QueueUrl, MaxNumberOfMessages: 10 }))
      for (const message of Messages) {
        mark(message.Body)
        await pool.query('select $1::text as received', [message.Body])
        received++
      }
    }
    res.json({ consumed, received })
  })
  const server = web.listen(0, () => console.log('ready ' + server.address().port))
}
main()
`

const handler = (route: string, children: ExpectedSpan[] = []): ExpectedSpan => ({
  name: `GET ${route}`,
  kind: 'server',
  children: [{ name: `request handler - ${route}`, kind: 'internal', children }],
})

const expected = (queue: string): ExpectedSpan => ({
  ...handler('/outer/:id', [
    { name: 'SELECT', kind: 'client' },
    { name: 'GET', kind: 'client', children: [handler('/inner/:id')] },
    {
      name: `publish ${queue}`,
      kind: 'producer',
      children: [{ name: `process ${queue}`, kind: 'consumer', children: [{ name: 'SELECT', kind: 'client' }] }],
    },
    {
      name: `send ${queue}`,
      kind: 'producer',
      children: [{ name: `process ${queue}`, kind: 'consumer', children: [{ name: 'SELECT', kind: 'client' }] }],
    },
  ]),
})

async function poll(url: string): Promise<void> {
  for (let turn = 0; turn < 500; turn++) {
    const { consumed, received } = (await (await fetch(`${url}/done`)).json()) as Record<string, number>
    if (consumed === REQUESTS && received === REQUESTS) return
  }
  assert.fail('the queues were not emptied')
}

function byTrace(collector: Collector): Map<string, ReceivedSpan[]> {
  const traces = new Map<string, ReceivedSpan[]>()
  for (const span of collector.spans()) traces.set(span.traceId, [...(traces.get(span.traceId) ?? []), span])
  return traces
}

for (const type of ['cjs', 'esm'] as const) {
  test(`${REQUESTS} requests at once through express, pg, fetch and two queues are ${REQUESTS} traces (${type})`, async () => {
    const collector = await createCollector({ allow: ['app.'] })
    const queue = uniqueName('concurrency').replaceAll('.', '_')
    const env = { PG: postgres(), AMQP: rabbitmq(), SQS: sqs(), QUEUE: queue }
    const server = await startApp({
      code: app(type),
      type,
      collector,
      env: { ...env, OTEL_BSP_MAX_QUEUE_SIZE: '20000' },
    })
    const ids = Array.from({ length: REQUESTS }, (_, i) => `id-${i}`)
    const answers = await Promise.all(ids.map(async id => (await fetch(`${server.url}/outer/${id}`)).text()))
    assert.deepEqual(answers, ids)
    await poll(server.url)
    await server.stop()

    const traces = [...byTrace(collector).values()].filter(spans => spans.some(span => span.name === 'GET /outer/:id'))
    assert.equal(traces.length, REQUESTS)
    for (const spans of traces) {
      oneTrace(spans)
      assertTree(spans, [expected(queue)])
      const marks = new Set(spans.map(span => span.attributes['app.id']).filter(id => id !== undefined))
      assert.equal(marks.size, 1, `spans of ${[...marks].join(' and ')} in one trace`)
      assert.equal(spans.filter(span => span.attributes['app.id'] !== undefined).length, 4)
    }
    await collector.close()
  })
}
