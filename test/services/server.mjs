/** Finds a server that answers already, or starts one, after installing Debian's package of it where it is missing. */
import { execFileSync, spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { createConnection } from 'node:net'
import { delimiter, resolve as resolvePath } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'

const STARTS_WITHIN_MS = 60_000
const ANSWERS_WITHIN_MS = 3000
// Where Debian puts servers, which is not on everybody's path.
const PATH = [process.env.PATH, '/usr/sbin'].join(delimiter)

/**
 * The URL of a server: `given` if one `answers` there, else that of an own one. `command`, a name or a path, is what the
 * package `debian` installs; `startOwn` resolves to the URL and whether the server `isRunning`.
 */
export async function serverUrl({ service, given, answers, command, debian, startOwn }) {
  const isGiven = () => given !== undefined && connects(() => answers(given))
  if (await isGiven()) return given
  const lines = []
  try {
    if (debian !== undefined && !isInstalled(command)) {
      aptInstall(debian, command, lines)
      // Debian may have started what it installed.
      if (await isGiven()) return given
    }
    const { url, isRunning } = await startOwn(lines)
    const giveUp = Date.now() + STARTS_WITHIN_MS
    while (!(await connects(() => answers(url)))) {
      if (!isRunning()) throw new Error('it ended at once')
      if (Date.now() > giveUp) throw new Error(`it took longer than ${STARTS_WITHIN_MS} ms`)
      await sleep(100)
    }
    return url
  } catch (error) {
    const reason = [error?.message, lines.at(-1)].filter(Boolean).join('; ').replaceAll('\n', ' ')
    const sought = given === undefined ? '' : `none answers at ${given.replace(/\/\/.*@/, '//')}, and `
    throw new Error(`${service} is needed: ${sought}none could be started: ${reason}`)
  }
}

const connects = attempt =>
  attempt().then(
    () => true,
    () => false,
  )

/** Connects, sends `hello`, if there is one, and resolves once `isAnswer` is true of all that came back. */
export function converse(url, hello, isAnswer) {
  const { hostname: host, port } = new URL(url)
  return new Promise((resolve, reject) => {
    const socket = createConnection({ host, port: Number(port) })
    let heard = Buffer.alloc(0)
    const end = error => {
      socket.destroy()
      if (error === undefined) resolve()
      else reject(error)
    }
    socket.setTimeout(ANSWERS_WITHIN_MS, () => end(new Error('no answer')))
    socket.on('error', end).on('close', () => end(new Error('no answer')))
    socket.on('data', chunk => {
      heard = Buffer.concat([heard, chunk])
      if (isAnswer(heard)) end()
    })
    if (hello !== undefined) socket.write(hello)
  })
}

const isInstalled = command => PATH.split(delimiter).some(folder => existsSync(resolvePath(folder, command)))

function aptInstall(name, command, lines) {
  const apt = (...args) =>
    execFileSync('apt-get', ['-o', 'DPkg::Lock::Timeout=120', ...args], {
      env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' },
      stdio: ['ignore', 'ignore', 'pipe'],
    })
  console.log(`installing ${name} by apt-get`)
  try {
    apt('update')
    apt('install', '-y', '--no-install-recommends', name)
  } catch (error) {
    // Where services may not be started, apt-get fails after it has installed the files.
    if (isInstalled(command)) return
    lines.push(String(error.stderr ?? '').trim())
    throw new Error(`apt-get could not install ${name}`)
  }
}

/** A child in a process group of its own, so that `kill` reaches its children as well. `lines` collects what it prints. */
export function start(command, args, lines, env = {}) {
  const child = spawn(command, args, { env: { PATH, ...env }, detached: true, stdio: ['pipe', 'pipe', 'pipe'] })
  let ended = false
  child.once('exit', () => {
    ended = true
  })
  child.once('error', error => {
    ended = true
    lines.push(error.message)
  })
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', chunk => lines.push(...String(chunk).trim().split('\n').filter(Boolean)))
  }
  return {
    isRunning: () => !ended,
    kill() {
      if (ended || child.pid === undefined) return
      process.kill(-child.pid, 'SIGKILL')
    },
  }
}
