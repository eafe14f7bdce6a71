/** A sampler whose strategy is asked for again and again (specification/trace/sdk.md#jaegerremotesampler). */
import type http from 'node:http'
import type https from 'node:https'
import { ROOT, suppressed } from '../context/context.js'
import { run } from '../context/storage.js'
import { log } from '../diagnostics/log.js'
import { version } from '../version.js'
import { strategyOf } from './jaeger-strategy.js'
import { createTraceIdRatio } from './probability.js'
import type { Sampler } from './sampler.js'

export interface JaegerRemoteOptions {
  /** An http or https URL; `/sampling` is appended where it is missing. */
  readonly endpoint: string
  readonly serviceName: string
  readonly pollingIntervalMs: number
  /** The share of traces that is kept until a strategy has come. */
  readonly initialSamplingRate: number
}

export interface JaegerRemoteSampler extends Sampler {
  /** Asks no more; the last strategy stays. */
  shutdown(): Promise<void>
}

const PATH = '/sampling'
// A connection that is being made holds the process, whatever is unreferenced: long enough for one packet to be lost.
const CONNECT_MS = 1500
const TIMEOUT_MS = 5000
const MAX_ANSWER_BYTES = 1024 * 1024

export function createJaegerRemote(options: JaegerRemoteOptions): JaegerRemoteSampler {
  const { endpoint, serviceName, pollingIntervalMs, initialSamplingRate } = options
  const background = suppressed(ROOT)
  const url = strategiesUrl(endpoint, serviceName)
  // Without what may be a password or a key.
  const shown = `${url.origin}${url.pathname}`
  let strategy = createTraceIdRatio(initialSamplingRate)
  let answered = ''
  let open = true
  let timer: NodeJS.Timeout

  function schedule(delayMs: number): void {
    if (open) timer = run(background, setTimeout, undefined, [poll, delayMs]).unref()
  }

  async function poll(): Promise<void> {
    try {
      const answer = await get(url)
      // The same strategy again goes on with the tokens that it has.
      if (answer !== answered) take(answer)
    } catch (error) {
      log.once(`jaeger ${shown}`, 'no sampling strategy from %s, the last one stays: %s', shown, error)
      log.debug('no sampling strategy from %s: %s', shown, error)
    }
    schedule(pollingIntervalMs)
  }

  function take(answer: string): void {
    const next = strategyOf(JSON.parse(answer))
    if (next === undefined) throw new Error(`an answer of a shape that is not known: ${answer.slice(0, 100)}`)
    strategy = next
    answered = answer
    log.info('sampling by %s, from %s', strategy, shown)
  }

  schedule(0)
  return {
    shouldSample: (...span) => strategy.shouldSample(...span),
    toString: () => `JaegerRemoteSampler{${strategy}}`,
    async shutdown() {
      open = false
      clearTimeout(timer)
    },
  }
}

export function strategiesUrl(endpoint: string, serviceName: string): URL {
  const url = new URL(endpoint)
  if (!url.pathname.endsWith(PATH)) url.pathname = url.pathname.replace(/\/?$/, PATH)
  url.searchParams.set('service', serviceName)
  return url
}

/** The body of an answer that says success. */
function get(url: URL): Promise<string> {
  return new Promise((resolve, reject) => {
    // Loaded with the first question, which is not asked while the application loads.
    const module: typeof http | typeof https = url.protocol === 'https:' ? require('node:https') : require('node:http')
    const headers = { Accept: 'application/json', 'User-Agent': `org-trace/${version}` }
    const req = module.get(url, { agent: false, headers })
    const fail = (error: Error): void => {
      clearTimeout(timer)
      reject(error)
      req.destroy()
    }
    const limit = (ms: number, what: string): NodeJS.Timeout =>
      setTimeout(() => fail(new Error(`no ${what} in ${ms} ms`)), ms).unref()
    let timer = limit(CONNECT_MS, 'connection')
    req.once('socket', socket => {
      socket.unref().once('connect', () => {
        clearTimeout(timer)
        timer = limit(TIMEOUT_MS, 'answer')
      })
    })
    req.on('error', fail)
    req.once('response', res => {
      if (res.statusCode !== 200) return fail(new Error(`HTTP ${res.statusCode}`))
      const chunks: Buffer[] = []
      let bytes = 0
      res.on('data', (chunk: Buffer) => {
        bytes += chunk.byteLength
        if (bytes > MAX_ANSWER_BYTES) fail(new Error(`an answer of more than ${MAX_ANSWER_BYTES} bytes`))
        else chunks.push(chunk)
      })
      res.on('error', fail)
      res.once('end', () => {
        clearTimeout(timer)
        resolve(Buffer.concat(chunks).toString())
      })
      res.once('close', () => fail(new Error('the answer ended early')))
    })
  })
}
