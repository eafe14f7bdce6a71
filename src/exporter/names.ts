/** Whether the name of a host is worth a lookup: one that is not answered cannot be ended, and nor can the process meanwhile. */
import type * as Dns from 'node:dns'
import { readFileSync } from 'node:fs'
import { isIP } from 'node:net'
import { mayLinger } from './lingering.js'
import { isLocal } from './proxy.js'

const ANSWER_MS = 1500
const MAX_NAMES = 8

/**
 * Resolves once a name server says anything to what the system is going to ask; rejects if all are silent. On Linux: elsewhere
 * names are known to more than the servers of one file. Node waits for a lookup even in process.exit().
 */
export async function answered(host: string, lingerMs: number | undefined): Promise<void> {
  if (process.platform !== 'linux' || isIP(host) !== 0 || isLocal(host) || isListed(host)) return
  const { Resolver } = require('node:dns') as typeof Dns
  const servers = new Resolver().getServers().length
  const resolver = new Resolver({ timeout: Math.ceil(ANSWER_MS / Math.max(1, servers)), tries: 1 })
  await new Promise<void>((resolve, reject) => {
    const giveUp = (why: Error): void => {
      reject(why)
      resolver.cancel()
    }
    const silent = new Error(`no name server answers within ${ANSWER_MS} ms`)
    const timer = setTimeout(giveUp, ANSWER_MS, silent).unref()
    const isOver = mayLinger(lingerMs, giveUp)
    const names = namesOf(host)
    let left = names.length
    for (const name of names) {
      resolver.resolve4(name, error => {
        left--
        if (error?.code !== 'ETIMEOUT' && error?.code !== 'ECANCELLED') resolve()
        else if (left > 0) return
        else reject(silent)
        clearTimeout(timer)
        isOver()
        if (left > 0) resolver.cancel()
      })
    }
  })
}

const linesOf = (file: string): string[][] => {
  try {
    const text = readFileSync(file, 'utf8')
    return text.split('\n').map(line => line.replace(/#.*/, '').trim().toLowerCase().split(/\s+/))
  } catch {
    return []
  }
}

const isListed = (host: string): boolean =>
  linesOf('/etc/hosts').some(([, ...names]) => names.includes(host.toLowerCase()))

/** As it is, and in the domains that the system looks in. */
function namesOf(host: string): string[] {
  if (host.endsWith('.')) return [host]
  const searched = linesOf('/etc/resolv.conf').filter(([key]) => key === 'search' || key === 'domain')
  const [, ...domains] = searched.at(-1) ?? []
  return [host, ...domains.map(domain => `${host}.${domain.replace(/^\./, '')}`)].slice(0, MAX_NAMES)
}
