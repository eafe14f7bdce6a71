/** Machines that detectors may find themselves on, and servers of metadata on this one. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { createServer, type IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { after } from 'node:test'
import type { Detector, Surroundings } from '../../src/resource/detector.js'
import { createAsk } from '../../src/resource/metadata.js'
import { root } from '../helpers/root.js'

interface Machine {
  variables?: Record<string, string>
  files?: Record<string, string>
  /** Where every metadata server is. */
  server?: string
}

// Nobody listens there.
const NOWHERE = 'http://127.0.0.1:1'

export const surroundings = ({ variables = {}, files = {}, server = NOWHERE }: Machine): Surroundings => ({
  variables,
  read: path => files[path],
  servers: { linkLocal: server, alibaba: server },
})

/** What a detector finds, undefined where it finds nothing; with what servers say, if it knows one to ask. */
export async function find(detector: Detector, machine: Machine, withinMs = 5000): Promise<object | undefined> {
  const found = detector(surroundings(machine))
  if (found === undefined) return undefined
  const all = { ...found.attributes, ...(await found.more?.(createAsk(performance.now() + withinMs))) }
  const told = Object.fromEntries(Object.entries(all).filter(([, value]) => value !== undefined))
  assertConventional(told)
  return told
}

/** What it finds at once. */
export function findNow(detector: Detector, machine: Machine): object | undefined {
  const found = detector(surroundings(machine))?.attributes
  return found && Object.fromEntries(Object.entries(found).filter(([, value]) => value !== undefined))
}

const registry = JSON.parse(readFileSync(join(root, 'test/semconv/semconv-registry.json'), 'utf8')).attributes

/** Attributes of the conventions, with values of their types; of those that have members, one of them. */
export function assertConventional(attributes: object): void {
  for (const [key, value] of Object.entries(attributes)) {
    const known = registry[key]
    assert.ok(known !== undefined && known.deprecated === undefined, key)
    const type = Array.isArray(value) ? `${typeof value[0]}[]` : typeof value
    assert.equal(type, known.type === 'int' ? 'number' : known.type, key)
    const isOpen = key === 'deployment.environment.name'
    if (known.members && !isOpen)
      assert.ok(known.members.includes(value) && !known.deprecatedMembers?.includes(value), `${key}: ${value}`)
  }
}

/** Answers by what `routes` has for a method and a URL, else with 404. Closes with the test file. */
export async function createMetadata(
  routes: Record<string, string | ((req: IncomingMessage) => string | undefined)>,
): Promise<{ url: string; asked: string[] }> {
  const asked: string[] = []
  const server = createServer((req, res) => {
    const key = `${req.method} ${req.url}`
    asked.push(key)
    const route = routes[key]
    const body = typeof route === 'function' ? route(req) : route
    if (body === undefined) res.statusCode = 404
    res.end(body ?? '<html>not found</html>')
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  after(() => server.close())
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, asked }
}
