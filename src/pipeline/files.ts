/** Where batches are kept that outlive their process. */

/** One file of the spool. */
export interface Segment {
  readonly spans: number
  readonly bytes: number
}

/** What holds the files (exporter/spool.ts). */
export interface Files<S extends Segment> {
  create(): S
  hasRoom(bytes: number): boolean
  append(segment: S, body: Uint8Array, spans: number): boolean
  read(segment: S): { readonly bodies: readonly Uint8Array[]; readonly spans: number } | undefined
  touch(segment: S): boolean
  remove(segment: S): void
  adopt(): S[]
}
