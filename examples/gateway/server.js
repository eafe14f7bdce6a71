/** The shop's front door: knows the prices and hands orders on to the orders service. */
import express from 'express'

const { HOST = 'localhost', PORT = 3000, ORDERS_URL = 'http://localhost:3001/orders' } = process.env
const cents = new Map([
  ['tea', 450],
  ['coffee', 790],
  ['honey', 620],
])

const app = express()
app.use(express.json())

app.get('/prices/:item', (req, res) => {
  const price = cents.get(req.params.item)
  if (price === undefined) res.status(404).json({ error: `we do not sell ${req.params.item}` })
  else res.json({ cents: price })
})

app.post('/orders', async (req, res) => {
  const answer = await fetch(ORDERS_URL, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(req.body),
  })
  res.status(answer.status).json(await answer.json())
})

const server = app.listen(PORT, HOST, () => console.log(`gateway listens on port ${server.address().port}`))
process.once('SIGTERM', () => server.close())
