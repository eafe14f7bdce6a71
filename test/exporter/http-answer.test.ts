/** Answers of HTTP/1.1, cut at every byte; what Node's server sends and what others may. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { type ReadAnswer, readAnswer } from '../../src/exporter/http-answer.js'

const read = (text: string): ReadAnswer | undefined => readAnswer(Buffer.from(text, 'latin1'))

/** An answer that ends by itself is whole with its last byte, and not before. */
const WHOLE: Record<string, { text: string; body: string; status?: number; isKept?: boolean }> = {
  'with a length': { text: 'HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello', body: 'hello' },
  'with a length of nothing': { text: 'HTTP/1.1 202 Accepted\r\ncontent-length: 0\r\n\r\n', body: '', status: 202 },
  'without a reason': { text: 'HTTP/1.1 200\r\nContent-Length: 1\r\n\r\nx', body: 'x' },
  'no content': { text: 'HTTP/1.1 204 No Content\r\n\r\n', body: '', status: 204 },
  'in chunks': {
    text: 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\nB;why=not\r\n, you too!\n\r\n0\r\n\r\n',
    body: 'hello, you too!\n',
  },
  'in chunks, with trailers': {
    text: 'HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, Chunked\r\n\r\n1\r\nx\r\n00\r\nTook: 5 ms\r\nMore: 1\r\n\r\n',
    body: 'x',
  },
  'chunks before a length': {
    text: 'HTTP/1.1 200 OK\r\nContent-Length: 99\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n',
    body: 'x',
  },
  'after interim answers': {
    text: 'HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 503 Busy\r\nContent-Length: 2\r\n\r\nno',
    body: 'no',
    status: 503,
  },
  'the last one': {
    text: 'HTTP/1.1 200 OK\r\nConnection: Close\r\nContent-Length: 1\r\n\r\nx',
    body: 'x',
    isKept: false,
  },
  'of HTTP/1.0': { text: 'HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\nx', body: 'x', isKept: false },
  'of HTTP/1.0, kept': {
    text: 'HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 1\r\n\r\nx',
    body: 'x',
  },
}

describe('an answer', () => {
  for (const [name, { text, body, status = 200, isKept = true }] of Object.entries(WHOLE)) {
    test(name, () => {
      for (let length = 0; length < text.length; length++) {
        const sofar = read(text.slice(0, length))
        assert.notEqual(sofar?.isWhole, true, `whole after ${length} bytes`)
        assert.ok(body.startsWith(String(sofar?.body ?? '')))
      }
      const whole = read(text)
      assert.deepEqual(
        [whole?.status, String(whole?.body), whole?.isWhole, whole?.isKept],
        [status, body, true, isKept],
      )
      assert.equal(read(`${text}x`)?.isKept, false, 'more than was asked for')
    })
  }

  test('that ends with its connection', () => {
    for (const head of ['HTTP/1.1 200 OK', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip']) {
      const answer = read(`${head}\r\n\r\nhello`)
      assert.deepEqual([answer?.status, String(answer?.body), answer?.isWhole], [200, 'hello', false])
    }
  })

  test('headers by their names in lower case, several of one joined', () => {
    const answer = read('HTTP/1.1 429 Too Many\r\nRetry-After:  7 \r\nX-A: 1\r\nx-a: 2\r\nX-None:\r\n\r\n')
    assert.deepEqual({ ...answer?.headers }, { 'retry-after': '7', 'x-a': '1, 2', 'x-none': '' })
  })
})

test('what is no HTTP/1.1 throws', () => {
  const none = [
    'H2',
    'SSH-2.0-OpenSSH_9.2\r\n',
    'HTTP/2 200\r\n\r\n',
    // The first frame of HTTP/2, as a server of OTLP/gRPC sends it.
    '\0\0\x12\x04\0\0\0\0\0',
    'HTTP/1.1 2000 OK\r\n\r\n',
    'HTTP/1.1 ok\r\n\r\n',
    'HTTP/1.1 200 OK\r\nno header\r\n\r\n',
    'HTTP/1.1 200 OK\r\nContent-Length: five\r\n\r\n',
    'HTTP/1.1 200 OK\r\nContent-Length: 5, 5\r\n\r\nhello',
    'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nfive\r\n',
    'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nxyz',
    `HTTP/1.1 200 OK\r\nX: ${'x'.repeat(70_000)}`,
  ]
  for (const text of none) assert.throws(() => read(text), /no HTTP\/1\.1/, JSON.stringify(text.slice(0, 60)))
})
