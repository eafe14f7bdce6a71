// node:cluster.
const { request } = require('node:http')
const { createServer } = require('node:net')

const EVENTS = ['online', 'message', 'disconnect', 'exit', 'error']

const ask = (port, path) =>
  new Promise((resolve, reject) => {
    const asked = request({ host: '127.0.0.1', port, path }, res => {
      res.setEncoding('utf8').on('data', text => resolve([res.statusCode, text]))
    })
    asked.on('error', reject).end()
  })

async function start(t, label, env) {
  const cluster = await t.load('node:cluster')
  cluster.setupPrimary({ exec: require.resolve('../clustered.cjs'), args: ['argument'] })
  const worker = t.name(cluster.fork(env), label)
  t.hear(label, worker, EVENTS)
  const [address] = await t.once(worker, 'listening')
  t.alias(address.port, 'port of the worker')
  t.observe(`${label} listens`, address)
  return { cluster, worker, port: address.port }
}

module.exports = {
  insideSpan: true,
  libraries: ['node:cluster'],
  scenes: {
    async 'workers that serve and talk'(t) {
      const env = Object.freeze({ OWN: 'x' })
      const { cluster, worker, port } = await start(t, 'worker', env)
      t.observe('worker has', Reflect.ownKeys(worker).map(String), worker instanceof cluster.Worker, cluster.isPrimary)
      t.observe('process has', Reflect.ownKeys(worker.process).map(String), worker.process.spawnargs.at(-1))
      t.observe('given', env, cluster.settings.args)
      t.observe('answer', await ask(port, '/a'))
      const answered = t.once(worker, 'message')
      t.observe('send returns', worker.send({ own: 1 }, t.heard('send')))
      t.observe('answer', await answered)
      const server = createServer({ pauseOnConnect: true }, socket => {
        t.observe('handing over returns', worker.send('connection', socket))
      })
      await t.once(server.listen(0, '127.0.0.1'), 'listening')
      t.observe('answer of who got the connection', await ask(server.address().port, '/b'))
      server.close()
      t.listeners('worker', worker)
      t.listeners('process', worker.process)
      t.listeners('cluster', cluster)
      const exited = t.once(worker, 'exit')
      t.observe('disconnect returns', worker.disconnect())
      await exited
      t.observe('in the end', worker.exitedAfterDisconnect, worker.isDead(), worker.isConnected())
      t.observe('workers', Object.keys(cluster.workers))
    },

    async 'workers that end in every way'(t) {
      for (const message of ['worker.disconnect', 'worker.kill', 'process.disconnect', 'process.exit']) {
        const { worker } = await start(t, message)
        const exited = t.once(worker, 'exit')
        worker.send(message)
        await exited
        t.observe('in the end', worker.exitedAfterDisconnect, worker.process.exitCode, worker.process.signalCode)
      }
      for (const signal of [undefined, 'SIGINT', 'SIGKILL']) {
        const { worker } = await start(t, `kill(${signal})`)
        const exited = t.once(worker, 'exit')
        t.observe('kill returns', worker.kill(signal))
        await exited
        t.observe('in the end', worker.exitedAfterDisconnect, worker.process.exitCode, worker.process.signalCode)
      }
      const { cluster } = await start(t, 'the last')
      await new Promise(resolve => cluster.disconnect(resolve))
    },

    async 'a worker that is forked again'(t) {
      const { cluster, worker } = await start(t, 'the first')
      const again = new Promise(resolve => cluster.once('exit', () => resolve(start(t, 'the second'))))
      worker.send('process.exit')
      const { worker: second } = await again
      t.observe('workers', Object.keys(cluster.workers), second.id)
      const exited = t.once(second, 'exit')
      second.disconnect()
      await exited
    },
  },
}
