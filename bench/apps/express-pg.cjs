/** Express with two queries of pg and an outgoing fetch in each request. */
const { createServer } = require('node:http')
const express = require('express')
const { Pool } = require('pg')
const { serve } = require('./control.cjs')

// A process of each variant at once stays below the 100 connections that PostgreSQL takes.
const pool = new Pool({ connectionString: process.env.BENCH_POSTGRES_URL, max: 8 })
const app = express()
app.get('/orders/:id', async (req, res) => {
  const order = await pool.query('SELECT $1::int AS id, $2::text AS customer', [req.params.id, 'a customer'])
  const items = await pool.query('SELECT n AS item, n * 10 AS price FROM generate_series(1, $1) n', [5])
  const stock = await fetch(process.env.BENCH_UPSTREAM_URL)
  res.json({ ...order.rows[0], items: items.rows, stock: await stock.json() })
})

serve(createServer(app))
