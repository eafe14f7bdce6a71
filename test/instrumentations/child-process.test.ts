/** Child processes of every kind, in applications that run with and without us. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { type AppOptions, runApp } from '../helpers/child.js'
import { createCollector, type ReceivedSpan } from '../helpers/collector.js'
import { assertTree, type ExpectedSpan, oneTrace } from '../helpers/spans.js'

/** What every application here starts with. */
function prelude(type: AppOptions['type']): string {
  const names = 'exec, execFile, execFileSync, execSync, fork, spawn, spawnSync, ChildProcess'
  const imports =
    type === 'esm'
      ? `import { ${names} } from 'node:child_process'
         import { once } from 'node:events'
         import http from 'node:http'
         import { promisify } from 'node:util'
         import { context, propagation, trace } from '@opentelemetry/api'`
      : `const { ${names} } = require('child_process')
         const { once } = require('node:events')
         const http = require('node:http')
         const { promisify } = require('node:util')
         const { context, propagation, trace } = require('@opentelemetry/api')`
  return `${imports}
    const inSpan = (name, fn) => trace.getTracer('app').startActiveSpan(name, async span => {
      try { return await fn(span) } finally { span.end() }
    })
    const node = process.execPath
    const sleep = ms => new Promise(resolve => setTimeout(resolve, ms))
    const activeName = () => trace.getActiveSpan()?.name
    const say = value => console.log(JSON.stringify(value ?? null))
    const ended = async child => {
      let text = ''
      child.stdout?.setEncoding('utf8').on('data', data => { text += data })
      return [...await once(child, 'close'), text]
    }
    /** All that an error tells, but for its stack. */
    const told = ({ message, ...rest }) => ({ message, ...rest, pid: undefined, cause: undefined, error: undefined })
    const failure = fn => new Promise(resolve => fn(resolve))
    /** What a child finds in its environment of ours. */
    const PRINT = 'printf "%s|%s|%s" "$TRACEPARENT" "$TRACESTATE" "$BAGGAGE"'
    const main = fn => fn().catch(error => { console.error(error); process.exitCode = 1 })
  `
}

interface Run extends AppOptions {
  /** How many spans to expect. */
  spans: number
  /** Without us the application says the same. By default it has to. */
  same?: boolean
}

/** Runs `body`, inside an async function, with us and without. Returns what it said with us, and its spans. */
async function run(body: string, { spans: count, same = true, ...options }: Run) {
  const collector = await createCollector()
  const app = { code: `${prelude(options.type)}\nmain(async () => {\n${body}\n})`, ...options }
  const [traced, plain] = await Promise.all([runApp({ ...app, collector }), runApp({ ...app, preload: 'none' })])
  assert.equal(traced.stderr, plain.stderr)
  assert.equal(traced.code, plain.code)
  if (same) assert.equal(traced.stdout, plain.stdout)
  const spans = await collector.waitFor(count)
  await collector.close()
  assert.equal(spans.length, count, spans.map(span => `${span.kind} ${span.name}`).join(', '))
  const lines = traced.stdout.split('\n').filter(line => line !== '')
  return { spans, said: lines.map(line => JSON.parse(line)) }
}

/** The span of a program. */
const ran = (name: string, attributes: Record<string, unknown> = {}, children?: ExpectedSpan[]): ExpectedSpan => ({
  name,
  kind: 'client',
  status: attributes['error.type'] === undefined ? 'unset' : 'error',
  attributes: {
    'process.executable.name': name,
    'process.exit.code': 0,
    'process.command_args': undefined,
    'error.type': undefined,
    ...attributes,
  },
  children: children ?? [],
})

const request = (children: ExpectedSpan[], name = 'request'): ExpectedSpan => ({ name, kind: 'internal', children })

const one = (spans: ReceivedSpan[], name: string): ReceivedSpan => {
  const found = spans.filter(span => span.name === name)
  assert.equal(found.length, 1, `${found.length} spans are named ${name}: ${spans.map(span => span.name)}`)
  return found[0] as ReceivedSpan
}

/** The headers, as a child printed them, carry this span. */
const carries = (printed: string, span: ReceivedSpan): void =>
  assert.equal(printed.split('|')[0], `00-${span.traceId}-${span.spanId}-${printed.slice(53, 55)}`)

