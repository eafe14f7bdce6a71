/** Worker threads that the application starts: the trace goes on in them. */
import { defineInstrumentation } from './define.js'

const KEY = '@org/trace'

export default defineInstrumentation({
  name: 'worker-threads',
  title: 'worker threads',
  category: 'process',
  modules: [
    {
      name: 'worker_threads',
      versions: '>=20.6 <28',
      patch({ getEnvironmentData, setEnvironmentData }: typeof import('node:worker_threads'), kit) {
        const given = getEnvironmentData(KEY) as unknown as { readonly headers: Record<string, string> } | undefined
        if (given !== undefined && Object.keys(given.headers).length > 0) kit.adopt(given.headers)
        // The constructor of a worker copies this for it, and so asks the getter. The class, its options and what the worker
        // finds in its environment stay as they are, shared or not.
        setEnvironmentData(KEY, {
          get headers() {
            return kit.headers()
          },
        } as never)
      },
    },
  ],
})
