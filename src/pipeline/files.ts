/** Where batches are kept that outlive their thread. */

/** One file, of one or more bodies. */
export interface Segment {
  readonly spans: number
  readonly bytes: number
}

/** What holds the files: a disk (exporter/spool.ts), or memory that threads share (exporter/mailbox.ts). */
export interface Files<S extends Segment> {
  /** True if another thread sends at once what is left when this one ends. */
  readonly parent: boolean
  /** True once that thread has taken over. */
  closed(): boolean
  create(): S
  hasRoom(bytes: number): boolean
  append(segment: S, body: Uint8Array, spans: number): boolean
  read(segment: S): { readonly bodies: readonly Uint8Array[]; readonly spans: number } | undefined
  touch(segment: S): boolean
  remove(segment: S): void
  adopt(): S[]
}