for (const type of ['cjs', 'esm'] as const) {
  describe(`child_process in ${type}`, () => {
    test('every way to run a program without waiting for it', async () => {
      const { spans, said } = await run(
        `await inSpan('request', async () => {
          say(await ended(spawn('printf', ['a'])))
          say(await new Promise(resolve => exec('printf b', (...args) => resolve([...args, activeName()]))))
          say(await new Promise(resolve => execFile('printf', ['c'], (...args) => resolve([...args, activeName()]))))
          say(await promisify(exec)('printf d'))
          say(await promisify(execFile)('printf', ['e']))
          say(await ended(spawn('printf f', { shell: true })))
        })
        say(await ended(spawn('printf', ['outside of spans'])))`,
        { type, spans: 7, same: false },
      )
      assert.deepEqual(said, [
        [0, null, 'a'],
        [null, 'b', '', 'request'],
        [null, 'c', '', 'request'],
        { stdout: 'd', stderr: '' },
        { stdout: 'e', stderr: '' },
        [0, null, 'f'],
        [0, null, 'outside of spans'],
      ])
      oneTrace(spans)
      const printf = ran('printf', { 'process.executable.path': undefined })
      const sh = ran('sh', { 'process.executable.path': '/bin/sh' })
      assertTree(spans, [request([printf, sh, printf, sh, printf, sh])])
      const pids = spans.map(span => span.attributes['process.pid']).filter(Number.isInteger)
      assert.equal(new Set(pids).size, 6)
    })

    test('every way to run a program and wait for it', async () => {
      const { spans, said } = await run(
        `await inSpan('request', async () => {
          say(spawnSync('printf', ['a'], { encoding: 'utf8' }).stdout)
          say(spawnSync('printf b', { shell: true }).stdout.toString())
          say(spawnSync('printf c', undefined, { shell: '/bin/bash' }).stdout.toString())
          say(execSync('printf d').toString())
          say(execFileSync('printf', ['e'], { encoding: 'utf8' }))
          say(execFileSync('true').toString())
          say(execSync('printf x', () => {}).toString())
        })
        say(execSync('printf f').toString())`,
        { type, spans: 8 },
      )
      assert.deepEqual(said, ['a', 'b', 'c', 'd', 'e', '', 'x', 'f'])
      oneTrace(spans)
      const [printf, sh] = [ran('printf'), ran('sh', { 'process.executable.path': '/bin/sh' })]
      assertTree(spans, [request([printf, sh, ran('bash'), sh, printf, ran('true'), sh])])
    })

    test('a Node process goes on with the trace, and so does what it starts', async () => {
      const { spans } = await run(
        `const [, , role] = process.argv
        if (role === undefined) {
          await inSpan('request', () => once(fork(process.argv[1], ['child']), 'close'))
        } else if (role === 'child') {
          const server = http.createServer((req, res) => res.end()).listen(0, '127.0.0.1')
          await once(server, 'listening')
          await (await fetch('http://127.0.0.1:' + server.address().port)).text()
          server.close()
          await promisify(execFile)(node, [...process.execArgv, process.argv[1], 'grandchild'], { env: { ...process.env, OWN: 'x' } })
          execFileSync(node, [...process.execArgv, process.argv[1], 'grandchild'])
        } else await inSpan('in the grandchild', () => sleep(1))`,
        { type, spans: 8, same: false },
      )
      oneTrace(spans)
      const grandchild = ran('node', {}, [{ name: 'in the grandchild', kind: 'internal' }])
      assertTree(spans, [
        request([
          ran('node', {}, [
            { name: 'GET', kind: 'client', children: [{ name: 'GET', kind: 'server' }] },
            grandchild,
            grandchild,
          ]),
        ]),
      ])
      assert.equal(new Set(spans.map(span => span.resource['process.pid'])).size, 4)
    })
  })
}

