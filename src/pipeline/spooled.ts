/** Encoded spans on their way over the disk: written soon after they end, sent oldest first, gone when a collector answers. */
import { ROOT, suppressed } from '../context/context.js'
import { run } from '../context/storage.js'
import { countOperation, type Health } from '../diagnostics/health.js'
import { log } from '../diagnostics/log.js'
import { adding } from './adding.js'
import {
  type Batch,
  type BatchOptions,
  type BatchQueue,
  type Deliver,
  type Encoder,
  MAX_QUEUE_BYTES,
  outcomeOf,
  type Unsent,
} from './batch.js'
import type { Files, Segment } from './files.js'

/** What becomes one request. It is in a file, in memory, or in both as long as the collector is quick. */
interface Parcel<S> {
  spans: number
  bytes: number
  pieces: Uint8Array[] | undefined
  file: S | undefined
}

const WRITE_MS = 100
const WRITE_BYTES = 256 * 1024
const MAX_PARCEL_BYTES = 4 * 1024 * 1024
const MAX_KEPT_BYTES = 4 * 1024 * 1024
const RETRY_MS = 5000
const ADOPT_MS = 30_000

const FULL = 'the spool takes no more spans, and the queue is full: those that end now are dropped'

export function createSpooledQueue<S extends Segment>(
  encoder: Encoder,
  deliver: Deliver,
  options: BatchOptions,
  health: Health,
  files: Files<S>,
): BatchQueue {
  const { scheduleDelayMs, maxQueueSize, maxExportBatchSize } = options
  const background = suppressed(ROOT)
  let open: Parcel<S> | undefined
  // Oldest first.
  let sealed: Parcel<S>[] = []
  let underway: { parcel: Parcel<S>; body: Uint8Array; written: boolean; done: Promise<void> } | undefined
  let down = false
  let sealedSpans = 0
  let keptBytes = 0
  let unsavedSpans = 0
  let unsavedBytes = 0
  // When the process went away the collector had these, and had not answered: the next process sends them again.
  let unanswered = 0
  let adoptedMs = Number.NEGATIVE_INFINITY
  let writeTimer: NodeJS.Timeout | undefined
  let sendTimer: NodeJS.Timeout | undefined
  // The time was over while a request was on its way.
  let due = false
  let retryTimer: NodeJS.Timeout | undefined
  let soon: NodeJS.Immediate | undefined

  const later = (fn: () => void, ms: number): NodeJS.Timeout => run(background, setTimeout, undefined, [fn, ms]).unref()

  const isFull = (): boolean =>
    unsavedSpans + encoder.spans >= maxQueueSize || unsavedBytes + encoder.bytes >= MAX_QUEUE_BYTES

  function onAdded(): void {
    if (encoder.spans + (open?.spans ?? 0) >= maxExportBatchSize || encoder.bytes >= WRITE_BYTES) write()
    else if (writeTimer === undefined) writeTimer = later(onWriteTime, WRITE_MS)
  }

  function onWriteTime(): void {
    writeTimer = undefined
    write()
  }

  /** Brings to disk what has ended. */
  function write(): void {
    for (const parcel of sealed)
      if (parcel.file === undefined && !save(parcel, parcel.pieces ?? [], parcel.spans)) break
    const piece = encoder.take()
    if (piece === undefined) return
    open ??= { spans: 0, bytes: 0, pieces: [], file: undefined }
    if (!put(open, piece)) {
      // A parcel is as a whole on disk or not at all.
      if (open.spans > 0) seal()
      open = { spans: piece.spans, bytes: piece.body.byteLength, pieces: [piece.body], file: undefined }
      unsavedSpans += open.spans
      unsavedBytes += open.bytes
      seal()
    } else if (open.spans >= maxExportBatchSize || open.bytes >= MAX_PARCEL_BYTES) seal()
    if (open === undefined) sendSoon()
    else if (sendTimer === undefined && !due) sendTimer = later(onSendTime, scheduleDelayMs)
  }

  /** Adds a piece to a parcel that is empty or on disk. */
  function put(parcel: Parcel<S>, { body, spans }: Batch): boolean {
    parcel.file ??= files.create()
    if (!makeRoom(body.byteLength) || !files.append(parcel.file, body, spans)) return false
    parcel.spans += spans
    parcel.bytes += body.byteLength
    health.spooled += spans
    if (parcel.pieces === undefined || down || keptBytes + body.byteLength > MAX_KEPT_BYTES) forget(parcel)
    else {
      parcel.pieces.push(body)
      keptBytes += body.byteLength
    }
    return true
  }

  /** Brings a parcel to disk that had no room there when its spans ended. */
  function save(parcel: Parcel<S>, pieces: readonly Uint8Array[], spans: number): boolean {
    const file = files.create()
    const body = encoder.join(pieces)
    if (!makeRoom(body.byteLength) || !files.append(file, body, spans)) return false
    parcel.file = file
    parcel.pieces = undefined
    unsavedSpans -= spans
    unsavedBytes -= parcel.bytes
    health.spooled += spans
    return true
  }

  /** The disk has the parcel: memory need not. */
  function forget(parcel: Parcel<S>): void {
    if (parcel.file === undefined || parcel.pieces === undefined) return
    for (const piece of parcel.pieces) keptBytes -= piece.byteLength
    parcel.pieces = undefined
  }

  function makeRoom(bytes: number): boolean {
    while (!files.hasRoom(bytes)) {
      const at = sealed.findIndex(({ file }) => file !== undefined)
      if (at < 0) return false
      const [oldest] = sealed.splice(at, 1) as [Parcel<S>]
      sealedSpans -= oldest.spans
      health.dropped.evicted += oldest.spans
      log.once('evicted', 'the spool is full: the oldest spans in it are dropped')
      discard(oldest)
    }
    return true
  }

  /** Nobody needs the parcel any more. */
  function discard(parcel: Parcel<S>): void {
    if (parcel.file === undefined) {
      unsavedSpans -= parcel.spans
      unsavedBytes -= parcel.bytes
      return
    }
    forget(parcel)
    files.remove(parcel.file)
    health.spooled -= parcel.spans
  }

  function seal(): void {
    due = false
    if (open === undefined) return
    sealed.push(open)
    sealedSpans += open.spans
    open = undefined
  }

  function onSendTime(): void {
    sendTimer = undefined
    // While the collector is down a file is filled, as many small ones would have to be remembered.
    if (down) return
    due = underway !== undefined
    if (due) return
    seal()
    send()
  }

  function sendSoon(): void {
    if (underway === undefined && soon === undefined) soon = run(background, setImmediate, undefined, [send]).unref()
  }

  /** The oldest parcel that there is, and its bytes. */
  function next(): { parcel: Parcel<S>; body: Uint8Array } | undefined {
    for (;;) {
      const parcel = sealed.shift()
      if (parcel === undefined) return undefined
      sealedSpans -= parcel.spans
      const there = parcel.file === undefined || files.touch(parcel.file)
      if (parcel.pieces !== undefined) return { parcel, body: encoder.join(parcel.pieces) }
      const read = there && parcel.file !== undefined ? files.read(parcel.file) : undefined
      health.dropped.damaged += parcel.spans - (read?.spans ?? 0)
      if (read !== undefined && read.spans > 0) {
        health.spooled -= parcel.spans - read.spans
        parcel.spans = read.spans
        return { parcel, body: encoder.join(read.bodies) }
      }
      discard(parcel)
    }
  }

  function send(): void {
    soon = undefined
    if (underway !== undefined || retryTimer !== undefined) return
    if (sealed.length === 0) adopt()
    const found = next()
    if (found === undefined) return
    const current = { ...found, written: false, done: Promise.resolve() }
    const { parcel, body } = found
    const sinceMs = performance.now()
    underway = current
    current.done = run(background, deliver, undefined, [
      body,
      () => {
        current.written = true
      },
    ]).then(result => {
      const seconds = (performance.now() - sinceMs) / 1000
      countOperation(health, seconds, outcomeOf(result))
      if (result === 'sent') health.sent += parcel.spans
      else if (result === 'refused') health.dropped.refused += parcel.spans
      if (typeof result === 'string') discard(parcel)
      // A process that is going away has taken the parcel in the meantime.
      if (underway !== current) return
      underway = undefined
      if (typeof result !== 'string') putBack(leftOf(parcel, result))
      else if (down || (due && sealed.length === 0)) {
        down = false
        seal()
      }
      send()
    })
  }

  /** A parcel that went out in parts: what the collector has acknowledged is not sent again. */
  function leftOf(parcel: Parcel<S>, { left }: Unsent): Parcel<S> {
    if (left === undefined) return parcel
    health.sent += parcel.spans - left.spans
    const rest: Parcel<S> = { spans: left.spans, bytes: left.body.byteLength, pieces: [left.body], file: undefined }
    unsavedSpans += rest.spans
    unsavedBytes += rest.bytes
    // Before the whole is gone: a process may be killed in between.
    save(rest, [left.body], rest.spans)
    discard(parcel)
    return rest
  }

  function putBack(parcel: Parcel<S>): void {
    down = true
    sealed.unshift(parcel)
    sealedSpans += parcel.spans
    for (const each of sealed) forget(each)
    retryTimer = later(() => {
      retryTimer = undefined
      write()
      send()
    }, RETRY_MS)
  }

  /** What processes of the past have left is older than all that is here. */
  function adopt(): void {
    if (performance.now() - adoptedMs < ADOPT_MS) return
    const left = files.adopt()
    // There may be more where these came from.
    if (left.length === 0) adoptedMs = performance.now()
    for (const file of left) {
      sealedSpans += file.spans
      health.adopted += file.spans
      health.spooled += file.spans
      sealed.push({ spans: file.spans, bytes: file.bytes, pieces: undefined, file })
    }
  }

  sendSoon()
  return {
    ...adding(encoder, health, { together: 1, fullWords: FULL, isFull, onWaiting: onAdded, onEncoded: onAdded }),
    isFull,
    get size() {
      return encoder.spans + (open?.spans ?? 0) + sealedSpans
    },
    get inFlight() {
      return underway?.parcel.spans ?? unanswered
    },
    // While the collector is down, all that is on disk is as well off as it can be.
    pending: () =>
      encoder.spans > 0 ||
      unsavedSpans > 0 ||
      (!down && (underway !== undefined || open !== undefined || sealed.length > 0)),
    async flush() {
      write()
      seal()
      clearTimeout(retryTimer)
      retryTimer = undefined
      const last = sealed.at(-1) ?? underway?.parcel
      send()
      while (underway !== undefined) {
        const { parcel, done } = underway
        await done
        if (parcel === last || down) return
      }
    },
    drain() {
      write()
      seal()
      if (underway?.written === true) unanswered = underway.parcel.spans
      const started = underway === undefined || underway.written ? [] : [underway.parcel]
      underway = undefined
      const left = [...started, ...sealed].filter(
        ({ file, pieces }) => pieces !== undefined && !(down && file !== undefined),
      )
      sealed = []
      return left.map(parcel => ({
        body: encoder.join(parcel.pieces as Uint8Array[]),
        spans: parcel.spans,
        settle(taken) {
          if (taken) health.sent += parcel.spans
          else if (parcel.file === undefined) health.dropped.unreachable += parcel.spans
          if (taken || parcel.file === undefined) discard(parcel)
        },
      }))
    },
  }
}
