/** What libraries share that run functions by a schedule: the span of a run. */
import { type Call, internal, type Kit, type Operation } from '../define.js'

export interface Job {
  readonly library: string
  /** What the application calls it, if it does. */
  readonly name: unknown
  /** When it runs, if that is a cron expression. */
  readonly cron: unknown
  /** False for a run that the application asked for: that is its caller's work. */
  readonly scheduled: boolean
  /** The application's function, where it is the library's that is called. */
  readonly fn?: Fn
}

type Fn = (...args: any[]) => unknown
type Run = [job: Job, fn: Fn, self: unknown, args: ArrayLike<unknown>]

/** Calls the application's function, which is one run of its job. The context must be that in which the run was scheduled, or asked for. */
export function createRunner(kit: Kit<any>): (...run: Run) => unknown {
  // Its arguments in one, as the last of them may be a function, and is not called back.
  const runner = { run: (...[, fn, self, args]: Run): unknown => Reflect.apply(fn, self, args) }
  kit.trace(runner, 'run', running)
  return runner.run
}

const running: Operation<Call<unknown, Run>> = {
  message: ({ args: [{ scheduled }] }) => ({ scheduled }),
  start({ args: [{ library, name, cron, fn }, called] }) {
    // A method that is bound has a longer name.
    const functionName = text((fn ?? called).name.replace(/^(?:bound )+/, ''))
    return internal(text(name) ?? functionName ?? `${library} job`, {
      'code.function.name': functionName,
      'faas.cron': text(cron),
    })
  },
  // What is no promise is no part of the run: nobody sees it.
  outlives: () => false,
}

const text = (value: unknown): string | undefined => (typeof value === 'string' && value !== '' ? value : undefined)
