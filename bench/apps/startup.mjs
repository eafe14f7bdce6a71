/** The same as an ES module. */
import { writeSync } from 'node:fs'
import { createServer } from 'node:http'
import express from 'express'
import { Redis } from 'ioredis'
import pg from 'pg'
import { Agent } from 'undici'

const app = express()
app.locals.clients = [new pg.Pool(), new Redis({ lazyConnect: true }), new Agent()]
createServer(app).listen(0, '127.0.0.1', () => writeSync(1, 'ready'))
