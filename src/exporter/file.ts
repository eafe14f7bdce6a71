/** OTLP JSON, a request a line, at the end of a file or on standard output (specification/protocol/file-exporter). */
import { closeSync, fstatSync, openSync, renameSync, writeSync } from 'node:fs'
import { toJson } from './otlp-json.js'
import { later, type SendResult } from './send.js'

/** Writes one ExportTraceServiceRequest in this very turn. Never throws. */
export type Write = (body: Uint8Array) => SendResult

const MAX_FILE_BYTES = 256 * 1024 * 1024
// What a reader may be busy with something else; then it is not waited for until it reads again.
const STALLED_MS = 2000

/**
 * Appends to the file, which it opens for each batch, as it may have been moved away. One of 256 MiB is set aside, in place of
 * the one before it.
 */
export function createFileWrite(file: string): Write {
  const writeLine = createLineWrite()
  return body => {
    try {
      // Spans may hold what is nobody else's business.
      const fd = openSync(file, 'a', 0o600)
      try {
        writeLine(fd, body)
        if (fstatSync(fd).size >= MAX_FILE_BYTES) renameSync(file, `${file}.1`)
      } finally {
        closeSync(fd)
      }
      return 'sent'
    } catch (error) {
      return later(error)
    }
  }
}

/** Past `process.stdout`, which the application may have replaced, and whose errors it hears. */
export function createStdoutWrite(): Write {
  const writeLine = createLineWrite()
  return body => {
    try {
      writeLine(STDOUT, body)
      return 'sent'
    } catch (error) {
      return later(error)
    }
  }
}

const STDOUT = 1

function createLineWrite(): (fd: number, body: Uint8Array) => void {
  // The line before this one has no end.
  let torn = false
  let stalled = false
  return (fd, body) => {
    const line = Buffer.from(`${torn ? '\n' : ''}${toJson(body)}\n`)
    const patienceMs = stalled ? 0 : STALLED_MS
    let at = 0
    try {
      for (let sinceMs = performance.now(); at < line.length; ) {
        const written = writeSome(fd, line, at)
        at += written
        if (written > 0) sinceMs = performance.now()
        else if (performance.now() - sinceMs >= patienceMs) {
          stalled = true
          throw new Error('nobody reads it')
        }
      }
      stalled = false
    } finally {
      torn = at < line.length && (torn || at > 0)
    }
  }
}

/** How much; nothing while a pipe is full. */
function writeSome(fd: number, line: Buffer, at: number): number {
  try {
    return writeSync(fd, line, at)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EAGAIN') throw error
    Atomics.wait(PAUSE, 0, 0, 1)
    return 0
  }
}

const PAUSE = new Int32Array(new SharedArrayBuffer(4))
