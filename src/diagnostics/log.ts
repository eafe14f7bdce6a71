/** Our own log lines: to standard error, past everything that may be instrumented. */
import { writeSync } from 'node:fs'
import { format } from 'node:util'

export type LogLevel = 'none' | 'error' | 'warn' | 'info' | 'debug' | 'verbose' | 'all'

const RANK: Record<LogLevel, number> = { none: 0, error: 1, warn: 2, info: 3, debug: 4, verbose: 5, all: 6 }

let threshold = RANK.warn
const said = new Set<string>()

/** `message` is a printf-style format (node:util), so that a silent level formats nothing. */
type Write = (message: string, ...args: unknown[]) => void

const writer =
  (level: LogLevel): Write =>
  (message, ...args) => {
    if (RANK[level] > threshold) return
    try {
      const text = RANK[level] < RANK.debug ? inOneLine(message, args) : format(message, ...args)
      writeSync(2, `[@org/trace] ${level}: ${text}\n`)
    } catch {
      // Standard error is closed or full: there is nowhere left to say it.
    }
  }

/** Of errors, name and message: the stack is for whoever debugs. */
const inOneLine = (message: string, args: unknown[]): string =>
  format(message, ...args.map(arg => (arg instanceof Error ? `${arg.name}: ${arg.message}` : arg))).replace(
    /\s*\n\s*/g,
    ' ',
  )

export const log = {
  error: writer('error'),
  warn: writer('warn'),
  info: writer('info'),
  debug: writer('debug'),
  verbose: writer('verbose'),

  /** A warning that is given once per key, whatever repeats. */
  once(key: string, message: string, ...args: unknown[]): void {
    if (said.has(key)) return
    said.add(key)
    log.warn(message, ...args)
  },

  setLevel(level: LogLevel): void {
    threshold = RANK[level]
  },
}
