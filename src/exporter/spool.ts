/** Files of encoded batches that wait for a collector: private, in one folder per service, each owned by one process. */
import { createHash, randomBytes } from 'node:crypto'
import {
  closeSync,
  constants,
  fstatSync,
  ftruncateSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  readSync,
  renameSync,
  statSync,
  unlinkSync,
  utimesSync,
  writeSync,
} from 'node:fs'
import { dirname, join } from 'node:path'
import { threadId } from 'node:worker_threads'
import { log } from '../diagnostics/log.js'
import { isGone, newOwner, type Owner, parseOwner } from './spool-owner.js'

/** One file, of one or more bodies. */
export interface Segment {
  name: string
  spans: number
  bytes: number
}

export interface Contents {
  readonly bodies: readonly Uint8Array[]
  /** Spans of these bodies. */
  readonly spans: number
}

export interface Spool {
  /** The name of a file that does not exist yet; names sort by age. */
  create(): Segment
  /** True if another `bytes` fit below the limit, with what all processes have in the folder. */
  hasRoom(bytes: number): boolean
  /** Writes a body at the end of the newest segment. False: the disk does not take it, and the segment is as it was. */
  append(segment: Segment, body: Uint8Array, spans: number): boolean
  /** What can be read of a segment; undefined if another process has taken it, or it was removed. */
  read(segment: Segment): Contents | undefined
  /** Tells other hosts that the owner lives. False if the segment is not there any more. */
  touch(segment: Segment): boolean
  remove(segment: Segment): void
  /** Takes over what processes that are gone have left, oldest first; not all at once. */
  adopt(): Segment[]
}

// The length of the body, its spans, and the beginning of a checksum of both numbers and the body.
const HEADER_BYTES = 16
const MAX_ADOPTED = 64
const NAME = /^(\d{13}-\d{6}-[\da-f]{12})_(.+)$/

/** Throws if there can be no spool at `path`. `extension` says how the bodies are encoded. */
export function createSpool(path: string, maxBytes: number, serviceName: string, extension: string): Spool {
  const folder = join(path, encodeURIComponent(serviceName).replaceAll('.', '%2E').slice(0, 200))
  makePrivate(folder)
  const owner = newOwner(threadId)
  const id = randomBytes(6).toString('hex')
  const pathOf = ({ name }: Segment): string => join(folder, name)
  let count = 0
  let current: { segment: Segment; fd: number } | undefined
  let ownBytes = 0
  let othersBytes = 0
  let uncounted = 0

  function open(segment: Segment): number {
    if (current?.segment === segment) return current.fd
    if (current !== undefined) closeSync(current.fd)
    current = undefined
    makeFolder(folder)
    const fd = openSync(pathOf(segment), 'ax', 0o600)
    current = { segment, fd }
    return fd
  }

  function close(segment: Segment): void {
    if (current?.segment !== segment) return
    closeSync(current.fd)
    current = undefined
  }

  const complain = (error: unknown): false => {
    log.once('spool', 'the spool %s cannot be written (%s): what does not fit waits in memory', folder, codeOf(error))
    return false
  }

  function entries(): { name: string; stem: string; owner: Owner; bytes: number; changedMs: number }[] {
    return readdirSync(folder).flatMap(name => {
      const [, stem = '', rest = ''] = NAME.exec(name) ?? []
      const owner = rest.endsWith(extension) ? parseOwner(rest.slice(0, -extension.length)) : undefined
      const stat = owner === undefined ? undefined : statSync(join(folder, name), { throwIfNoEntry: false })
      return owner === undefined || stat === undefined || !stat.isFile()
        ? []
        : [{ name, stem, owner, bytes: stat.size, changedMs: stat.mtimeMs }]
    })
  }

  function take(name: string, stem: string): Segment | undefined {
    const segment = { name: `${stem}_${owner}${extension}`, spans: 0, bytes: 0 }
    try {
      // Whoever comes second finds nothing to rename.
      renameSync(join(folder, name), pathOf(segment))
      const fd = openSync(pathOf(segment), constants.O_RDONLY | (constants.O_NOFOLLOW ?? 0))
      try {
        segment.bytes = fstatSync(fd).size
        segment.spans = countSpans(fd, segment.bytes)
      } finally {
        closeSync(fd)
      }
      ownBytes += segment.bytes
      return segment
    } catch (error) {
      if (codeOf(error) !== 'ENOENT') log.debug('%s is left in the spool: %s', name, error)
      return undefined
    }
  }

  return {
    create() {
      const name = `${String(Date.now()).padStart(13, '0')}-${String(count++ % 1e6).padStart(6, '0')}-${id}`
      return { name: `${name}_${owner}${extension}`, spans: 0, bytes: 0 }
    },

    hasRoom: bytes => ownBytes + othersBytes + bytes + HEADER_BYTES <= maxBytes,

    append(segment, body, spans) {
      const frame = framed(body, spans)
      try {
        const fd = open(segment)
        try {
          for (let at = 0; at < frame.length; ) at += writeSync(fd, frame, at)
        } catch (error) {
          // What the full disk took of it is no part of the file.
          ftruncateSync(fd, segment.bytes)
          throw error
        }
      } catch (error) {
        close(segment)
        if (segment.bytes === 0) unlink(pathOf(segment))
        return complain(error)
      }
      segment.bytes += frame.length
      segment.spans += spans
      ownBytes += frame.length
      uncounted += frame.length
      if (uncounted > maxBytes / 16) {
        uncounted = 0
        othersBytes = bytesOfOthers(entries(), owner)
      }
      return true
    },

    read(segment) {
      try {
        return parsed(readFileSync(pathOf(segment)), segment.name)
      } catch (error) {
        if (codeOf(error) !== 'ENOENT') log.once('spool read', '%s cannot be read: %s', pathOf(segment), codeOf(error))
        return undefined
      }
    },

    touch(segment) {
      const now = new Date()
      try {
        utimesSync(pathOf(segment), now, now)
        return true
      } catch (error) {
        return codeOf(error) !== 'ENOENT'
      }
    },

    remove(segment) {
      close(segment)
      unlink(pathOf(segment))
      ownBytes -= segment.bytes
    },

    adopt() {
      try {
        const found = entries()
        const left = found.filter(entry => isGone(entry.owner, owner, lastSign(found, entry.owner)))
        const adopted = left
          .sort((a, b) => (a.name < b.name ? -1 : 1))
          .slice(0, MAX_ADOPTED)
          .flatMap(({ name, stem }) => take(name, stem) ?? [])
        othersBytes = bytesOfOthers(entries(), owner)
        return adopted
      } catch (error) {
        log.once('spool adopt', 'the spool %s cannot be read: %s', folder, codeOf(error))
        return []
      }
    },
  }
}

