/** Ships orders: takes them from the queue and marks them in PostgreSQL. */
import { DeleteMessageCommand, type Message, ReceiveMessageCommand, SQSClient } from '@aws-sdk/client-sqs'
import pg from 'pg'

const {
  DATABASE_URL = 'postgres://postgres@localhost:5432/postgres',
  QUEUE_URL = 'http://sqs.us-east-1.localhost:4566/000000000000/orders',
} = process.env
const pool = new pg.Pool({ connectionString: DATABASE_URL })
// The host in the queue URL of an emulator is a name that few resolvers know.
const sqs = new SQSClient({ useQueueUrlAsEndpoint: false })
const stopping = new AbortController()
process.once('SIGTERM', () => stopping.abort())

async function receive(): Promise<Message[]> {
  const { Messages = [] } = await sqs.send(
    new ReceiveMessageCommand({ QueueUrl: QUEUE_URL, MaxNumberOfMessages: 10, WaitTimeSeconds: 20 }),
    { abortSignal: stopping.signal },
  )
  return Messages
}

async function ship({ Body = '', ReceiptHandle }: Message): Promise<void> {
  const { id }: { id: number } = JSON.parse(Body)
  await pool.query("UPDATE orders SET status = 'shipped' WHERE id = $1", [id])
  await sqs.send(new DeleteMessageCommand({ QueueUrl: QUEUE_URL, ReceiptHandle }))
}

console.log(`worker waits for orders in ${QUEUE_URL}`)
while (!stopping.signal.aborted) {
  try {
    for (const message of await receive()) await ship(message)
  } catch (error) {
    if (!stopping.signal.aborted) throw error
  }
}
await pool.end()
