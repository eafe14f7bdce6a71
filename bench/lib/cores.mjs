/** Which core measures, which is measured, and how busy that one was: the application has it for itself where `taskset` is. */
import { execFileSync, spawnSync } from 'node:child_process'
import { availableParallelism, cpus } from 'node:os'

const MEASURED = '0'
const MEASURING = '1'

export const pinned = availableParallelism() > 1 && spawnSync('taskset', ['--version']).status === 0

/** Puts this process, and whatever it starts from now on, on the core that is not measured. */
export function keepOffMeasuredCore() {
  if (pinned) execFileSync('taskset', ['-acp', MEASURING, String(process.pid)], { stdio: 'ignore' })
}

/** The command that runs `command` on the measured core. */
export const onMeasuredCore = command => (pinned ? ['taskset', '-c', MEASURED, ...command] : command)

/** Starts a watch over the measured core; what it returns tells the share of the time that the core has been idle since. */
export function watchIdle() {
  const read = () => cpus()[Number(MEASURED)].times
  const before = read()
  return () => {
    const after = read()
    const spent = Object.keys(after).map(kind => [kind, after[kind] - before[kind]])
    const total = spent.reduce((sum, [, ms]) => sum + ms, 0)
    return pinned ? Object.fromEntries(spent).idle / total : Number.NaN
  }
}
