/** A host that drops what asks for a connection: a listener that takes none, with a full backlog. */
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { Worker } from 'node:worker_threads'

// Blocks before it accepts anything.
const LISTENER = `
  const { parentPort } = require('node:worker_threads')
  const server = require('node:net').createServer().listen({ port: 0, host: '127.0.0.1', backlog: 1 }, () => {
    parentPort.postMessage(server.address().port)
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0)
  })`
const SILENCE_MS = 300

/** Linux only: elsewhere a full backlog refuses. */
export async function createSilentHost() {
  const listener = new Worker(LISTENER, { eval: true, execArgv: [], env: {} })
  const [port] = (await once(listener, 'message')) as [number]
  const sockets: Socket[] = []
  const isTaken = async (): Promise<boolean> => {
    const socket = connect(port, '127.0.0.1')
    sockets.push(socket.on('error', () => {}))
    return Promise.race([
      once(socket, 'connect').then(() => true),
      new Promise<false>(resolve => setTimeout(resolve, SILENCE_MS, false)),
    ])
  }
  while (await isTaken());
  return {
    port,
    async close(): Promise<void> {
      for (const socket of sockets) socket.destroy()
      await listener.terminate()
    },
  }
}
