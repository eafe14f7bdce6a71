/** Meets built-in modules that would cost too much to load for everybody, when whoever loaded them opens a connection. */
import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { Socket } from 'node:net'
import { wrap } from './wrap.js'

/** Every built-in module that the process has loaded, in this order. Not documented, unchanged from Node 20 to 26. */
const { moduleLoadList: loaded = [] } = process as { moduleLoadList?: readonly string[] }

/**
 * Nothing tells when a built-in module is loaded that costs nothing: `Module._load` runs for every cached `require` and for
 * no `import`, a loader hook for every module, and the channel `module.require` is of Node 22 and no `import` either. But
 * without a connection such a module does nothing, and connections are few: for each, a length is compared.
 */
export function hookConnections(names: ReadonlySet<string>, met: (name: string) => void): void {
  const waiting = new Map([...names].map(name => [`NativeModule ${name}`, name]))
  let seen = 0
  const look = (): void => {
    if (seen === loaded.length) return
    for (const entry of loaded.slice(seen)) {
      const name = waiting.get(entry)
      if (name === undefined) continue
      waiting.delete(entry)
      met(name)
    }
    seen = loaded.length
    if (waiting.size === 0) unsubscribe(INCOMING, look)
  }
  look()
  if (waiting.size === 0) return
  // Published before anything of the connection is read.
  subscribe(INCOMING, look)
  // Not by the channel of outgoing connections, which does not tell of those by TLS.
  wrap(Socket.prototype as Connects, 'connect', connect => {
    return function (this: unknown) {
      look()
      return Reflect.apply(connect, this, arguments as never)
    }
  })
}

const INCOMING = 'net.server.socket'

interface Connects {
  connect(this: unknown, ...args: never[]): unknown
}
