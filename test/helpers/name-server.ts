/** A name server of our own, for processes that are made to ask it: by a file in place of the system's, where that may be mounted. */
import { execFileSync } from 'node:child_process'
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { join } from 'node:path'
import { register } from './child.js'
import { writeFolder } from './folder.js'
import { root } from './root.js'

// Of loopback, and nobody else's.
const ADDRESS = '127.0.0.153'
const HEADER = 12
const A = 1

/** Says that `name` is 127.0.0.1, and nothing at all of other names. */
export async function createNameServer(name: string) {
  const socket = createSocket('udp4')
  const asked: string[] = []
  socket.on('message', (query, from) => {
    const { labels, end } = question(query)
    asked.push(labels)
    if (labels === name) socket.send(answerTo(query.subarray(0, end)), from.port, from.address)
  })
  socket.bind(53, ADDRESS)
  await once(socket, 'listening')
  return {
    asked,
    close: (): void => {
      socket.close()
    },
  }
}

function question(query: Buffer): { labels: string; end: number } {
  const labels: string[] = []
  let at = HEADER
  for (let length = query[at] as number; length > 0; length = query[at] as number) {
    labels.push(query.toString('latin1', at + 1, at + 1 + length))
    at += 1 + length
  }
  return { labels: labels.join('.').toLowerCase(), end: at + 5 }
}

/** RFC 1035, section 4.1; of other types than addresses there is nothing. */
function answerTo(query: Buffer): Buffer {
  const isAddress = query.readUInt16BE(query.length - 4) === A
  const answer = Buffer.from(query)
  answer.writeUInt16BE(0x8180, 2)
  answer.writeUInt16BE(isAddress ? 1 : 0, 6)
  answer.writeUInt32BE(0, 8)
  const record = Buffer.from([0xc0, HEADER, 0, A, 0, 1, 0, 0, 0, 0, 0, 4, 127, 0, 0, 1])
  return isAddress ? Buffer.concat([answer, record]) : answer
}

/** The code of an application that runs `code` where that server is the only one, with us if there is a collector. */
export function askingIt(code: string, domain: string): string {
  const text = `nameserver ${ADDRESS}\nsearch ${domain}\noptions timeout:5 attempts:2\n`
  const file = join(root, writeFolder({ 'resolv.conf': text }), 'resolv.conf')
  const inside = `mount --bind ${file} /etc/resolv.conf && exec "$@"`
  return `
    if (process.env.MOUNTED === undefined) {
      process.env.MOUNTED = '1'
      const flags = process.env.OTEL_EXPORTER_OTLP_ENDPOINT ? ['--require', ${JSON.stringify(register)}] : []
      const args = ['-rm', 'sh', '-c', ${JSON.stringify(inside)}, 'sh', process.execPath, ...flags, __filename]
      require('node:child_process').spawn('unshare', args, { stdio: 'inherit' })
        .on('exit', (code, signal) => (signal ? process.kill(process.pid, signal) : (process.exitCode = code)))
    } else { ${code} }`
}

/** Whether such a server, and such a file, may be. */
export async function canServeNames(): Promise<boolean> {
  const socket = createSocket('udp4')
  try {
    execFileSync('unshare', ['-rm', 'true'], { stdio: 'ignore' })
    socket.bind(53, ADDRESS)
    await once(socket, 'listening')
    return true
  } catch {
    return false
  } finally {
    socket.close()
  }
}
