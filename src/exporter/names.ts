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
  const silent = new Error(`no name server answers within ${ANSWER_MS} ms`)
  let giveUp: (why: Error) => void = () => {}
  const givenUp = new Promise<never>((_, reject) => (giveUp = reject))
  const timer = setTimeout(() => giveUp(silent), ANSWER_MS).unref()
  const isOver = mayLinger(lingerMs, giveUp)
  try {
    await Promise.race([anyAnswer(resolver, namesOf(host), silent), givenUp])
  } finally {
    clearTimeout(timer)
    isOver()
    resolver.cancel()
  }
}

/** Resolves with the first answer, whatever it is; rejects once there is none to any of the names. */
const anyAnswer = (resolver: Dns.Resolver, names: readonly string[], silent: Error): Promise<void> =>
  new Promise((resolve, reject) => {
    let left = names.length
    for (const name of names)
      resolver.resolve4(name, error => {
        left--
        if (error?.code !== 'ETIMEOUT' && error?.code !== 'ECANCELLED') resolve()
        else if (left === 0) reject(silent)
      })
  })

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
