// A worker of a cluster, that serves, answers messages, and ends as it is told.
const cluster = require('node:cluster')
const { createServer } = require('node:http')

const server = createServer((req, res) => res.writeHead(200, { connection: 'close' }).end(`${req.method} ${req.url}`))

const ENDS = {
  'worker.disconnect': () => cluster.worker.disconnect(),
  'worker.kill': () => cluster.worker.kill(),
  'process.disconnect': () => process.disconnect(),
  'process.exit': () => process.exit(3),
}

process.on('message', (message, socket) => {
  if (message === 'connection') server.emit('connection', socket)
  else if (typeof message === 'string') ENDS[message]()
  else
    process.send({ got: message, keys: Object.keys(cluster.worker), args: process.argv.slice(2), own: process.env.OWN })
})
server.listen(0, '127.0.0.1')
