/** What a collector says beside its verdict: partial success, why it refuses, when to come back. */
import { BYTES, readField, readFields, readInt64, VARINT } from './proto-reader.js'

export interface Partial {
  readonly rejected: number
  readonly message: string
}

/** google.rpc.Status, as far as OTLP uses it. */
export interface Status {
  readonly message: string
  readonly retryAfterMs: number | undefined
}

const MAX_MESSAGE = 200

/** On one line, without what a terminal would act upon. */
const shown = (text: string): string =>
  text
    .replace(/[\p{Cc}\p{Cf}\s]+/gu, ' ')
    .trim()
    .slice(0, MAX_MESSAGE)

/** Of an ExportTraceServiceResponse. What is none says nothing. */
export function partialOf(body: Buffer, isJson: boolean): Partial {
  try {
    const { rejected, message } = isJson ? partialOfJson(body) : partialOfProto(body)
    return { rejected: rejected > 0 ? rejected : 0, message: shown(message) }
  } catch {
    return { rejected: 0, message: '' }
  }
}

function partialOfJson(body: Buffer): Partial {
  const { partialSuccess } = JSON.parse(body.toString('utf8'))
  return {
    // 64-bit numbers are text in OTLP JSON, but numbers are allowed.
    rejected: Number(partialSuccess?.rejectedSpans ?? 0),
    message: String(partialSuccess?.errorMessage ?? ''),
  }
}

function partialOfProto(body: Buffer): Partial {
  let rejected = 0
  let message = ''
  for (const partial of fieldsOf(body, 1))
    readFields(partial, (field, wire, from) => {
      if (field === 1 && wire === VARINT) rejected = Number(readInt64(from))
      else if (field === 2 && wire === BYTES) message = readField(from).toString('utf8')
      else return false
      return true
    })
  return { rejected, message }
}

/** Of an answer that is no success. What is no Status says nothing. */
export function statusOf(body: Buffer, isJson: boolean): Status {
  try {
    const { message, retryAfterMs } = isJson ? statusOfJson(body) : statusOfProto(body)
    return { message: shown(message), retryAfterMs }
  } catch {
    return { message: '', retryAfterMs: undefined }
  }
}

const statusOfJson = (body: Buffer): Status => ({
  message: String(JSON.parse(body.toString('utf8')).message ?? ''),
  retryAfterMs: undefined,
})

const RETRY_INFO = '/google.rpc.RetryInfo'

/** Status { code = 1, message = 2, details = 3 }, whose details are Any { type_url = 1, value = 2 }. */
function statusOfProto(body: Buffer): Status {
  const [message = Buffer.alloc(0)] = fieldsOf(body, 2)
  let retryAfterMs: number | undefined
  for (const any of fieldsOf(body, 3)) {
    const [type, value] = [fieldsOf(any, 1)[0], fieldsOf(any, 2)[0]]
    if (type?.toString('utf8').endsWith(RETRY_INFO)) retryAfterMs = delayOf(value ?? Buffer.alloc(0))
  }
  return { message: message.toString('utf8'), retryAfterMs }
}

/** RetryInfo { retry_delay = 1 }, which is a Duration { seconds = 1, nanos = 2 }. */
function delayOf(retryInfo: Buffer): number {
  let ms = 0
  for (const duration of fieldsOf(retryInfo, 1)) {
    readFields(duration, (field, wire, inner) => {
      if (wire !== VARINT || (field !== 1 && field !== 2)) return false
      ms += Number(readInt64(inner)) * (field === 1 ? 1000 : 1e-6)
      return true
    })
  }
  return Math.max(0, ms)
}

/** The values of the field of bytes with that number. */
function fieldsOf(bytes: Uint8Array, number: number): Buffer[] {
  const values: Buffer[] = []
  readFields(bytes, (field, wire, from) => {
    if (field !== number || wire !== BYTES) return false
    values.push(readField(from))
    return true
  })
  return values
}
