/** A measured process: started on its core, asked over its IPC channel, stopped. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { appsFolder } from './apps.mjs'
import { onMeasuredCore } from './cores.mjs'

const ANSWERS_WITHIN_MS = 120_000

/** Each ends its process at once. */
const kills = new Set()
process.once('exit', () => {
  for (const kill of kills) kill()
})

/** The environment of a measured process: nothing of this one's that could configure a tracer. */
export const environment = own => ({ PATH: process.env.PATH, HOME: process.env.HOME, ...own })

/** Starts `app` and waits until it says that it is ready. Throws with its standard error if it ends before. */
export async function startChild({ node, flags, env, app, args = [] }) {
  const [command, ...rest] = onMeasuredCore([node, ...flags, app, ...args])
  const child = spawn(command, rest, {
    cwd: appsFolder,
    env: environment(env),
    stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
  })
  let errors = ''
  child.stderr.on('data', text => {
    errors = (errors + text).slice(-4000)
  })
  const kill = () => child.kill('SIGKILL')
  kills.add(kill)

  async function answer() {
    const ended = new AbortController()
    const onExit = () => ended.abort(new Error(`${app} ended\n${errors}`))
    child.once('exit', onExit)
    const signal = AbortSignal.any([ended.signal, AbortSignal.timeout(ANSWERS_WITHIN_MS)])
    try {
      return (await once(child, 'message', { signal }))[0]
    } catch {
      throw ended.signal.reason ?? new Error(`${app} does not answer\n${errors}`)
    } finally {
      child.off('exit', onExit)
    }
  }

  return {
    ready: await answer(),
    /** Sends a message and resolves to the next one that comes back. */
    ask(message) {
      child.send(message)
      return answer()
    },
    async stop() {
      kills.delete(kill)
      if (child.exitCode === null && child.signalCode === null) {
        kill()
        await once(child, 'exit')
      }
    },
  }
}
