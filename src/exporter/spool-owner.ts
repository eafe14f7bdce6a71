/** Who owns a file in the spool, and whether that process is gone. */
import { readFileSync } from 'node:fs'
import { hostname } from 'node:os'

/** `host_pid_start_thread`: the start tells a process from an earlier one with its id, as process 1 of a container. */
export type Owner = string & { readonly owner?: never }

// Whether a process on another host lives is seen by the times of its files alone: it touches one at every try.
const SILENT_MS = 10 * 60_000

// Where a process exists and more cannot be told.
const UNKNOWN = '0'

const kill = process.kill.bind(process)
const host = hostname().replace(/[^a-zA-Z\d.-]/g, '') || 'localhost'

export const newOwner = (threadId: number): Owner =>
  `${host}_${process.pid}_${startOf(process.pid) ?? UNKNOWN}_${threadId}`

export const parseOwner = (text: string): Owner | undefined => (/^[^_]+_\d+_\d+_\d+$/.test(text) ? text : undefined)

/** True if nobody will send what `owner` left. `lastMs` is when it last wrote. */
export function isGone(owner: Owner, own: Owner, lastMs: number): boolean {
  const [otherHost, pid, start] = owner.split('_') as [string, string, string]
  if (otherHost !== host) return Date.now() - lastMs > SILENT_MS
  // Another thread of this process.
  if (own.startsWith(`${host}_${pid}_${start}_`)) return false
  const now = startOf(Number(pid))
  return now !== start && now !== UNKNOWN
}

/** When a process started, in a form of the system; undefined if there is none. */
function startOf(pid: number): string | undefined {
  if (process.platform === 'linux') {
    try {
      const stat = readFileSync(`/proc/${pid}/stat`, 'latin1')
      // The name before may hold anything; the state is field 3, the start field 22 (proc(5)).
      const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
      return fields[0] === 'Z' || fields[0] === 'X' ? undefined : fields[19]
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException
      return code === 'ENOENT' || code === 'ESRCH' ? undefined : UNKNOWN
    }
  }
  try {
    kill(pid, 0)
    return UNKNOWN
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ESRCH' ? undefined : UNKNOWN
  }
}
