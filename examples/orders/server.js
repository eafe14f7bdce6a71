/** Takes orders: asks for the price, books the stock in PostgreSQL and tells the worker through SQS. */
const { readFileSync } = require('node:fs')
const { join } = require('node:path')
const { SendMessageCommand, SQSClient } = require('@aws-sdk/client-sqs')
const express = require('express')
const { Pool } = require('pg')

const {
  HOST = 'localhost',
  PORT = 3001,
  PRICES_URL = 'http://localhost:3000/prices',
  DATABASE_URL = 'postgres://postgres@localhost:5432/postgres',
  QUEUE_URL = 'http://sqs.us-east-1.localhost:4566/000000000000/orders',
} = process.env
const pool = new Pool({ connectionString: DATABASE_URL })
// The host in the queue URL of an emulator is a name that few resolvers know.
const sqs = new SQSClient({ useQueueUrlAsEndpoint: false })

const app = express()
app.use(express.json())

app.post('/orders', async (req, res) => {
  const { item, quantity } = req.body
  const answer = await fetch(`${PRICES_URL}/${encodeURIComponent(item)}`)
  if (!answer.ok) {
    res.status(answer.status).json(await answer.json())
    return
  }
  const { cents } = await answer.json()
  const id = await book(item, quantity, quantity * cents)
  await sqs.send(new SendMessageCommand({ QueueUrl: QUEUE_URL, MessageBody: JSON.stringify({ id }) }))
  res.status(201).json({ id, cents: quantity * cents })
})

app.use((error, _req, res, _next) => {
  console.error(error.message)
  res.status(500).json({ error: 'the order could not be booked' })
})

/** Stock and order change together or not at all. */
async function book(item, quantity, cents) {
  const client = await pool.connect()
  try {
    await client.query('BEGIN')
    const order = [item, quantity, cents]
    const { rows } = await client.query(
      'INSERT INTO orders (item, quantity, cents) VALUES ($1, $2, $3) RETURNING id',
      order,
    )
    await client.query('UPDATE stock SET units = units - $1 WHERE item = $2', [quantity, item])
    await client.query('COMMIT')
    return rows[0].id
  } catch (error) {
    await client.query('ROLLBACK')
    throw error
  } finally {
    client.release()
  }
}

async function start() {
  await pool.query(readFileSync(join(__dirname, 'schema.sql'), 'utf8'))
  const server = app.listen(PORT, HOST, () => console.log(`orders listens on port ${server.address().port}`))
  process.once('SIGTERM', () => server.close(() => pool.end()))
}

start()
