// The `fetch` of Node.
const { fetches } = require('../undici.cjs')

module.exports = {
  libraries: [],
  scenes: fetches(async t => {
    for (const name of ['fetch', 'Request', 'Response', 'Headers', 'FormData', 'WebSocket']) {
      const value = globalThis[name]
      t.observe(name, typeof value, value?.name, value?.length, Object.getOwnPropertyDescriptor(globalThis, name))
      t.observe(
        `${name} has`,
        Reflect.ownKeys(value ?? {}).map(String),
        Reflect.ownKeys(value?.prototype ?? {}).map(String),
      )
    }
    return globalThis
  }),
  crashes: {
    async 'nobody hears that fetch fails'(t) {
      t.observe('fetch returns', fetch('http://127.0.0.1:1/'))
      await new Promise(resolve => setTimeout(resolve, 5_000))
    },
  },
}
