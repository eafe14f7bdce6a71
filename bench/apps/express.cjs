/** Express with three middlewares and a route with a parameter. */
const { createServer } = require('node:http')
const express = require('express')
const { serve } = require('./control.cjs')

const app = express()
app.use(express.json())
app.use((_req, res, next) => {
  res.set('x-served-by', 'bench')
  next()
})
app.use((req, _res, next) => {
  req.user = { id: 42 }
  next()
})
app.get('/users/:id', (req, res) => res.json({ id: req.params.id, seenBy: req.user.id }))

serve(createServer(app))
