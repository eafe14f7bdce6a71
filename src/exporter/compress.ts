/** Compresses what is sent, by what Node brings. */
import { promisify } from 'node:util'
import type * as Zlib from 'node:zlib'
import type { Compression } from './send.js'

let zlib: typeof Zlib | undefined

/** In a thread of Node's pool. */
export async function compressed(bytes: Uint8Array, by: Compression): Promise<Uint8Array> {
  if (by === 'none') return bytes
  zlib ??= require('node:zlib') as typeof Zlib
  const compress = by === 'gzip' ? zlib.gzip : zlib.zstdCompress
  return promisify(compress as (bytes: Uint8Array, callback: Callback) => void)(bytes)
}

type Callback = (error: Error | null, bytes: Uint8Array) => void
