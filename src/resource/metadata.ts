/** Asks the metadata servers of clouds, which are on this machine or in its rack, or else are not there. */
import http from 'node:http'
import { log } from '../diagnostics/log.js'
import type { Ask } from './detector.js'

const MAX_ANSWER_BYTES = 64 * 1024

/** What asks until then, in milliseconds of `performance.now()`. It never holds the process open. */
export function createAsk(untilMs: number): Ask {
  return (url, { method = 'GET', headers = {} } = {}) =>
    new Promise<string>((resolve, reject) => {
      // An agent of its own: no connection is kept, and no proxy of the application's stands between.
      const req = http.request(url, { method, headers, agent: new http.Agent() })
      const timer = setTimeout(() => req.destroy(new Error('no answer in time')), untilMs - performance.now()).unref()
      req.once('socket', socket => socket.unref())
      req.once('close', () => {
        clearTimeout(timer)
        reject(new Error('no answer'))
      })
      req.on('error', reject)
      req.once('response', res => {
        if (res.statusCode !== 200) req.destroy(new Error(`HTTP ${res.statusCode}`))
        const chunks: Buffer[] = []
        let bytes = 0
        res.on('error', reject)
        res.on('data', (chunk: Buffer) => {
          chunks.push(chunk)
          bytes += chunk.byteLength
          if (bytes > MAX_ANSWER_BYTES) req.destroy(new Error('the answer is too long'))
        })
        res.once('end', () => {
          if (bytes <= MAX_ANSWER_BYTES && res.statusCode === 200) resolve(Buffer.concat(chunks).toString().trim())
        })
      })
      req.end()
    }).catch(error => {
      log.debug('the metadata server at %s is of no help: %s', url, error)
      return undefined
    })
}
