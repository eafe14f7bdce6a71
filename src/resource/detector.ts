/** What a detector is: it looks at what is on this machine, and may know whom to ask for more. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { ResourceAttributes } from '../semconv.js'

/** What detectors look at. */
export interface Surroundings {
  readonly variables: Readonly<Record<string, string | undefined>>
  /** The text of a file without blanks around it; undefined for one that cannot be read. */
  read(path: string): string | undefined
  /** Where the metadata servers of clouds are that have no variable for it. */
  readonly servers: { readonly linkLocal: string; readonly alibaba: string }
}

/** Asks a metadata server; undefined for no answer, or none that is of use. Never rejects. */
export type Ask = (url: string, options?: AskOptions) => Promise<string | undefined>

export interface AskOptions {
  readonly method?: 'GET' | 'PUT'
  readonly headers?: Readonly<Record<string, string>>
}

export interface Finding {
  /** What is known at once. */
  readonly attributes: ResourceAttributes
  /** What others know. Absent where there is no sign of anybody who does. */
  more?(ask: Ask): Promise<ResourceAttributes>
}

/** Undefined: nothing of its kind is here. */
export type Detector = (surroundings: Surroundings) => Finding | undefined

const SERVERS = { linkLocal: 'http://169.254.169.254', alibaba: 'http://100.100.100.200' }

/** Those of this process. Each file is read once; `root` and `servers` are others in tests. */
export function createSurroundings(
  variables: Surroundings['variables'],
  root = '/',
  servers: Surroundings['servers'] = SERVERS,
): Surroundings {
  const files = new Map<string, string | undefined>()
  const read = (path: string): string | undefined => {
    try {
      return readFileSync(join(root, path), 'utf8').trim()
    } catch {
      return undefined
    }
  }
  return {
    variables,
    servers,
    read(path) {
      if (!files.has(path)) files.set(path, read(path))
      return files.get(path)
    },
  }
}

/** What a server has answered in JSON, as an object to look into; an empty one for anything else. */
export function objectIn(text: string | undefined): Readonly<Record<string, any>> {
  try {
    return Object(JSON.parse(text ?? ''))
  } catch {
    return {}
  }
}

/** Text that is there; undefined for anything else. */
export const textOf = (value: unknown): string | undefined =>
  typeof value === 'string' && value !== '' ? value : undefined

/** The field of the machine's firmware, by which clouds are told apart. */
export const firmware = ({ read }: Surroundings, field: string): string => read(`/sys/class/dmi/id/${field}`) ?? ''
