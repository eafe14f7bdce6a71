/** Kafka: the mock cluster inside librdkafka, which kcat, by Debian's package, starts for itself; others may talk to it. */
import { setTimeout as sleep } from 'node:timers/promises'
import { converse, serverUrl, start } from './server.mjs'

const SETTINGS = ['-X', 'test.mock.num.brokers=1', '-d', 'mock']
// Kafka protocol: ApiVersions (18), version 0, correlation id 1, no client id; after length and id, an error code.
const API_VERSIONS = Buffer.from('\0\0\0\x0a\0\x12\0\0\0\0\0\x01\xff\xff', 'latin1')
const isAnswer = heard => heard.length >= 10 && heard.readInt32BE(4) === 1 && heard.readInt16BE(8) === 0

export async function kafka({ atExit }) {
  const url = await serverUrl({
    service: 'Kafka',
    answers: url => converse(url, API_VERSIONS, isAnswer),
    command: 'kcat',
    debian: 'kcat',
    async startOwn(lines) {
      // A producer that waits for input which never comes; no broker of its own is at port 1.
      const { isRunning, kill } = start('kcat', ['-P', '-b', 'localhost:1', '-t', 'none', ...SETTINGS], lines)
      atExit.push(kill)
      let address
      while (isRunning() && address === undefined) {
        await sleep(10)
        address = /bootstrap\.servers=([\w.:,]+)/.exec(lines.join('\n'))?.[1]
      }
      return { url: `kafka://${address}`, isRunning }
    },
  })
  return { TEST_KAFKA_BROKERS: new URL(url).host }
}