const bytesOfOthers = (found: readonly { owner: Owner; bytes: number }[], own: Owner): number =>
  found.reduce((sum, { owner, bytes }) => (owner === own ? sum : sum + bytes), 0)

const lastSign = (found: readonly { owner: Owner; changedMs: number }[], owner: Owner): number =>
  Math.max(...found.filter(entry => entry.owner === owner).map(({ changedMs }) => changedMs))

// Node's own `recursive` never returns where the parent is there and says ENOENT all the same, as in /proc (Node 20 to 26).
function makeFolder(path: string, parents = true): void {
  try {
    mkdirSync(path, 0o700)
  } catch (error) {
    const code = codeOf(error)
    if (code === 'EEXIST' && statSync(path).isDirectory()) return
    if (code !== 'ENOENT' || !parents || dirname(path) === path) throw error
    makeFolder(dirname(path))
    makeFolder(path, false)
  }
}

/** Another user could read, replace or add spans in a folder that is not our own alone. */
function makePrivate(folder: string): void {
  makeFolder(folder)
  const stat = lstatSync(folder)
  if (!stat.isDirectory()) throw new Error('it is no folder')
  if (process.getuid !== undefined && (stat.uid !== process.getuid() || (stat.mode & 0o022) !== 0))
    throw new Error('others may write to it')
}

function framed(body: Uint8Array, spans: number): Buffer {
  const frame = Buffer.allocUnsafe(HEADER_BYTES + body.byteLength)
  frame.writeUInt32LE(body.byteLength, 0)
  frame.writeUInt32LE(spans, 4)
  frame.set(body, HEADER_BYTES)
  checksum(frame).copy(frame, 8, 0, 8)
  return frame
}

const checksum = (frame: Buffer): Buffer =>
  createHash('sha256').update(frame.subarray(0, 8)).update(frame.subarray(HEADER_BYTES)).digest()

/** The frames up to the first that is damaged, as one is whose writing was cut short. */
function parsed(file: Buffer, name: string): Contents {
  const bodies: Uint8Array[] = []
  let spans = 0
  let at = 0
  while (at + HEADER_BYTES <= file.length) {
    const frame = file.subarray(at, at + HEADER_BYTES + file.readUInt32LE(at))
    if (frame.length < HEADER_BYTES + file.readUInt32LE(at)) break
    if (checksum(frame).compare(frame, 8, HEADER_BYTES, 0, 8) !== 0) break
    bodies.push(frame.subarray(HEADER_BYTES))
    spans += frame.readUInt32LE(4)
    at += frame.length
  }
  if (at < file.length)
    log.once('spool damaged', 'a file in the spool is damaged from byte %d on and sent up to there: %s', at, name)
  return { bodies, spans }
}

/** By the headers alone. */
function countSpans(fd: number, size: number): number {
  const header = Buffer.allocUnsafe(8)
  let spans = 0
  for (let at = 0; at + HEADER_BYTES <= size; ) {
    readSync(fd, header, 0, 8, at)
    const bytes = HEADER_BYTES + header.readUInt32LE(0)
    if (at + bytes > size) break
    spans += header.readUInt32LE(4)
    at += bytes
  }
  return spans
}

function unlink(path: string): void {
  try {
    unlinkSync(path)
  } catch (error) {
    if (!['ENOENT', 'ENOTDIR'].includes(codeOf(error)))
      log.once('spool unlink', '%s cannot be removed: %s', path, codeOf(error))
  }
}

const codeOf = (error: unknown): string => {
  const { code, message } = error as { code?: string; message?: string }
  return code ?? message ?? String(error)
}
