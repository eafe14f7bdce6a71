// node:child_process.
const { promisify } = require('node:util')

const PRINT =
  'process.stdout.write(process.argv.slice(1).join() + process.env.OWN); process.stderr.write("err"); process.exitCode = Number(process.argv[1] || 0)'
// Ours go to the child in its environment.
const NAMES =
  'console.log(Object.keys(process.env).filter(name => !/^(TRACEPARENT|TRACESTATE|BAGGAGE)$/.test(name)).sort().join())'
const EVENTS = ['spawn', 'error', 'exit', 'close', 'message', 'disconnect']

module.exports = {
  insideSpan: true,
  libraries: ['node:child_process'],
  scenes: {
    async 'children that are waited for'(t) {
      const children = await t.load('node:child_process')
      const node = process.execPath
      const env = Object.freeze({ OWN: 'x' })
      const args = Object.freeze(['-e', PRINT, '0', 'b'])
      const closed = async (label, child) => {
        t.hear(label, t.name(child, label), EVENTS)
        let output = ''
        for (const stream of [child.stdout, child.stderr]) stream?.on('data', chunk => (output += chunk))
        t.observe(
          `${label} has`,
          Reflect.ownKeys(child).map(String),
          child instanceof children.ChildProcess,
          child.spawnargs,
          child.spawnfile === node,
        )
        await new Promise(resolve => child.on('close', resolve))
        t.listeners(label, child)
        t.observe(`${label} printed`, [...output].sort().join(''))
      }
      await closed('spawn', children.spawn(node, args, { env }))
      await closed('spawn that fails', children.spawn(node, ['-e', PRINT, '3'], Object.freeze({ env, stdio: 'pipe' })))
      await closed('spawn of a shell', children.spawn('echo $OWN', { shell: true, env: { ...process.env, OWN: 'y' } }))
      await closed('execFile', children.execFile(node, args, { env }, t.heard('execFile')))
      await closed('exec', children.exec('echo out', t.heard('exec')))
      await closed('exec that fails', children.exec('exit 3', t.heard('exec that fails')))
      await closed('environment', children.spawn(node, ['-e', NAMES]))
      const missing = children.spawn('no-such-program')
      t.hear('missing', missing, EVENTS)
      await t.once(missing, 'error').catch(() => {})
      await t.outcome('promisified', () => promisify(children.execFile)(node, args, { env }))
      await t.outcome('promisified that fails', () => promisify(children.exec)('exit 4'))
      const killed = children.spawn(node, ['-e', 'setInterval(() => {}, 1000)'])
      t.observe('kill returns', killed.kill())
      await new Promise(resolve => killed.on('close', (...how) => resolve(t.observe('killed', how))))
      const controller = new AbortController()
      const aborted = children.spawn(node, ['-e', 'setInterval(() => {}, 1000)'], { signal: controller.signal })
      t.hear('aborted', aborted, ['error'])
      controller.abort()
      await new Promise(resolve => aborted.on('close', resolve))
      t.observe('given', env, args)
    },

    async 'children that are waited for at once'(t) {
      const children = await t.load('node:child_process')
      const node = process.execPath
      const env = Object.freeze({ OWN: 'x' })
      await t.outcome('execFileSync', () => children.execFileSync(node, ['-e', PRINT, '0'], { env, stdio: 'pipe' }))
      await t.outcome('execSync', () => children.execSync('echo out', { encoding: 'utf8' }))
      await t.outcome('execSync that fails', () => children.execSync('exit 3', { stdio: 'pipe' }) && 'no error')
      const { pid, ...result } = children.spawnSync(node, ['-e', PRINT, '3'], { env })
      t.observe('spawnSync', typeof pid, result)
      await t.outcome('missing', () => children.spawnSync('no-such-program'))
      for (const bad of [
        [],
        [5],
        [''],
        [node, 'text'],
        [node, ['-e', ''], 'text'],
        [node, ['-e', ''], { cwd: 5 }],
        [node, [], { env: 'text' }],
      ]) {
        for (const method of ['spawn', 'spawnSync', 'execFile', 'execFileSync', 'exec', 'execSync', 'fork']) {
          if (
            method.endsWith('Sync') ||
            bad.length === 0 ||
            typeof bad[0] !== 'string' ||
            bad[0] === '' ||
            bad.length === 3
          ) {
            await t.outcome(`${method} with bad arguments`, () => {
              const child = children[method](...bad)
              child.on?.('error', () => {}).kill()
              return typeof child
            })
          }
        }
      }
    },

    async 'children that talk'(t) {
      const children = await t.load('node:child_process')
      const file = require.resolve('../talks.cjs')
      const child = t.name(children.fork(file, ['argument'], { silent: true }), 'child')
      t.hear('child', child, ['spawn', 'error', 'exit', 'message', 'disconnect'])
      child.stdout.resume()
      child.stderr.resume()
      t.observe('child has', Reflect.ownKeys(child).map(String), child.connected, child.spawnargs.at(-1))
      const answered = t.once(child, 'message')
      t.observe('send returns', child.send({ own: 1 }, t.heard('send')))
      t.observe('answer', await answered)
      const exited = t.once(child, 'exit')
      child.disconnect()
      await exited
      await t.outcome('send afterwards', () => child.send('x', error => t.observe('send', error)))
      t.listeners('child', child)
    },
  },
}
