/** Reads the answer to an HTTP/1.1 request from the bytes that have come so far (RFC 9112). */

export interface Answer {
  readonly status: number
  /** By their names in lower case; several values of one are joined. */
  readonly headers: Readonly<Record<string, string>>
  /** As far as it has come. */
  readonly body: Buffer
}

export interface ReadAnswer extends Answer {
  readonly isWhole: boolean
  /** Once it is whole: another request may follow on the connection. */
  readonly isKept: boolean
}

const MAX_HEAD_BYTES = 64 * 1024
const BEGINNING = Buffer.from('HTTP/1.')
const LINE_END = '\r\n'
const HEAD_END = '\r\n\r\n'
const STATUS_LINE = /^HTTP\/1\.([01]) (\d{3})(?: |$)/
const HEADER = /^([\w!#$%&'*+.^`|~-]+):[ \t]*(.*?)[ \t]*$/
const CHUNK_SIZE = /^([0-9a-f]{1,8})[ \t]*(?:;|$)/i

/** Undefined until the head is there. Throws at what is no HTTP/1.1. Interim answers (1xx) are passed over. */
export function readAnswer(bytes: Buffer): ReadAnswer | undefined {
  for (let at = 0; ; ) {
    const beginning = bytes.subarray(at, at + BEGINNING.length)
    if (!beginning.equals(BEGINNING.subarray(0, beginning.length))) throw malformed()
    const headEnd = bytes.indexOf(HEAD_END, at)
    if (headEnd < 0) {
      if (bytes.length - at > MAX_HEAD_BYTES) throw malformed()
      return undefined
    }
    const { status, headers, isKept } = readHead(bytes.toString('latin1', at, headEnd))
    at = headEnd + HEAD_END.length
    if (status < 200 && status !== 101) continue
    const { body, end } = readBody(bytes.subarray(at), status, headers)
    // What follows the answer answers nothing that was asked.
    return { status, headers, body, isWhole: end !== undefined, isKept: isKept && at + (end ?? 0) === bytes.length }
  }
}

function readHead(text: string): Pick<ReadAnswer, 'status' | 'headers' | 'isKept'> {
  const [first = '', ...lines] = text.split(LINE_END)
  const [, minor, status] = STATUS_LINE.exec(first) ?? []
  if (status === undefined) throw malformed()
  const headers: Record<string, string> = Object.create(null)
  for (const line of lines) {
    const [, name, value = ''] = HEADER.exec(line) ?? []
    if (name === undefined) throw malformed()
    const key = name.toLowerCase()
    headers[key] = headers[key] === undefined ? value : `${headers[key]}, ${value}`
  }
  const connection = (headers.connection ?? '').toLowerCase()
  const isKept = minor === '0' ? connection.includes('keep-alive') : !connection.includes('close')
  return { status: Number(status), headers, isKept }
}

interface Body {
  readonly body: Buffer
  /** Where it ends, if it does so here; undefined as well where the end of the connection is its end. */
  readonly end: number | undefined
}

/** RFC 9112, section 6.3, in its order. */
function readBody(bytes: Buffer, status: number, headers: Answer['headers']): Body {
  if (status === 101 || status === 204 || status === 304) return { body: bytes.subarray(0, 0), end: 0 }
  const coding = headers['transfer-encoding']
  if (coding !== undefined) {
    return /(?:^|,)\s*chunked$/i.test(coding) ? readChunks(bytes) : { body: bytes, end: undefined }
  }
  const told = headers['content-length']
  if (told === undefined) return { body: bytes, end: undefined }
  if (!/^\d+$/.test(told)) throw malformed()
  const length = Number(told)
  return { body: bytes.subarray(0, length), end: bytes.length < length ? undefined : length }
}

/** RFC 9112, section 7.1. */
function readChunks(bytes: Buffer): Body {
  const chunks: Buffer[] = []
  const sofar = (end?: number): Body => ({ body: Buffer.concat(chunks), end })
  for (let at = 0; ; ) {
    const lineEnd = bytes.indexOf(LINE_END, at)
    if (lineEnd < 0) return sofar()
    const [, digits] = CHUNK_SIZE.exec(bytes.toString('latin1', at, lineEnd)) ?? []
    if (digits === undefined) throw malformed()
    const size = Number.parseInt(digits, 16)
    const data = lineEnd + LINE_END.length
    if (size === 0) {
      // The end of trailers, none of which matters, is that of the line before them where there are none.
      const trailersEnd = bytes.indexOf(HEAD_END, lineEnd)
      return sofar(trailersEnd < 0 ? undefined : trailersEnd + HEAD_END.length)
    }
    chunks.push(bytes.subarray(data, data + size))
    at = data + size
    if (bytes.length < at + LINE_END.length) return sofar()
    if (bytes.toString('latin1', at, at + LINE_END.length) !== LINE_END) throw malformed()
    at += LINE_END.length
  }
}

const malformed = (): Error => new Error('the answer is no HTTP/1.1')