describe('what a child finds in its environment', () => {
  const FORMS = {
    spawn: `say((await ended(spawn('sh', ['-c', PRINT], options)))[2])`,
    exec: `say((await promisify(exec)(PRINT, options)).stdout)`,
    execFile: `say((await promisify(execFile)('sh', ['-c', PRINT], options)).stdout)`,
    spawnSync: `say(spawnSync('sh', ['-c', PRINT], options).stdout.toString())`,
    execSync: `say(execSync(PRINT, options).toString())`,
    execFileSync: `say(execFileSync('sh', ['-c', PRINT], options).toString())`,
  }

  for (const [form, code] of Object.entries(FORMS)) {
    test(`${form}: the trace, its state and its baggage, unless the application has set them`, async () => {
      const other = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01'
      const { spans, said } = await run(
        `const parent = { traceId: '1'.repeat(32), spanId: '2'.repeat(16), traceFlags: 1, isRemote: true }
        const baggage = propagation.createBaggage({ key: { value: 'value' } })
        const remote = trace.setSpanContext(propagation.setBaggage(context.active(), baggage), {
          ...parent,
          traceState: { get: () => {}, set() { return this }, unset() { return this }, serialize: () => 'vendor=1' },
        })
        await context.with(remote, async () => {
          let options
          ${code}
          options = { env: { ...process.env, TRACEPARENT: '${other}', BAGGAGE: 'own=1' } }
          ${code}
          options = Object.freeze({ env: Object.freeze({ __proto__: { PATH: process.env.PATH }, BAGGAGE: 'own=1' }) })
          ${code}
          say(options)
        })
        let options
        ${code}
        say(process.env.TRACEPARENT)`,
        { spans: 3, same: false },
      )
      const [first, , third] = [...spans].sort((a, b) => Number(a.start - b.start))
      const [set, theirs, partly, options, outside, ours] = said
      carries(set, first as ReceivedSpan)
      assert.equal(set.slice(55), '|vendor=1|key=value')
      assert.equal(theirs, `${other}||own=1`)
      carries(partly, third as ReceivedSpan)
      assert.equal(partly.slice(55), '|vendor=1|own=1')
      assert.deepEqual(options, { env: { BAGGAGE: 'own=1' } })
      assert.equal(outside, '||')
      assert.equal(ours, null)
      assert.deepEqual([...new Set(spans.map(span => span.traceId))], ['1'.repeat(32)])
    })
  }

  test('nothing else differs: what was inherited then, what was given, and nothing more', async () => {
    const { spans, said } = await run(
      `process.env.SET_LATER = 'x y'
      delete process.env.OTEL_EXPORTER_OTLP_ENDPOINT
      const lines = text => text.split('\\n').filter(line => !/^(TRACEPARENT=|_=|$)/.test(line)).sort()
      await inSpan('request', async () => {
        say(lines((await promisify(execFile)('/usr/bin/env')).stdout))
        say(lines((await promisify(exec)('/usr/bin/env', { env: { A: 1, B: undefined, __proto__: { C: 'c' } } })).stdout))
        say(lines(execFileSync('/usr/bin/env').toString()))
        say(lines(execFileSync('/usr/bin/env', { env: { A: 1, B: undefined, __proto__: { C: 'c' } } }).toString()))
        say(lines((await ended(spawn('/usr/bin/env', { env: {} })))[2]))
        say(Object.keys(process.env).sort())
      })`,
      { spans: 6 },
    )
    assert.ok(said[0].includes('SET_LATER=x y'))
    assert.deepEqual(
      said[1].filter((line: string) => !line.startsWith('PWD=')),
      ['A=1', 'C=c'],
    )
    assert.equal(spans.length, 6)
  })

  test('the trace is passed on where it is not sampled, and not where tracing is suppressed', async () => {
    const { said } = await run(
      `const { suppressTracing } = require('@opentelemetry/core')
      await inSpan('request', async () => {
        say((await promisify(exec)(PRINT)).stdout.slice(53))
        say(execSync(PRINT).toString().slice(53))
        say(await context.with(suppressTracing(context.active()), async () => (await promisify(exec)(PRINT)).stdout))
      })`,
      { spans: 0, same: false, env: { OTEL_TRACES_SAMPLER: 'always_off' } },
    )
    assert.deepEqual(said, ['02||', '02||', '||'])
  })

  test('a process that was started within a trace passes on its own spans', async () => {
    const traceparent = `00-${'a'.repeat(32)}-${'b'.repeat(16)}-01`
    const { spans, said } = await run(
      `say((await promisify(exec)(PRINT)).stdout)
      await context.with(trace.setSpanContext(context.active(), { traceId: '1'.repeat(32), spanId: '2'.repeat(16), traceFlags: 1, isRemote: true }), async () => {
        say((await promisify(exec)(PRINT)).stdout)
        say(execSync(PRINT).toString())
      })`,
      { spans: 3, same: false, env: { TRACEPARENT: traceparent } },
    )
    const ordered = [...spans].sort((a, b) => Number(a.start - b.start))
    for (const [i, span] of ordered.entries()) carries(said[i], span)
    assert.deepEqual(
      ordered.map(span => span.traceId.slice(0, 1)),
      ['a', '1', '1'],
    )
  })
})

