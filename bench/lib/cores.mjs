/** Which core measures and which is measured: the application has one for itself where `taskset` is. */
import { execFileSync, spawnSync } from 'node:child_process'
import { availableParallelism } from 'node:os'

const MEASURED = '0'
const MEASURING = '1'

export const pinned = availableParallelism() > 1 && spawnSync('taskset', ['--version']).status === 0

/** Puts this process, and whatever it starts from now on, on the core that is not measured. */
export function keepOffMeasuredCore() {
  if (pinned) execFileSync('taskset', ['-acp', MEASURING, String(process.pid)], { stdio: 'ignore' })
}

/** The command that runs `command` on the measured core. */
export const onMeasuredCore = command => (pinned ? ['taskset', '-c', MEASURED, ...command] : command)
