/** A port of this machine where nobody listens. */
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { root } from './root.js'

export async function freePort(): Promise<number> {
  const own = await import(pathToFileURL(join(root, 'test', 'free-port.mjs')).href)
  return own.freePort()
}
