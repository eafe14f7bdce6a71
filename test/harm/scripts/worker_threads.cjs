// node:worker_threads.
const ECHO = `
  const { parentPort, workerData, isMainThread } = require('node:worker_threads')
  parentPort.on('message', message => {
    if (message === 'throw') throw new TypeError('of the worker')
    if (message === 'end') return parentPort.close()
    parentPort.postMessage({ message, workerData, isMainThread, own: process.env.OWN, keys: Object.keys(Object(message)) })
  })`
const EVENTS = ['online', 'message', 'messageerror', 'error', 'exit']

module.exports = {
  insideSpan: true,
  // What the thread does has spans, not that there is one.
  untraced: ['a worker and its messages'],
  libraries: ['node:worker_threads'],
  scenes: {
    async 'a worker and its messages'(t) {
      const threads = await t.load('node:worker_threads')
      const options = Object.freeze({
        eval: true,
        workerData: Object.freeze({ own: 1 }),
        env: Object.freeze({ OWN: 'x' }),
      })
      const worker = t.hear('worker', t.name(new threads.Worker(ECHO, options), 'worker'), EVENTS)
      t.observe(
        'worker is',
        worker instanceof threads.Worker,
        worker.constructor === threads.Worker,
        Reflect.ownKeys(worker).map(String),
      )
      await t.once(worker, 'online')
      for (const message of [1, 'text', Object.freeze({ own: 1 }), null, [1, 2], new Map([[1, 2]])]) {
        const answered = t.once(worker, 'message')
        t.observe('postMessage returns', worker.postMessage(message))
        await answered
      }
      const buffer = new ArrayBuffer(4)
      const answered = t.once(worker, 'message')
      worker.postMessage(buffer, [buffer])
      await answered
      t.observe('transferred', buffer.byteLength)
      await t.outcome('what cannot be cloned', () => worker.postMessage(() => {}))
      await t.outcome('nothing', () => worker.postMessage())
      t.listeners('worker', worker)
      const ended = t.once(worker, 'exit')
      worker.postMessage('end')
      await ended
      await t.outcome('post afterwards', () => worker.postMessage('late'))
      t.observe('given', options)
      class Own extends threads.Worker {
        own() {
          return 'own'
        }
      }
      const failing = t.hear('failing', new Own(ECHO, { eval: true }), EVENTS)
      t.observe('own', failing.own(), failing instanceof Own)
      failing.postMessage('throw')
      await new Promise(resolve => failing.on('exit', resolve))
      const endless = new threads.Worker('setInterval(() => {}, 1000)', { eval: true })
      await t.outcome('terminate', () => endless.terminate())
      for (const bad of [
        () => new threads.Worker(),
        () => new threads.Worker('no-such-file.js'),
        () => new threads.Worker('', { eval: true, env: 5 }),
        () => threads.Worker(''),
      ]) {
        await t.outcome('bad arguments', () => typeof bad())
      }
      const { port1, port2 } = new threads.MessageChannel()
      const heard = t.once(port2, 'message')
      t.observe('port', port1.postMessage({ own: 1 }), Reflect.ownKeys(port1).map(String))
      t.observe('heard', await heard)
      port1.close()
    },
  },
}