describe('how children end', () => {
  test('exit codes, signals, and what cannot be started: the application gets what it would get without us', async () => {
    const { spans } = await run(
      `await inSpan('request', async () => {
        say(await ended(spawn('sh', ['-c', 'exit 3'])))
        say(await ended(spawn('sh', ['-c', 'kill -TERM $$'])))
        say(told(await failure(done => spawn('/no/such/program', ['secret']).on('error', done))))
        say(told(await failure(done => execFile('/no/such/program', ['secret'], done))))
        say(told(await failure(done => exec('echo secret >&2; exit 4', done))))
        say(told(await promisify(exec)('echo secret; exit 5').catch(error => error)))
        const controller = new AbortController()
        const aborted = failure(done => execFile('sleep', ['60'], { signal: controller.signal }, done))
        controller.abort()
        say(told(await aborted))
        const { error, status } = spawnSync('/no/such/program')
        say([told(error), status])
        say(spawnSync('sh', ['-c', 'exit 6']).status)
        for (const fn of [() => execSync('echo secret >&2; exit 7', { stdio: 'pipe' }), () => execFileSync('/no/such/program', ['x'])]) {
          try { fn() } catch (error) { say(told(error)) }
        }
        for (const fn of [() => spawn(), () => exec(1), () => spawnSync('a', 1), () => execSync(), () => spawn('a', { env: { A: '\\0' } }), () => execSync('a', 1)]) {
          try { fn() } catch (error) { say(told(error)) }
        }
      })`,
      { spans: 14 },
    )
    const failed = (name: string, type: string, exitCode?: number) =>
      ran(name, { 'error.type': type, 'process.exit.code': exitCode })
    assertTree(spans, [
      request([
        failed('sh', '3', 3),
        failed('sh', 'SIGTERM'),
        failed('program', 'ENOENT'),
        failed('program', 'ENOENT'),
        failed('sh', '4', 4),
        failed('sh', '5', 5),
        failed('sleep', 'SIGTERM'),
        failed('program', 'ENOENT'),
        failed('sh', '6', 6),
        failed('sh', '7', 7),
        failed('program', 'ENOENT'),
        failed('a', 'ERR_INVALID_ARG_TYPE'),
        failed('sh', '127', 127),
      ]),
    ])
    const telling = JSON.stringify(spans, (_key, value) => (typeof value === 'bigint' ? String(value) : value))
    assert.doesNotMatch(telling, /secret/)
  })

  test('a child that nobody waits for has a span that ends, and keeps neither process nor span open', async () => {
    const { spans } = await run(
      `const killed = []
      await inSpan('request', async () => {
        const detached = spawn('sleep', ['60'], { detached: true, stdio: 'ignore' })
        const left = spawn('sleep', ['60'], { stdio: 'ignore' })
        detached.unref()
        left.unref()
        killed.push(detached, left)
      })
      process.on('exit', () => { for (const { pid } of killed) process.kill(pid) })`,
      { spans: 3 },
    )
    const sleep = ran('sleep', { 'process.exit.code': undefined })
    assertTree(spans, [request([sleep, sleep])])
    for (const { attributes } of spans.filter(span => span.name === 'sleep')) {
      assert.equal(typeof attributes['process.pid'], 'number')
    }
  })
})

test('calls at the same time keep to their traces', async () => {
  const { spans } = await run(
    `await Promise.all(['a', 'b', 'c'].map(name => inSpan(name, () => promisify(execFile)('printf', [name]))))`,
    { spans: 6 },
  )
  for (const name of ['a', 'b', 'c']) {
    const trace = one(spans, name).traceId
    assertTree(
      spans.filter(span => span.traceId === trace),
      [request([ran('printf')], name)],
    )
  }
})

test('functions, listeners, messages and events are as without us', async () => {
  await run(
    `await inSpan('request', async () => {
      for (const fn of [exec, execFile, execFileSync, execSync, fork, spawn, spawnSync, ChildProcess.prototype.spawn, ChildProcess.prototype.unref]) {
        say([fn.name, fn.length, Object.getOwnPropertySymbols(fn).map(String)])
      }
      const child = fork(process.argv[1] + '.none', { stdio: 'pipe' })
      say([child.constructor.name, Object.keys(child), child.eventNames().map(name => [String(name), child.listenerCount(name)])])
      const events = []
      const emit = child.emit
      child.emit = function (event) { events.push(event); return emit.apply(this, arguments) }
      await once(child, 'close')
      say(events)
      const direct = new ChildProcess()
      const options = { file: 'true', args: ['true'], envPairs: ['A=1'], stdio: 'ignore' }
      say(direct.spawn(options))
      say(options.envPairs)
      await once(direct, 'exit')
    })`,
    { spans: 3 },
  )
})

test('the arguments of programs are recorded if that is asked for', async () => {
  const { spans } = await run(
    `await inSpan('request', async () => {
      await promisify(execFile)('printf', ['a'])
      execFileSync('printf', ['b'])
      execSync('printf c')
    })`,
    { spans: 4, env: { TRACE_CHILD_PROCESS_ARGUMENTS: 'true' } },
  )
  assertTree(spans, [
    request([
      ran('printf', { 'process.command_args': ['printf', 'a'] }),
      ran('printf', { 'process.command_args': ['printf', 'b'] }),
      ran('sh', { 'process.command_args': ['printf c'] }),
    ]),
  ])
})
