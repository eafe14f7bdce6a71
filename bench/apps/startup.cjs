/** What an application loads before it listens: express, pg, undici and ioredis. */
const { writeSync } = require('node:fs')
const { createServer } = require('node:http')
const express = require('express')
const { Redis } = require('ioredis')
const { Pool } = require('pg')
const { Agent } = require('undici')

const app = express()
app.locals.clients = [new Pool(), new Redis({ lazyConnect: true }), new Agent()]
createServer(app).listen(0, '127.0.0.1', () => writeSync(1, 'ready'))
