/** Bare node:http: the cheapest request there is. */
const { createServer } = require('node:http')
const { serve } = require('./control.cjs')

serve(createServer((_req, res) => res.end('hello')))
